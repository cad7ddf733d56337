//! `duplicates`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgsearch::duplicates::{Keep, Likeness};

use super::OutputArgs;

/// List photos that are there more than once. Nothing is ever deleted.
///
/// One photo of each group is marked as the one to keep, with the reason. It comes first, and every other photo of the
/// group is alike to it. Photos that are gone or have changed since they were indexed are left out, and so are links to
/// a photo already listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch duplicates
  imgsearch duplicates ~/Photos/2023 --similar
  imgsearch duplicates --exact --print rest -0 | xargs -0 ls -l")]
pub(crate) struct DuplicatesArgs {
    /// Folders to look at [default: the whole library].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) likeness: LikenessArgs,

    /// Which photo of a group to keep.
    ///
    /// `best` has the most metadata (date, place, camera), then the format that is closest to a camera's (RAW, HEIC,
    /// JPEG, others), then the most pixels, then the most bytes. A copy of half the width or less never wins by its
    /// format. `oldest` was taken first, by the camera's clock or, where there is no date, when the file was last
    /// changed, in your time zone; `largest` has the most bytes.
    /// Example: `imgsearch duplicates --keep oldest`
    #[arg(long, value_enum, default_value_t = KeepChoice::Best)]
    pub(crate) keep: KeepChoice,

    /// Print only the photos to keep, or only the rest of each group.
    ///
    /// Example: `imgsearch duplicates --print rest --format paths > look-at-these.txt`
    #[arg(long, value_enum)]
    pub(crate) print: Option<Part>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How much alike photos must be; each takes in those before it.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct LikenessArgs {
    /// Files of the same bytes only.
    ///
    /// Example: `imgsearch duplicates --exact`
    #[arg(long)]
    pub(crate) exact: bool,

    /// Also the same picture saved again: in another format, quality or size, or turned. This is the default.
    ///
    /// A picture in other colours, of another exposure or of another moment is not the same, nor is a document with
    /// other words. If only a few letters differ, and the size too, the difference is not seen.
    /// Example: `imgsearch duplicates --re-encoded ~/Photos ~/Phone`
    #[arg(long)]
    pub(crate) re_encoded: bool,

    /// Also shots of one burst, other exposures, and photos with a little cut off.
    ///
    /// A burst is of one camera and of ten seconds by its clock. A date without seconds says nothing: scanners and
    /// clocks that were reset have those. Documents and drawings are similar only if they look the same.
    /// Example: `imgsearch duplicates --similar ~/Photos/2023/07`
    #[arg(long)]
    pub(crate) similar: bool,
}

impl From<&LikenessArgs> for Likeness {
    fn from(args: &LikenessArgs) -> Likeness {
        match args {
            LikenessArgs { exact: true, .. } => Likeness::Exact,
            LikenessArgs { similar: true, .. } => Likeness::Similar,
            LikenessArgs { .. } => Likeness::ReEncoded,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepChoice {
    Best,
    Oldest,
    Largest,
}

impl From<KeepChoice> for Keep {
    fn from(choice: KeepChoice) -> Keep {
        match choice {
            KeepChoice::Best => Keep::Best,
            KeepChoice::Oldest => Keep::Oldest,
            KeepChoice::Largest => Keep::Largest,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Keep,
    Rest,
}
