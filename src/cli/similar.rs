//! `similar`.

use std::ffi::OsString;

use clap::Args;

use super::search::SearchArgs;

/// Find photos that look like a picture: short for `query --like`.
///
/// The picture need not be in the library. If it is, it is left out of the results, as are exact copies of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch similar ~/Photos/2023/pool.jpg
  imgsearch similar '#3' -n 30
  curl -s https://example.org/cat.jpg | imgsearch similar -")]
pub(crate) struct SimilarArgs {
    /// A picture file, `-` for stdin, or a result of the last query (quote it, because `#` starts a comment).
    #[arg(value_name = "FILE|#N|-")]
    pub(crate) picture: OsString,

    #[command(flatten)]
    pub(crate) search: SearchArgs,
}
