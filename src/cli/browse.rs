//! `browse`.

use clap::Args;

use super::filter::FilterArgs;
use super::see::CollapseArgs;

/// Search and look at photos on a full screen: type, see thumbnails, choose, open.
///
/// Each key searches again. The arrows choose a photo, Enter opens it, Tab looks for more like it; what is typed then
/// narrows that down. Esc clears the query, and ends with an empty one. A query is written as for `imgsearch query`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch browse
  imgsearch browse sunset over water --in ~/Photos/2023")]
pub(crate) struct BrowseArgs {
    /// The query to begin with. Several words need no quotes.
    #[arg(value_name = "TEXT")]
    pub(crate) words: Vec<String>,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    #[command(flatten)]
    pub(crate) collapse: CollapseArgs,
}
