//! Fifth stage: what is done with becomes durable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use imgsearch_index::{Change, Fingerprint};

use super::pipeline::{Done, Run};
use super::{Event, IngestError, Outcome, Totals};

/// Files stored at once at most, and the longest that a file that is done with waits to be stored: what a killed
/// process loses, besides the pictures it is at.
pub(super) const FILES: usize = 64;
const WITHIN: Duration = Duration::from_secs(1);

/// How many files of each content were stored in this run without embedding.
pub(super) type Copies = HashMap<Fingerprint, u64>;

/// Stores what is done, in the order it comes.
pub(super) fn store(run: &Run<'_>, done: &Receiver<Done>) -> Result<(Totals, Copies), IngestError> {
    let mut store = Store { run, pending: Vec::new(), totals: Totals::default(), copies: Copies::new() };
    let mut deadline = Instant::now() + WITHIN;
    loop {
        match done.recv_deadline(deadline) {
            Ok(file) => store.pending.push(file),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if store.pending.len() >= FILES || Instant::now() >= deadline {
            store.flush()?;
            deadline = Instant::now() + WITHIN;
        }
    }
    // Each flush may release files that waited for a content.
    while !store.pending.is_empty() {
        store.flush()?;
    }
    Ok((store.totals, store.copies))
}

struct Store<'a> {
    run: &'a Run<'a>,
    pending: Vec<Done>,
    totals: Totals,
    copies: Copies,
}

impl Store<'_> {
    /// Makes what is pending durable, and only then counts and reports it.
    fn flush(&mut self) -> Result<(), IngestError> {
        let pending = std::mem::take(&mut self.pending);
        let (mut changes, mut files) = (Vec::new(), Vec::new());
        for file in pending {
            files.push((file.content(), file.path, file.outcome));
            let key = file.key;
            changes.extend(file.entry.map(|(record, vector)| Change::Put { key, record, vector }));
        }
        if !changes.is_empty() {
            self.run.writer.apply(changes)?;
        }
        for (content, path, outcome) in files {
            self.totals.add(&outcome);
            self.run.reporter.report(Event::Finished { path: &path, outcome: &outcome });
            match (content, outcome) {
                (Some(content), Outcome::Embedded) => self.release(content)?,
                (Some(content), Outcome::Copied) => *self.copies.entry(content).or_default() += 1,
                (_, Outcome::Embedded | Outcome::Copied | Outcome::Skipped(_)) => {}
            }
        }
        Ok(())
    }

    /// Files that waited for `content` get its vector, now that it is stored.
    fn release(&mut self, content: Fingerprint) -> Result<(), IngestError> {
        for file in self.run.in_flight.settle(&content) {
            if let Some((record, vector)) = self.run.writer.record_of(&content)? {
                self.pending.push(Done::copied(file, &record, vector));
            }
        }
        Ok(())
    }
}
