//! What `query` and `similar` have in common.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use super::OutputArgs;
use super::filter::FilterArgs;
use super::see::{CollapseArgs, SeeArgs};

/// Which photos are found, and how they are printed.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// How many photos at most.
    ///
    /// Example: `imgsearch query "a cat" -n 50`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) top: NonZeroUsize,

    /// Leave out photos that score less (cosine, −1 to 1; good matches depend on the model).
    ///
    /// Example: `imgsearch query "a cat" --min-score 0.3`
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) min_score: Option<f32>,

    /// Experimental: leave out photos that do not show what was asked for, however few are left.
    ///
    /// A photo stays if the query explains it 20 times as well as everyday concepts do on average. How often that is
    /// right depends on the model: `examples/cutoff.rs` measures it, and with the offline model it is not clearly
    /// better than the best `--min-score`, which nobody knows beforehand. The first time takes a second or some.
    /// Example: `imgsearch query "a saxophone" --cutoff`
    #[arg(long, conflicts_with = "min_score", overrides_with = "all", hide_short_help = true)]
    pub(crate) cutoff: bool,

    /// Leave nothing out for its score: as many photos as were asked for. The default; undoes `--cutoff`.
    ///
    /// Example: `imgsearch query "a saxophone" --cutoff --all`
    #[arg(long, conflicts_with = "min_score", overrides_with = "cutoff", hide_short_help = true)]
    pub(crate) all: bool,

    /// In which order the photos found are printed: the best, the newest, or by path. Which ones are found, and their
    /// ranks, only the scores decide.
    ///
    /// Example: `imgsearch query "a cat" -n 100 --sort date`
    #[arg(long, value_enum, default_value_t = Sort::Score, hide_short_help = true)]
    pub(crate) sort: Sort,

    /// Compare with every photo, even where a graph (HNSW) is faster. A graph misses one of the best photos in two hundred;
    /// this misses none. The photos found are then exactly those whose vectors are closest, in their order.
    ///
    /// Example: `imgsearch query "a cat" --exact`
    #[arg(long, hide_short_help = true)]
    pub(crate) exact: bool,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    #[command(flatten)]
    pub(crate) collapse: CollapseArgs,

    #[command(flatten)]
    pub(crate) see: SeeArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Score,
    Date,
    Path,
}

/// A number that can be compared with others.
fn finite(text: &str) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() { Ok(number) } else { Err("not a finite number".into()) }
}
