//! `index`.

use std::path::PathBuf;

use clap::Args;

/// Look at all photos in folders, and remember what they show.
///
/// Run it again whenever you like: photos that have not changed are not read again, photos that are gone leave the
/// index, and moved or copied ones are recognised. Every other file is counted: the summary says how many videos,
/// documents and so on were not looked at. Stop it with Ctrl-C at any time; nothing done so far is lost.
///
/// With another `--model` than the library's, a new index is built beside the old one: of PATH, and of every photo the
/// old one has. Queries are answered by the old one until the new one is complete and takes its place. The same command
/// goes on after an interruption; to give up, delete the folder that `status` names as being built.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch index ~/Photos ~/Pictures
  imgsearch index ~/Photos --exclude '*.gif' --exclude Screenshots
  imgsearch index ~/Photos --model ./better-clip      change to another model")]
pub(crate) struct IndexArgs {
    /// Folders, or single files, to index.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Leave out files and folders that match, as `.gitignore` would; may be given several times.
    ///
    /// Photos indexed before that match now leave the index.
    /// Examples: `--exclude '*.gif'`, `--exclude Screenshots`, `--exclude '/2019/*'`
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Also look into hidden folders and at hidden files. Trash and thumbnail folders stay left out.
    ///
    /// Example: `imgsearch index --include-hidden ~`
    #[arg(long)]
    pub(crate) include_hidden: bool,

    /// Follow symbolic links to files and folders; links that lead in a circle are followed once.
    ///
    /// Example: `imgsearch index --follow-symlinks ~/annex`
    #[arg(long)]
    pub(crate) follow_symlinks: bool,

    /// Also drop photos that are gone together with their disk or with PATH itself. Without it they are kept.
    ///
    /// Example: `imgsearch index --prune /media/old-disk`
    #[arg(long)]
    pub(crate) prune: bool,

    /// Read and decode every photo again, also those that look unchanged.
    ///
    /// Dates, places and other details are stored anew. A photo whose pixels are the same keeps its vector; any other is
    /// embedded again. You hardly ever need this: a file that was replaced is noticed by its size and its times.
    /// Example: `imgsearch index --force ~/Photos`
    #[arg(long)]
    pub(crate) force: bool,

    /// Batches of photos embedded side by side on the CPU [default: one for each thread, 8 at most].
    ///
    /// `--threads` are shared out among them; fewer batches take less memory and more time.
    /// Example: `imgsearch index --batches 1 ~/Photos`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) batches: Option<u16>,

    /// Run with the lowest priority, so that everything else on this machine goes first.
    ///
    /// Example: `imgsearch index --nice --threads 1 /volume1/photo` on a NAS.
    #[arg(long)]
    pub(crate) nice: bool,
}
