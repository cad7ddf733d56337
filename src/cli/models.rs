//! `models`: list, fetch, check and remove models.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use imgsearch::hub::Precisions;
use imgsearch::model::Precision;

/// Long enough for a slow server, short enough to notice one that is down.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Half a minute in all, with the pauses between attempts.
pub(crate) const DEFAULT_RETRIES: u32 = 5;

/// Choose, fetch, check and remove models.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch models list
  imgsearch models pull clip-b32
  imgsearch index --model clip-b32 ~/Photos

Environment: HF_TOKEN for private and gated models; without it the token that `huggingface-cli login` saved
(HF_TOKEN_PATH) is used. HF_HUB_DISABLE_IMPLICIT_TOKEN=1 turns both off. HF_ENDPOINT for a mirror, HF_HUB_OFFLINE=1
to use only the Hugging Face cache (HF_HUB_CACHE, HF_HOME), HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.")]
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

/// List the installed models and the recommended ones.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models list")]
pub(crate) struct ListArgs {
    /// Print one JSON object per model.
    ///
    /// Keys: `name`, `installed`, `default`, `repo`, `revision`, `embed_dim`, `image_size`, `download_mb`,
    /// `languages`, `license`, `recall` (language → %), `suits`; `images_per_second` and `query_ms`, if `models bench`
    /// measured them; `relative_speed`, as a multiple of the offline model's speed, measured or estimated. Unknown values
    /// are null.
    /// Example: `imgsearch models list --json | jq -r 'select(.installed).name'`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Install a model from Hugging Face, from its local cache, or from an archive.
///
/// Only the files that imgsearch needs are downloaded. Each is checked against the digest that the server announces. You
/// can stop a download at any time: the same command resumes it, and a model is never left half installed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch models pull clip-b32
  imgsearch models pull immich-app/ViT-B-16-SigLIP__webli --name siglip
  imgsearch models pull Xenova/clip-vit-base-patch16@main --text-precision fp32
  imgsearch models pull ~/Downloads/clip.zip")]
pub(crate) struct PullArgs {
    /// A name from `models list`, a Hugging Face id (with a commit, branch or tag if you like), or a zip, tar or tar.gz
    /// file of a model folder.
    #[arg(value_name = "NAME|ORG/NAME[@REVISION]|FILE")]
    pub(crate) source: String,

    /// Name to install it under [default: the listed name, the part after the slash, or the archive's file name].
    ///
    /// Example: `imgsearch models pull Xenova/clip-vit-base-patch16 --name b16`
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Precision of the image model, if there is a choice. `auto` is fp32; int8 costs quality.
    ///
    /// Example: `imgsearch models pull clip-b32 --image-precision fp16` takes half the space.
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = PrecisionChoice::Auto)]
    pub(crate) image_precision: PrecisionChoice,

    /// Precision of the text model, if there is a choice. `auto` is int8, which makes queries start quickly.
    ///
    /// Example: `imgsearch models pull clip-b32 --text-precision fp32`
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = PrecisionChoice::Auto)]
    pub(crate) text_precision: PrecisionChoice,

    /// Seconds to wait for a connection or for more data before trying again.
    ///
    /// Example: `imgsearch models pull clip-b32 --timeout 120` on a slow connection.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,

    /// How often to retry when an attempt received nothing new.
    ///
    /// Example: `imgsearch models pull clip-b32 --retries 20` on a bad connection.
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
    /// An installed model, one from `models list`, or an archive, which is installed first.
    #[arg(value_name = "NAME|FILE")]
    pub(crate) name: String,

    /// Print one JSON object with the keys of `models list --json`, and `folder`, `commit` and `files`.
    ///
    /// Example: `imgsearch models info clip-b32 --json | jq .folder`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measure how fast models are on this computer.
///
/// It embeds the same small batch repeatedly. Indexing is slower, because photos must also be read and decoded. `models
/// list` shows the figures afterwards.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch models bench
  imgsearch models bench clip-b32 --device cuda")]
pub(crate) struct BenchArgs {
    /// Installed models [default: all of them].
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// Seconds to measure in all. Every model runs at least a few times, so it may take longer.
    ///
    /// Example: `imgsearch models bench --seconds 5`
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
}

/// Check the files of installed models against the SHA-256 they were installed with.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch models verify clip-b32")]
pub(crate) struct VerifyModelArgs {
    /// An installed model [default: all of them].
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

    /// Remove it even if the library needs it for every query. The library works again once you pull it again.
    ///
    /// Example: `imgsearch models remove clip-b32 --force && imgsearch models pull clip-b32`
    #[arg(long)]
    pub(crate) force: bool,
}

/// Set the default model for new libraries. Existing libraries keep theirs.
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
