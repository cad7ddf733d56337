//! `tags`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;
use super::filter::FilterArgs;

/// Give photos labels out of a list, for browsing and export.
///
/// Each label has a probability: how likely it says what the photo shows, judged by how much better it explains the
/// photo than everyday concepts do on average. 0.5 is a label that explains it 40 times as well.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch tags --in ~/Photos/2023
  imgsearch tags --vocabulary pets.txt --format jsonl | jq -r .label | sort | uniq -c
  imgsearch tags --xmp -n 5")]
pub(crate) struct TagsArgs {
    /// The labels: a text file with one a line [default: some five hundred everyday concepts, in English].
    ///
    /// A label is asked of the model as it stands, so `a red car` may do better than `car`. Lines that begin with `#`
    /// are passed over.
    /// Example: `imgsearch tags --vocabulary birds.txt`
    #[arg(long, value_name = "FILE")]
    pub(crate) vocabulary: Option<PathBuf>,

    /// Only labels that are at least so likely, 0 to 1.
    ///
    /// Example: `imgsearch tags --min-probability 0.8`
    #[arg(long, value_name = "P", default_value = "0.5", value_parser = probability)]
    pub(crate) min_probability: f32,

    /// How many labels a photo at most.
    ///
    /// Example: `imgsearch tags -n 3`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) top: NonZeroUsize,

    /// Also write the labels beside each photo as `NAME.EXT.xmp`, where photo managers look for keywords.
    ///
    /// Photos are not touched. A sidecar that imgsearch did not write, or that was changed since, is left as it is and
    /// named.
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
