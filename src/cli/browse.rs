//! `browse`.

use clap::Args;

use super::filter::FilterArgs;
use super::see::CollapseArgs;

/// Search on a full screen: type, see thumbnails, choose and open photos.
///
/// Results update with every key. The arrow keys choose a photo, Enter opens it. Tab finds photos similar to it; typing
/// then narrows those down. Esc clears the query, or quits if it is empty. Write a query as for `imgsearch query`.
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
