//! What a run of `index` did.

use std::io::{self, Write};

use imgsearch::ingest::{Lacking, Replacement, Totals};

use super::Output;

impl Output {
    /// What a run of `index` did.
    pub(crate) fn totals(&mut self, totals: &Totals, seconds: f64) -> io::Result<()> {
        let Totals {
            embedded,
            unchanged,
            moved,
            copied,
            removed,
            kept,
            skipped,
            skipped_before,
            unreadable,
            links_not_followed,
            cancelled,
            replacement,
        } = totals;
        let changes = embedded + moved + copied + removed + unreadable + skipped.values().sum::<u64>();
        match (cancelled, changes) {
            (true, _) => writeln!(self.out, "stopped after {seconds:.1} s; what was done is kept")?,
            (false, 0) => writeln!(self.out, "nothing to do: no photo is new, changed or gone")?,
            (false, _) => writeln!(self.out, "done in {seconds:.1} s")?,
        }
        writeln!(self.out, "  embedded   {embedded}")?;
        writeln!(self.out, "  unchanged  {unchanged}")?;
        writeln!(self.out, "  moved      {moved}")?;
        if *copied > 0 {
            writeln!(self.out, "  copied     {copied}")?;
        }
        writeln!(self.out, "  removed    {removed}")?;
        if *kept > 0 {
            writeln!(
                self.out,
                "  kept       {kept} that are gone together with their disk (--prune drops them)"
            )?;
        }
        writeln!(self.out, "  skipped    {}", skipped.values().sum::<u64>())?;
        for (kind, files) in skipped {
            writeln!(self.out, "    {files} {}", kind.label())?;
        }
        if *skipped_before > 0 {
            writeln!(self.out, "  skipped before and not changed since  {skipped_before}")?;
        }
        if *unreadable > 0 {
            writeln!(self.out, "  folders or files that could not be looked at  {unreadable}")?;
        }
        if *links_not_followed > 0 {
            writeln!(
                self.out,
                "  symbolic links not followed  {links_not_followed} (see --follow-symlinks)"
            )?;
        }
        if !skipped.is_empty() {
            writeln!(self.out, "`imgsearch status --skipped` lists the skipped files")?;
        }
        replacement.as_ref().map_or(Ok(()), |replacement| self.replacement(replacement))
    }

    /// What became of a change to another model.
    fn replacement(&mut self, replacement: &Replacement) -> io::Result<()> {
        let Replacement { old, new, lacking } = replacement;
        if replacement.is_done() {
            return self.line(&format!("the library is of `{new}` now; the index of `{old}` is gone"));
        }
        self.line(&format!("the library stays with `{old}` until that of `{new}` has all its photos"))?;
        let Some(Lacking { failed, absent }) = lacking else {
            return writeln!(self.out, "  the same command goes on from here");
        };
        if *failed > 0 {
            self.line(&format!(
                "  not embedded  {failed}, which `{new}` needs (--exclude does without them)"
            ))?;
        }
        if *absent > 0 {
            writeln!(self.out, "  absent        {absent}, gone with their disk (--prune does without them)")?;
        }
        Ok(())
    }
}
