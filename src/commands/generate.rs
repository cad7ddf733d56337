//! `completions` and `man`, from the definitions that also parse what is typed.

use std::fs;

use anyhow::{Context, Result};

use super::Exit;
use super::complete::with_calls;
use crate::cli::{self, CompletionsArgs, ManArgs};
use crate::progress::print_note;
use crate::render::{Output, unless_reader_left};
use crate::ui::Ui;

pub(super) fn completions(ui: Ui, args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "imgsearch", &mut script);
    let script = with_calls(&String::from_utf8_lossy(&script), args.shell).into_bytes();
    let mut output = Output::new(ui.look);
    unless_reader_left(output.generated(&script).and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

/// Writes the manual pages: section 1, and one of section 5 for the config file.
pub(super) fn man(ui: Ui, args: &ManArgs) -> Result<Exit> {
    let ManArgs { out } = args;
    let failed = || format!("cannot write manual pages into {}", out.display());
    fs::create_dir_all(out).with_context(failed)?;
    clap_mangen::generate_to(cli::command(), out).with_context(failed)?;
    // `man` looks for each section in its own folder.
    let is_section = out.file_name().is_some_and(|name| name == "man1");
    let files = if is_section { out.with_file_name("man5") } else { out.clone() };
    fs::create_dir_all(&files).with_context(failed)?;
    fs::write(files.join("imgsearch-config.5"), config_page()).with_context(failed)?;
    if !ui.is_quiet() {
        print_note(if is_section {
            "`man imgsearch-query` finds them if the folder above is one of `manpath`; ~/.local/share/man usually is"
        } else {
            "`man` finds pages in folders called man1: `imgsearch man --out ~/.local/share/man/man1`"
        });
    }
    Ok(Exit::Done)
}

/// imgsearch-config(5): the keys of the config file.
fn config_page() -> String {
    let command = cli::command();
    let mut page = ".TH imgsearch-config 5\n.SH NAME\nimgsearch-config \\- the config file of imgsearch\n\
        .SH DESCRIPTION\nThe file is TOML. Each key is the name of an option. The command line wins over the environment,\n\
        and the environment over the file. \\fBimgsearch config path\\fR prints where it is, \\fBimgsearch config init\\fR\n\
        writes one, and \\fBimgsearch config show\\fR lists the settings in effect.\n.SH KEYS\n"
        .to_owned();
    for key in cli::KEYS {
        let help = key.option(&command).and_then(|option| option.get_help().map(ToString::to_string));
        let variable = key.variable().map_or_else(String::new, |name| format!("\n.br\nEnvironment: {name}"));
        page += &format!(
            ".TP\n\\fB{} = {}\\fR\n{}{}\n",
            roff(key.name),
            roff(key.example),
            roff(&help.unwrap_or_default()),
            roff(&variable)
        );
    }
    page + ".SH SEE ALSO\n\\fBimgsearch-config\\fR(1)\n"
}

/// A text as roff takes it literally.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// The help of the options that every command has.
pub(super) fn options(ui: Ui) -> Result<Exit> {
    let mut command = cli::command();
    command.build();
    let help = command.find_subcommand_mut("options").map(|options| options.render_long_help().to_string());
    let mut output = Output::new(ui.look);
    let written = output.generated(help.unwrap_or_default().as_bytes());
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}
