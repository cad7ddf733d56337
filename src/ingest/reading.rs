//! A second pass, after photos are embedded: the text in pictures.
//!
//! It is resumable: each content notes which version of the reader has looked at it. So a run reads every content once,
//! copies get its text without reading, and a killed run loses the last batch only. Pictures that look like screenshots
//! come first, then the newest.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use imgsearch_index::Fingerprint;

use super::pipeline::join;
use super::{Event, IngestError, Plan, Reporter};
use crate::budget::Budget;
use crate::decode::{self, Decoder, PictureError, Waited, Worker, contained};
use crate::library::{LockedLibrary, Opened, Sink, StoreError, Stored, Write};
use crate::model::{Model, ModelError};
use crate::photo::{self, Corner, Line, Photo, Text};
use crate::text::{DETAIL, Reader, upright};

/// Contents stored at once at most, and the longest that one waits to be stored.
const CONTENTS: usize = 32;
const WITHIN: Duration = Duration::from_secs(2);

/// What a pass did, in contents: files with the same content count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextTotals {
    /// Contents that were read.
    pub read: u64,
    /// Of these, with at least one line.
    pub with_text: u64,
    /// Could not be read now; the next pass tries again.
    pub failed: u64,
    /// Not looked at, because the pass was stopped.
    pub left: u64,
}

/// What a pass reads with.
pub struct TextReader<'a> {
    /// The number that is noted with each text.
    pub version: u32,
    /// Loads the model, which happens when the first picture comes.
    pub open: &'a (dyn Fn() -> Result<Reader, ModelError> + Sync),
}

/// Reads the text in all photos below `plan.roots` (or `plan.only`) that this version has not looked at.
///
/// # Errors
/// [`IngestError`]; everything stored before it stays stored.
pub fn read_texts(
    library: &mut LockedLibrary,
    model: &Model,
    reader: &TextReader<'_>,
    plan: &Plan,
    reporter: &dyn Reporter,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<TextTotals, IngestError> {
    let Opened { sink, .. } = library.open(model.space())?;
    let contents = waiting(&*sink, plan, reader.version)?;
    let mut totals = TextTotals::default();
    if !contents.is_empty() {
        reporter.report(Event::Reading { photos: contents.len() });
        let pass = Pass {
            sink: &*sink,
            plan,
            reporter,
            should_stop,
            contents: &contents,
            next: AtomicUsize::new(0),
        };
        totals = pass.whole(&(reader.open)()?, reader.version)?;
    }
    sink.close()?;
    Ok(totals)
}

/// The contents that are to be read, in this order.
fn waiting(sink: &dyn Sink, plan: &Plan, version: u32) -> Result<Vec<Fingerprint>, StoreError> {
    let mut found = Vec::new();
    for place in plan.swept() {
        sink.each_under(&place, &mut |stored| {
            if let Stored { item, content: Some(content), photo: Some(photo), .. } = stored
                && item.part.is_none()
                && is_unread(&photo, version)
            {
                let taken = photo.details.as_ref().map_or(0, |details| details.taken_ms);
                found.push((content.0, looks_like_a_screen(&item.path, &photo), taken));
            }
            ControlFlow::Continue(())
        })?;
    }
    found.sort_unstable();
    found.dedup_by_key(|(content, ..)| *content);
    found.sort_unstable_by_key(|(content, is_screen, taken)| {
        std::cmp::Reverse((*is_screen, *taken, *content))
    });
    Ok(found.into_iter().map(|(content, ..)| Fingerprint(content)).collect())
}

fn is_unread(photo: &Photo, version: u32) -> bool {
    let is_done = photo.text.as_ref().is_some_and(|text| text.reader == version);
    photo.skip.is_none() && photo.trouble.is_none() && !is_done
}

/// Whether it is probably a screenshot: no camera made it, and it is a PNG or has the shape of a screen (from 16:10 on).
fn looks_like_a_screen(path: &Path, photo: &Photo) -> bool {
    let Some(details) = &photo.details else { return false };
    let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let (long, short) = (details.width.max(details.height), details.width.min(details.height));
    let is_long = u64::from(long) * 10 >= u64::from(short) * 16;
    details.camera.is_none() && (is_png || is_long)
}

/// A pass over some contents.
struct Pass<'a> {
    sink: &'a dyn Sink,
    plan: &'a Plan,
    reporter: &'a dyn Reporter,
    should_stop: &'a (dyn Fn() -> bool + Sync),
    contents: &'a [Fingerprint],
    /// The place of the next content.
    next: AtomicUsize,
}

/// A content, and its text if it could be read.
type Done = (Fingerprint, Option<Text>);

/// A thread that reads files.
type Opener = Worker<(PathBuf, decode::Limits), Result<Vec<u8>, PictureError>>;

