//! `config`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command as Process;

use anyhow::{Context, Result, bail};

use super::Exit;
use crate::cli::{self, ConfigAction, KEYS};
use crate::render::{FormatOptions, Output, Records, setting_fields, unless_reader_left};
use crate::settings::{ConfigFile, Setting, Settings};
use crate::usage::UsageError;

pub(super) fn run(
    settings: &Settings,
    action: &ConfigAction,
    file: &ConfigFile,
    values: &[Setting],
) -> Result<Exit> {
    let path = file.path.as_deref().context("this user has no home folder: give a file with --config")?;
    let mut output = Output::new(settings.ui.look);
    match action {
        ConfigAction::Show(args) => {
            let mut records = Records::new(&mut output, &FormatOptions::of(args)?, setting_fields())?;
            let written = values.iter().try_for_each(|setting| records.write(setting));
            unless_reader_left(written.and_then(|()| records.finish()))?;
        }
        ConfigAction::Path => unless_reader_left(output.line_with(path))?,
        ConfigAction::Init => {
            init(path)?;
            unless_reader_left(output.line_with(path))?;
        }
        ConfigAction::Edit => edit(&settings.editor, path)?,
    }
    unless_reader_left(output.finish())?;
    Ok(Exit::Done)
}

fn init(path: &Path) -> Result<()> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    match File::create_new(path) {
        Ok(mut file) => {
            file.write_all(template().as_bytes()).with_context(|| format!("cannot write {shown}"))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(UsageError::new(format!("{shown} already exists")).hint("run `imgsearch config edit`").into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {shown}")),
    }
}

/// A config file with all keys commented out.
fn template() -> String {
    let command = cli::command();
    let mut text = "\
# imgsearch's config file. Each key is the name of an option. The command line wins over the environment, and the
# environment over this file. `imgsearch config show` lists the settings in effect.\n"
        .to_owned();
    for key in KEYS {
        let help = key.option(&command).and_then(|option| option.get_help().map(ToString::to_string));
        text += &format!("\n# {}\n# {} = {}\n", help.unwrap_or_default(), key.name, key.example);
    }
    text
}

/// The editor may have arguments (`code --wait`).
fn edit(editor: &str, path: &Path) -> Result<()> {
    let mut words = editor.split_whitespace();
    let Some(program) = words.next() else {
        let error = UsageError::new("no editor is set");
        return Err(error.hint(format!("set `EDITOR`, or open {} yourself", path.display())).into());
    };
    let ended = Process::new(program).args(words).arg(path).status();
    let status = ended.with_context(|| format!("cannot start the editor `{editor}`"))?;
    if !status.success() {
        bail!("the editor `{editor}` failed: {status}");
    }
    Ok(())
}
