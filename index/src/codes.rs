//! Vectors as 8-bit codes: what a search compares first.
//!
//! A component is the nearest of 255 equal steps between minus and plus the largest of its vector, stored as
//! `u8` with 128 for zero. The score of two vectors is the sum of the products of their codes, times the two
//! steps; it is off by about 0.001, so that the best of it are compared again in higher precision.
//!
//! A row of codes is padded with 128 to a multiple of [`PADDING`], which leaves the kernels no rest to treat.

use crate::Vector;
use crate::segment::Segment;
use crate::simd::Kernels;

/// One 512-bit register. The dimensions that models have in practice are multiples of it.
pub(crate) const PADDING: usize = 64;

/// How far codes are from their values: zero is stored as this.
const ZERO: i16 = 128;

/// How many bytes the codes of a vector take.
pub(crate) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(PADDING)
}

/// What belongs to a row of codes, as it lies in a segment: the step, and a checksum that a scan can afford.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Head {
    step: u32,
    check: u32,
}

impl Head {
    /// `sum` is that of the codes, as they are stored.
    fn new(step: f32, sum: u32) -> Head {
        Head { step: step.to_bits(), check: sum.wrapping_add(step.to_bits()) }
    }

    /// What one code is worth.
    pub(crate) fn step(self) -> f32 {
        f32::from_bits(self.step)
    }

    /// Whether this is the head of codes with this sum. Any one wrong byte, here or there, makes a difference.
    pub(crate) fn fits(self, sum: u32) -> bool {
        self.check == sum.wrapping_add(self.step)
    }
}

/// Appends the codes of the components, and answers their head.
pub(crate) fn append(components: &[f32], codes: &mut Vec<u8>) -> Head {
    let start = codes.len();
    let (step, steps) = steps(components);
    codes.extend(steps.map(|step| u8::try_from(i16::from(step) + ZERO).unwrap_or(0)));
    codes.resize(start + stride(components.len()), 128);
    Head::new(step, codes[start..].iter().map(|&code| u32::from(code)).sum())
}

/// How large a step is, and how many of them each component is.
fn steps(components: &[f32]) -> (f32, impl Iterator<Item = i8>) {
    let largest = components.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let step = (largest / 127.0).max(f32::MIN_POSITIVE);
    (step, components.iter().map(move |x| whole(x / step)))
}

#[expect(clippy::cast_possible_truncation, reason = "the value is within the range, and `as` saturates")]
fn whole(x: f32) -> i8 {
    x.round().clamp(-127.0, 127.0) as i8
}

/// A query in the forms that the kernels compare.
#[derive(Debug, Default)]
pub(crate) struct Query<'a> {
    /// None for a row of a segment: only its codes are compared.
    pub(crate) components: &'a [f32],
    /// Padded with zeros, so that whatever pads a row counts for nothing.
    pub(crate) codes: Vec<i8>,
    step: f32,
    /// What the sum of products has too much, because the codes of a row are 128 too large.
    excess: i32,
}

impl Query<'_> {
    pub(crate) fn new(vector: &Vector) -> Query<'_> {
        let components = vector.as_slice();
        let (step, steps) = steps(components);
        let mut codes: Vec<i8> = steps.collect();
        codes.resize(stride(components.len()), 0);
        Query::of_codes(components, codes, step)
    }

    /// A row of a segment in the place of a query; `None` where there is no such row.
    pub(crate) fn of_row(segment: &Segment, position: u32) -> Option<Query<'static>> {
        let (row, head) = row_of(segment, position)?;
        let codes = row.iter().map(|code| (code ^ 128).cast_signed()).collect();
        Some(Query::of_codes(&[], codes, head.step()))
    }

    fn of_codes(components: &[f32], codes: Vec<i8>, step: f32) -> Query<'_> {
        let excess = codes.iter().map(|&code| i32::from(code) * i32::from(ZERO)).sum();
        Query { components, codes, step, excess }
    }

    /// The score of a row, from the sum of the products of its stored codes with those of the query.
    #[expect(clippy::cast_precision_loss, reason = "24 bits are more than codes of 8 bits deserve")]
    pub(crate) fn score(&self, products: i32, head: Head) -> f32 {
        (products.wrapping_sub(self.excess)) as f32 * (self.step * head.step())
    }

    /// The score of one row of a segment; `None` where there is no such row. Its checksum is not looked at.
    pub(crate) fn score_of(&self, segment: &Segment, position: u32) -> Option<f32> {
        let (row, head) = row_of(segment, position)?;
        let (products, _) = Kernels::best().products(row, &self.codes);
        Some(self.score(products, head))
    }
}

/// Asks for a row that will be compared soon.
pub(crate) fn prefetch(segment: &Segment, position: u32) {
    if let Some((row, _)) = row_of(segment, position) {
        Kernels::prefetch(row);
    }
}

fn row_of(segment: &Segment, position: u32) -> Option<(&[u8], Head)> {
    let (position, stride) = (position as usize, stride(segment.dim()));
    let row = segment.codes().get(position * stride..)?.get(..stride)?;
    Some((row, *segment.heads().get(position)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_close_to_the_cosine() {
        for dim in [1, 2, 63, 64, 65, 512] {
            let wave = |speed: f32| {
                let component = |i: usize| ((i + 1) as f32 * speed).sin();
                Vector::new((0..dim).map(component).collect()).unwrap()
            };
            let (a, b) = (wave(0.7), wave(1.1));
            let mut codes = Vec::new();
            let head = append(b.as_slice(), &mut codes);
            let query = Query::new(&a);
            let (products, sum) = Kernels::portable().products(&codes, &query.codes);
            assert!(head.fits(sum));
            let (found, expected) = (query.score(products, head), a.dot(&b));
            assert!((found - expected).abs() < 0.01, "{dim}: {found} {expected}");
        }
    }

    #[test]
    fn one_wrong_byte_does_not_fit() {
        let mut codes = Vec::new();
        let head = append(&[0.6, -0.8], &mut codes);
        let sum: u32 = codes.iter().map(|&code| u32::from(code)).sum();
        assert!(head.fits(sum) && !head.fits(sum ^ 1));
        for byte in 0..8 {
            let mut bytes: [u8; 8] = bytemuck::cast(head);
            bytes[byte] ^= 0x10;
            assert!(!bytemuck::cast::<_, Head>(bytes).fits(sum), "{byte}");
        }
    }
}
