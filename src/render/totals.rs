//! The summary of an `index` run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use imgsearch::ingest::{Lacking, Replacement, TextTotals, Totals};
use imgsearch::walk::Kind;

use super::Output;

impl Output {
    /// What a pass over text in photos did.
    pub(crate) fn texts(&mut self, texts: &TextTotals) -> io::Result<()> {
        let TextTotals { read, with_text, failed, left } = texts;
        if read + failed + left > 0 {
            writeln!(self.out, "  read for text  {read} ({with_text} with text)")?;
        }
        if *failed > 0 {
            writeln!(self.out, "  not read for text  {failed} (the next run tries again)")?;
        }
        if *left > 0 {
            writeln!(self.out, "  still to be read for text  {left}")?;
        }
        Ok(())
    }

    /// What a run of `index` did.
    pub(crate) fn totals(&mut self, totals: &Totals, seconds: f64) -> io::Result<()> {
        let Totals {
            embedded,
            unchanged,
            reread,
            moved,
            copied,
            removed,
            kept,
            skipped,
            skipped_before,
            not_pictures,
            stood_back,
            unsettled,
            left_to_others,
            unreadable,
            links_not_followed,
            cancelled,
            replacement,
        } = totals;
        let changes =
            embedded + reread + moved + copied + removed + unreadable + skipped.values().sum::<u64>();
        match (cancelled, changes) {
            (true, _) => writeln!(self.out, "stopped after {seconds:.1} s; finished work is kept")?,
            (false, 0) => writeln!(self.out, "nothing to do: no photo is new, changed or deleted")?,
            (false, _) => writeln!(self.out, "done in {seconds:.1} s")?,
        }
        self.count("embedded", *embedded)?;
        self.count("unchanged", *unchanged)?;
        if *reread > 0 {
            writeln!(self.out, "  metadata read again  {reread} (same pixels, so not embedded again)")?;
        }
        self.count("moved", *moved)?;
        self.count("copied", *copied)?;
        self.count("removed", *removed)?;
        if *kept > 0 {
            writeln!(self.out, "  kept       {kept} whose disk is not mounted (--prune removes them)")?;
        }
        self.count("skipped", skipped.values().sum())?;
        for (kind, files) in skipped {
            writeln!(self.out, "    {files} {}", kind.label())?;
        }
        if *skipped_before > 0 {
            writeln!(self.out, "  skipped before and unchanged since  {skipped_before}")?;
        }
        for line in left_alone(not_pictures, *stood_back) {
            writeln!(self.out, "  {line}")?;
        }
        if *unsettled > 0 {
            writeln!(self.out, "  still being written  {unsettled}")?;
        }
        if *left_to_others > 0 {
            writeln!(self.out, "  left to other workers  {left_to_others}")?;
        }
        if *unreadable > 0 {
            writeln!(self.out, "  folders or files that could not be read  {unreadable}")?;
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
        replacement.iter().flat_map(replaced).try_for_each(|line| self.line(&line))
    }

    /// A line of the summary. What is zero says nothing, so it is left out.
    fn count(&mut self, label: &str, files: u64) -> io::Result<()> {
        if files == 0 { Ok(()) } else { writeln!(self.out, "  {label:<9}  {files}") }
    }
}

impl Output {
    /// What a round of watching changed, in one line; nothing where it changed nothing.
    pub(crate) fn changes(&mut self, totals: &Totals) -> io::Result<()> {
        let Totals { embedded, reread, moved, copied, removed, skipped, .. } = totals;
        let skipped = skipped.values().sum();
        let all = [
            (*embedded, "embedded"),
            (*reread, "read again"),
            (*moved, "moved"),
            (*copied, "copied"),
            (*removed, "removed"),
            (skipped, "skipped"),
        ];
        let said: Vec<_> = all
            .iter()
            .filter(|(files, _)| *files > 0)
            .map(|(files, what)| format!("{files} {what}"))
            .collect();
        if said.is_empty() { Ok(()) } else { self.line(&said.join(", ")) }
    }
}

/// The outcome of a change to another model.
fn replaced(replacement: &Replacement) -> Vec<String> {
    let Replacement { old, new, lacking } = replacement;
    if replacement.is_done() {
        return vec![format!("the library now uses `{new}`; the index of `{old}` was removed")];
    }
    let mut lines = vec![format!("the library uses `{old}` until the index of `{new}` has all its photos")];
    match lacking {
        None => lines.push("  run the same command again to continue".into()),
        Some(Lacking { failed, absent }) => {
            if *failed > 0 {
                lines.push(format!(
                    "  not embedded  {failed} that the change needs (to drop them, use --exclude)"
                ));
            }
            if *absent > 0 {
                lines.push(format!(
                    "  absent        {absent} whose disk is not mounted (to drop them, use --prune)"
                ));
            }
        }
    }
    lines
}

/// Files that a run found but deliberately did not index.
pub(super) fn left_alone(not_pictures: &BTreeMap<Kind, u64>, stood_back: u64) -> Vec<String> {
    let raw = match stood_back {
        0 => None,
        1 => Some("1 RAW file skipped in favour of its JPEG".to_owned()),
        files => Some(format!("{files} RAW files skipped in favour of their JPEGs")),
    };
    let kinds: Vec<_> = not_pictures.iter().map(|(kind, files)| kind.counted(*files)).collect();
    let were = if not_pictures.values().sum::<u64>() == 1 { "was" } else { "were" };
    let others = (!kinds.is_empty()).then(|| format!("{} {were} not indexed", kinds.join(", ")));
    raw.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_model_tells_what_it_waits_for() {
        #[track_caller]
        fn check(lacking: Option<Lacking>, expected: &[&str]) {
            assert_eq!(replaced(&Replacement { old: "a".into(), new: "b".into(), lacking }), expected);
        }
        let stays = "the library uses `a` until the index of `b` has all its photos";
        check(Some(Lacking::default()), &["the library now uses `b`; the index of `a` was removed"]);
        check(None, &[stays, "  run the same command again to continue"]);
        check(
            Some(Lacking { failed: 1, absent: 2 }),
            &[
                stays,
                "  not embedded  1 that the change needs (to drop them, use --exclude)",
                "  absent        2 whose disk is not mounted (to drop them, use --prune)",
            ],
        );
    }

    #[test]
    fn what_was_left_alone_is_told_in_sentences() {
        #[track_caller]
        fn check(not_pictures: &[(Kind, u64)], stood_back: u64, expected: &[&str]) {
            assert_eq!(left_alone(&not_pictures.iter().copied().collect(), stood_back), expected);
        }
        check(&[], 0, &[]);
        check(
            &[(Kind::Video, 1)],
            1,
            &["1 RAW file skipped in favour of its JPEG", "1 video was not indexed"],
        );
        check(
            &[(Kind::Other, 3), (Kind::Pdf, 40), (Kind::Video, 312)],
            12,
            &[
                "12 RAW files skipped in favour of their JPEGs",
                "312 videos, 40 PDF, 3 others were not indexed",
            ],
        );
    }
}
