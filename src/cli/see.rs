//! What can be done with photos that were found, besides listing them.

use std::path::PathBuf;

use clap::Args;

/// Options of the commands that find photos.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is done with them")]
pub(crate) struct SeeArgs {
    /// Draw the photos on the terminal, above the list: in pixels with kitty, iTerm2 or sixel, else in blocks of colour.
    ///
    /// Example: `imgsearch query "a cat" --preview`
    #[arg(long, conflicts_with = "null")]
    pub(crate) preview: bool,

    /// Write a page with the photos in it, small, to look at in a browser. It needs no other files.
    ///
    /// An earlier page of imgsearch is replaced. Any other FILE that is there already is an error.
    /// Example: `imgsearch query "a cat" -n 100 --html cats.html`
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Open what was found: the page of `--html`, the folder of `--copy-to` or `--link-to`, else each photo.
    ///
    /// Example: `imgsearch query "a cat" -n 3 --open`
    #[arg(long, hide_short_help = true)]
    pub(crate) open: bool,

    /// Copy the photos into this folder. Nothing in it is overwritten: a name that is taken gets a number.
    ///
    /// Example: `imgsearch query "birthday cake" --copy-to /tmp/cakes`
    #[arg(long, value_name = "DIR", conflicts_with = "link_to", hide_short_help = true)]
    pub(crate) copy_to: Option<PathBuf>,

    /// Put symbolic links to the photos into this folder. Nothing in it is overwritten.
    ///
    /// Example: `imgsearch query "birthday cake" --link-to ~/Albums/cakes`
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) link_to: Option<PathBuf>,
}

/// Whether near-duplicates are shown as one.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is done with them")]
pub(crate) struct CollapseArgs {
    /// Show only the best of near-duplicates, such as the shots of a burst, and how many more there are.
    ///
    /// This is the default of `--format text`; -n then counts different photos.
    /// Example: `imgsearch query "a cat" --format jsonl --collapse`
    #[arg(long, overrides_with = "no_collapse", hide_short_help = true)]
    pub(crate) collapse: bool,

    /// Show all photos, however much alike. This is the default of all formats but `text`.
    ///
    /// Example: `imgsearch query "a cat" --no-collapse`
    #[arg(long, hide_short_help = true)]
    pub(crate) no_collapse: bool,
}

impl CollapseArgs {
    /// What was asked for, else `default`.
    pub(crate) fn is_on(&self, default: bool) -> bool {
        self.collapse || default && !self.no_collapse
    }
}
