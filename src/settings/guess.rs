//! Guesses what a person meant whose command line was refused, from the habits of other programs.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use imgsearch::hint::nearest;
use imgsearch::walk::FileType;

/// Commands of other programs, and ours.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["add", "import", "scan", "update", "refresh", "sync", "build", "reindex"], "index"),
    (&["ls", "list", "info", "stats", "show", "folders"], "status"),
    (&["ui", "tui", "gui", "interactive", "view"], "browse"),
    (&["web", "server", "http", "start"], "serve"),
    (&["rm", "remove", "delete", "drop"], "forget"),
    (&["dupes", "dups", "duplicate", "dedup", "dedupe"], "duplicates"),
    (&["tag", "label", "labels"], "tags"),
    (&["like", "nearest"], "similar"),
    (&["watch"], "index --watch"),
    (&["download", "pull", "install"], "models pull"),
    (&["check", "test"], "doctor"),
    (&["clean", "vacuum", "compact"], "optimize"),
    (&["settings"], "config"),
];

/// Options of other programs: our own option, and what to write. The hint is given only where the command has it.
const OPTIONS: &[(&[&str], &str, &str)] = &[
    (
        &["limit", "count", "number", "num", "max", "results", "k"],
        "top",
        "write `-n N` for the number of photos",
    ),
    (
        &["threshold", "min", "similarity", "confidence", "min-similarity"],
        "min-score",
        "`--min-score SCORE` leaves out photos with lower scores; `--cutoff` needs no number",
    ),
    (&["since", "from", "start"], "after", "write `--after TIME`"),
    (&["until", "to", "end"], "before", "write `--before TIME`"),
    (&["date", "day", "year"], "on", "write `--on TIME`: a year, a month or a day"),
    (&["dir", "folder", "directory", "path", "root"], "in", "write `--in DIR`"),
    (&["ext", "extension", "filetype"], "type", "write `--type TYPE`"),
    (&["name", "filename", "pattern"], "glob", "write `--glob PATTERN`"),
    (&["not", "negative", "without"], "minus", "write `--minus TEXT`"),
    (&["image", "picture", "file"], "like", "write `--like FILE`"),
    (&["place", "location", "gps", "where"], "near", "write `--near TOWN` or `--near LAT,LON`"),
    (
        &["output", "out", "save", "save-to"],
        "html",
        "write `--html FILE` for a page, `--copy-to DIR` for the photos",
    ),
    (&["copy", "cp"], "copy-to", "write `--copy-to DIR`"),
    (&["link", "symlink"], "link-to", "write `--link-to DIR`"),
    (&["print0", "zero"], "null", "write `-0`"),
    (&["order", "order-by", "sort-by"], "sort", "write `--sort score`, `--sort date` or `--sort path`"),
    (&["ignore", "skip"], "exclude", "write `--exclude PATTERN`"),
    (&["hidden"], "include-hidden", "write `--include-hidden`"),
    (&["follow", "dereference"], "follow-symlinks", "write `--follow-symlinks`"),
    (&["recursive", "r", "R"], "exclude", "leave it out: folders are always searched at any depth"),
    (&["jobs", "j", "workers", "cores"], "threads", "write `--threads N`"),
    (&["gpu", "cuda"], "device", "write `--device cuda`"),
    (&["db", "database", "index"], "library", "write `--library DIR`"),
];

