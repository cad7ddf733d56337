//! Which photos count: the options that every search has.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgsearch::query::{MinSize, Shape};
use imgsearch::walk::FileType;

/// Conditions; a photo must meet all that are given. What the library does not know of a photo, it does not meet.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which photos count")]
pub(crate) struct FilterArgs {
    /// Only photos in or below this folder; may be given several times.
    ///
    /// Example: `imgsearch query "a cat" --in ~/Photos/2023`
    #[arg(long = "in", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,

    /// Only files called like this; may be given several times.
    ///
    /// Without a slash it is the file name that counts, with slashes the last parts of the path. `**` stands for any
    /// folders.
    /// Examples: `--glob 'IMG_*.jpg'`, `--glob 'holidays/**/*.png'`
    #[arg(long, value_name = "GLOB")]
    pub(crate) glob: Vec<String>,

    /// Only photos taken then or later: a year, a month, a day, `yesterday`, or `2 weeks ago`.
    ///
    /// The clock of the camera counts, wherever it was. A photo without a date counts by the time its file was last
    /// changed, in your time zone.
    /// Examples: `--after 2023`, `--after 2023-07 --before 2023-09`, `--after "2 weeks ago"`
    #[arg(long, value_name = "TIME")]
    pub(crate) after: Option<String>,

    /// Only photos taken before that.
    ///
    /// Example: `imgsearch query "a cat" --before 2020` for what is from 2019 or older.
    #[arg(long, value_name = "TIME")]
    pub(crate) before: Option<String>,

    /// Only photos taken in that year, in that month, or on that day.
    ///
    /// Examples: `--on 2023-12-24`, `--on 2019`, `--on yesterday`
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(crate) on: Option<String>,

    /// Only photos taken within KM kilometres [10] of a point in degrees, or of a town; needs a camera that writes where
    /// it was.
    ///
    /// Towns are known by name, in any language, once `scripts/places` has fetched their names. The largest one of that
    /// name is meant, or the largest in a country of two letters; it is named on stderr.
    /// Examples: `--near 52.52,13.40`, `--near -33.86,151.21,2.5`, `--near Lisbon,30`, `--near Paris,US`
    #[arg(long, value_name = "LAT,LON|TOWN[,COUNTRY][,KM]", allow_hyphen_values = true)]
    pub(crate) near: Option<String>,

    /// Only photos from a camera with this in the name of its maker or model, in upper or lower case.
    ///
    /// Examples: `--camera iphone`, `--camera "EOS R5"`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) camera: Option<String>,

    /// Only photos taken through a lens with this in its name.
    ///
    /// Example: `imgsearch query portrait --lens 85mm`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) lens: Option<String>,

    /// Only photos that are wider than high, higher than wide, or as wide as high, seen upright.
    ///
    /// Example: `imgsearch query mountains --orientation landscape`
    #[arg(long, value_enum, value_name = "SHAPE", hide_short_help = true)]
    pub(crate) orientation: Option<Orientation>,

    /// Only photos that are at least so wide and so high, or have so many million pixels.
    ///
    /// Examples: `--min-size 1920x1080`, `--min-size 12MP`
    #[arg(long, value_name = "WxH|MP", hide_short_help = true)]
    pub(crate) min_size: Option<MinSize>,

    /// Only files of this type, by their ending: jpeg, png, heic, raw and others; may be several, with commas.
    ///
    /// Example: `imgsearch query "a cat" --type raw,heic`
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<FileType>,
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
