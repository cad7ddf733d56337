//! The command line. The doc comments are the manual; nothing here does I/O.

mod browse;
mod classify;
mod duplicates;
mod filter;
mod forget;
mod help;
mod index;
mod key;
mod library;
mod maintain;
mod mcp;
mod models;
mod output;
mod query;
mod scripting;
mod search;
mod see;
mod serve;
mod setup;
mod similar;
mod tags;
mod text;
mod words;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use imgsearch::model::{Device, Precision, Prompt};

pub(crate) use browse::BrowseArgs;
pub(crate) use classify::ClassifyArgs;
pub(crate) use duplicates::{DuplicatesArgs, Part};
pub(crate) use filter::FilterArgs;
pub(crate) use forget::ForgetArgs;
use help::OptionsArgs;
pub(crate) use help::{asks_for_a_command, without_common};
pub(crate) use index::IndexArgs;
pub(crate) use key::{KEYS, Key, Kind, map_options};
pub(crate) use library::{ExportArgs, ImportArgs, LibraryArgs, LibraryCommand, MoveRootArgs};
pub(crate) use maintain::{DoctorArgs, OptimizeArgs, RepairArgs, StatusArgs, VerifyArgs};
pub(crate) use mcp::McpArgs;
#[cfg(feature = "serve")]
pub(crate) use mcp::McpPaths;
pub(crate) use models::{
    BenchArgs, DEFAULT_RETRIES, DEFAULT_TIMEOUT, InfoArgs, ListArgs, ModelsArgs, ModelsCommand, PullArgs,
    RemoveArgs,
};
pub(crate) use output::{Format, OutputArgs, When};
pub(crate) use query::QueryArgs;
pub(crate) use scripting::{CompleteArgs, CompletionsArgs, ConfigAction, ConfigArgs, ManArgs, Wanted};
pub(crate) use search::{SearchArgs, Sort};
pub(crate) use see::{CollapseArgs, PageLinks, SeeArgs};
pub(crate) use serve::ServeArgs;
pub(crate) use setup::SetupArgs;
pub(crate) use similar::SimilarArgs;
pub(crate) use tags::TagsArgs;
pub(crate) use text::{ReadingArgs, TextArgs};

/// Find your own photos by what they show. Everything stays on this machine.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "\
Examples:
  imgsearch setup && imgsearch doctor      the first time: install what is needed, and check it
  imgsearch index ~/Photos                 index all photos; later only what is new
  imgsearch query \"sunset over water\"      the ten best matches
  imgsearch help query                     every option of `query`
  imgsearch help options                   the options of every command