/// What a refused command line probably meant. `None` if nothing is known.
pub(super) fn hint(error: &clap::Error, command: &Command, typed: &[OsString]) -> Option<String> {
    if error.kind() == ErrorKind::InvalidSubcommand {
        subcommand(text(error, ContextKind::InvalidSubcommand)?, command, typed)
    } else if error.kind() == ErrorKind::UnknownArgument {
        option(text(error, ContextKind::InvalidArg)?, command, typed)
    } else {
        None
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    if let Some(ContextValue::String(text)) = error.get(kind) { Some(text) } else { None }
}

/// The first word is no command: a folder, a picture, a command of another program, or what to search for.
fn subcommand(word: &str, command: &Command, typed: &[OsString]) -> Option<String> {
    let at = typed.iter().position(|argument| argument == word)?;
    if typed[..at].iter().any(|before| command.find_subcommand(before).is_some()) {
        return None; // It is no command of `models` or `config`.
    }
    let behind: Vec<OsString> =
        typed[at + 1..].iter().take_while(|argument| !is_option(argument)).cloned().collect();
    let (behind, path) = (behind.join(OsStr::new(" ")), Path::new(word));
    let (behind, named) = (behind.to_string_lossy(), shell_word(word));
    if path.is_dir() {
        return Some(match &*behind {
            "" => format!("`imgsearch index {named}` adds this folder; `imgsearch query TEXT` searches"),
            text => format!("did you mean `imgsearch query {text} --in {named}`?"),
        });
    }
    if path.is_file() && FileType::of(word.as_bytes()).is_some() {
        return Some(format!("`imgsearch similar {named}` finds photos like this picture"));
    }
    if let Some((_, ours)) = COMMANDS.iter().find(|(theirs, _)| theirs.contains(&word)) {
        return Some(format!("did you mean `imgsearch {ours}`? `imgsearch help` lists the commands"));
    }
    let names = command
        .get_subcommands()
        .flat_map(|command| std::iter::once(command.get_name()).chain(command.get_visible_aliases()));
    let text = if behind.is_empty() { shell_word(word) } else { format!("{word} {behind}") };
    Some(match nearest(word, names) {
        Some(near) => {
            format!("did you mean `imgsearch {near}`? To search for a text: `imgsearch query {text}`")
        }
        None => format!("to search for it: `imgsearch query {text}`"),
    })
}

fn option(name: &str, command: &Command, typed: &[OsString]) -> Option<String> {
    let used = typed.iter().find_map(|word| command.find_subcommand(word)).unwrap_or(command);
    let has = |command: &Command, long: &str| {
        command.get_arguments().any(|argument| argument.get_long() == Some(long))
    };
    let (bare, called) = (name.trim_start_matches('-').split('=').next()?, used.get_name());
    if bare == "watch" {
        return Some("`imgsearch index --watch FOLDER` keeps a library current".to_owned());
    }
    let wish = OPTIONS
        .iter()
        .find(|(theirs, ours, _)| theirs.contains(&bare) && (has(used, ours) || has(command, ours)));
    if let Some((_, _, hint)) = wish {
        return Some((*hint).to_owned());
    }
    let all = used.get_arguments().chain(command.get_arguments());
    let near = nearest(bare, all.filter_map(clap::Arg::get_long)).filter(|_| name.starts_with("--"));
    let others = command.get_subcommands().filter(|other| other.get_name() != called && has(other, bare));
    let others: Vec<_> = others.map(|other| format!("`imgsearch {}`", other.get_name())).collect();
    match (near, others.as_slice()) {
        (Some(near), []) => Some(format!("did you mean `--{near}`?")),
        (None, []) => None,
        (_, others) => Some(format!("`--{bare}` is an option of {}", others.join(", "))),
    }
}

fn is_option(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().starts_with(b"-") && argument.len() > 1
}

/// The word, in quotes if a shell would split or change it.
fn shell_word(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_alphanumeric() || "/._-~+:,@%".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let typed: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let all = std::iter::once(OsString::from("imgsearch")).chain(typed.iter().cloned());
        let error = cli::command().try_get_matches_from(all).unwrap_err();
        assert_eq!(hint(&error, &cli::command(), &typed).as_deref().unwrap_or(""), expected, "{line}");
    }

    #[test]
    fn other_programs_habits_are_known() {
        check("dog", "to search for it: `imgsearch query dog`");
        check("red bicycle -n 3", "to search for it: `imgsearch query red bicycle`");
        check("/ dog", "did you mean `imgsearch query dog --in /`?");
        check("/", "`imgsearch index /` adds this folder; `imgsearch query TEXT` searches");
        check(
            "serach dog",
            "did you mean `imgsearch search`? To search for a text: `imgsearch query serach dog`",
        );
        check("scan", "did you mean `imgsearch index`? `imgsearch help` lists the commands");
        check("ui", "did you mean `imgsearch browse`? `imgsearch help` lists the commands");
        check("query dog --limit 3", "write `-n N` for the number of photos");
        check(
            "query dog --threshold 0.3",
            "`--min-score SCORE` leaves out photos with lower scores; `--cutoff` needs no number",
        );
        check("query dog --watch", "`imgsearch index --watch FOLDER` keeps a library current");
        check("query dog --formt json", "did you mean `--format`?");
        check("query dog --force", "`--force` is an option of `imgsearch index`, `imgsearch setup`");
        check("index / --gpu", "write `--device cuda`");
        check("models instal", "");
    }

    #[test]
    fn every_hint_names_an_existing_command_and_option() {
        let command = cli::command();
        for (_, ours) in COMMANDS {
            let name = ours.split(' ').next().unwrap();
            assert!(command.find_subcommand(name).is_some(), "{ours}");
        }
        for (_, ours, _) in OPTIONS {
            let mut all = command.get_subcommands().chain([&command]).flat_map(Command::get_arguments);
            assert!(all.any(|option| option.get_long() == Some(ours)), "{ours}");
        }
        for (theirs, _) in COMMANDS {
            for name in *theirs {
                assert!(command.find_subcommand(name).is_none(), "{name}");
            }
        }
    }
}
