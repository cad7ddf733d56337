//! `status`, `doctor`, `optimize`, `verify` and `repair`: what looks at a library as a whole.

use clap::{ArgGroup, Args};

use super::OutputArgs;

/// Show what the library holds.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("listing").args(["skipped", "noted"]))]
#[command(mut_arg("format", |format| format.requires("listing")))]
#[command(mut_arg("null", |null| null.requires("listing")))]
#[command(mut_arg("fields", |fields| fields.requires("listing")))]
#[command(after_help = "\
Examples:
  imgsearch status
  imgsearch status --json | jq .images
  imgsearch status --skipped")]
pub(crate) struct StatusArgs {
    /// Print one JSON object.
    ///
    /// Keys: `library`, `model`, `images`, `skipped` (reason → files), `not_pictures` (kind → files that the last
    /// run did not look at), `stood_back` (RAW files that stood back for their JPEG in the last run), `noted`,
    /// `bytes_on_disk`, `bytes_per_image`, `last_indexed`, `segments`, `rows`, `dead_rows`, `graph_rows`, and `building`:
    /// for each index of another model that is not complete yet its `folder`, `model` and `images`.
    /// Example: `imgsearch status --json | jq .images`
    #[arg(long)]
    pub(crate) json: bool,

    /// List the files that were left out, each with its reason.
    ///
    /// A photo that could not be read again is listed too, and is still found by what it was.
    ///
    /// Example: `imgsearch status --skipped | grep damaged`
    #[arg(long, conflicts_with = "json")]
    pub(crate) skipped: bool,

    /// List the photos that are found although something is wrong with them, such as a missing end.
    ///
    /// Example: `imgsearch status --noted`
    #[arg(long, conflicts_with = "json")]
    pub(crate) noted: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Check that everything imgsearch needs is there and works, and say what to do where it does not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch doctor")]
pub(crate) struct DoctorArgs {}

/// Make the library small and fast: merge its segments, drop what was deleted, build the missing graphs.
///
/// Never needed, worth it after large changes. Queries go on meanwhile; Ctrl-C loses nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch optimize")]
pub(crate) struct OptimizeArgs {}

/// Read the whole library and compare all checksums; changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch verify")]
pub(crate) struct VerifyArgs {}

/// Put a damaged library right: whatever is held twice is made again from the other place.
///
/// Photos whose entries are lost are named; `imgsearch index` embeds them again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch repair && imgsearch index ~/Photos")]
pub(crate) struct RepairArgs {}
