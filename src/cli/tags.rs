//! `tags`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;
use super::filter::FilterArgs;

/// Label photos with words from a list, for browsing and export.
///
/// Each label gets a probability that it describes the photo. It depends on how much better the label fits the photo
/// than everyday concepts do on average. 0.5 means that it fits 40 times better.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch tags --in ~/Photos/2023
  imgsearch tags --vocabulary pets.txt --format jsonl | jq -r .label | sort | uniq -c
  imgsearch tags --xmp -n 5")]
pub(crate) struct TagsArgs {
    /// A text file with one label per line [default: about five hundred everyday concepts, in English].
    ///
    /// Labels go to the model as they are, so `a red car` may work better than `car`. Lines that start with `#` are
    /// ignored.
    /// Example: `imgsearch tags --vocabulary birds.txt`
    #[arg(long, value_name = "FILE")]
    pub(crate) vocabulary: Option<PathBuf>,

    /// Lowest probability of a label, 0 to 1.
    ///
    /// Example: `imgsearch tags --min-probability 0.8`
    #[arg(long, value_name = "P", default_value = "0.5", value_parser = probability)]
    pub(crate) min_probability: f32,

    /// Maximum number of labels per photo.
    ///
    /// Example: `imgsearch tags -n 3`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) top: NonZeroUsize,

    /// Also write the labels to a sidecar file beside each photo, `NAME.EXT.xmp`, where photo managers find them.
    ///
    /// Photos are not touched. A sidecar that imgsearch did not write, or that was edited since, is left alone and
    /// reported.
    /// Example: `imgsearch tags --xmp --in ~/Photos/2023`
    #[arg(long)]
    pub(crate) xmp: bool,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn probability(text: &str) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("not between 0 and 1".into()) }
}
