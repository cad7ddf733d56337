//! `forget`.

use std::path::PathBuf;

use clap::Args;

/// Take folders out of the library. The photos themselves stay where they are.
///
/// `imgsearch index` without a path no longer looks there. To add a folder again, name it: `imgsearch index FOLDER`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch forget ~/Photos/Screenshots
  imgsearch forget /media/old-disk")]
pub(crate) struct ForgetArgs {
    /// Folders, which need not exist any more, or single files.
    #[arg(required = true, value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
}
