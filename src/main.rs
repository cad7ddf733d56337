//! The `imgsearch` command: parse, run, exit code.

mod cli;
mod commands;
mod progress;
mod render;
mod settings;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use commands::Exit;

fn main() -> ExitCode {
    progress::silence_contained_panics();
    let exit = commands::run(Cli::parse()).unwrap_or_else(|error| {
        progress::print_error(&error);
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}
