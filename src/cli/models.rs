//! `models`: what is installed, what can be had, and from where.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use imgsearch::hub::Precisions;
use imgsearch::model::Precision;

/// Long enough for a slow server, short enough to notice one that is gone.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// With the pauses between them, half a minute.
pub(crate) const DEFAULT_RETRIES: u32 = 5;

/// Choose, fetch, check and remove models.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch models list
  imgsearch models pull clip-b32
  imgsearch index --model clip-b32 ~/Photos

Environment: HF_TOKEN for private and gated models, else what `huggingface-cli login` wrote down (HF_TOKEN_PATH),
neither with HF_HUB_DISABLE_IMPLICIT_TOKEN=1; HF_ENDPOINT for a mirror, HF_HUB_OFFLINE=1 to use nothing but
the Hugging Face cache (HF_HUB_CACHE, HF_HOME), HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.")]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    List(ListArgs),
    Pull(PullArgs),
    Info(InfoArgs),
    Bench(BenchArgs),
    Verify(VerifyModelArgs),
    Remove(RemoveArgs),
    Use(UseArgs),
}

/// Show the installed models, and those worth choosing from.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models list")]
pub(crate) struct ListArgs {
    /// Print one JSON object a model.
    ///
    /// Keys: `name`, `installed`, `default`, `repo`, `revision`, `embed_dim`, `image_size`, `download_mb`,
    /// `languages`, `license`, `recall` (language → %), `suits`; `images_per_second` and `query_ms`, where `models bench`
    /// measured them; `relative_speed`, in pictures for one of the offline model's, measured or estimated. What is not
    /// known is null.
    /// Example: `imgsearch models list --json | jq -r 'select(.installed).name'`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Fetch a model from Hugging Face, or from its cache on this computer, or out of an archive.
///
/// Only the files that are needed are fetched, and each is compared with the digest that the server announces. Stopped
/// at any time, nothing is half installed: the same command goes on with what has arrived.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch models pull clip-b32
  imgsearch models pull immich-app/ViT-B-16-SigLIP__webli --name siglip
  imgsearch models pull Xenova/clip-vit-base-patch16@main --text-precision fp32
  imgsearch models pull ~/Downloads/clip.zip")]
pub(crate) struct PullArgs {
    /// A name that `models list` shows, a Hugging Face id, perhaps with a commit, branch or tag, or a zip, tar or tar.gz
    /// file of a model folder.
    #[arg(value_name = "NAME|ORG/NAME[@REVISION]|FILE")]
    pub(crate) source: String,

    /// What to call it here [default: its short name, the part behind the slash, or what the file is called].
    ///
    /// Example: `imgsearch models pull Xenova/clip-vit-base-patch16 --name b16`
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Weights of the image tower, where there is a choice. `auto` is fp32; int8 costs quality.
    ///
    /// Example: `imgsearch models pull clip-b32 --image-precision fp16` takes half the space.
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = PrecisionChoice::Auto)]
    pub(crate) image_precision: PrecisionChoice,

    /// Weights of the text tower, where there is a choice. `auto` is int8, which makes queries start quickly.
    ///
    /// Example: `imgsearch models pull clip-b32 --text-precision fp32`
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = PrecisionChoice::Auto)]
    pub(crate) text_precision: PrecisionChoice,

    /// Seconds to wait for a connection or the next bytes before trying again.
    ///
    /// Example: `imgsearch models pull clip-b32 --timeout 120` over a bad line.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,

    /// How often to try again when an attempt brought nothing new.
    ///
    /// Example: `imgsearch models pull clip-b32 --retries 20` over a bad line.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RETRIES)]
    pub(crate) retries: u32,
}

impl PullArgs {
    pub(crate) fn precisions(&self) -> Precisions {
        Precisions { image: self.image_precision.into(), text: self.text_precision.into() }
    }
}

/// Show everything about a model.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models info clip-b32")]
pub(crate) struct InfoArgs {
    /// An installed model, one that `models list` shows, or an archive, which is installed first.
    #[arg(value_name = "NAME|FILE")]
    pub(crate) name: String,

    /// Print one JSON object, with the keys of `models list --json` and `folder`, `commit` and `files`.
    ///
    /// Example: `imgsearch models info clip-b32 --json | jq .folder`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measure how fast models are on this computer.
///
/// It embeds one small batch again and again. Reading and decoding photos takes time besides. `models list` shows the
/// figures afterwards.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch models bench
  imgsearch models bench clip-b32 --device cuda")]
pub(crate) struct BenchArgs {
    /// Installed models; all of them without it.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// Seconds that all models together are measured. Each runs a few times at least, and so may take longer.
    ///
    /// Example: `imgsearch models bench --seconds 5`
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
}

/// Compare every file of the installed models, or of one, with the SHA-256 it was installed with.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models verify clip-b32")]
pub(crate) struct VerifyModelArgs {
    /// An installed model; all of them without it.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Remove an installed model.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models remove clip-b32")]
pub(crate) struct RemoveArgs {
    /// The installed model.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Remove it even though the library needs it for every query. Pulling it again makes the library work again.
    ///
    /// Example: `imgsearch models remove clip-b32 --force && imgsearch models pull clip-b32`
    #[arg(long)]
    pub(crate) force: bool,
}

/// Choose the model for libraries that are yet to be made; those that exist keep theirs.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models use clip-b32")]
pub(crate) struct UseArgs {
    /// The installed model.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionChoice {
    Auto,
    Fp32,
    Fp16,
    Int8,
}

impl From<PrecisionChoice> for Precision {
    fn from(choice: PrecisionChoice) -> Precision {
        match choice {
            PrecisionChoice::Auto => Precision::Auto,
            PrecisionChoice::Fp32 => Precision::Fp32,
            PrecisionChoice::Fp16 => Precision::Fp16,
            PrecisionChoice::Int8 => Precision::Int8,
        }
    }
}
