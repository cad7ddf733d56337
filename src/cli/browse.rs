//! `browse`.

use clap::Args;

use super::filter::FilterArgs;
use super::see::CollapseArgs;

/// Search on a full screen: type, see thumbnails, choose and open photos.
///
/// Without a query, the newest photos are shown. Results update with every key. Write a query as for `imgsearch query`;
/// filters can be typed in the line: `beach after:2022-06 in:2022 camera:iphone`. They are `after:`, `before:`, `on:`,
/// `in:`, `near:`, `camera:`, `lens:`, `type:`, `glob:`, `shape:` and `size:`, and for words `text:`, `caption:`, `keyword:`,
/// `person:`, `name:`, `place:` and `words:`, which `-` in front excludes.
///
/// The arrow keys choose a photo, and Enter shows it large; Enter again opens it. Tab finds photos similar to it; typing
/// then narrows those down. Ctrl-Space (or Insert) marks photos. Ctrl-O opens the marked ones or else the chosen one,
/// Ctrl-Y copies their paths, and Ctrl-S copies them to a folder. Esc goes back, clears the query, then quits.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch browse
  imgsearch browse sunset over water --in ~/Photos/2023")]
pub(crate) struct BrowseArgs {
    /// The query to start with. Several words need no quotes.
    #[arg(value_name = "TEXT")]
    pub(crate) words: Vec<String>,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    #[command(flatten)]
    pub(crate) collapse: CollapseArgs,
}
