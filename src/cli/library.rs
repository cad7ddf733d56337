//! `library`: moving a library's records.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Export, import and merge libraries, or tell a library that its photos are in another place now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch library export backup.imgsearch                  a copy of the library in one file
  imgsearch library import from-the-fast-machine.imgsearch   add what another machine indexed
  imgsearch library move-root /mnt/a /mnt/b                  the photos are below another folder now")]
pub(crate) struct LibraryArgs {
    #[command(subcommand)]
    pub(crate) command: LibraryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LibraryCommand {
    Export(ExportArgs),
    Import(ImportArgs),
    MoveRoot(MoveRootArgs),
}

/// Write all records and vectors of the library into one file.
///
/// The file does not contain the photos, but it contains their paths, times and places, so keep it private. docs/FORMATS.md
/// describes it. Every part of it has a checksum. It works for libraries in folders and in databases.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch library export backup.imgsearch
  imgsearch library export - | zstd > backup.imgsearch.zst
  imgsearch library export - | ssh nas imgsearch library import -")]
pub(crate) struct ExportArgs {
    /// The file to write; `-` is standard output. An existing file is replaced once the new one is complete.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Add the records of an exported library to this one. Nothing is embedded again.
///
/// The library is created if it does not exist. Both must have the same model. If both have a record of a file, the newer
/// one stays: that of the file that changed later; of the same file, a photo rather than a skipped one, or the one that a
/// later version of imgsearch read. So you can import the same file twice, and libraries in any order.
///
/// A FILE is checked as a whole before anything is imported. Standard input is checked record by record: after an error,
/// the records before it are imported.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch library import backup.imgsearch
  zstd -d < backup.imgsearch.zst | imgsearch library import -
  imgsearch --library ~/merged library import a.imgsearch && imgsearch --library ~/merged library import b.imgsearch")]
pub(crate) struct ImportArgs {
    /// The file to read; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Tell the library that the photos below OLD are below NEW now. Nothing is read or embedded again.
///
/// Use it after a disk got another mount point, or after you moved your photos to another place. If you interrupt it, run
/// it again to continue. If the library already has a file below NEW, the newer record stays, as with `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch library move-root /mnt/a /mnt/b
  imgsearch library move-root /media/old-disk/photos ~/Photos
  imgsearch library move-root /mnt/nas/photos @photos          from now on below the root named `photos` (see --root)")]
pub(crate) struct MoveRootArgs {
    /// The folder that the library knows. It need not exist.
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,

    /// The folder that has these photos now.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
}
