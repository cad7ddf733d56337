//! Commands for shells, scripts and packagers: `config`, `completions`, `man`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::OutputArgs;

/// Show the settings in effect, or edit the config file.
///
/// The command line wins over the environment, the environment over the config file, and the config file over the
/// defaults. The file is TOML; its keys are the names of options (`top = 20`).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch config init && imgsearch config edit
  imgsearch config show --format json")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// List every setting with its value and where the value comes from.
    #[command(after_help = "Example:\n  imgsearch config show")]
    Show(OutputArgs),
    /// Print the path of the config file, even if it does not exist.
    #[command(after_help = "Example:\n  ls -l \"$(imgsearch config path)\"")]
    Path,
    /// Write a config file that explains every key and sets none. It never overwrites a file.
    #[command(after_help = "Example:\n  imgsearch config init")]
    Init,
    /// Open the config file in `$VISUAL` or `$EDITOR`.
    #[command(after_help = "Example:\n  EDITOR=nano imgsearch config edit")]
    Edit,
}

/// Print completions for your shell to load.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch completions bash > ~/.local/share/bash-completion/completions/imgsearch
  imgsearch completions zsh > \"${fpath[1]}/_imgsearch\"
  imgsearch completions fish > ~/.config/fish/completions/imgsearch.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Print what a shell can complete, one candidate per line. The scripts of `completions` call this.
#[derive(Debug, Args)]
#[command(
    hide = true,
    after_help = "Examples:\n  imgsearch complete fields tags\n  imgsearch complete towns Lis"
)]
pub(crate) struct CompleteArgs {
    /// The kind of candidates.
    #[arg(value_enum)]
    pub(crate) wanted: Wanted,

    /// The command whose fields are wanted, or what was typed of a town's name.
    #[arg(allow_hyphen_values = true)]
    pub(crate) word: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wanted {
    Models,
    Fields,
    Results,
    Towns,
}

/// Write the manual pages into a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch man --out ~/.local/share/man/man1 && man imgsearch-query")]
pub(crate) struct ManArgs {
    /// The folder; it is created if needed.
    ///
    /// Example: `imgsearch man --out ./man`
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}
