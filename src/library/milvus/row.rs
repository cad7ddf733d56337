//! Records as rows, and rows as records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use imgsearch_index::{Fingerprint, Key, MAX_PAYLOAD_LEN, Vector};

use super::key::{self, LONGEST, NOTE, text};
use super::messages::{
    ArrayArray, BoolArray, DoubleArray, Field, FieldData, FloatArray, IntArray, LongArray, ScalarField,
    Scalars, StringArray, VectorField, data_type,
};
use crate::item::Item;
use crate::library::batch::{Limits, Written};
use crate::library::columns::Columns;
use crate::library::{Load, Stored, words};
use crate::photo::Photo;

/// The values of `kind`.
pub(super) const PHOTO: i32 = 0;
const NO_PHOTO: i32 = 1;
const OF_THE_NOTE: i32 = 2;

/// The most elements of an array in Milvus.
pub(super) const MOST_WORDS: usize = 4_096;

/// The only word of a photo that has more, which is no token of any text.
pub(super) const TOO_MANY: &str = " ";

/// The place of a photo without one.
const NOWHERE: f64 = 1_000.0;

/// The fields that every record is read from, and the vector if it is asked for.
pub(super) fn selected(load: Load) -> Vec<String> {
    let fields: &[&str] = match load {
        Load::WithoutVector => &["key", "kind", "content", "record"],
        Load::WithVector => &["key", "kind", "content", "record", "vector"],
    };
    fields.iter().map(ToString::to_string).collect()
}

/// A content as text.
pub(super) fn content_text(content: &Fingerprint) -> String {
    format!("{:032x}", u128::from_be_bytes(content.0))
}

/// A row that was read.
#[derive(Clone)]
pub(super) struct Read {
    /// The primary key.
    pub(super) id: String,
    pub(super) payload: Vec<u8>,
    pub(super) content: String,
    pub(super) is_photo: bool,
    vector: Option<Vector>,
}

impl Read {
    /// Reads rows from their columns; `None` if one is missing or of another type or length.
    pub(super) fn all(columns: Vec<FieldData>) -> Option<Vec<Read>> {
        let (mut ids, mut kinds, mut contents, mut records, mut vectors) = (None, None, None, None, None);
        for FieldData { field_name, field, .. } in columns {
            let Some(field) = field else { continue };
            match (field_name.as_str(), field) {
                ("vector", Field::Vectors(VectorField { dim, float_vector })) => {
                    vectors = Some((usize::try_from(dim).ok()?, float_vector.unwrap_or_default().data));
                }
                (
                    name,
                    Field::Scalars(ScalarField { data: Some(Scalars::Strings(StringArray { data })) }),
                ) => match name {
                    "key" => ids = Some(data),
                    "content" => contents = Some(data),
                    "record" => records = Some(data),
                    _ => {}
                },
                ("kind", Field::Scalars(ScalarField { data: Some(Scalars::Ints(IntArray { data })) })) => {
                    kinds = Some(data);
                }
                _ => {}
            }
        }
        if (&ids, &kinds, &contents, &records) == (&None, &None, &None, &None) {
            return Some(Vec::new());
        }
        let (Some(ids), Some(kinds), Some(contents), Some(records)) = (ids, kinds, contents, records) else {
            return None;
        };
        let count = ids.len();
        let (dim, numbers) = vectors.map_or((0, None), |(dim, numbers)| (dim, Some(numbers)));
        let is_whole = [kinds.len(), contents.len(), records.len()] == [count; 3]
            && numbers.as_ref().is_none_or(|numbers| numbers.len() == count * dim);
        if !is_whole {
            return None;
        }
        let rows = ids.into_iter().zip(kinds).zip(contents).zip(records).enumerate();
        rows.map(|(row, (((id, kind), content), record))| {
            let vector = numbers.as_ref().filter(|_| kind == PHOTO);
            let vector = vector.map(|numbers| Vector::kept_if_unit(numbers[row * dim..][..dim].to_vec()));
            let payload = BASE64.decode(record).ok()?;
            Some(Read { id, payload, content, is_photo: kind == PHOTO, vector: vector.transpose().ok()? })
        })
        .collect()
    }

    /// The key; `None` for the note.
    pub(super) fn key(&self) -> Option<Vec<u8>> {
        key::key(&self.id)
    }

