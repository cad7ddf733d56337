//! Vectors as 8-bit codes: what a search compares first.
//!
//! A component is the nearest of 255 equal steps between minus and plus the largest of its vector, stored as
//! `u8` with 128 for zero. The score of two vectors is the sum of the products of their codes, times the two
//! steps; it is off by about 0.001, so that the best of it are compared again in higher precision. How far it can be
//! off at most, [`Query::error`] says.
//!
//! A row of codes is padded with 128 to a multiple of [`PADDING`], which leaves the kernels no rest to treat.

use crate::Vector;
use crate::segment::Segment;
use crate::simd::Kernels;
use crate::vector::narrow;

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
    error: Bound,
}

/// How far the score of a row of codes can be from the score of its vector: so much for each unit of the row's step,
/// and so much for any row.
#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    per_step: f32,
    any: f32,
}

/// How far a component is from its code at most, in steps. One half is the rounding to whole steps; the rest is more
/// than the rounding of the division before it, 127 × 2⁻²⁴.
const OFF: f64 = 0.5 + 1.0 / 65_536.0;

/// The unit roundoff of `f32`.
const ROUNDOFF: f64 = 1.0 / 16_777_216.0;

/// More than what [`Query::score`] and the comparison of its result lose by rounding: some four roundings of numbers
/// that are less than 8.
const SPARE: f64 = 1.0 / 262_144.0;

/// Bounds the error of a search for `components` by `codes` of this step.
///
/// Let x be the vector of a row as it is kept and c its codes of step s, q the query and d its codes of step t. The
/// difference of what is wanted and what the codes say is
///
/// ```text
/// Σ xᵢqᵢ − Σ scᵢtdᵢ  =  Σ xᵢ(qᵢ − tdᵢ)  +  Σ (xᵢ − scᵢ)tdᵢ
/// ```
///
/// By the Cauchy–Schwarz inequality the first sum is at most |x|₂ |q − td|₂, where |x|₂ is one up to rounding and the
/// other norm is known. No xᵢ is farther from scᵢ than `OFF` × s, so that, by Hölder's inequality, the second sum is
/// at most `OFF` × s |td|₁. The sum of products itself, in `f32` and in any order, is off by at most
/// γ Σ |xᵢqᵢ| ≤ γ |x|₂ |q|₂ where γ = nu / (1 − nu), n is the number of components and u the unit roundoff (Higham,
/// "Accuracy and Stability of Numerical Algorithms", 2nd edition, equation 3.5).
fn bound(components: &[f32], codes: &[i8], step: f32) -> Bound {
    let step = f64::from(step);
    let rest = |(&x, &code): (&f32, &i8)| (f64::from(x) - step * f64::from(code)).powi(2);
    let rest = components.iter().zip(codes).map(rest).sum::<f64>().sqrt();
    let sum = codes.iter().map(|&code| f64::from(code).abs()).sum::<f64>();
    let rounded = codes.len() as f64 * ROUNDOFF;
    // One percent of a percent is more than what the lengths differ from one, and these numbers from the true ones.
    let up = |x: f64| narrow(x * 1.0001);
    Bound { per_step: up(OFF * step * sum), any: up(rest + rounded / (1.0 - rounded) + SPARE) }
}

impl Query<'_> {
    pub(crate) fn new(vector: &Vector) -> Query<'_> {
        let components = vector.as_slice();
        let (step, steps) = steps(components);
        let mut codes: Vec<i8> = steps.collect();
        codes.resize(stride(components.len()), 0);
        Query { error: bound(components, &codes, step), ..Query::of_codes(components, codes, step) }
    }

    /// A row of a segment in the place of a query; `None` where there is no such row.
    pub(crate) fn of_row(segment: &Segment, position: u32) -> Option<Query<'static>> {
        let (row, head) = row_of(segment, position)?;
        let codes = row.iter().map(|code| (code ^ 128).cast_signed()).collect();
        Some(Query::of_codes(&[], codes, head.step()))
    }

    fn of_codes(components: &[f32], codes: Vec<i8>, step: f32) -> Query<'_> {
        let excess = codes.iter().map(|&code| i32::from(code) * i32::from(ZERO)).sum();
        Query { components, codes, step, excess, error: Bound::default() }
    }

    /// The score of a row, from the sum of the products of its stored codes with those of the query.
    #[expect(clippy::cast_precision_loss, reason = "24 bits are more than codes of 8 bits deserve")]
    pub(crate) fn score(&self, products: i32, head: Head) -> f32 {
        (products.wrapping_sub(self.excess)) as f32 * (self.step * head.step())
    }

    /// How far [`Query::score`] can be from the score with the row's vector as it is kept, for any row. Of a query that
    /// is a row of a segment it is not known.
    #[inline]
    pub(crate) fn error(&self, head: Head) -> f32 {
        self.error.per_step * head.step() + self.error.any
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
        let head = segment.heads().get(position as usize);
        head.into_iter().for_each(|head| Kernels::prefetch(bytemuck::bytes_of(head)));
    }
}

/// Called for every row of a walk, so it is inlined however the crate is split for code generation.
#[inline(always)]
fn row_of(segment: &Segment, position: u32) -> Option<(&[u8], Head)> {
    let (position, stride) = (position as usize, stride(segment.dim()));
    let row = segment.codes().get(position * stride..)?.get(..stride)?;
    Some((row, *segment.heads().get(position)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vector::to_half_bytes;

    /// How far the code's score is from that of the vector as it is kept, and how far it may be.
    #[track_caller]
    fn check(query: &[f32], row: &[f32]) -> (f32, f32) {
        let (query, row) =
            (Vector::normalized(query.to_vec()).unwrap(), Vector::normalized(row.to_vec()).unwrap());
        let kept = Vector::from_half_bytes(&to_half_bytes(&row)).unwrap();
        let mut codes = Vec::new();
        let head = append(kept.as_slice(), &mut codes);
        let query_codes = Query::new(&query);
        let (products, sum) = Kernels::portable().products(&codes, &query_codes.codes);
        assert!(head.fits(sum));
        let (off, bound) =
            ((query_codes.score(products, head) - query.dot(&kept)).abs(), query_codes.error(head));
        assert!(off <= bound, "{off} is more than {bound}");
        (off, bound)
    }

    #[test]
    fn scores_are_close_and_within_their_bound() {
        for dim in [1, 2, 63, 64, 65, 512] {
            let wave = |speed: f32| (0..dim).map(|i| ((i + 1) as f32 * speed).sin()).collect::<Vec<f32>>();
            for speed in [0.7, 1.1, 2.9] {
                let (off, bound) = check(&wave(0.7), &wave(speed));
                assert!(off < 0.01 && bound < 0.02, "{dim}: {off} {bound}");
            }
        }
    }

    /// Every component is off by nearly half a step, all in the direction of the query.
    #[test]
    fn the_bound_is_reached() {
        let mut row = vec![10.5 / 127.0; 512];
        row[0] = 1.0;
        let mut query = vec![1.0; 512];
        query[0] = 1e-9;
        let (off, bound) = check(&query, &row);
        assert!(off > 0.95 * bound, "{off} {bound}");
    }

    proptest! {
        #[test]
        fn scores_are_within_their_bound(
            (query, row) in (1..200usize).prop_flat_map(|dim| {
                let component = (-1.0f32..1.0, 0..8i32).prop_map(|(x, decades)| x * 10f32.powi(-decades) + 1e-12);
                let components = prop::collection::vec(component, dim);
                (components.clone(), components)
            }),
        ) {
            check(&query, &row);
            check(&row, &row);
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
