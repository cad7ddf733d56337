//! The `imgsearch` command: parse, run, exit code.

mod cli;
mod commands;
mod progress;
mod render;
#[cfg(feature = "serve")]
mod serve;
mod settings;
mod status;
mod terminal;
mod ui;
mod usage;

use commands::Exit;
use settings::CommandLine;

fn main() {
    keep_to_this_machine();
    progress::silence_contained_panics();
    let exit = CommandLine::parse().and_then(commands::run).unwrap_or_else(|error| {
        progress::print_error(&error);
        Exit::Failed
    });
    end(exit)
}

/// Ends the process at once, without the destructors of loaded libraries. A thread may still work for an answer that nobody
/// waits for: beside those of ONNX Runtime it would crash. `render::Output` has written everything before.
#[cfg_attr(unix, expect(unsafe_code, reason = "`std::process::exit` runs them"))]
#[cfg_attr(
    not(unix),
    expect(clippy::exit, reason = "destructors run after the other threads have ended there")
)]
fn end(exit: Exit) -> ! {
    #[cfg(unix)]
    // SAFETY: it takes any number and does not return. What is stored is durable at any time.
    unsafe {
        libc::_exit(i32::from(exit as u8))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(exit as u8))
}

/// Disables ONNX Runtime's telemetry. Builds from PyPI otherwise store a device id and an event database in the cache
/// folder as soon as their environment is created, before their own switch could be used.
#[expect(unsafe_code, reason = "there is no safe way to configure a library that is loaded later")]
fn keep_to_this_machine() {
    // SAFETY: no other thread is running yet.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}
