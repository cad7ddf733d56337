//! `query`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::search::SearchArgs;

/// Find photos that show what you describe, that look like a picture, or both.
///
/// A separate `+` adds the part that follows, a separate `-` excludes it. A part that is the name of a
/// picture file, or starts with `./`, `../` or `/`, is a picture, `#3` is the third result of your last query, and anything else is text. `2:` in front of a part makes it
/// count double. Parts are averaged: `dog + puppy` searches for what both have in common. Pictures in the query, and
/// exact copies of them, are left out of the results.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch query \"sunset over water\"
  imgsearch query a dog in the snow -n 30 --in ~/Photos/2023
  imgsearch query \"2:golden retriever\" + ./pool.jpg - fruit
  imgsearch query \"birthday cake\" -n 30 --copy-to /tmp/cakes

To search for text that looks like an operator, a weight or a path, put `1:` or a space in front: `1:+`,
`1:10:30 at night`, \" /etc\".")]
pub(crate) struct QueryArgs {
    /// What the photos should show. Several words need no quotes.
    ///
    /// A word with a colon can be a condition: `text:invoice` (words in the picture, after `index --text`), `caption:`,
    /// `keyword:`, `person:`, `name:` (of the file or a folder), `place:`, `words:` (any of these), and every filter.
    /// Example: `imgsearch query a receipt text:"total 42" after:2023`
    ///
    /// A query of conditions alone lists the newest photos that meet them: `imgsearch query text:invoice -name:draft`.
    #[arg(required_unless_present_any = [
        "like", "minus", "queries", "folders", "glob", "after", "before", "on", "near", "camera", "lens", "orientation",
        "min_size", "types", "text", "anywhere", "caption", "keyword", "person", "name", "place",
    ], value_name = "TEXT|PICTURE")]
    pub(crate) words: Vec<OsString>,

    /// Also like this picture: a file, `-` for stdin, or a result of the last query (repeatable).
    ///
    /// `2:FILE` makes it count double. In most shells `#` starts a comment, so write `'#3'` or `--like=#3`.
    /// Examples: `imgsearch query in the snow --like dog.jpg`, `imgsearch query --like=#3`
    #[arg(long, value_name = "FILE|#N|-")]
    pub(crate) like: Vec<OsString>,

    /// Exclude this: a text, a picture (`./pool.jpg`), or a result of the last query (repeatable).
    ///
    /// Example: `imgsearch query a bowl --minus fruit --minus 0.5:./soup.jpg`
    #[arg(long, value_name = "TEXT|FILE|#N")]
    pub(crate) minus: Vec<OsString>,

    /// Weights of the parts, in this order: TEXT and PICTURE arguments, then `--like`, then `--minus`.
    ///
    /// Parts without a weight count 1. You can also write the weight in front of a part: `2:dog`.
    /// Example: `imgsearch query a dog --like pool.jpg --weight 1,0.5`
    #[arg(long, value_name = "W,…", value_delimiter = ',', value_parser = weight, allow_negative_numbers = true, hide_short_help = true)]
    pub(crate) weight: Vec<f32>,

    /// Run each line of this file (`-` for stdin) as a query; prints one JSON object per match.
    ///
    /// The model is loaded only once. Write each line as on the command line after `query`, but without quotes: `2:golden
    /// retriever - fruit`. Empty lines are skipped. A line that fails is reported with its number, and the rest continue.
    /// `--html` puts all answers on one page.
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
