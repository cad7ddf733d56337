//! The options that `query` and `similar` share.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use super::OutputArgs;
use super::filter::FilterArgs;
use super::see::{CollapseArgs, SeeArgs};

/// Search options.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Maximum number of photos to find.
    ///
    /// Example: `imgsearch query "a cat" -n 50`
    #[arg(short = 'n', long, value_name = "N", default_value = "10", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) top: NonZeroUsize,

    /// Leave out photos that score less (cosine, −1 to 1; good values depend on the model).
    ///
    /// Example: `imgsearch query "a cat" --min-score 0.3`
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) min_score: Option<f32>,

    /// Experimental: leave out photos that probably don't show what you asked for, even if few or none are left.
    ///
    /// A photo stays if the query fits it 20 times better than everyday concepts do on average. This saves you from
    /// guessing a `--min-score`; with the offline model it is about as accurate as the best one (`examples/cutoff.rs`
    /// measures it). The first use takes a few seconds.
    /// Example: `imgsearch query "a saxophone" --cutoff`
    #[arg(long, conflicts_with = "min_score", overrides_with = "all", hide_short_help = true)]
    pub(crate) cutoff: bool,

    /// Also show photos with low scores (the default). Overrides `--cutoff`.
    ///
    /// Example: `imgsearch query "a saxophone" --cutoff --all`
    #[arg(long, conflicts_with = "min_score", overrides_with = "cutoff", hide_short_help = true)]
    pub(crate) all: bool,

    /// Order of the results: best score first, newest first, or by path. Sorting changes only the order shown; which
    /// photos are found, and their ranks, still depend on the score.
    ///
    /// Example: `imgsearch query "a cat" -n 100 --sort date`
    #[arg(long, value_enum, default_value_t = Sort::Score, hide_short_help = true)]
    pub(crate) sort: Sort,

    /// Compare with every photo instead of using the faster graph (HNSW). The graph misses about one in two hundred of
    /// the best photos; this misses none and ranks them exactly.
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

/// A whole number from 1.
pub(super) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "write a whole number, 1 or more".to_owned())
}

/// A number that is not NaN or infinite.
fn finite(text: &str) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() { Ok(number) } else { Err("not a finite number".into()) }
}
