//! Options that can also be set in the config file, under the same name, or in the environment.

use clap::{Arg, ArgAction, Command};

/// An option that has a place in the config file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The option's name without the dashes.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The example in the config file's template, as TOML.
    pub(crate) example: &'static str,
}

/// The kind of TOML value that a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of the option's possible values.
    Word,
    Integer,
    /// A number with or without a fraction.
    Number,
    /// A path; `~/` is the home folder, and a relative one starts at the config file's folder.
    Path,
    /// A path as above if it contains a separator, otherwise a name.
    PathOrName,
    /// True or false.
    Flag,
    /// Several strings. An environment variable holds only one, so it cannot set them.
    Texts,
}

/// All keys, in the order in which they are listed.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "library", kind: Kind::Path, example: "\"~/Pictures/.imgsearch\"" },
    Key { name: "root", kind: Kind::Texts, example: "[\"photos=/mnt/nas/photos\"]" },
    Key { name: "model", kind: Kind::PathOrName, example: "\"offline\"" },
    Key { name: "dim", kind: Kind::Integer, example: "256" },
    Key { name: "device", kind: Kind::Word, example: "\"cpu\"" },
    Key { name: "threads", kind: Kind::Integer, example: "2" },
    Key { name: "exclude", kind: Kind::Texts, example: "[\"*.gif\", \"Screenshots\"]" },
    Key { name: "thumbnails", kind: Kind::Word, example: "\"none\"" },
    Key { name: "text", kind: Kind::Flag, example: "true" },
    Key { name: "text-model", kind: Kind::Path, example: "\"~/models/PP-OCRv5-korean\"" },
    Key { name: "top", kind: Kind::Integer, example: "20" },
    Key { name: "min-score", kind: Kind::Number, example: "0.2" },
    Key { name: "format", kind: Kind::Word, example: "\"csv\"" },
    Key { name: "color", kind: Kind::Word, example: "\"never\"" },
    Key { name: "hyperlink", kind: Kind::Word, example: "\"always\"" },
];

impl Key {
    pub(crate) fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// `min-score` is set by `IMGSEARCH_MIN_SCORE`.
    pub(crate) fn variable(&self) -> Option<String> {
        let name = self.name.replace('-', "_").to_uppercase();
        (self.kind != Kind::Texts).then(|| format!("IMGSEARCH_{name}"))
    }

    /// Whether the key sets this option. `index --text` is a flag; `query --text WORDS` is another option.
    pub(crate) fn sets(&self, option: &Arg) -> bool {
        let is_flag = matches!(option.get_action(), ArgAction::SetTrue)
            || option.get_possible_values().iter().any(|value| value.get_name() == "true");
        option.get_long() == Some(self.name) && (self.kind != Kind::Flag || is_flag)
    }

    /// The option itself, as the first command that has it defines it.
    pub(crate) fn option(&self, command: &Command) -> Option<Arg> {
        let own = command.get_arguments().find(|option| self.sets(option)).cloned();
        own.or_else(|| command.get_subcommands().find_map(|command| self.option(command)))
    }
}

/// Changes every option of a command and of those below it.
pub(crate) fn map_options(command: Command, change: &impl Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|command| map_options(command, change))
}

/// Adds to an option's manual how to set it in the config file and the environment.
pub(super) fn document(option: Arg) -> Arg {
    let Some(key) = KEYS.iter().find(|key| key.sets(&option)) else { return option };
    let Some(help) = option.get_long_help() else { return option };
    let variable = key.variable().map(|name| format!(", or the environment variable `{name}`"));
    let places = format!("Config file: `{} = {}`{}", key.name, key.example, variable.unwrap_or_default());
    let help = format!("{help}\n{places}.");
    option.long_help(help)
}
