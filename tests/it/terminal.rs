//! The real binary on a pseudo-terminal.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Runs a command with all its streams on a terminal; returns its exit code and what the terminal was sent.
pub(crate) fn on_terminal(mut command: Command) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let name = std::ffi::OsStr::from_bytes(name.as_bytes());
    let program_side = File::options().read(true).write(true).open(name).unwrap();
    let stream = || program_side.try_clone().unwrap();
    let mut child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
    drop((command, program_side));
    let mut bytes = Vec::new();
    // When the last program has closed its side, Linux reports an error where others report an end.
    _ = File::from(terminal).read_to_end(&mut bytes);
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8(bytes).unwrap().replace("\r\n", "\n"))
}
