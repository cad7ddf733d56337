//! `status`, `doctor`, `optimize`, `verify` and `repair`: the commands for a library as a whole.

use clap::{ArgGroup, Args};

use super::OutputArgs;

const JSON: &str = "Print JSON: one object, or with `--skipped` or `--noted` one array";
const JSON_KEYS: &str = "\
Print JSON: one object, or with `--skipped` or `--noted` one array.

Keys: `library`, `model`, `images`, `skipped` (reason → files), `not_pictures` (kind → files that the last run skipped),
`stood_back` (RAW files skipped in the last run because their JPEG was indexed), `noted`, `folders` (the `folder`,
`images` and `last_indexed` of each folder that was indexed), `bytes_on_disk`, `bytes_per_image`, `last_indexed`,
`segments`, `rows`, `dead_rows`, `graph_rows`, and `building`: the `folder`, `model` and `images` of each index for
another model that is not complete yet.
Example: `imgsearch status --json | jq .images`";

/// Show what is in the library.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("listing").args(["skipped", "noted"]))]
#[command(mut_arg("format", |format| format.requires("listing")))]
#[command(mut_arg("null", |null| null.requires("listing")))]
#[command(mut_arg("fields", |fields| fields.requires("listing")))]
#[command(mut_arg("json", |json| json.help(JSON).long_help(JSON_KEYS).hide_short_help(false)))]
#[command(after_help = "\
Examples:
  imgsearch status
  imgsearch status --json | jq .images
  imgsearch status --skipped")]
pub(crate) struct StatusArgs {
    /// List the skipped files, each with the reason.
    ///
    /// A photo that could not be read again is listed too; searches still find it as it was when last read.
    ///
    /// Example: `imgsearch status --skipped | grep damaged`
    #[arg(long)]
    pub(crate) skipped: bool,

    /// List the indexed photos that have a fault, such as a truncated file.
    ///
    /// Example: `imgsearch status --noted`
    #[arg(long)]
    pub(crate) noted: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Check that everything imgsearch needs is installed and works, and say how to fix what does not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch doctor")]
pub(crate) struct DoctorArgs {}

/// Make a large library smaller and faster. You never have to run this.
///
/// It merges segments, removes deleted rows and builds missing graphs, which helps after large changes. Queries work
/// meanwhile, and Ctrl-C loses nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch optimize")]
pub(crate) struct OptimizeArgs {}

/// Read the whole library and check every checksum. It changes nothing; `repair` fixes damage.
///
/// It also works on a read-only or full disk. It then needs room for a copy of the catalog (about 2 KB per photo) in the
/// system's folder for temporary files.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch verify")]
pub(crate) struct VerifyArgs {}

/// Repair a damaged library: rebuild broken parts from their second copy.
///
/// Photos whose entries are lost are listed; `imgsearch index` embeds them again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch repair && imgsearch index ~/Photos")]
pub(crate) struct RepairArgs {}
