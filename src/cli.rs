//! What can be typed. The doc comments are the manual; nothing here does I/O.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use imgsearch::model::Device;

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
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Optimize(OptimizeArgs),
    Verify(VerifyArgs),
    Repair(RepairArgs),
}

/// Look at all photos in folders, and remember what they show.
///
/// Run it again whenever you like: photos that have not changed are not read again, photos that are gone leave the
/// index, and moved or copied ones are recognised. Stop it with Ctrl-C at any time; nothing done so far is lost.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch index ~/Photos ~/Pictures
  imgsearch index ~/Photos --exclude '*.gif' --exclude Screenshots")]
pub(crate) struct IndexArgs {
    /// Folders, or single files, to index.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Leave out files and folders that match, as `.gitignore` would; may be given several times.
    ///
    /// Photos indexed before that match now leave the index.
    /// Examples: `--exclude '*.gif'`, `--exclude Screenshots`, `--exclude '/2019/*'`
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Also look into hidden folders and at hidden files. Trash and thumbnail folders stay left out.
    ///
    /// Example: `imgsearch index --include-hidden ~`
    #[arg(long)]
    pub(crate) include_hidden: bool,

    /// Follow symbolic links to files and folders; links that lead in a circle are followed once.
    ///
    /// Example: `imgsearch index --follow-symlinks ~/annex`
    #[arg(long)]
    pub(crate) follow_symlinks: bool,

    /// Also drop photos that are gone together with their disk or with PATH itself. Without it they are kept.
    ///
    /// Example: `imgsearch index --prune /media/old-disk`
    #[arg(long)]
    pub(crate) prune: bool,
}

/// Find the photos that show what a text says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch query \"sunset over water\"
  imgsearch query a dog in the snow -n 30 --in ~/Photos/2023
  imgsearch query \"birthday cake\" --format paths -0 | xargs -0 cp -t /tmp/cakes")]
pub(crate) struct QueryArgs {
    /// What the photos should show. Several words need no quotes.
    #[arg(required = true, value_name = "TEXT")]
    pub(crate) text: Vec<String>,

    /// How many photos at most.
    ///
    /// Example: `imgsearch query "a cat" -n 50`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) top: NonZeroUsize,

    /// How to print them: `text` for people, `paths` one path a line, `jsonl` one JSON object a line.
    ///
    /// The default is `text`, or `paths` with `--null`. Each JSON object has `query`, `rank`, `score` and `path`; a path that is not valid Unicode also has
    /// `path_base64` with its exact bytes.
    /// Example: `imgsearch query "a cat" --format jsonl | jq -r .path`
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// End each path with a NUL byte instead of a line feed; goes with `--format paths` only.
    ///
    /// Example: `imgsearch query "a cat" -0 | xargs -0 ls -l`
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// Leave out photos that score less (cosine, −1 to 1; good matches depend on the model).
    ///
    /// Example: `imgsearch query "a cat" --min-score 0.3`
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = score)]
    pub(crate) min_score: Option<f32>,

    /// Only photos in or below this folder; may be given several times.
    ///
    /// Example: `imgsearch query "a cat" --in ~/Photos/2023`
    #[arg(long = "in", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,

    /// Compare the text with every photo, even where a graph (HNSW) would be faster and miss one in a hundred.
    ///
    /// Example: `imgsearch query "a cat" --exact`
    #[arg(long)]
    pub(crate) exact: bool,
}

/// Show what the library holds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch status
  imgsearch status --json | jq .images
  imgsearch status --skipped")]
pub(crate) struct StatusArgs {
    /// Print one JSON object.
    ///
    /// Keys: `library`, `model`, `images`, `skipped` (reason → files), `bytes_on_disk`, `bytes_per_image`,
    /// `last_indexed`, `segments`, `rows`, `dead_rows`, `graph_rows`.
    /// Example: `imgsearch status --json | jq .images`
    #[arg(long)]
    pub(crate) json: bool,

    /// List the files that were left out, each with its reason.
    ///
    /// Example: `imgsearch status --skipped | grep damaged`
    #[arg(long, conflicts_with = "json")]
    pub(crate) skipped: bool,
}

/// Check that everything imgsearch needs is there and works, and say what to do where it does not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch doctor")]
pub(crate) struct DoctorArgs {}

/// Make the library small and fast: merge its segments, drop what was deleted, build the missing graphs.
///
/// Never needed, worth it after large changes. Queries go on meanwhile; Ctrl-C loses nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch optimize")]
pub(crate) struct OptimizeArgs {}

/// Read the whole library and compare all checksums; changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch verify")]
pub(crate) struct VerifyArgs {}

/// Put a damaged library right: whatever is held twice is made again from the other place.
///
/// Photos whose entries are lost are named; `imgsearch index` embeds them again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgsearch repair && imgsearch index ~/Photos")]
pub(crate) struct RepairArgs {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Paths,
    Jsonl,
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

/// A number that can be compared with scores.
fn score(text: &str) -> Result<f32, String> {
    let score: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if score.is_finite() { Ok(score) } else { Err("not a finite number".into()) }
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
