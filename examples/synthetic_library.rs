//! Fills a library with synthetic photos, for `scripts/bench/cold`.
//!
//! ```text
//! synthetic_library LIBRARY MODEL ROWS [DIM]
//! ```
//!
//! Keys and payloads are as long as those of real photos. The vectors are random directions in the space of the model in the
//! folder MODEL, cut to DIM dimensions. No graph is built, so that a query compares all rows.

use std::path::PathBuf;

use anyhow::{Context, Result};
use imgsearch::item::Item;
use imgsearch::library::Note;
use imgsearch::model::{Device, Execution, Precision};
use imgsearch::photo::{Clock, Details, Photo, Stamp};
use imgsearch::{Library, Model};
use imgsearch_index::{Change, Fingerprint, Record, Vector, Writer, WriterOptions};

/// Rows per batch: more than in `index`, because nobody waits for them.
const BATCH: usize = 4_096;
const NOON: i64 = 1_700_000_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next = || arguments.next().context("usage: synthetic_library LIBRARY MODEL ROWS [DIM]");
    let (library, model, rows) = (next()?, next()?, next()?);
    let rows: usize = rows.to_str().context("ROWS is a number")?.parse()?;
    let dim = next().ok().map(|dim| dim.to_string_lossy().parse()).transpose().context("DIM is a number")?;
    let execution = Execution {
        precision: Precision::Auto,
        dim,
        cache_folder: None,
        prompt: None,
        runtime_places: Vec::new(),
        device: Device::Cpu,
        threads: 1,
    };
    let model = Model::open(&model, execution)?;
    // Segments that are not full get no graph.
    let options = WriterOptions::default().segment_rows(rows + 1).publish_rows(rows);
    let folder = Library::new(library).index_folder()?;
    let writer = Writer::open(&folder, model.space(), options)?;
    let mut note = Note::default();
    note.last_indexed = NOON;
    note.set_model(model.folder(), model.precision(), model.dim());
    writer.set_note(note.encode())?;
    let mut random = Random(1);
    for first in (0..rows).step_by(BATCH) {
        let batch = first..rows.min(first + BATCH);
        writer.apply(batch.map(|row| put(row, &mut random, model.space().dim())).collect::<Result<_>>()?)?;
    }
    writer.close()?;
    Ok(())
}

fn put(row: usize, random: &mut Random, dim: usize) -> Result<Change> {
    let path = format!("/home/somebody/Pictures/2024/08-summer/IMG_{row:08}.jpg");
    let key = Item::file(path).key().context("a short path")?;
    let stamp =
        Stamp { size: 3_000_000, modified_ns: NOON * 1_000_000_000, changed_ns: NOON * 1_000_000_000 };
    let details = Details {
        width: 4000,
        height: 3000,
        orientation: 1,
        taken_ms: NOON * 1000,
        offset_minutes: Some(120),
        clock: Clock::Camera,
        latitude_e7: Some(521_234_567),
        longitude_e7: Some(131_234_567),
        camera: Some("Maker Model 7".into()),
        ..Details::default()
    };
    let payload = Photo::read(stamp, 7, Some(details)).encode();
    let mut fingerprint = [0; 16];
    fingerprint[..8].copy_from_slice(&(row as u64).to_le_bytes());
    let vector = Vector::normalized((0..dim).map(|_| random.component()).collect())?;
    let record = Record { fingerprint: Some(Fingerprint(fingerprint)), payload };
    Ok(Change::Put { key, record, vector: Some(vector) })
}

/// Steele and Vigna's `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Approximately normally distributed around 0: the sum of four uniform numbers.
    fn component(&mut self) -> f32 {
        let parts = self.next().to_le_bytes();
        let [a, b, c, d] = [0, 2, 4, 6].map(|at| f32::from(u16::from_le_bytes([parts[at], parts[at + 1]])));
        a + b + c + d - 2.0 * 65_535.0
    }
}