    /// The record; `None` if a newer version wrote the item.
    pub(super) fn stored(self) -> Option<Stored> {
        let item = Item::of_key(&self.key()?)?;
        let content =
            u128::from_str_radix(&self.content, 16).ok().map(|number| Fingerprint(number.to_be_bytes()));
        Some(Stored { item, content, photo: Photo::decode(&self.payload), vector: self.vector })
    }

    pub(super) fn vector(&self) -> Option<&Vector> {
        self.vector.as_ref()
    }
}

/// Whether an item's key fits into Milvus.
fn fits(key: &Key) -> bool {
    text(key.as_bytes()).len() <= LONGEST
}

/// What a collection with vectors of `dim` dimensions takes; `place` names it in errors.
pub(super) fn limits(place: String, dim: usize) -> Limits {
    // In base64 details take a third more, and a text of Milvus is about as long as a payload.
    Limits { place, dim, fits, payload: MAX_PAYLOAD_LEN.min(LONGEST / 4 * 3) }
}

/// Rows by their keys, as columns.
pub(super) fn columns<'r>(
    rows: impl IntoIterator<Item = (&'r [u8], &'r Written)>,
    dim: usize,
    has_words: bool,
) -> Vec<FieldData> {
    let mut all = Columnar { words: has_words.then(Vec::new), ..Columnar::default() };
    for (key, row) in rows {
        let kind = if row.vector.is_some() { PHOTO } else { NO_PHOTO };
        let content = row.content.as_ref().map(content_text).unwrap_or_default();
        let columns = Columns::of(key, &row.payload);
        all.push(text(key), columns, (kind, content), (&row.payload, row.vector.as_ref()), dim);
    }
    all.fields(dim)
}

/// The columns of the row with the note. `times` changes whenever changes are published.
pub(super) fn note_columns(note: &[u8], times: String, dim: usize, has_words: bool) -> Vec<FieldData> {
    let mut all = Columnar { words: has_words.then(Vec::new), ..Columnar::default() };
    all.push(NOTE.to_owned(), Columns::default(), (OF_THE_NOTE, times), (note, None), dim);
    all.fields(dim)
}

#[derive(Default)]
struct Columnar {
    ids: Vec<String>,
    kinds: Vec<i32>,
    are_parts: Vec<bool>,
    contents: Vec<String>,
    records: Vec<String>,
    normals: Vec<String>,
    endings: Vec<String>,
    widths: Vec<i64>,
    heights: Vec<i64>,
    pixels: Vec<i64>,
    taken_first: Vec<i64>,
    taken_last: Vec<i64>,
    are_moments: Vec<bool>,
    latitudes: Vec<f64>,
    longitudes: Vec<f64>,
    /// `None` if the collection has no field for them.
    words: Option<Vec<Vec<String>>>,
    vectors: Vec<f32>,
}

impl Columnar {
    fn push(
        &mut self,
        id: String,
        columns: Columns,
        (kind, content): (i32, String),
        (payload, vector): (&[u8], Option<&Vector>),
        dim: usize,
    ) {
        let Columns { normal, ending, width, height, taken, is_moment, place, camera: _, lens: _ } = columns;
        // Only keys of parts have a NUL.
        let is_part = id.contains("\u{1}\u{1}");
        self.ids.push(id);
        self.kinds.push(kind);
        self.are_parts.push(is_part);
        self.contents.push(content);
        self.records.push(BASE64.encode(payload));
        self.normals.push(normal.as_deref().map(text).unwrap_or_default());
        self.endings.push(ending.unwrap_or_default());
        let (width, height) = (width.unwrap_or(-1), height.unwrap_or(-1));
        self.pixels.push(if width < 0 { -1 } else { width.saturating_mul(height) });
        self.widths.push(width);
        self.heights.push(height);
        let (first, last) = taken.unwrap_or_default();
        self.taken_first.push(first);
        self.taken_last.push(last);
        self.are_moments.push(is_moment.unwrap_or_default());
        let (latitude, longitude) = place.unwrap_or((NOWHERE, NOWHERE));
        self.latitudes.push(latitude);
        self.longitudes.push(longitude);
        if let Some(words) = &mut self.words {
            words.push(if vector.is_some() { words_of(payload) } else { Vec::new() });
        }
        match vector {
            Some(vector) => self.vectors.extend(vector.as_slice()),
            // Every row has a vector in Milvus. Searches are for photos only, so this one is never compared.
            None => self.vectors.extend((0..dim).map(|at| if at == 0 { 1.0 } else { 0.0 })),
        }
    }

