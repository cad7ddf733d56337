//! `classify`.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// Tell which of some labels fits a picture best. Needs a model, and no library.
///
/// The probabilities are those the model was trained to give: of CLIP the softmax of its logit scale times the cosines,
/// so that they add up to 1 and mean "if one of the labels is right, then this one"; of SigLIP the sigmoid with its bias,
/// each label by itself. Where a model does not say its logit scale, 100 is taken, CLIP's own; where it says no bias, it
/// is treated as CLIP. Labels work best worded like captions: "a photo of a cat".
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch classify cat.jpg --labels \"a photo of a cat,a photo of a dog\"
  imgsearch classify *.jpg --labels-file animals.txt --format csv")]
pub(crate) struct ClassifyArgs {
    /// The pictures.
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,

    /// Labels, with commas between them; may be given several times.
    ///
    /// Example: `imgsearch classify a.jpg --labels "a photo of a cat,a photo of a dog"`
    #[arg(long, value_name = "LABELS", value_delimiter = ',', required_unless_present = "labels_file")]
    pub(crate) labels: Vec<String>,

    /// A file with one label a line, in UTF-8; empty lines, and lines that begin with `#`, do not count.
    ///
    /// Example: `imgsearch classify a.jpg --labels-file animals.txt`
    #[arg(long, value_name = "FILE")]
    pub(crate) labels_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
