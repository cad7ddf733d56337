//! How the program talks to the person at the terminal.

use crate::terminal::Look;

/// How much is printed on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// What standard output and stderr can do, and how much to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    pub(crate) verbosity: Verbosity,
    /// What standard output can show.
    pub(crate) look: Look,
    pub(crate) stderr_is_terminal: bool,
    /// Whether to ask the user questions: stdin and stderr are terminals, without `--quiet`.
    pub(crate) can_ask: bool,
}

impl Ui {
    /// With `--quiet`, only errors are printed on stderr.
    pub(crate) fn is_quiet(self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    pub(crate) fn is_verbose(self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Whether to draw a progress bar.
    pub(crate) fn shows_progress(self) -> bool {
        self.stderr_is_terminal && !self.is_quiet()
    }
}
