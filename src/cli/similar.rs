//! `similar`.

use std::ffi::OsString;

use clap::Args;

use super::search::SearchArgs;

/// Find the photos that look like a picture: short for `query --like`.
///
/// The picture need not be in the library. If it is, it is left out of the results, and so are exact copies of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch similar ~/Photos/2023/pool.jpg
  imgsearch similar '#3' -n 30
  curl -s https://example.org/cat.jpg | imgsearch similar -")]
pub(crate) struct SimilarArgs {
    /// A picture file, `-` for one on stdin, or a result of the last query (in quotes, for `#` begins a comment).
    #[arg(value_name = "FILE|#N|-")]
    pub(crate) picture: OsString,

    #[command(flatten)]
    pub(crate) search: SearchArgs,
}
