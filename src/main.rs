//! The `imgsearch` command: parse, run, exit code.

mod cli;
mod commands;
mod progress;
mod render;
mod settings;
mod terminal;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use commands::Exit;

fn main() -> ExitCode {
    let exit = commands::run(Cli::parse()).unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            return Exit::Done;
        }
        progress::print_error(&error);
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}

/// Whoever reads our output has read enough (`imgsearch query … | head -1`): no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
