//! `classify`.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// Find out which of your labels fits a picture best. Needs a model but no library.
///
/// The probabilities follow the model's training. CLIP uses a softmax of the scaled cosines: the probabilities add up
/// to 1, and each means "if one of these labels is right, it is this one". SigLIP uses a sigmoid with a bias and judges
/// each label separately. A model without a bias is treated as CLIP; if it has no logit scale either, CLIP's own is used
/// (100). Labels work best when worded like captions: "a photo of a cat".
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch classify cat.jpg --labels \"a photo of a cat,a photo of a dog\"
  imgsearch classify *.jpg --labels-file animals.txt --format csv")]
pub(crate) struct ClassifyArgs {
    /// Pictures to classify.
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,

    /// Labels, separated by commas (repeatable).
    ///
    /// Example: `imgsearch classify a.jpg --labels "a photo of a cat,a photo of a dog"`
    #[arg(long, value_name = "LABELS", value_delimiter = ',', required_unless_present = "labels_file")]
    pub(crate) labels: Vec<String>,

    /// A UTF-8 file with one label per line. Empty lines and lines that start with `#` are ignored.
    ///
    /// Example: `imgsearch classify a.jpg --labels-file animals.txt`
    #[arg(long, value_name = "FILE")]
    pub(crate) labels_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
