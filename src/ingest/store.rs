//! Fifth stage: what is done with becomes durable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use imgsearch_index::Fingerprint;

use super::busy::Clock;
use super::file::Done;
use super::in_flight::InFlight;
use super::known::Known;
use super::{Event, IngestError, Outcome, Reporter, Totals};
use crate::item::Item;
use crate::library::Sink;
use crate::photo::{Skip, SkipKind};

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
    clock: &'a Clock,
    pending: Vec<Done>,
    pub(super) totals: Totals,
    pub(super) copies: Copies,
}

impl<'a> Store<'a> {
    pub(super) fn new(
        sink: &'a dyn Sink,
        in_flight: &'a InFlight,
        reporter: &'a dyn Reporter,
        clock: &'a Clock,
    ) -> Store<'a> {
        let (pending, totals, copies) = (Vec::new(), Totals::default(), Copies::new());
        Store { sink, in_flight, reporter, clock, pending, totals, copies }
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
                self.sink.renew_claims()?;
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
        let (mut changes, mut files, mut unwritten) = (Vec::new(), Vec::new(), Vec::new());
        for file in std::mem::take(&mut self.pending) {
            let file = checked(self.sink, file);
            if file.writes.is_empty() {
                unwritten.push(Item::file(file.job.path.as_path()));
            }
            let claim = file.claim().map(|content| (content, Known::of_writes(&file.writes)));
            files.push((file.content, claim, file.job.path, file.outcome));
            changes.extend(file.writes);
        }
        if !changes.is_empty() {
            self.clock.time(|| self.sink.apply(changes))?;
        }
        if !unwritten.is_empty() {
            self.sink.release(&unwritten)?;
        }
        for (content, claim, path, outcome) in files {
            self.totals.add(&outcome);
            self.reporter.report(Event::Finished { path: &path, outcome: &outcome });
            if let (Some(content), Outcome::Copied) = (content, &outcome) {
                *self.copies.entry(content).or_default() += 1;
            }
            if let Some((content, known)) = claim {
                self.release(content, known.as_ref(), &outcome);
            }
        }
        Ok(())
    }

    /// Files that waited for `content` become what the first one became, now that it is stored.
    fn release(&mut self, content: Fingerprint, known: Option<&Known>, outcome: &Outcome) {
        for job in self.in_flight.settle(&content) {
            let done = match (known, outcome) {
                (Some(known), _) => Done::known(job, content, known.clone(), Outcome::Reread),
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

/// A file of which the library would refuse a record is left out, and costs no other file of the batch anything.
fn checked(sink: &dyn Sink, file: Done) -> Done {
    match file.writes.iter().try_for_each(|write| sink.check(write)) {
        Err(error) => file.refused(Skip::new(SkipKind::NotStored, error.to_string())),
        Ok(()) => file,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use crossbeam_channel::unbounded;
    use imgsearch_index::{MAX_PAYLOAD_LEN, Space, Vector};

    use super::*;
    use crate::Library;
    use crate::ingest::file::{Decoded, Job};
    use crate::item::{Item, Part};
    use crate::library::Write;
    use crate::photo::{Photo, Stamp};

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
        let vector = Vector::normalized(vector).unwrap();
        decoded(path, content, camera).done(vector, Vec::new(), Outcome::Embedded)
    }

    /// A file with a part for each of these vectors.
    fn film(path: &str, content: u8, parts: &[[f32; 2]]) -> Done {
        let vector = |[x, y]: [f32; 2]| Vector::normalized(vec![x, y]).unwrap();
        let file = decoded(path, content, String::new());
        let photo = Photo::read(file.job.stamp, 1, Some(file.details.clone()));
        let part = |(ms, at): (u32, &[f32; 2])| (Part::Moment { ms }, (photo.clone(), vector(*at)));
        let parts = (0..).zip(parts).map(part).collect();
        file.done(vector([1.0, 0.0]), parts, Outcome::Embedded)
    }

    fn decoded(path: &str, content: u8, camera: String) -> Decoded {
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
        Decoded {
            job: job(path),
            content: Fingerprint([content; 16]),
            details,
            steps: Vec::new(),
            text: None,
        }
    }

    fn sink(folder: &tempfile::TempDir) -> Box<dyn Sink> {
        let space = Space::new("s", "s", 2).unwrap();
        Library::new(folder.path()).lock().unwrap().open(&space).unwrap().sink
    }

    /// The parts of `path` that are kept.
    fn parts(sink: &dyn Sink, path: &str) -> Vec<u32> {
        let mut parts = Vec::new();
        let visit = &mut |stored: crate::library::Stored| {
            parts.extend(stored.item.part.map(|Part::Moment { ms }| ms));
            std::ops::ControlFlow::Continue(())
        };
        sink.each_under(path.as_ref(), visit).unwrap();
        parts
    }

    /// A file and its parts are stored, copied and replaced together, and count as one.
    #[test]
    fn a_file_comes_with_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let (sink, in_flight, told) = (sink(&folder), InFlight::default(), Told::default());
        let clock = Clock::default();
        let take = |files: Vec<Done>| {
            let mut store = Store::new(&*sink, &in_flight, &told, &clock);
            let (sender, done) = unbounded();
            files.into_iter().for_each(|file| sender.send(file).unwrap());
            drop(sender);
            store.take_all(&done).unwrap();
            store.totals
        };
        assert!(in_flight.claim(Fingerprint([1; 16]), job("/film")).is_some());
        assert!(in_flight.claim(Fingerprint([1; 16]), job("/film's copy")).is_none());
        let totals = take(vec![film("/film", 1, &[[0.0, 1.0], [1.0, 1.0], [1.0, 2.0]])]);
        assert_eq!((totals.embedded, totals.copied, totals.files()), (1, 1, 2));
        for path in ["/film", "/film's copy"] {
            assert_eq!(parts(&*sink, path), [0, 1, 2]);
            let known = Known::at(&*sink, &Fingerprint([1; 16]), path.as_ref()).unwrap().unwrap();
            assert_eq!(known.parts.len(), 3);
            assert!(known.parts[0].1.1.dot(&Vector::normalized(vec![0.0, 1.0]).unwrap()) > 0.999);
            assert!(known.vector.dot(&Vector::normalized(vec![1.0, 0.0]).unwrap()) > 0.999);
        }
        // Another content under the same path has other parts.
        let totals = take(vec![film("/film", 2, &[[0.0, 1.0]])]);
        assert_eq!((totals.files(), parts(&*sink, "/film")), (1, vec![0]));
        assert_eq!(parts(&*sink, "/film's copy"), [0, 1, 2]);
        // One part that cannot be stored is enough to leave out the file.
        let mut broken = film("/film", 3, &[[0.0, 1.0], [1.0, 1.0]]);
        if let Some(Write::Put { vector, .. }) = broken.writes.last_mut() {
            *vector = Some(Vector::normalized(vec![1.0; 3]).unwrap());
        }
        let totals = take(vec![broken]);
        assert_eq!((totals.skipped[&SkipKind::NotStored], totals.files()), (1, 1));
        assert_eq!(parts(&*sink, "/film"), [0; 0]);
        assert!(sink.get(&Item::file("/film")).unwrap().unwrap().photo.unwrap().skip.is_some());
    }

    /// Every error that the index can give on one record: the batch is stored without it, the file is named with the
    /// reason, and the reason is remembered.
    #[test]
    fn what_the_index_refuses_is_an_outcome_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(&folder);
        let (in_flight, told, clock) = (InFlight::default(), Told::default(), Clock::default());
        let mut store = Store::new(&*sink, &in_flight, &told, &clock);
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
