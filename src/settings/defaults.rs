//! Turns values from the environment and the config file into the options' defaults. So the command line always wins,
//! and every value passes the same checks, wherever it comes from.

use std::borrow::Cow;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::OsStr as ClapStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use directories::{BaseDirs, ProjectDirs};
use imgsearch::library::Url;
use imgsearch::query::excludes;
use imgsearch::text_file::{self, TextError};

use super::config::{self, Entry, Folders};
use super::guess;
use crate::cli::{self, Cli, KEYS, Key};
use crate::terminal::escape;
use crate::usage::UsageError;

/// The variable that names the config file.
const CONFIG_VARIABLE: &str = "IMGSEARCH_CONFIG";

/// The largest config file that is read. One with every key takes less than 2 KB.
const MOST_BYTES: u64 = 1 << 20;

/// The parsed command line, with the config file and the settings behind it.
pub(crate) struct CommandLine {
    pub(crate) cli: Cli,
    pub(crate) config_file: ConfigFile,
    /// One for each key, in the order of the keys.
    pub(crate) settings: Vec<Setting>,
}

/// Where the config file is. It has to exist only if the user named it.
pub(crate) struct ConfigFile {
    /// `None` for a user without a home folder.
    pub(crate) path: Option<PathBuf>,
    is_named: bool,
}

/// The value of an option that is not on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    /// Empty if the program chooses a value itself.
    pub(crate) values: Vec<OsString>,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// The config file, with line and column from 1.
    File(PathBuf, (usize, usize)),
    /// The environment variable of this name.
    Environment(String),
}

impl CommandLine {
    /// Parses the command line. A usage error, `--help` or `--version` ends the process here.
    ///
    /// # Errors
    /// The config file cannot be read, or an option does not accept its value.
    pub(crate) fn parse() -> Result<CommandLine> {
        let command = cli::command();
        let words: Vec<_> = env::args_os().skip(1).collect();
        let is_help = cli::asks_for_a_command(&command, &words);
        let typed = matches(if is_help { cli::without_common(command) } else { command });
        let cli = from(&typed);
        refuse_typed_password(cli.common.library.as_deref())?;
        let config_file = ConfigFile::find(cli.common.config.as_deref());
        if !cli.command.reads_settings() {
            return Ok(CommandLine { cli, config_file, settings: Vec::new() });
        }
        let command = cli::command();
        let settings = settings(&command, &config_file)?;
        if settings.iter().all(|setting| setting.origin == Origin::Default) {
            return Ok(CommandLine { cli, config_file, settings });
        }
        let command = cli::map_options(command, &|option| with_default(option, &settings));
        Ok(CommandLine { cli: from(&matches(command)), config_file, settings })
    }
}

/// Other users of the machine see the command line, and the shell keeps it.
fn refuse_typed_password(library: Option<&Path>) -> Result<(), UsageError> {
    let Some(url) = library.and_then(Url::parse).filter(Url::has_password) else { return Ok(()) };
    let error =
        UsageError::new(format!("the password of {url} is on the command line, where others can read it"));
    Err(error.hint("set `PGPASSWORD` or `MILVUS_TOKEN`, or put the whole URL into `IMGSEARCH_LIBRARY` or the config file"))
}

fn matches(command: clap::Command) -> ArgMatches {
    command.try_get_matches_from(separated(env::args_os())).unwrap_or_else(|error| leave(&error))
}

/// `-text:draft` looks like an option, but is a part of the query: `-` and `text:draft` mean the same.
fn separated(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let split = |argument: OsString| match argument.to_str() {
        Some(text) if excludes(&argument) => vec!["-".into(), text.trim_start_matches('-').into()],
        _ => vec![argument],
    };
    typed.flat_map(split).collect()
}

fn from(matches: &ArgMatches) -> Cli {
    Cli::from_arg_matches(matches).unwrap_or_else(|error| leave(&error.format(&mut Cli::command())))
}

