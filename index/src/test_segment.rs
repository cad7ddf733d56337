//! Segments for tests, without a catalog.

use std::path::Path;

use crate::record::Entry;
use crate::segment::{self, Segment, SegmentRow};
use crate::vector::to_half_bytes;
use crate::{Fingerprint, Key, Record, Space, Vector};

/// Writes and opens a segment with these vectors, followed by `without` rows that have none.
pub(crate) fn segment(dir: &Path, vectors: &[Vector], without: usize) -> Segment {
    let dim = vectors.first().map_or(1, Vector::dim);
    let space = Space::new("id", "label", dim).unwrap();
    let halves = vectors.iter().map(|vector| Some(to_half_bytes(vector)));
    let halves = halves.chain(std::iter::repeat_n(None, without));
    let rows = (0u64..).zip(halves).map(|(row, half_bytes)| {
        let record = Record { fingerprint: Some(Fingerprint([7; 16])), payload: vec![1, 2, 3] };
        let entry = Entry { row, has_vector: half_bytes.is_some(), record };
        Ok(SegmentRow { key: Key::new(format!("{row:08}")).unwrap(), entry, half_bytes })
    });
    segment::write(dir, 1, &space, (vectors.len(), vectors.len() + without), rows).unwrap();
    Segment::open(dir, 1).unwrap()
}

/// Vectors that resemble real embeddings: a common direction, clusters of about fifty, and noise.
pub(crate) fn clustered(rows: usize, dim: usize) -> Vec<Vector> {
    let spread = |of: usize, i: usize| crate::test_numbers::spread((of * 65_536 + i) as u64);
    let clusters = rows.div_ceil(50);
    let of_row = |row: usize| {
        let centre = 1 + row * 7_919 % clusters;
        let component =
            |i: usize| 0.8 * spread(0, i) + 0.75 * spread(centre, i) + 0.6 * spread(clusters + 1 + row, i);
        Vector::normalized((0..dim).map(component).collect()).unwrap()
    };
    (0..rows).map(of_row).collect()
}
