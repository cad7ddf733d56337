//! `text`, and the options about text in pictures.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::OutputArgs;

/// Print the text in pictures. Needs no library.
///
/// Without `--format` it prints one line for each line of text, in reading order. It reads Latin letters, Chinese and
/// Japanese, but not Cyrillic, Korean, Arabic, Hindi, or Vietnamese with all its marks. `index --text` keeps the text of
/// all photos, so that you can search for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch text receipt.jpg
  imgsearch text *.png --format jsonl            each line with its confidence and its corners
  curl -s https://example.org/a.png | imgsearch text -

Exit codes: 0 some text was read, 1 there is none, 2 error or some files failed.")]
pub(crate) struct TextArgs {
    /// Pictures to read. `-` is a picture on standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Whether to read text.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Also read the text in photos, so that you can search for it.
    ///
    /// Reading starts when all photos are indexed: probable screenshots first, then the newest. It takes longer than
    /// indexing. You can stop it at any time; the next run continues. `--text=false` turns off what the config file sets.
    /// Example: `imgsearch index --text --nice ~/Photos`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, action = ArgAction::Set)]
    pub(crate) text: bool,
}
