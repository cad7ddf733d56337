//! `completions` and `man`, from the definitions that also parse what is typed.

use std::fs;

use anyhow::{Context, Result};

use super::Exit;
use crate::cli::{self, CompletionsArgs, ManArgs};
use crate::render::{Output, unless_reader_left};
use crate::ui::Ui;

pub(super) fn completions(ui: Ui, args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "imgsearch", &mut script);
    let mut output = Output::new(ui.look);
    unless_reader_left(output.generated(&script).and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

pub(super) fn man(args: &ManArgs) -> Result<Exit> {
    let ManArgs { out } = args;
    let failed = || format!("cannot write manual pages into {}", out.display());
    fs::create_dir_all(out).with_context(failed)?;
    clap_mangen::generate_to(cli::command(), out).with_context(failed)?;
    Ok(Exit::Done)
}
