//! What can be typed. The doc comments are the manual; nothing here does I/O.

mod classify;
mod filter;
mod index;
mod maintain;
mod models;
mod query;
mod search;
mod similar;
mod tags;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use imgsearch::model::{Device, Precision, Prompt};

pub(crate) use classify::{ClassifyArgs, ClassifyFormat};
pub(crate) use filter::FilterArgs;
pub(crate) use index::IndexArgs;
pub(crate) use maintain::{DoctorArgs, OptimizeArgs, RepairArgs, StatusArgs, VerifyArgs};
pub(crate) use models::{
    DEFAULT_RETRIES, DEFAULT_TIMEOUT, InfoArgs, ListArgs, ModelsArgs, ModelsCommand, PullArgs, RemoveArgs,
};
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

    /// Model: a folder, or the name of an installed one [default: the library's, else the one that `models use` chose].
    ///
    /// `imgsearch models list` shows the names. `scripts/setup` installs `offline`, `imgsearch models pull` others.
    /// Examples: `--model clip-b32`, `--model ./my-clip`
    #[arg(long, value_name = "DIR|NAME", env = "IMGSEARCH_MODEL", global = true)]
    pub(crate) model: Option<PathBuf>,

    /// Where the image model runs. `auto` takes CUDA where it works, `cuda` fails where it does not.
    ///
    /// `imgsearch index -v` and `imgsearch doctor` say where it really runs.
    /// Example: `imgsearch index --device cuda ~/Photos`
    #[arg(long, value_name = "DEVICE", default_value = "auto", global = true, value_parser = device())]
    pub(crate) device: Device,

    /// Which files of a model are used that comes in several precisions [default: the library's, else `auto`].
    ///
    /// `auto` takes an image model that loses nothing and a text model that starts fast. Another image model makes
    /// other vectors: for a library that is a change of model.
    /// Example: `imgsearch index --precision int8 --model ./clip ~/Photos`
    #[arg(long, value_name = "PRECISION", global = true, value_parser = precision())]
    pub(crate) precision: Option<Precision>,

    /// What is put around a query's text [default: what the model says, else `off`].
    ///
    /// `photo` asks for “a photo of TEXT”, `ensemble` for the average of several such captions.
    /// Example: `imgsearch query --prompt photo lighthouse`
    #[arg(long, value_enum, global = true)]
    pub(crate) prompt: Option<PromptChoice>,

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
    Classify(ClassifyArgs),
    Similar(SimilarArgs),
    Tags(TagsArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Optimize(OptimizeArgs),
    Verify(VerifyArgs),
    Repair(RepairArgs),
    Models(ModelsArgs),
}

fn device() -> impl TypedValueParser<Value = Device> {
    one_of(Device::ALL, Device::name)
}

fn precision() -> impl TypedValueParser<Value = Precision> {
    one_of(Precision::ALL, Precision::name)
}

/// Takes the name of one of `all`.
fn one_of<T>(all: &'static [T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let names = PossibleValuesParser::new(all.iter().map(|one| name(*one)));
    names.try_map(move |typed| all.iter().copied().find(|one| name(*one) == typed).ok_or("unknown"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PromptChoice {
    Off,
    Photo,
    Ensemble,
}

impl From<PromptChoice> for Prompt {
    fn from(choice: PromptChoice) -> Prompt {
        match choice {
            PromptChoice::Off => Prompt::Off,
            PromptChoice::Photo => Prompt::Photo,
            PromptChoice::Ensemble => Prompt::Ensemble,
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
        check_examples(&Cli::command());
    }

    #[track_caller]
    fn check_examples(command: &clap::Command) {
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let help = argument.get_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(check_examples);
    }
}
