//! Fifth stage: what is done with becomes durable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use imgsearch_index::{Fingerprint, Vector};

use super::file::Done;
use super::in_flight::InFlight;
use super::{Event, IngestError, Outcome, Reporter, Totals};
use crate::library::Sink;
use crate::photo::{Photo, Skip, SkipKind};

/// Files stored at once at most, and the longest that a file that is done with waits to be stored: what a killed
/// process loses, besides the pictures it is at.
pub(super) const FILES: usize = 64;
const WITHIN: Duration = Duration::from_secs(1);

/// How many files of each content were stored in this run without embedding.
pub(super) type Copies = HashMap<Fingerprint, u64>;

/// Stores what is done, in the order it comes.
pub(super) struct Store<'a> {
    sink: &'a dyn Sink,
    in_flight: &'a InFlight,
    reporter: &'a dyn Reporter,
    pending: Vec<Done>,
    pub(super) totals: Totals,
    pub(super) copies: Copies,
}

impl<'a> Store<'a> {
    pub(super) fn new(sink: &'a dyn Sink, in_flight: &'a InFlight, reporter: &'a dyn Reporter) -> Store<'a> {
        let (pending, totals, copies) = (Vec::new(), Totals::default(), Copies::new());
        Store { sink, in_flight, reporter, pending, totals, copies }
    }

    /// Stores until no more comes.
    pub(super) fn take_all(&mut self, done: &Receiver<Done>) -> Result<(), IngestError> {
        let mut deadline = Instant::now() + WITHIN;
        loop {
            match done.recv_deadline(deadline) {
                Ok(file) => self.pending.push(file),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.pending.len() >= FILES || Instant::now() >= deadline {
                self.flush()?;
                deadline = Instant::now() + WITHIN;
            }
        }
        // Each flush may release files that waited for a content.
        while !self.pending.is_empty() {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes what is pending durable, and only then counts and reports it.
    fn flush(&mut self) -> Result<(), IngestError> {
        let (mut changes, mut files) = (Vec::new(), Vec::new());
        for file in std::mem::take(&mut self.pending) {
            let file = checked(self.sink, file);
            let claim = file.claim.map(|content| (content, file.photo()));
            files.push((file.content(), claim, file.path, file.outcome));
            changes.extend(file.change);
        }
        if !changes.is_empty() {
            self.sink.apply(changes)?;
        }
        for (content, claim, path, outcome) in files {
            self.totals.add(&outcome);
            self.reporter.report(Event::Finished { path: &path, outcome: &outcome });
            if let (Some(content), Outcome::Copied) = (content, &outcome) {
                *self.copies.entry(content).or_default() += 1;
            }
            if let Some((content, photo)) = claim {
                self.release(content, photo.as_ref(), &outcome);
            }
        }
        Ok(())
    }

    /// Files that waited for `content` become what the first one became, now that it is stored.
    fn release(&mut self, content: Fingerprint, photo: Option<&(Photo, Vector)>, outcome: &Outcome) {
        for job in self.in_flight.settle(&content) {
            let done = match (photo, outcome) {
                (Some((photo, vector)), _) => {
                    Done::known(job, content, photo.clone(), vector.clone(), Outcome::Reread)
                }
                (None, Outcome::Skipped(skip)) => Done::skipped(job, skip.clone(), Some(content)),
                (None, _) => {
                    let skip =
                        Skip::for_now(SkipKind::NotStored, "a file with the same content was not stored");
                    Done::skipped(job, skip, None)
                }
            };
            self.pending.push(done);
        }
    }
}

/// A change that the library would refuse is an outcome of its file, and costs no other file of the batch anything.
fn checked(sink: &dyn Sink, file: Done) -> Done {
    match file.change.as_ref().map(|change| sink.check(change)) {
        Some(Err(error)) => file.refused(Skip::new(SkipKind::NotStored, error.to_string())),
        Some(Ok(())) | None => file,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use crossbeam_channel::unbounded;
    use imgsearch_index::{MAX_PAYLOAD_LEN, Space};

    use super::*;
    use crate::Library;
    use crate::ingest::file::Job;
    use crate::item::Item;
    use crate::photo::Stamp;

    /// What became of each file, in the order in which it was told.
    #[derive(Default)]
    struct Told(Mutex<Vec<(PathBuf, Outcome)>>);

    impl Reporter for Told {
        fn report(&self, event: Event<'_>) {
            if let Event::Finished { path, outcome } = event {
                self.0.lock().unwrap().push((path.to_owned(), outcome.clone()));
            }
        }
    }

    fn job(path: &str) -> Job {
        Job {
            path: path.into(),
            disk: 1,
            stamp: Stamp { size: 1, modified_ns: 2, changed_ns: 3 },
            by_content: false,
            embedded: None,
            sidecars: crate::sidecar::Sidecars::default(),
            said_beside: crate::decode::Metadata::default(),
        }
    }

    fn photo(path: &str, content: u8, vector: Vec<f32>, camera: String) -> Done {
        let details = crate::photo::Details {
            width: 1,
            height: 1,
            camera: Some(camera),
            ..crate::photo::Details::of(
                &crate::decode::Picture {
                    pixels: image::RgbImage::new(1, 1),
                    full_size: (1, 1),
                    eighths: 8,
                    orientation: image::metadata::Orientation::NoTransforms,
                    metadata: crate::decode::Metadata::default(),
                    note: None,
                },
                &job(path).stamp,
            )
        };
        let vector = Some(Vector::normalized(vector).unwrap());
        Done::decoded(job(path), Fingerprint([content; 16]), details, vector, Outcome::Embedded)
    }

    /// Every error that the index can give on one record: the batch is stored without it, the file is named with the
    /// reason, and the reason is remembered.
    #[test]
    fn what_the_index_refuses_is_an_outcome_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new("s", "s", 2).unwrap();
        let sink = Library::new(folder.path()).lock().unwrap().open(&space).unwrap().sink;
        let (in_flight, told) = (InFlight::default(), Told::default());
        let mut store = Store::new(&*sink, &in_flight, &told);
        let refused = [
            ("/long", photo("/long", 2, vec![1.0, 0.0], "x".repeat(MAX_PAYLOAD_LEN)), "a payload of"),
            ("/wide", photo("/wide", 3, vec![1.0; 3], String::new()), "3 dimensions"),
        ];
        let reasons = refused.each_ref().map(|(path, _, reason)| (*path, *reason));
        // A file of the same content as one that is refused waits for it.
        assert!(in_flight.claim(Fingerprint([2; 16]), job("/long")).is_some());
        assert!(in_flight.claim(Fingerprint([2; 16]), job("/long's copy")).is_none());
        let (sender, done) = unbounded();
        sender.send(photo("/good", 1, vec![1.0, 0.0], String::new())).unwrap();
        refused.into_iter().for_each(|(_, file, _)| sender.send(file).unwrap());
        sender.send(photo("/good too", 4, vec![0.0, 1.0], String::new())).unwrap();
        drop(sender);
        store.take_all(&done).unwrap();

        let outcome = |path: &str| {
            let told = told.0.lock().unwrap();
            told.iter().find(|(of, _)| of.as_os_str() == path).unwrap().1.clone()
        };
        assert_eq!((outcome("/good"), outcome("/good too")), (Outcome::Embedded, Outcome::Embedded));
        for (path, reason) in reasons {
            let Outcome::Skipped(skip) = outcome(path) else { panic!("{path}") };
            assert!(skip.kind == SkipKind::NotStored && skip.detail.contains(reason), "{skip}");
            let stored = sink.get(&Item::file(path)).unwrap().unwrap();
            assert_eq!(stored.photo.unwrap().skip, Some(skip));
        }
        assert_eq!(outcome("/long's copy"), outcome("/long"));
        assert_eq!((store.totals.embedded, store.totals.skipped[&SkipKind::NotStored]), (2, 3));
    }
}
