//! What shells, scripts and packagers ask for: `config`, `completions`, `man`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::OutputArgs;

/// Show the settings that hold, or the config file they come from.
///
/// An option's value is what is typed, else what its environment variable says, else what the config file says, else
/// its default. The file is TOML; its keys are names of options (`top = 20`).
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
    /// List every key with its value, and where that comes from.
    #[command(after_help = "Example:\n  imgsearch config show")]
    Show(OutputArgs),
    /// Print where the config file is, whether or not it exists.
    #[command(after_help = "Example:\n  ls -l \"$(imgsearch config path)\"")]
    Path,
    /// Write a config file that explains every key and sets none; never overwrites one.
    #[command(after_help = "Example:\n  imgsearch config init")]
    Init,
    /// Open the config file in `$VISUAL` or `$EDITOR`.
    #[command(after_help = "Example:\n  EDITOR=nano imgsearch config edit")]
    Edit,
}

/// Print the completions of a shell, for it to load.
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

/// Write the manual pages into a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch man --out ~/.local/share/man/man1 && man imgsearch-query")]
pub(crate) struct ManArgs {
    /// The folder; made when it is missing.
    ///
    /// Example: `imgsearch man --out ./man`
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}
