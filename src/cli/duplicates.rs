//! `duplicates`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgsearch::duplicates::{Keep, Likeness};

use super::OutputArgs;

/// List photos that you have more than once. Nothing is ever deleted.
///
/// In each group one photo is marked as the one to keep, with the reason. It comes first, and every other photo of the
/// group matches it. Photos that were deleted or changed since the last `index` are left out, as are links to a photo
/// that is already listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch duplicates
  imgsearch duplicates ~/Photos/2023 --similar
  imgsearch duplicates --exact --print rest -0 | xargs -0 ls -l")]
pub(crate) struct DuplicatesArgs {
    /// Folders to search [default: the whole library].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) likeness: LikenessArgs,

    /// Which photo of a group to keep.
    ///
    /// `best` prefers the most metadata (date, place, camera), then the format closest to the camera's (RAW, HEIC, JPEG,
    /// others), then the most pixels, then the most bytes. The format never decides for a copy of half the width or
    /// less. `oldest` prefers the photo taken first by the camera's clock; a photo without a date counts by its file's
    /// modification time in your time zone. `largest` prefers the most bytes.
    /// Example: `imgsearch duplicates --keep oldest`
    #[arg(long, value_enum, default_value_t = KeepChoice::Best)]
    pub(crate) keep: KeepChoice,

    /// Print only the photos to keep, or only the others.
    ///
    /// Example: `imgsearch duplicates --print rest --format paths > look-at-these.txt`
    #[arg(long, value_enum)]
    pub(crate) print: Option<Part>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How similar duplicates must be. Each option includes the ones above it.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct LikenessArgs {
    /// Only files with identical bytes.
    ///
    /// Example: `imgsearch duplicates --exact`
    #[arg(long)]
    pub(crate) exact: bool,

    /// Also the same picture saved in another format, quality or size, or rotated. This is the default.
    ///
    /// A picture with other colours, another exposure or from another moment is not a duplicate, and neither is a
    /// document with other words. Documents that differ in only a few letters and also in size may be taken for
    /// duplicates.
    /// Example: `imgsearch duplicates --re-encoded ~/Photos ~/Phone`
    #[arg(long)]
    pub(crate) re_encoded: bool,

    /// Also shots of one burst, other exposures, and slightly cropped photos.
    ///
    /// The shots of a burst come from one camera within ten seconds by its clock. Dates without seconds are ignored
    /// here, because scanners and reset clocks write them. Documents and drawings count as similar only if they look the
    /// same.
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
