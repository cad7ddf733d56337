//! The output options of all commands that list things.

use clap::builder::ArgPredicate;
use clap::{Args, ValueEnum};

/// Output options, for a command to flatten into its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Output format: for people (`text`), bare paths, JSON, or a table.
    ///
    /// `json` is one array, `jsonl` one object per line; `csv` and `tsv` start with a line of field names.
    /// docs/FORMATS.md describes them all. The default is `paths` with `--null`, `jsonl` with `--queries`, and `text`
    /// otherwise.
    /// Example: `imgsearch query "a cat" --format jsonl | jq -r .path`
    #[arg(long, value_enum, default_value = "text", hide_default_value = true)]
    // `preview` needs its value compared: clap counts a flag declared before this option as present even when it is off.
    #[arg(default_value_ifs([
        ("null", ArgPredicate::IsPresent, "paths"),
        ("preview", ArgPredicate::Equals("true".into()), "text"),
        ("queries", ArgPredicate::IsPresent, "jsonl"),
        ("json", ArgPredicate::Equals("true".into()), "json"),
    ]))]
    pub(crate) format: Format,

    /// Print bare paths, each followed by a NUL byte, for `xargs -0`.
    ///
    /// Example: `imgsearch query "a cat" -0 | xargs -0 ls -l`
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// Print JSON: the same as `--format json`.
    ///
    /// Example: `imgsearch query "a cat" --json | jq -r '.[].path'`
    #[arg(long, conflicts_with_all = ["format", "null"], hide_short_help = true)]
    pub(crate) json: bool,

    /// Print these fields in this order, separated by commas.
    ///
    /// Example: `imgsearch query "a cat" --format csv --fields taken,score,path`
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_short_help = true)]
    pub(crate) fields: Vec<String>,
}

/// The formats of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table on a terminal, otherwise tab-separated columns.
    Text,
    /// One path per line.
    Paths,
    /// One JSON object per line.
    Jsonl,
    /// One JSON array.
    Json,
    /// Comma-separated values, for spreadsheets.
    Csv,
    /// Tab-separated values, for scripts.
    Tsv,
}

/// When to use a feature that only some terminals support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}
