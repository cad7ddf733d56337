//! `query`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// Find the photos that show what a text says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch query \"sunset over water\"
  imgsearch query a dog in the snow -n 30 --in ~/Photos/2023
  imgsearch query \"birthday cake\" --format paths -0 | xargs -0 cp -t /tmp/cakes")]
pub(crate) struct QueryArgs {
    /// What the photos should show. Several words need no quotes.
    #[arg(required = true, value_name = "TEXT")]
    pub(crate) text: Vec<String>,

    /// How many photos at most.
    ///
    /// Example: `imgsearch query "a cat" -n 50`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) top: NonZeroUsize,

    /// Leave out photos that score less (cosine, −1 to 1; good matches depend on the model).
    ///
    /// Example: `imgsearch query "a cat" --min-score 0.3`
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = score)]
    pub(crate) min_score: Option<f32>,

    /// Only photos in or below this folder; may be given several times.
    ///
    /// Example: `imgsearch query "a cat" --in ~/Photos/2023`
    #[arg(long = "in", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,

    /// Compare the text with every photo, even where a graph (HNSW) would be faster and miss one in a hundred.
    ///
    /// Example: `imgsearch query "a cat" --exact`
    #[arg(long)]
    pub(crate) exact: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A number that can be compared with scores.
fn score(text: &str) -> Result<f32, String> {
    let score: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if score.is_finite() { Ok(score) } else { Err("not a finite number".into()) }
}