    fn fields(self, dim: usize) -> Vec<FieldData> {
        let strings = |name, data| column(name, data_type::VAR_CHAR, Scalars::Strings(StringArray { data }));
        let longs = |name, data| column(name, data_type::INT64, Scalars::Longs(LongArray { data }));
        let doubles = |name, data| column(name, data_type::DOUBLE, Scalars::Doubles(DoubleArray { data }));
        let dim = i64::try_from(dim).unwrap_or(i64::MAX);
        let vectors = VectorField { dim, float_vector: Some(FloatArray { data: self.vectors }) };
        let words = self.words.map(|words| column("words", data_type::ARRAY, arrays(words)));
        let fields = vec![
            strings("key", self.ids),
            column("kind", data_type::INT8, Scalars::Ints(IntArray { data: self.kinds })),
            column("is_part", data_type::BOOL, Scalars::Bools(BoolArray { data: self.are_parts })),
            strings("content", self.contents),
            strings("record", self.records),
            strings("normal", self.normals),
            strings("ending", self.endings),
            longs("width", self.widths),
            longs("height", self.heights),
            longs("pixels", self.pixels),
            longs("taken_first", self.taken_first),
            longs("taken_last", self.taken_last),
            column("is_moment", data_type::BOOL, Scalars::Bools(BoolArray { data: self.are_moments })),
            doubles("latitude", self.latitudes),
            doubles("longitude", self.longitudes),
            FieldData {
                kind: data_type::FLOAT_VECTOR,
                field_name: "vector".to_owned(),
                field: Some(Field::Vectors(vectors)),
            },
        ];
        words.into_iter().chain(fields).collect()
    }
}

/// The words of a photo, as far as they fit into an array.
fn words_of(payload: &[u8]) -> Vec<String> {
    let words = words::of_record(payload);
    if words.len() > MOST_WORDS { vec![TOO_MANY.to_owned()] } else { words.into_iter().collect() }
}

fn arrays(rows: Vec<Vec<String>>) -> Scalars {
    let array = |data| ScalarField { data: Some(Scalars::Strings(StringArray { data })) };
    Scalars::Arrays(ArrayArray {
        data: rows.into_iter().map(array).collect(),
        element_type: data_type::VAR_CHAR,
    })
}

fn column(name: &str, kind: i32, data: Scalars) -> FieldData {
    FieldData {
        kind,
        field_name: name.to_owned(),
        field: Some(Field::Scalars(ScalarField { data: Some(data) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Write;
    use crate::library::batch::Batch;
    use crate::photo::{Skip, SkipKind, Stamp};

    #[test]
    fn records_come_back_from_their_rows() {
        let stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
        let vector = Vector::normalized(vec![0.3, 0.4]).unwrap();
        let content = Some(Fingerprint([0x0f; 16]));
        let photo = Photo::read(stamp, 1, None);
        let skipped = Photo::skipped(stamp, 1, Skip::new(SkipKind::Damaged, ""));
        let expected = [
            Stored {
                item: Item::file("/a\"b"),
                content,
                photo: Some(photo.clone()),
                vector: Some(vector.clone()),
            },
            Stored { item: Item::file("/c"), content: None, photo: Some(skipped.clone()), vector: None },
        ];
        let put = |stored: &Stored| Write::Put {
            item: stored.item.clone(),
            content: stored.content,
            photo: stored.photo.clone().unwrap(),
            vector: stored.vector.clone(),
        };
        let batch = Batch::of(&expected.each_ref().map(put), &limits("m".into(), 2)).unwrap();
        let rows = batch.rows.iter().map(|(key, row)| (key.as_slice(), row.as_ref().unwrap()));
        // Collections of version 1 have no field for words.
        let names = |fields: &[FieldData]| -> Vec<String> {
            fields.iter().map(|field| field.field_name.clone()).collect()
        };
        let without = names(&columns(rows.clone(), 2, false));
        let fields = columns(rows, 2, true);
        assert_eq!(names(&fields)[0], "words");
        assert_eq!(names(&fields)[1..], without);
        let read = Read::all(fields.clone()).unwrap();
        let found: Vec<Stored> = read.into_iter().map(|read| read.stored().unwrap()).collect();
        assert_eq!(found, expected);
        assert!(Read::all(fields[2..].to_vec()).is_none());
        let long = Write::Put { item: Item::file("/".repeat(65_536)), content: None, photo, vector: None };
        assert!(limits("m".into(), 2).check(&long).is_err());
    }
}
