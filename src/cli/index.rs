//! `index`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgsearch::ingest::Share;
use imgsearch::library::{Library, Thumbnails};
use imgsearch::walk::Rules;

use super::ReadingArgs;

/// Index the photos in folders, so that you can search them.
///
/// Run it again whenever you like, also without PATH: unchanged photos are not read again, deleted photos leave the index, and moved or
/// copied photos are recognised. Other files are counted: the summary says how many videos, documents and so on were
/// skipped. You can stop it with Ctrl-C at any time without losing what is done.
///
/// If `--model` differs from the library's model, a new index is built beside the old one, for PATH and for every photo
/// in the old index. The old index answers queries until the new one is complete and replaces it. After an interruption,
/// run the same command again to continue. To cancel the change, delete the folder that `status` shows as being built.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch index ~/Photos ~/Pictures
  imgsearch index                                     bring the same folders up to date
  imgsearch index ~/Photos --exclude '*.gif' --exclude Screenshots
  imgsearch index ~/Photos --watch                    stay, and keep the library current
  imgsearch index ~/Photos --model ./better-clip      change to another model")]
pub(crate) struct IndexArgs {
    /// Folders or single files to index [default: the folders of all named roots (`--root`) or, if there are none, those
    /// that you indexed before, with the same rules].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) rules: RulesArgs,

    #[command(flatten)]
    pub(crate) thumbnails: ThumbnailsArgs,

    /// Also remove photos whose disk is not mounted, or whose PATH no longer exists. Without it they are kept.
    ///
    /// Example: `imgsearch index --prune /media/old-disk`
    #[arg(long)]
    pub(crate) prune: bool,

    /// Read and decode every photo again, even if it looks unchanged.
    ///
    /// Dates, places and other details are updated. A photo with the same pixels keeps its vector; others are embedded
    /// again. You rarely need this: a replaced file is noticed by its size and times.
    /// Example: `imgsearch index --force ~/Photos`
    #[arg(long)]
    pub(crate) force: bool,

    /// Batches of photos to embed in parallel on the CPU [default: one per thread, at most 8].
    ///
    /// They share the `--threads`. Fewer batches take less memory and more time. On a GPU it has no effect.
    /// Example: `imgsearch index --batches 1 ~/Photos`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) batches: Option<u16>,

    /// Run at the lowest priority, so that other programs are not slowed down.
    ///
    /// Example: `imgsearch index --nice --threads 1 /volume1/photo` on a NAS.
    #[arg(long)]
    pub(crate) nice: bool,

    /// Read only the I-th of N shares of the files, for N machines that fill one library together.
    ///
    /// Each file belongs to one share, by its path, so give all machines the same N and the same named roots (`--root`), and
    /// each its own I. At the end run `index` once without this, to read what a machine that broke down has left. Libraries
    /// in PostgreSQL need no shares: there, machines claim files while they work.
    /// Example: `imgsearch index --root photos=/mnt/nas/photos --worker 2/3`
    #[arg(long, value_name = "I/N", conflicts_with = "watch", hide_short_help = true)]
    pub(crate) worker: Option<Share>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    /// Stay and keep the library current, until you stop it with Ctrl-C.
    ///
    /// New, changed, moved and deleted photos are noticed within seconds. On a network share, where changes by other
    /// machines go unnoticed, PATH is searched for changes every 15 minutes instead; `--rescan` changes that.
    /// Example: `imgsearch index --watch ~/Photos`
    #[arg(long)]
    pub(crate) watch: bool,

    /// How often to search folders for changes that cannot be watched, in minutes [default: 15].
    ///
    /// Example: `imgsearch index --watch --rescan 60 /mnt/nas/photos`
    #[arg(long, value_name = "MINUTES", requires = "watch", hide_short_help = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rescan: Option<u32>,
}

/// Which files count.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    /// Exclude files and folders that match, with the syntax of `.gitignore` (repeatable).
    ///
    /// Photos that match and are already indexed leave the index.
    /// Examples: `--exclude '*.gif'`, `--exclude Screenshots`, `--exclude '/2019/*'`
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Also index hidden files and folders. Trash and thumbnail folders are still excluded.
    ///
    /// Example: `imgsearch index --include-hidden ~`
    #[arg(long)]
    include_hidden: bool,

    /// Follow symbolic links to files and folders. Circular links are followed once.
    ///
    /// Example: `imgsearch index --follow-symlinks ~/annex`
    #[arg(long)]
    follow_symlinks: bool,
}

/// Whether thumbnails are kept.
#[derive(Debug, Args)]
pub(crate) struct ThumbnailsArgs {
    /// Thumbnails for the pages of `serve`: `keep` them beside the library, or make them when they are needed.
    ///
    /// A thumbnail takes about 20 KB. You may delete the folder `thumbnails` in the library's folder at any time.
    /// Example: `imgsearch index --thumbnails none ~/Photos`
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Keep::Keep, hide_short_help = true)]
    thumbnails: Keep,
}

/// Which thumbnails are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// Keep a thumbnail of each photo.
    Keep,
    /// Keep no thumbnails.
    None,
}

impl ThumbnailsArgs {
    /// The place for the thumbnails of `library`, if they are kept.
    pub(crate) fn of(&self, library: &Library) -> Option<Thumbnails> {
        (self.thumbnails == Keep::Keep).then(|| library.thumbnails())
    }
}

impl From<RulesArgs> for Rules {
    fn from(args: RulesArgs) -> Rules {
        let RulesArgs { exclude, include_hidden, follow_symlinks } = args;
        Rules { exclude, include_hidden, follow_symlinks }
    }
}
