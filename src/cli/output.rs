//! How listings are printed: the options of every command that lists things.

use clap::builder::ArgPredicate;
use clap::{Args, ValueEnum};

/// The options that a command which lists things flattens into its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "How they are printed")]
pub(crate) struct OutputArgs {
    /// How to print the results: for people, as bare paths, as JSON, or as a table.
    ///
    /// `json` is one array, `jsonl` one object a line; `csv` and `tsv` begin with a line of names. docs/FORMATS.md
    /// describes all of them. The default is `paths` with `--null`, `jsonl` with `--queries`, else `text`.
    /// Example: `imgsearch query "a cat" --format jsonl | jq -r .path`
    #[arg(long, value_enum, default_value = "text", hide_default_value = true)]
    // A flag that stands before this option is always present, with the value it has.
    #[arg(default_value_ifs([
        ("null", ArgPredicate::IsPresent, "paths"),
        ("preview", ArgPredicate::Equals("true".into()), "text"),
        ("queries", ArgPredicate::IsPresent, "jsonl"),
    ]))]
    pub(crate) format: Format,

    /// Print bare paths, each ended by a NUL byte, for `xargs -0`.
    ///
    /// Example: `imgsearch query "a cat" -0 | xargs -0 ls -l`
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// Print these fields, in this order; separated by commas.
    ///
    /// Example: `imgsearch query "a cat" --format csv --fields taken,score,path`
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_short_help = true)]
    pub(crate) fields: Vec<String>,
}

/// The formats of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people on a terminal; elsewhere columns with a tab between.
    Text,
    /// One path a line, nothing else.
    Paths,
    /// One JSON object a line.
    Jsonl,
    /// One JSON array.
    Json,
    /// Comma-separated values, for spreadsheets.
    Csv,
    /// Tab-separated values, for scripts.
    Tsv,
}

/// When something is done that only some terminals understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}
