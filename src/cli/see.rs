//! Options to view, copy or open the photos that a search found.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of the commands that find photos.
#[derive(Debug, Args)]
#[command(next_help_heading = "Viewing and copying")]
pub(crate) struct SeeArgs {
    /// Show the photos in the terminal, above the list: as images with kitty, iTerm2 or sixel, otherwise as colour blocks.
    ///
    /// Example: `imgsearch query "a cat" --preview`
    #[arg(long, conflicts_with = "null")]
    pub(crate) preview: bool,

    /// Write an HTML page with thumbnails of the photos. It needs no other files.
    ///
    /// A page that imgsearch wrote earlier is overwritten. If FILE is anything else, this is an error.
    /// Example: `imgsearch query "a cat" -n 100 --html cats.html`
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Where the names on the page of `--html` link to: the photos on this machine, the photos from the page's folder on
    /// (for a page that moves together with them), or nothing (for a page that you send).
    ///
    /// Example: `imgsearch query "a cat" --html ~/Photos/cats.html --links relative`
    #[arg(long, value_enum, default_value_t = PageLinks::Absolute, hide_short_help = true)]
    pub(crate) links: PageLinks,

    /// Open the page of `--html`, the folder of `--copy-to` or `--link-to`, or otherwise each photo.
    ///
    /// Example: `imgsearch query "a cat" -n 3 --open`
    #[arg(long, hide_short_help = true)]
    pub(crate) open: bool,

    /// Copy the photos into this folder. Nothing is overwritten: if a name is taken, a number is added.
    ///
    /// Example: `imgsearch query "birthday cake" --copy-to /tmp/cakes`
    #[arg(long, value_name = "DIR", conflicts_with = "link_to", hide_short_help = true)]
    pub(crate) copy_to: Option<PathBuf>,

    /// Create symbolic links to the photos in this folder. Nothing is overwritten.
    ///
    /// Example: `imgsearch query "birthday cake" --link-to ~/Albums/cakes`
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) link_to: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageLinks {
    Absolute,
    Relative,
    None,
}

/// Whether near-duplicates are shown as one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Viewing and copying")]
pub(crate) struct CollapseArgs {
    /// Show only the best of several near-duplicates, such as the shots of a burst, and how many more there are.
    ///
    /// This is the default for `--format text`. `-n` then counts different photos.
    /// Example: `imgsearch query "a cat" --format jsonl --collapse`
    #[arg(long, overrides_with = "no_collapse", hide_short_help = true)]
    pub(crate) collapse: bool,

    /// Show near-duplicates too. This is the default for all formats except `text`.
    ///
    /// Example: `imgsearch query "a cat" --no-collapse`
    #[arg(long, hide_short_help = true)]
    pub(crate) no_collapse: bool,
}

impl CollapseArgs {
    /// The user's choice, or `default` without one.
    pub(crate) fn is_on(&self, default: bool) -> bool {
        self.collapse || default && !self.no_collapse
    }
}
