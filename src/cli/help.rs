//! Changes to the help that clap makes from the definitions: each command's own examples, and no repetitions.

use clap::builder::StyledStr;
use clap::{Args, Command};

/// Explain the options that every command has.
#[derive(Debug, Args)]
#[command(hide = true, after_help = "Example:\n  imgsearch help options")]
pub(crate) struct OptionsArgs {}

/// The pointer at the end of each command's long help.
const MORE: &str = "`imgsearch help options` explains the options of every command: --library, --model, --device, \
                    --threads, -v, -q and others.";

/// Commands that list records other than those of a query: an example, and their fields.
const LISTS: &[(&str, &str, &str)] = &[
    ("tags", "imgsearch tags --in ~/Photos/2023", "probability, label, path"),
    ("classify", "imgsearch classify a.jpg --labels \"a cat,a dog\"", "probability, label, score, path"),
    ("duplicates", "imgsearch duplicates", "group, likeness, keep, path, reason, and those of a photo"),
    (
        "status",
        "imgsearch status --skipped",
        "with `--skipped` reason, kind, path; with `--noted` note, path",
    ),
    ("show", "imgsearch config show", "key, value, origin"),
];

/// Fits the help of the output options to each command.
pub(super) fn fit(command: Command) -> Command {
    let list = LISTS.iter().find(|(name, ..)| *name == command.get_name());
    let Some((_, example, fields)) = list.copied() else { return command.mut_subcommands(fit) };
    let is_there =
        |command: &Command, long: &str| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    if !is_there(&command, "fields") {
        return command;
    }
    let first = fields.split(", ").next().unwrap_or_default();
    let first = first.rsplit(' ').next().unwrap_or(first);
    command
        .mut_arg("format", |option| {
            option.long_help(format!(
                "Output format: for people (`text`), bare paths, JSON, or a table.\n\n`json` is one array, `jsonl` one \
                 object per line; `csv` and `tsv` start with a line of field names. docs/FORMATS.md describes them all.\n\
                 Example: `{example} --format jsonl`"
            ))
        })
        .mut_arg("null", |option| {
            option.long_help(format!(
                "Print bare paths, each followed by a NUL byte, for `xargs -0`.\n\nExample: `{example} -0 | xargs -0 ls -l`"
            ))
        })
        .mut_arg("fields", |option| {
            option.long_help(format!(
                "Print these fields in this order, separated by commas.\n\nThe fields are {fields}.\n\
                 Example: `{example} --format csv --fields {first}`"
            ))
        })
}

/// The definitions for the long help of one command: the options of every command are only mentioned.
pub(crate) fn without_common(command: Command) -> Command {
    pointing(command.mut_args(
        |option| {
            if option.is_global_set() { option.hide_long_help(true) } else { option }
        },
    ))
}

fn pointing(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let after = command.get_after_help().map(StyledStr::to_string).unwrap_or_default();
        let is_options = command.get_name() == "options";
        let command = pointing(command);
        if is_options {
            command
        } else {
            command.after_long_help(format!("{after}\n\n{MORE}").trim_start().to_owned())
        }
    })
}

/// Whether this command line asks for the long help of one command.
pub(crate) fn asks_for_a_command(command: &Command, typed: &[std::ffi::OsString]) -> bool {
    let asks = typed.iter().any(|word| word == "--help") || typed.first().is_some_and(|word| word == "help");
    let named = typed.iter().filter(|word| *word != "help").find_map(|word| command.find_subcommand(word));
    asks && named.is_some_and(|named| named.get_name() != "options")
}
