//! The `imgsearch` command: parse, run, exit code.

mod cli;
mod commands;
mod progress;
mod render;
mod settings;
mod terminal;
mod usage;

use std::process::ExitCode;

use commands::Exit;
use settings::CommandLine;

fn main() -> ExitCode {
    progress::silence_contained_panics();
    let exit = CommandLine::parse().and_then(commands::run).unwrap_or_else(|error| {
        progress::print_error(&error);
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}
