//! What `doctor` found.

use std::io;

use super::Output;

/// One line of `doctor`.
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) result: Result<String, Wrong>,
}

/// What is wrong, and what to do about it where that is known.
pub(crate) struct Wrong {
    pub(crate) error: anyhow::Error,
    pub(crate) hint: Option<String>,
}

impl Output {
    pub(crate) fn check(&mut self, check: &Check) -> io::Result<()> {
        let Check { what, result } = check;
        match result {
            Ok(detail) => self.line(&format!("ok     {what}: {detail}"))?,
            Err(Wrong { error, hint }) => {
                self.line(&format!("wrong  {what}: {error:#}"))?;
                if let Some(hint) = hint {
                    self.line(&format!("       hint: {hint}"))?;
                }
            }
        }
        Ok(())
    }
}
