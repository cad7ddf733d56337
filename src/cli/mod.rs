//! What can be typed. The doc comments are the manual; nothing here does I/O.

mod filter;
mod index;
mod maintain;
mod query;
mod search;
mod similar;
mod tags;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use imgsearch::model::Device;

pub(crate) use filter::FilterArgs;
pub(crate) use index::IndexArgs;
pub(crate) use maintain::{DoctorArgs, OptimizeArgs, RepairArgs, StatusArgs, VerifyArgs};
pub(crate) use query::QueryArgs;
pub(crate) use search::{Format, SearchArgs};
pub(crate) use similar::SimilarArgs;
pub(crate) use tags::{TagsArgs, TagsFormat};

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
    #[arg(long, value_name = "DIR", env = "IMGSEARCH_LIBRARY", global = true)]
    pub(crate) library: Option<PathBuf>,

    /// Model: a folder, or the name of an installed one [default: the library's, else `offline`].
    ///
    /// A name is looked up below `models` in the platform's data folder. `scripts/setup` installs `offline`.
    /// Examples: `--model offline`, `--model ./my-clip`
    #[arg(long, value_name = "DIR|NAME", env = "IMGSEARCH_MODEL", global = true)]
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
    Similar(SimilarArgs),
    Tags(TagsArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Optimize(OptimizeArgs),
    Verify(VerifyArgs),
    Repair(RepairArgs),
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
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_long_option_has_help_with_an_example() {
        let cli = Cli::command();
        for command in cli.get_subcommands().chain([&cli]) {
            for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
                let help = argument.get_long_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }
}