/// Ends the process with clap's message or, if we have a better guess of what was meant, with the first line of it and
/// our hint. The message is escaped: it quotes arguments, and those may be file names with control
/// characters that a shell put in place of a `*`.
fn leave(error: &clap::Error) -> ! {
    let text = error.render().to_string();
    let typed: Vec<_> = env::args_os().skip(1).collect();
    if let Some(hint) = guess::hint(error, &cli::command(), &typed) {
        let what = escape(text.lines().next().unwrap_or_default());
        let what = what.trim_start_matches("error: ");
        clap::Error::raw(error.kind(), format!("{what}\nhint: {}\n", escape(&hint))).exit()
    }
    let lines: Vec<_> = text.lines().map(escape).collect();
    if lines.iter().all(|line| matches!(line, Cow::Borrowed(_))) {
        error.exit();
    }
    let text = lines.join("\n") + "\n";
    clap::Error::raw(error.kind(), text.trim_start_matches("error: ")).exit()
}

impl ConfigFile {
    fn find(typed: Option<&Path>) -> ConfigFile {
        let named = typed.map(Path::to_owned).or_else(|| variable(CONFIG_VARIABLE).map(PathBuf::from));
        let is_named = named.is_some();
        let usual = || Some(ProjectDirs::from("", "", "imgsearch")?.config_dir().join("config.toml"));
        ConfigFile { path: named.or_else(usual), is_named }
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let Some(path) = &self.path else { return Ok(Vec::new()) };
        let path = super::absolute(path)?;
        let text = match text_file::read_at_most(&path, MOST_BYTES) {
            Err(TextError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound && !self.is_named => {
                return Ok(Vec::new());
            }
            read => read.with_context(|| format!("cannot read the config file {}", path.display()))?,
        };
        let home = BaseDirs::new();
        let home = home.as_ref().map(BaseDirs::home_dir);
        let of_file = path.parent().unwrap_or(&path);
        Ok(config::parse(&text, &path, Folders { of_file, home })?)
    }
}

/// The value of an environment variable, unless it is empty.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The value of every key, checked.
fn settings(command: &clap::Command, file: &ConfigFile) -> Result<Vec<Setting>> {
    let mut entries = file.entries()?;
    let mut settings = Vec::new();
    for key in KEYS {
        let option = key.option(command).context("every key is an option")?;
        let entry = entries.iter().position(|entry| entry.key == key).map(|at| entries.swap_remove(at));
        let setting = setting(key, &option, entry, file);
        for value in &setting.values {
            accept(&option, value).map_err(|why| setting.refused(value, &why))?;
        }
        settings.push(setting);
    }
    Ok(settings)
}

fn setting(key: &'static Key, option: &Arg, entry: Option<Entry>, file: &ConfigFile) -> Setting {
    let set = key.variable().and_then(|name| Some((variable(&name)?, name)));
    let (values, origin) = match (set, entry, &file.path) {
        (Some((value, name)), ..) => (vec![value], Origin::Environment(name)),
        (None, Some(entry), Some(path)) => (entry.values, Origin::File(path.clone(), entry.place)),
        (None, ..) => {
            (option.get_default_values().iter().map(|value| value.to_os_string()).collect(), Origin::Default)
        }
    };
    Setting { key, values, origin }
}

impl Setting {
    fn refused(&self, value: &OsStr, why: &str) -> UsageError {
        let (name, value) = (self.key.name, value.to_string_lossy());
        let what = format!("`{name}` cannot be `{value}`: {why}");
        match &self.origin {
            Origin::Default => UsageError::new(what),
            Origin::File(path, place) => UsageError::new(config::at(path, *place, &what)),
            Origin::Environment(name) => UsageError::new(format!("environment variable {name}: {what}")),
        }
    }
}

/// Checks a value with the option's own parser.
fn accept(option: &Arg, value: &OsStr) -> Result<(), String> {
    let trial = Arg::new("value").long("value").value_parser(option.get_value_parser().clone());
    let mut argument = OsString::from("--value=");
    argument.push(value);
    let command = clap::Command::new("check").no_binary_name(true).arg(trial);
    command.try_get_matches_from([argument]).map(|_| ()).map_err(|error| {
        if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
            return format!("it must be one of {}", values.join(", "));
        }
        std::error::Error::source(&error).map_or_else(|| "invalid value".to_owned(), ToString::to_string)
    })
}

fn with_default(option: Arg, settings: &[Setting]) -> Arg {
    match settings.iter().find(|setting| setting.key.sets(&option)) {
        Some(setting) if setting.origin != Origin::Default => {
            option.default_values(setting.values.iter().map(|value| ClapStr::from(value.clone())))
        }
        _ => option,
    }
}
