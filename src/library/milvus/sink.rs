//! Changes to a library in Milvus.
//!
//! Milvus knows no transactions. A batch is checked as a whole before anything of it is sent, and rows are replaced by
//! their keys. So if the server fails in the middle, sending the batch again completes it, and so does the next run.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use imgsearch_index::{Error as IndexError, Fingerprint, MAX_NOTE_LEN};

use super::condition::Condition;
use super::key::{quoted_list, text};
use super::messages::{Delete, FieldData, MutationResult, Upsert};
use super::row;
use super::schema;
use super::table::{Published, Sees, Table};
use crate::item::{Item, file_of_key};
use crate::library::Note;
use crate::library::ahead::{Ahead, Fetched};
use crate::library::batch::{Batch, Limits, Written};
use crate::library::store::{Load, Sink, StoreError, Stored, Visit, Write};

/// Rows sent at once: a few megabytes. Milvus takes 64.
const ROWS: usize = 1_000;

/// After this many changes, closing the sink ends Milvus's growing segments. Ending small ones would make searches slower.
const MANY: usize = 10_000;

/// A collection that is open for changes, by one of any number of writers.
pub(super) struct MilvusSink {
    table: Table,
    ahead: Ahead,
    /// The time of the last change of this sink in Milvus's clock; 0 before the first.
    changed: AtomicU64,
    /// The number of removals, of which Milvus tells no time, and how many of them come before `changed`.
    removals: AtomicUsize,
    seen_removals: AtomicUsize,
    /// The number of changes since the last were published.
    changes: AtomicUsize,
    /// Whether the collection may have parts of files.
    has_parts: AtomicBool,
}

impl MilvusSink {
    pub(super) fn new(table: Table) -> Result<MilvusSink, StoreError> {
        let table = Table { client: Arc::new(table.client.for_runs()), ..table };
        let has_parts = table.count(&Condition::parts(), Sees::Everything)? > 0;
        Ok(MilvusSink {
            table,
            ahead: Ahead::default(),
            changed: AtomicU64::new(0),
            removals: AtomicUsize::new(0),
            seen_removals: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
            has_parts: AtomicBool::new(has_parts),
        })
    }

    /// Reads see the changes of this sink, and before the first change those of earlier runs.
    fn sees(&self) -> Sees {
        let is_after_removals =
            self.seen_removals.load(Ordering::Acquire) == self.removals.load(Ordering::Acquire);
        match self.changed.load(Ordering::Acquire) {
            time @ 1.. if is_after_removals => Sees::Until(time),
            _ => Sees::Everything,
        }
    }

    fn limits(&self) -> Limits {
        row::limits(self.table.client.library().to_owned(), self.table.space.dim())
    }

    /// The keys of the parts that the cleared files have in the collection.
    fn parts_of(&self, files: &BTreeSet<Vec<u8>>) -> Result<Vec<String>, StoreError> {
        let mut parts = Vec::new();
        if files.is_empty() || !self.has_parts.load(Ordering::Acquire) {
            return Ok(parts);
        }
        self.table.each(&Condition::parts_of(files), Load::WithoutVector, self.sees(), &mut |read| {
            parts.push(read.id);
            ControlFlow::Continue(())
        })?;
        Ok(parts)
    }

