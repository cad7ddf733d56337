//! What can be typed. The doc comments are the manual; nothing here does I/O.

mod index;
mod key;
mod maintain;
mod output;
mod query;
mod scripting;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use imgsearch::model::Device;

pub(crate) use index::IndexArgs;
pub(crate) use key::{KEYS, Key, Kind, map_options};
pub(crate) use maintain::{DoctorArgs, OptimizeArgs, RepairArgs, StatusArgs, VerifyArgs};
pub(crate) use output::{Format, OutputArgs, When};
pub(crate) use query::QueryArgs;
pub(crate) use scripting::{CompletionsArgs, ConfigAction, ConfigArgs, ManArgs};

/// Find your own photos by what they show. Everything stays on this machine.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "\
Examples:
  imgsearch index ~/Photos                      look at all photos, or just at what is new
  imgsearch query \"sunset over water\"           the ten best matches
  imgsearch query a red bicycle -n 3 --format paths

Exit codes: 0 found or done, 1 nothing found, 2 error or some files failed, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Folder that keeps the index [default: `library` in the platform's data folder].
    ///
    /// Example: `imgsearch --library /mnt/nas/.imgsearch query "a dog"`
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) library: Option<PathBuf>,

    /// Model: a folder, or the name of an installed one [default: the library's, else `offline`].
    ///
    /// A name is looked up below `models` in the platform's data folder. `scripts/setup` installs `offline`.
    /// Examples: `--model offline`, `--model ./my-clip`
    #[arg(long, value_name = "DIR|NAME", global = true)]
    pub(crate) model: Option<PathBuf>,

    /// Where the image model runs. `auto` takes CUDA where it works, `cuda` fails where it does not.
    ///
    /// Example: `imgsearch index --device cuda ~/Photos`
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto, global = true)]
    pub(crate) device: DeviceChoice,

    /// Threads that decode photos, and threads of the model [default: one of each for each core].
    ///
    /// Example: `imgsearch index --threads 1 ~/Photos` keeps fewer than two cores busy.
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) threads: Option<u16>,

    /// Whether to use colours. `auto` does on a terminal, and heeds `NO_COLOR` and `CLICOLOR_FORCE`.
    ///
    /// Example: `imgsearch query "a cat" --color always | less -R`
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto, global = true)]
    pub(crate) color: When,

    /// Whether paths are links to click. `auto` makes them on a coloured terminal that is known to understand them.
    ///
    /// Example: `imgsearch query "a cat" --hyperlink always`
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto, global = true)]
    pub(crate) hyperlink: When,

    /// Config file [default: `config.toml` in the platform's config folder].
    ///
    /// `imgsearch help config` says what it holds. Environment variable: `IMGSEARCH_CONFIG`.
    /// Example: `imgsearch --config ./nas.toml status`
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Say more: name every file that is skipped.
    ///
    /// Example: `imgsearch index -v ~/Photos`
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Say nothing but results and errors.
    ///
    /// Example: `imgsearch index -q ~/Photos` for a nightly job.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Index(IndexArgs),
    Query(QueryArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Optimize(OptimizeArgs),
    Verify(VerifyArgs),
    Repair(RepairArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl Command {
    /// Whether the values of options matter to it. What mends or makes files must work when the config file does not.
    pub(crate) fn reads_settings(&self) -> bool {
        use ConfigAction::{Edit, Init, Path};
        let makes_files = |action: &ConfigAction| matches!(action, Path | Init | Edit);
        !matches!(self, Command::Completions(_) | Command::Man(_))
            && !matches!(self, Command::Config(ConfigArgs { action }) if makes_files(action))
    }
}

/// All definitions, as they parse, document and complete what is typed.
pub(crate) fn command() -> clap::Command {
    map_options(Cli::command(), &key::document)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda,
}

impl From<DeviceChoice> for Device {
    fn from(choice: DeviceChoice) -> Device {
        match choice {
            DeviceChoice::Auto => Device::Auto,
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::Cuda => Device::Cuda,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_long_option_has_help_with_an_example() {
        #[track_caller]
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
                let help = argument.get_long_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn every_key_is_an_option() {
        for key in KEYS {
            assert!(key.option(&command()).is_some(), "{}", key.name);
        }
    }
}