Exit codes: 0 found or done, 1 nothing found, 2 error or some files failed, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command. Short help shows only the most used ones.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// Folder of the library, or URL of a database [default: `library` in the platform's data folder].
    ///
    /// A database is for many photos and many machines: see docs/SCALE.md. Its password comes from the environment
    /// (`PGPASSWORD` or the file `~/.pgpass`, `MILVUS_TOKEN`), never from the command line.
    /// Examples: `imgsearch --library /mnt/nas/.imgsearch query "a dog"`,
    /// `--library "postgres://me@db.example/photos?library=archive"`, `--library milvus://milvus.example:19530/photos`
    #[arg(long, value_name = "DIR|URL", global = true)]
    pub(crate) library: Option<PathBuf>,

    /// A named root: a folder that has another path on other machines (repeatable).
    ///
    /// The library stores the paths of photos below FOLDER as `@NAME/…`, so that machines that see the same archive at
    /// different places share one library. Give each machine its own FOLDER for the NAME, best in the config file. `library
    /// move-root` turns the paths of an existing library into such paths.
    /// Example: `imgsearch index --root photos=/mnt/nas/photos`
    #[arg(long, value_name = "NAME=FOLDER", global = true, hide_short_help = true)]
    pub(crate) root: Vec<String>,

    /// Model: the name of an installed one, a folder, or an archive [default: the library's model, or the one chosen
    /// with `models use`].
    ///
    /// `imgsearch models list` shows the names. `imgsearch setup` installs `offline`, `imgsearch models pull` others. An
    /// archive (zip, tar or tar.gz) is installed on first use, under its file name.
    /// Examples: `--model clip-b32`, `--model ./my-clip`, `--model my-clip.zip`
    #[arg(long, value_name = "DIR|FILE|NAME", global = true)]
    pub(crate) model: Option<PathBuf>,

    /// Where the image model runs. `auto` uses CUDA if it works; `cuda` fails if it does not.
    ///
    /// `imgsearch index -v` and `imgsearch doctor` show the device in use, and `imgsearch setup --cuda` installs what CUDA
    /// needs. With `auto`, pictures in queries are embedded on the CPU.
    /// Example: `imgsearch index --device cuda ~/Photos`
    #[arg(long, value_name = "DEVICE", default_value = "auto", global = true, value_parser = device(), hide_short_help = true)]
    pub(crate) device: Device,

    /// Which precision to use, for models that come in several [default: the library's, or `auto`].
    ///
    /// `auto` chooses an image model without quality loss and a text model that starts fast. Another image precision
    /// makes different vectors, so for a library it is a change of model. Only Hugging Face exports come in several
    /// precisions; with any other model this option is an error.
    /// Example: `imgsearch index --precision int8 --model ./clip ~/Photos`
    #[arg(long, value_name = "PRECISION", global = true, value_parser = precision(), hide_short_help = true)]
    pub(crate) precision: Option<Precision>,

    /// Dimensions to keep of each vector, from the first on [default: the library's, or all].
    ///
    /// A library with 256 of 1,024 dimensions needs two fifths of the disk space. Models trained for this (Matryoshka) find
    /// nearly as much; with others you find less, and `index` prints a warning. Another number is a change of model: all
    /// photos are embedded again. To keep all dimensions again, give the model's own number.
    /// Example: `imgsearch index --model ./my-clip --dim 256 ~/Photos`
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(1..=65_536), hide_short_help = true)]
    pub(crate) dim: Option<u32>,

    /// Caption template for a query's text [default: the model's own setting, or `off`].
    ///
    /// `photo` searches for “a photo of TEXT”, `ensemble` for the average of several such captions.
    /// Example: `imgsearch query --prompt photo lighthouse`
    #[arg(long, value_enum, global = true, hide_short_help = true)]
    pub(crate) prompt: Option<PromptChoice>,

    /// Number of threads that decode photos, and of threads that run the model [default: one of each per core].
    ///
    /// Example: `imgsearch index --threads 1 ~/Photos` keeps fewer than two cores busy.
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..=512), hide_short_help = true)]
    pub(crate) threads: Option<u16>,

    /// Folder of the model that reads text in pictures [default: `text` in the platform's data folder].
    ///
    /// It has two ONNX files of PP-OCR, with `det` and `rec` in their names. `imgsearch setup text` installs PP-OCRv6.
    /// Example: `imgsearch text --text-model ./PP-OCRv5-korean sign.jpg`
    #[arg(long, value_name = "DIR", global = true, hide_short_help = true)]
    pub(crate) text_model: Option<PathBuf>,

    /// When to use colours. `auto` uses them on a terminal and respects `NO_COLOR` and `CLICOLOR_FORCE`.
    ///
    /// Example: `imgsearch query "a cat" --color always | less -R`
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto, global = true, hide_short_help = true)]
    pub(crate) color: When,

    /// When to print paths as clickable links. `auto` does so in colour terminals that are known to support them.
    ///
    /// Example: `imgsearch query "a cat" --hyperlink always`
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto, global = true, hide_short_help = true)]
    pub(crate) hyperlink: When,

    /// Config file [default: `config.toml` in the platform's config folder].
    ///
    /// `imgsearch help config` describes it. Environment variable: `IMGSEARCH_CONFIG`.
    /// Example: `imgsearch --config ./nas.toml status`
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub(crate) config: Option<PathBuf>,

    /// Print more: list every skipped file.
    ///
    /// Example: `imgsearch index -v ~/Photos`
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Print only results and errors.
    ///
    /// Example: `imgsearch index -q ~/Photos` for a nightly job.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Index(IndexArgs),
    #[command(visible_aliases = ["search", "find"])]
    Query(QueryArgs),
    Classify(ClassifyArgs),
    Similar(SimilarArgs),
    Browse(BrowseArgs),
    Serve(ServeArgs),
    Mcp(McpArgs),
    Duplicates(DuplicatesArgs),
    Tags(TagsArgs),
    Text(TextArgs),
    Forget(ForgetArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Optimize(OptimizeArgs),
    Verify(VerifyArgs),
    Repair(RepairArgs),
    Library(LibraryArgs),
    Models(ModelsArgs),
    Setup(SetupArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Options(OptionsArgs),
    Complete(CompleteArgs),
}

fn device() -> impl TypedValueParser<Value = Device> {
    one_of(Device::ALL, Device::name)
}

fn precision() -> impl TypedValueParser<Value = Precision> {
    one_of(Precision::ALL, Precision::name)
}

/// Parses the name of one of `all`.
fn one_of<T>(all: &'static [T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let names = PossibleValuesParser::new(all.iter().map(|one| name(*one)));
    names.try_map(move |typed| all.iter().copied().find(|one| name(*one) == typed).ok_or("unknown"))
}

impl Command {
    /// Whether the command uses the settings. Commands that create or fix files must work even if the config file is
    /// broken.
    pub(crate) fn reads_settings(&self) -> bool {
        use ConfigAction::{Edit, Init, Path};
        let makes_files = |action: &ConfigAction| matches!(action, Path | Init | Edit);
        !matches!(self, Command::Completions(_) | Command::Man(_) | Command::Options(_))
            && !matches!(self, Command::Config(ConfigArgs { action }) if makes_files(action))
    }
}

/// The definition of the command line: the source of parser, manual and completions.
pub(crate) fn command() -> clap::Command {
    help::fit(map_options(Cli::command(), &key::document))
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
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_long_option_has_help_with_an_example() {
        check_examples(&command());
    }

    #[track_caller]
    fn check_examples(command: &clap::Command) {
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let help = argument.get_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(check_examples);
    }

    #[test]
    fn every_key_is_an_option() {
        for key in KEYS {
            assert!(key.option(&command()).is_some(), "{}", key.name);
        }
    }
}
