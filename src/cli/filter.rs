//! The filter options that all searches share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgsearch::query::{MinSize, Shape};
use imgsearch::walk::FileType;

use super::words::WordsArgs;

/// Conditions. A photo must meet all of them, and fails a condition on something the library does not know about it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Only photos in this folder or its subfolders (repeatable).
    ///
    /// Example: `imgsearch query "a cat" --in ~/Photos/2023`
    #[arg(long = "in", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,

    /// Only files whose name matches this pattern (repeatable).
    ///
    /// A pattern without a slash is matched against the file name, one with slashes against the end of the path. `**`
    /// matches any number of folders.
    /// Examples: `--glob 'IMG_*.jpg'`, `--glob 'holidays/**/*.png'`
    #[arg(long, value_name = "GLOB")]
    pub(crate) glob: Vec<String>,

    /// Only photos taken at that time or later: a year, a month, a day, `yesterday` or `2 weeks ago`.
    ///
    /// Times are those of the camera's clock, whatever its time zone. For a photo without a date, the file's
    /// modification time in your time zone is used.
    /// Examples: `--after 2023`, `--after 2023-07 --before 2023-09`, `--after "2 weeks ago"`
    #[arg(long, value_name = "TIME")]
    pub(crate) after: Option<String>,

    /// Only photos taken before that time.
    ///
    /// Example: `imgsearch query "a cat" --before 2020` finds photos from 2019 and earlier.
    #[arg(long, value_name = "TIME")]
    pub(crate) before: Option<String>,

    /// Only photos taken in that year or month, or on that day.
    ///
    /// Examples: `--on 2023-12-24`, `--on 2019`, `--on yesterday`
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(crate) on: Option<String>,

    /// Only photos taken within KM kilometres [10] of a point in degrees or of a town. Photos without GPS data don't
    /// match.
    ///
    /// Town names work in any language after `imgsearch setup places` has downloaded them. If several towns have the name, the
    /// largest one is used; add a two-letter country code to choose the country. The town is printed on stderr.
    /// Examples: `--near 52.52,13.40`, `--near -33.86,151.21,2.5`, `--near Lisbon,30`, `--near Paris,US`
    #[arg(long, value_name = "LAT,LON|TOWN[,COUNTRY][,KM]", allow_hyphen_values = true)]
    pub(crate) near: Option<String>,

    /// Only photos from cameras whose maker or model contains this text (case is ignored).
    ///
    /// Examples: `--camera iphone`, `--camera "EOS R5"`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) camera: Option<String>,

    /// Only photos taken with a lens whose name contains this text.
    ///
    /// Example: `imgsearch query portrait --lens 85mm`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) lens: Option<String>,

    /// Only photos that are wider than tall, taller than wide, or square, when shown upright.
    ///
    /// Example: `imgsearch query mountains --orientation landscape`
    #[arg(long, value_enum, value_name = "SHAPE", hide_short_help = true)]
    pub(crate) orientation: Option<Orientation>,

    /// Only photos of at least this width and height, or of at least this many megapixels.
    ///
    /// Examples: `--min-size 1920x1080`, `--min-size 12MP`
    #[arg(long, value_name = "WxH|MP", hide_short_help = true)]
    pub(crate) min_size: Option<MinSize>,

    /// Only files of these types, by extension: jpeg, png, heic, raw and others, separated by commas.
    ///
    /// Example: `imgsearch query "a cat" --type raw,heic`
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<FileType>,

    #[command(flatten)]
    pub(crate) words: WordsArgs,

    /// The conditions that were written into the query, by the names of parameters.
    #[arg(skip)]
    pub(crate) written: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Orientation {
    Landscape,
    Portrait,
    Square,
}

impl From<Orientation> for Shape {
    fn from(orientation: Orientation) -> Shape {
        match orientation {
            Orientation::Landscape => Shape::Landscape,
            Orientation::Portrait => Shape::Portrait,
            Orientation::Square => Shape::Square,
        }
    }
}
