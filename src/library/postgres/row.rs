//! Records as rows, and rows as records.

use imgsearch_index::{Fingerprint, Key, MAX_PAYLOAD_LEN, Vector};
use postgres::Row;

use super::half::{Half, HalfVector};
use super::words::Worded;
use crate::item::Item;
use crate::library::batch::{Limits, Written};
use crate::library::columns::Columns;
use crate::library::{Load, Stored};
use crate::photo::Photo;

/// The longest key: an index of PostgreSQL takes values of up to 2,704 bytes.
const LONGEST_KEY: usize = 2_600;

/// The columns that every record is read from, and the vector if it is asked for.
pub(super) fn selected(load: Load) -> &'static str {
    match load {
        Load::WithoutVector => "key, content, record, vector is not null",
        Load::WithVector => "key, content, record, vector is not null, vector",
    }
}

/// The number of the first column behind [`selected`].
pub(super) fn next_column(load: Load) -> usize {
    match load {
        Load::WithoutVector => 4,
        Load::WithVector => 5,
    }
}

/// A row that was read.
pub(super) struct Read {
    pub(super) key: Vec<u8>,
    pub(super) payload: Vec<u8>,
    content: Option<Fingerprint>,
    pub(super) is_photo: bool,
    vector: Option<Vector>,
}

impl Read {
    /// Reads the columns of [`selected`].
    pub(super) fn of(row: &Row, load: Load) -> Result<Read, postgres::Error> {
        let vector = match load {
            Load::WithoutVector => None,
            Load::WithVector => row.try_get::<_, Option<HalfVector>>(4)?.map(|HalfVector(vector)| vector),
        };
        let content: Option<&[u8]> = row.try_get(1)?;
        Ok(Read {
            key: row.try_get(0)?,
            payload: row.try_get(2)?,
            content: content.and_then(|bytes| Some(Fingerprint(bytes.try_into().ok()?))),
            is_photo: row.try_get(3)?,
            vector,
        })
    }

    /// The record; `None` if a newer version wrote the item.
    pub(super) fn stored(self) -> Option<Stored> {
        let Read { key, payload, content, vector, .. } = self;
        Some(Stored { item: Item::of_key(&key)?, content, photo: Photo::decode(&payload), vector })
    }
}

/// Rows that are written together, column by column, as `unnest` takes them.
#[derive(Default)]
pub(super) struct Columnar {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) contents: Vec<Option<Vec<u8>>>,
    pub(super) records: Vec<Vec<u8>>,
    pub(super) vectors: Vec<Option<Half>>,
    pub(super) normals: Vec<Option<Vec<u8>>>,
    pub(super) endings: Vec<Option<String>>,
    pub(super) widths: Vec<Option<i64>>,
    pub(super) heights: Vec<Option<i64>>,
    pub(super) taken_first: Vec<Option<i64>>,
    pub(super) taken_last: Vec<Option<i64>>,
    pub(super) are_moments: Vec<Option<bool>>,
    pub(super) latitudes: Vec<Option<f64>>,
    pub(super) longitudes: Vec<Option<f64>>,
    pub(super) cameras: Vec<Option<String>>,
    pub(super) lenses: Vec<Option<String>>,
    pub(super) worded: Worded,
}

impl Columnar {
    pub(super) fn push(&mut self, key: Vec<u8>, written: &Written) {
        let columns = Columns::of(&key, &written.payload);
        let Columns { normal, ending, width, height, taken, is_moment, place, camera, lens } = columns;
        if written.vector.is_some() {
            self.worded.push(&key, &written.payload);
        }
        self.keys.push(key);
        self.contents.push(written.content.map(|content| content.0.to_vec()));
        self.records.push(written.payload.clone());
        self.vectors.push(written.vector.as_ref().map(Half::of));
        self.normals.push(normal);
        self.endings.push(ending);
        self.widths.push(width);
        self.heights.push(height);
        self.taken_first.push(taken.map(|(first, _)| first));
        self.taken_last.push(taken.map(|(_, last)| last));
        self.are_moments.push(is_moment);
        self.latitudes.push(place.map(|(latitude, _)| latitude));
        self.longitudes.push(place.map(|(_, longitude)| longitude));
        self.cameras.push(camera);
        self.lenses.push(lens);
    }
}

/// Whether an item's key fits into the database.
pub(super) fn fits(key: &Key) -> bool {
    key.as_bytes().len() <= LONGEST_KEY
}

/// What a table of vectors of `dim` dimensions takes; `place` names the library in errors.
pub(super) fn limits(place: String, dim: usize) -> Limits {
    Limits { place, dim, fits, payload: MAX_PAYLOAD_LEN }
}