    fn upsert(&self, fields_data: Vec<FieldData>, rows: usize) -> Result<(), StoreError> {
        let num_rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let request = Upsert { collection_name: self.table.name.clone(), fields_data, num_rows };
        let removals = self.removals.load(Ordering::Acquire);
        let answer: MutationResult = self.table.client.call("write to", method!("Upsert"), request)?;
        self.changed.fetch_max(answer.timestamp, Ordering::AcqRel);
        self.seen_removals.fetch_max(removals, Ordering::AcqRel);
        Ok(())
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let expr = format!("key in {}", quoted_list(keys));
        let request = Delete { collection_name: self.table.name.clone(), expr };
        let MutationResult { .. } = self.table.client.call("write to", method!("Delete"), request)?;
        self.removals.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Notes that another collection has replaced this one.
    pub(super) fn retire(&self) -> Result<(), StoreError> {
        self.publish(self.table.published(Sees::Everything)?.retired())
    }

    fn publish(&self, published: Published) -> Result<(), StoreError> {
        let Published { note, times } = published;
        let Table { space, has_words, .. } = &self.table;
        self.upsert(row::note_columns(&note, times, space.dim(), *has_words), 1)
    }

    fn each(&self, condition: &Condition, load: Load, visit: Visit<'_>) -> Result<(), StoreError> {
        self.table.each(condition, load, self.sees(), &mut |read| {
            read.stored().map_or(ControlFlow::Continue(()), &mut *visit)
        })
    }
}

impl Sink for MilvusSink {
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let Some(key) = item.key() else { return Ok(None) };
        self.ahead.get(key.as_bytes(), |from, most| {
            let mut condition = Condition::everything();
            condition.from(from);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let found = self.table.first(&condition, Load::WithoutVector, most, self.sees())?;
            Ok(found.into_iter().filter_map(|read| Some((read.key()?, read.stored()))).collect::<Fetched>())
        })
    }

    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut condition = Condition::photos();
        condition.of_content(content);
        self.each(&condition, Load::WithVector, visit)
    }

    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut condition = Condition::everything();
        condition.under(folder);
        self.each(&condition, Load::WithoutVector, visit)
    }

    fn check(&self, write: &Write) -> Result<(), StoreError> {
        self.limits().check(write)
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let Batch { rows, cleared } = Batch::of(&writes, &self.limits())?;
        let parts = self.parts_of(&cleared)?;
        let is_kept = |part: &String| super::key::key(part).is_some_and(|key| rows.contains_key(&key));
        let _changing = self.ahead.changing();
        let put: Vec<(&[u8], &Written)> =
            rows.iter().filter_map(|(key, row)| Some((key.as_slice(), row.as_ref()?))).collect();
        if put.iter().any(|(key, _)| file_of_key(key).len() < key.len()) {
            self.has_parts.store(true, Ordering::Release);
        }
        // Puts before removals: a photo that was moved is then in the library at any time.
        for put in put.chunks(ROWS) {
            let Table { space, has_words, .. } = &self.table;
            self.upsert(row::columns(put.iter().copied(), space.dim(), *has_words), put.len())?;
        }
        let gone = rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| text(key));
        let gone: Vec<String> = gone.chain(parts.into_iter().filter(|part| !is_kept(part))).collect();
        for gone in gone.chunks(ROWS) {
            self.delete(gone)?;
        }
        self.changes.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(())
    }

    fn note(&self) -> Result<Note, StoreError> {
        Ok(Note::read(Some(&self.table.published(self.sees())?.note)))
    }

    fn set_note(&self, note: &Note) -> Result<(), StoreError> {
        let note = note.encode();
        if note.len() > MAX_NOTE_LEN / 2 {
            let (path, found) = (self.table.client.library().into(), note.len());
            return Err(
                IndexError::TooLong { path, what: "a note", found, expected: MAX_NOTE_LEN / 2 }.into()
            );
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        let times = self.table.published(self.sees())?.times;
        self.publish(Published { note, times })
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let changes = self.changes.load(Ordering::Relaxed);
        if changes == 0 {
            return Ok(());
        }
        let published = self.table.published(self.sees())?;
        // No two changes have the same time.
        let times = format!("{:032x}", self.changed.load(Ordering::Acquire));
        self.publish(Published { times, ..published })?;
        if changes >= MANY {
            // The graphs are built after this process has ended.
            schema::flush(&self.table).map(drop)?;
        }
        // From now on views see the changes.
        self.table.published(self.sees()).map(drop)
    }
}