impl Pass<'_> {
    fn whole(&self, reader: &Reader, version: u32) -> Result<TextTotals, IngestError> {
        let memory = Budget::new(self.plan.limits.shared_memory());
        let (sender, done) = bounded::<Done>(CONTENTS);
        let totals = std::thread::scope(|scope| {
            let start = |_| {
                let (sender, memory) = (sender.clone(), &memory);
                scope.spawn(move || self.read_some(reader, version, memory, &sender))
            };
            let threads: Vec<_> = (0..self.plan.threads.max(1)).map(start).collect();
            drop(sender);
            let totals = self.store_all(&done);
            // Threads whose texts nobody takes any more end.
            drop(done);
            threads.into_iter().try_for_each(join)?;
            totals
        })?;
        let left = self.contents.len() as u64 - totals.read - totals.failed;
        Ok(TextTotals { left, ..totals })
    }

    /// What one thread does.
    fn read_some(
        &self,
        reader: &Reader,
        version: u32,
        memory: &Budget,
        done: &Sender<Done>,
    ) -> Result<(), IngestError> {
        give_way();
        let mut decoder = decode::decoder(self.plan.limits);
        let mut opener: Opener = Worker::new("open", self.plan.max_wait, |(path, limits)| {
            decode::read(File::open(path).map_err(PictureError::File)?, &limits)
        });
        while !(self.should_stop)() {
            let Some(content) = self.contents.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            let picture = self.picture(content, memory, &mut opener, &mut decoder)?;
            if (self.should_stop)() && picture.is_none() {
                break;
            }
            let text = match picture {
                // A panic is a bug of ours, and the outcome of this picture alone.
                Some(picture) => contained(|| reader.read(&picture))
                    .ok()
                    .transpose()?
                    .map(|lines| Text::new(lines.into_iter().map(line), version)),
                None => None,
            };
            if done.send((*content, text)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The picture with this content, as it is read; `None` if no file has it now, or if it cannot be decoded.
    fn picture(
        &self,
        content: &Fingerprint,
        memory: &Budget,
        opener: &mut Opener,
        decoder: &mut Decoder,
    ) -> Result<Option<image::RgbImage>, IngestError> {
        let thread = |error| IngestError::Thread { error };
        let mut paths = Vec::new();
        self.sink.of_content(content, &mut |stored| {
            paths.extend(stored.item.part.is_none().then_some(stored.item.path));
            ControlFlow::Continue(())
        })?;
        for path in paths {
            let asked = opener.ask((path.clone(), self.plan.limits), self.should_stop).map_err(thread)?;
            let Waited::Done(Ok(bytes)) = asked else { continue };
            if photo::fingerprint(&bytes) != *content {
                continue;
            }
            let _memory = memory.take(decode::memory(&bytes, DETAIL));
            let decoded = decoder.ask((bytes, DETAIL), self.should_stop).map_err(thread)?;
            if matches!(decoded, Waited::TooSlow) && decoder.is_stuck() {
                return Err(IngestError::Stuck { path, seconds: decoder.max_time().as_secs() });
            }
            let Waited::Done(Ok(picture)) = decoded else { return Ok(None) };
            return Ok(Some(upright(picture)));
        }
        Ok(None)
    }

    /// Stores texts until no more come.
    fn store_all(&self, done: &Receiver<Done>) -> Result<TextTotals, IngestError> {
        let (mut totals, mut pending) = (TextTotals::default(), Vec::new());
        let mut deadline = Instant::now() + WITHIN;
        loop {
            let ended = match done.recv_deadline(deadline) {
                Ok((content, Some(text))) => {
                    pending.push((content, text));
                    false
                }
                Ok((_, None)) => {
                    totals.failed += 1;
                    self.reporter.report(Event::TextRead);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if ended || pending.len() >= CONTENTS || Instant::now() >= deadline {
                self.store(std::mem::take(&mut pending), &mut totals)?;
                deadline = Instant::now() + WITHIN;
            }
            if ended {
                return Ok(totals);
            }
        }
    }

    /// Makes texts durable, each with all files that have the content.
    fn store(&self, texts: Vec<(Fingerprint, Text)>, totals: &mut TextTotals) -> Result<(), StoreError> {
        let mut writes = Vec::new();
        for (content, text) in &texts {
            let mut stored = Vec::new();
            self.sink.of_content(content, &mut |found| {
                stored.push(found);
                ControlFlow::Continue(())
            })?;
            // A file comes before its parts, which its record would remove otherwise.
            stored.sort_by(|one, other| {
                let place = |stored: &Stored| (stored.item.path.clone(), stored.item.part.is_some());
                place(one).cmp(&place(other))
            });
            writes.extend(stored.into_iter().filter_map(|stored| with_text(stored, text)));
        }
        writes.retain(|write| self.sink.check(write).is_ok());
        if !writes.is_empty() {
            self.sink.apply(writes)?;
        }
        for (_, text) in texts {
            totals.read += 1;
            totals.with_text += u64::from(!text.lines().is_empty());
            self.reporter.report(Event::TextRead);
        }
        Ok(())
    }
}

/// The record with its text; that of a part as it is.
fn with_text(stored: Stored, text: &Text) -> Option<Write> {
    let Stored { item, content, photo, vector } = stored;
    let photo = if item.part.is_none() { photo?.with_text(text.clone()) } else { photo? };
    Some(Write::Put { item, content, photo, vector })
}

/// A line as it is kept.
fn line(line: crate::text::Line) -> Line {
    let corner = |(x, y): (f32, f32)| -> Corner { [fraction(x), fraction(y)] };
    Line { text: line.text, confidence: percent(line.confidence), corners: line.corners.map(corner) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped before")]
fn fraction(of: f32) -> u16 {
    (of.clamp(0.0, 1.0) * f32::from(u16::MAX)).round() as u16
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped before")]
fn percent(of: f32) -> u8 {
    (of.clamp(0.0, 1.0) * 100.0).round() as u8
}

/// Gives this thread, and those that it starts, the lowest priority where a thread can have its own.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // It reads all the same, if at the usual priority.
        _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    }
}
