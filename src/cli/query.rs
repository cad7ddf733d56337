//! `query`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::search::SearchArgs;

/// Find the photos that show what a text says, or that are like a picture, or both.
///
/// An argument that is just `+` or `-` adds or takes away what follows. What begins with `./`, `../` or `/` is a
/// picture, `#3` the third result of the last query; all else is text. `2:` in front makes a part count double. Parts
/// are averaged: `dog + puppy` asks for what both mean. A picture that is part of the query is left out of the results,
/// and so are exact copies of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch query \"sunset over water\"
  imgsearch query a dog in the snow -n 30 --in ~/Photos/2023
  imgsearch query \"2:golden retriever\" + ./pool.jpg - fruit
  imgsearch query \"birthday cake\" --format paths -0 | xargs -0 cp -t /tmp/cakes

A text that would be taken for something else gets a weight or a space in front: `1:+`, `1:10:30 at night`, \" /etc\".")]
pub(crate) struct QueryArgs {
    /// What the photos should show. Several words need no quotes.
    #[arg(required_unless_present_any = ["like", "queries"], value_name = "TEXT|PICTURE")]
    pub(crate) words: Vec<OsString>,

    /// Also like this picture: a file, `-` for one on stdin, or a result of the last query; may be given several times.
    ///
    /// `2:FILE` makes it count double. `#3` needs quotes or a `=` in most shells, where `#` begins a comment.
    /// Examples: `imgsearch query in the snow --like dog.jpg`, `imgsearch query --like=#3`
    #[arg(long, value_name = "FILE|#N|-")]
    pub(crate) like: Vec<OsString>,

    /// But not this: a text, a picture (`./pool.jpg`), or a result of the last query; may be given several times.
    ///
    /// Example: `imgsearch query a bowl --minus fruit --minus 0.5:./soup.jpg`
    #[arg(long, value_name = "TEXT|FILE|#N")]
    pub(crate) minus: Vec<OsString>,

    /// How much the parts count, in their order: those without an option, then `--like`, then `--minus`.
    ///
    /// Parts beyond the last weight count 1. The same can be said part by part: `2:dog`.
    /// Example: `imgsearch query a dog --like pool.jpg --weight 1,0.5`
    #[arg(long, value_name = "W,…", value_delimiter = ',', value_parser = weight, allow_negative_numbers = true, hide_short_help = true)]
    pub(crate) weight: Vec<f32>,

    /// Answer every line of this file, or of stdin with `-`, as one JSON object a match; the model is loaded once.
    ///
    /// A line is what stands behind `query` on the command line, without quotes: `2:golden retriever - fruit`. Empty
    /// lines are passed over. A line that cannot be answered is reported with its number, and the others go on. `--html`
    /// puts all answers on one page.
    /// Example: `printf 'a cat\na dog\n' | imgsearch query --queries - -n 3`
    #[arg(long, value_name = "FILE|-", conflicts_with_all = [
        "words", "like", "minus", "weight", "null", "collapse", "preview", "open", "copy_to", "link_to",
    ])]
    pub(crate) queries: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

fn weight(text: &str) -> Result<f32, String> {
    let weight: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if weight.is_finite() && weight > 0.0 { Ok(weight) } else { Err("not a number above 0".into()) }
}
