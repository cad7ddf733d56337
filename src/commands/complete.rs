//! What shells complete and only the program knows: names of models, fields and towns, and the results of the last query.
//!
//! clap generates the scripts; here they get calls of `imgsearch complete KIND`, which prints one candidate per line.

use std::num::NonZeroUsize;

use anyhow::Result;
use clap_complete::Shell;
use imgsearch::hub::KNOWN;
use imgsearch::query::Gazetteer;

use super::Exit;
use crate::cli::{CompleteArgs, Wanted};
use crate::render::{
    Field, Output, duplicate_fields, fit_fields, match_fields, setting_fields, skipped_fields, tag_fields,
    unless_reader_left,
};
use crate::settings::Settings;

/// The subcommands of `models` that take names of models.
const OF_MODELS: &[&str] = &["bench", "info", "pull", "remove", "use", "verify"];

/// The maximum number of results to offer, and of towns.
const MOST: usize = 20;

/// Prints the candidates.
pub(super) fn run(settings: &Settings, args: &CompleteArgs) -> Result<Exit> {
    let word = args.word.as_deref().unwrap_or_default();
    let candidates = match args.wanted {
        Wanted::Models => models(settings),
        Wanted::Fields => fields(word),
        Wanted::Results => results(settings),
        Wanted::Towns => towns(settings, word),
    };
    let mut output = Output::new(settings.ui.look);
    let written = candidates.iter().try_for_each(|candidate| output.line(candidate));
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

/// The installed models, then those that can be installed.
fn models(settings: &Settings) -> Vec<String> {
    let installed = settings.store().map(|store| store.installed()).unwrap_or_default();
    let mut names: Vec<String> = installed.into_iter().map(|model| model.name).collect();
    for known in KNOWN {
        if !names.iter().any(|name| name == known.name) {
            names.push(known.name.to_owned());
        }
    }
    names
}

fn fields(command: &str) -> Vec<String> {
    fn names<R>(fields: &[Field<R>]) -> Vec<String> {
        fields.iter().map(|field| field.name().to_owned()).collect()
    }
    match command {
        "tags" => names(&tag_fields()),
        "classify" => names(&fit_fields()),
        "duplicates" => names(&duplicate_fields()),
        "status" => names(&skipped_fields()),
        "config" => names(&setting_fields()),
        _ => names(&match_fields()),
    }
}

fn results(settings: &Settings) -> Vec<String> {
    let ranks = (1..=MOST).filter_map(NonZeroUsize::new);
    let there = ranks.take_while(|rank| settings.library.remembered(*rank).is_some());
    there.map(|rank| format!("#{rank}")).collect()
}

/// None if the names of towns are not installed.
fn towns(settings: &Settings, typed: &str) -> Vec<String> {
    let gazetteer = settings.places_file().and_then(|file| Gazetteer::read(&file).ok());
    gazetteer.map(|gazetteer| gazetteer.complete(typed, MOST)).unwrap_or_default()
}

/// A generated script, with calls of this program in it.
pub(super) fn with_calls(script: &str, shell: Shell) -> String {
    if shell == Shell::Bash {
        bash(script)
    } else if shell == Shell::Zsh {
        zsh(script)
    } else if shell == Shell::Fish {
        script.to_owned() + &FISH.replace("OF_MODELS", &OF_MODELS.join(" "))
    } else {
        script.to_owned()
    }
}

fn bash(script: &str) -> String {
    let files = "COMPREPLY=($(compgen -f \"${cur}\"))";
    let models = "COMPREPLY=($(compgen -W \"$(imgsearch complete models 2>/dev/null)\" -- \"${cur}\") \
                  $(compgen -f \"${cur}\"))";
    let fields = "[[ ${cur} == *,* ]] && before=\"${cur%,*},\" || before=\n                    \
                  COMPREPLY=($(compgen -W \"$(imgsearch complete fields \"${COMP_WORDS[1]}\" 2>/dev/null)\" \
                  -P \"${before}\" -- \"${cur##*,}\"))";
    let results = "COMPREPLY=($(compgen -W \"$(imgsearch complete results 2>/dev/null)\" -- \"${cur}\") \
                   $(compgen -f \"${cur}\"))";
    let options =
        [("--model", models), ("--fields", fields), ("--like", results), ("--near", "_imgsearch_towns")];
    let script = options.iter().fold(script.to_owned(), |script, (option, calls)| {
        let case = |action: &str| format!("                {option})\n                    {action}\n");
        script.replace(&case(files), &case(calls))
    });
    let script = OF_MODELS.iter().fold(script, |script, command| {
        let words = format!("        imgsearch__subcmd__models__subcmd__{command})\n            opts=\"");
        script.replace(&words, &format!("{words}$(imgsearch complete models 2>/dev/null) "))
    });
    script + BASH
}

// The words of `compgen -W` are expanded, which names with quotes do not survive. What bash inserts must be quoted, but not
// behind a quote that was typed.
const BASH: &str = r#"
_imgsearch_towns() {
    local town typed="${COMP_WORDS[COMP_CWORD]}" quoted=
    [[ ${typed} == [\"\']* ]] && quoted=1 typed="${typed:1}" || typed="${typed//\\/}"
    COMPREPLY=()
    while IFS= read -r town; do
        [[ ${quoted} ]] || printf -v town %q "${town}"
        COMPREPLY+=("${town//\\,/,}")
    done < <(imgsearch complete towns "${typed}" 2>/dev/null)
}
"#;

fn zsh(script: &str) -> String {
    // With two colons, `_arguments` looks at nothing but the words themselves, so behind the text of a query no option
    // would be completed (clap-rs/clap#6282). One colon is the form for words among which options may be.
    let script = script.replace("'*::", "'*:");
    let called = script.lines().map(|line| {
        let is = |option: &str| line.contains(&format!("--{option}=["));
        let is_name_of_model = ["':name -- ", "'::name -- ", "'*:names -- ", "':source -- "];
        if is("model") {
            line.replace(":DIR|FILE|NAME:_files", ":DIR|FILE|NAME:_imgsearch_models")
        } else if is("fields") {
            line.replace(":NAME:_default", ":NAME:_imgsearch_fields")
        } else if is("like") {
            line.replace(":FILE|#N|-:_default", ":FILE|#N|-:_imgsearch_results")
        } else if is("near") {
            line.replace(":_default'", ":_imgsearch_towns'")
        } else if is_name_of_model.iter().any(|positional| line.starts_with(positional)) {
            line.replace(":_default'", ":_imgsearch_models'")
        } else {
            line.to_owned()
        }
    });
    let mut lines: Vec<String> = called.collect();
    // Right behind `#compdef`, which must be the first line.
    lines.insert(1, ZSH.to_owned());
    lines.join("\n") + "\n"
}

// While `_arguments` completes the arguments of a command, the first of the words is the command. `-V` keeps the order.
const ZSH: &str = r#"
_imgsearch_models() { compadd -- ${(f)"$(imgsearch complete models 2>/dev/null)"}; _files }
_imgsearch_fields() { _values -s , field ${(f)"$(imgsearch complete fields ${words[1]} 2>/dev/null)"} }
_imgsearch_results() { compadd -V results -- ${(f)"$(imgsearch complete results 2>/dev/null)"}; _files }
_imgsearch_towns() { compadd -V towns -- ${(f)"$(imgsearch complete towns ${(Q)PREFIX} 2>/dev/null)"} }"#;

const FISH: &str = r#"
complete -c imgsearch -l model -r -a "(imgsearch complete models 2>/dev/null)"
complete -c imgsearch -l fields -r -f -a "(__fish_complete_list , 'imgsearch complete fields (commandline -opc)[2] 2>/dev/null')"
complete -c imgsearch -l like -r -a "(imgsearch complete results 2>/dev/null)"
complete -c imgsearch -l near -r -f -a "(imgsearch complete towns (commandline -ct | string replace -r -- '^--near=' '' | string unescape) 2>/dev/null)"
complete -c imgsearch -n "__fish_imgsearch_using_subcommand models; and __fish_seen_subcommand_from OF_MODELS" -f -a "(imgsearch complete models 2>/dev/null)"
"#;
