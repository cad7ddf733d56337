//! Vectors as 8-bit codes, which a search compares first.
//!
//! Each component is rounded to one of 255 equal steps between minus and plus the vector's largest component, and stored
//! as `u8` with 128 for zero. The score of two vectors is the sum of the products of their codes, times both steps. It is
//! off by about 0.001, so the best rows are compared again in higher precision. [`Query::error`] bounds the error.
//!
//! A row of codes is padded with 128 to a multiple of [`PADDING`], so that the kernels have no remainder to handle.

use crate::Vector;
use crate::segment::Segment;
use crate::simd::Kernels;
use crate::vector::narrow;

/// One 512-bit register. The dimensions of real models are multiples of it.
pub(crate) const PADDING: usize = 64;

/// The offset of stored codes: zero is stored as this.
const ZERO: i16 = 128;

/// How many bytes the codes of a vector take.
pub(crate) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(PADDING)
}

/// The head of a row of codes in a segment: the step, and a checksum cheap enough for a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Head {
    step: u32,
    check: u32,
}

impl Head {
    /// `sum` is the sum of the stored codes.
    fn new(step: f32, sum: u32) -> Head {
        Head { step: step.to_bits(), check: sum.wrapping_add(step.to_bits()) }
    }

    /// The size of one step.
    pub(crate) fn step(self) -> f32 {
        f32::from_bits(self.step)
    }

    /// Whether this head belongs to codes with this sum. A single wrong byte in either is detected.
    pub(crate) fn fits(self, sum: u32) -> bool {
        self.check == sum.wrapping_add(self.step)
    }
}

/// Appends the codes of the components and returns their head.
pub(crate) fn append(components: &[f32], codes: &mut Vec<u8>) -> Head {
    let start = codes.len();
    let (step, steps) = steps(components);
    codes.extend(steps.map(|step| u8::try_from(i16::from(step) + ZERO).unwrap_or(0)));
    codes.resize(start + stride(components.len()), 128);
    Head::new(step, codes[start..].iter().map(|&code| u32::from(code)).sum())
}

/// The step size, and each component as a number of steps.
fn steps(components: &[f32]) -> (f32, impl Iterator<Item = i8>) {
    let largest = components.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let step = (largest / 127.0).max(f32::MIN_POSITIVE);
    (step, components.iter().map(move |x| whole(x / step)))
}

#[expect(clippy::cast_possible_truncation, reason = "the value is within the range, and `as` saturates")]
fn whole(x: f32) -> i8 {
    x.round().clamp(-127.0, 127.0) as i8
}

/// A query in the forms that the kernels use.
#[derive(Debug, Default)]
pub(crate) struct Query<'a> {
    /// Empty for a row of a segment: only its codes are compared.
    pub(crate) components: &'a [f32],
    /// Padded with zeros, so that a row's padding has no effect.
    pub(crate) codes: Vec<i8>,
    step: f32,
    /// How much too large the sum of products is, because stored codes are 128 too large.
    excess: i32,
    error: Bound,
}

/// The largest error of a row's score by its codes: a part proportional to the row's step, and a constant.
#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    per_step: f32,
    any: f32,
}

/// The largest distance of a component from its code, in steps. One half comes from rounding to whole steps; the rest
/// exceeds the rounding error of the division before it, 127 × 2⁻²⁴.
const OFF: f64 = 0.5 + 1.0 / 65_536.0;

/// The unit roundoff of `f32`.
const ROUNDOFF: f64 = 1.0 / 16_777_216.0;

/// More than the rounding errors of [`Query::score`] and of comparing its result: about four roundings of numbers less
/// than 8.
const SPARE: f64 = 1.0 / 262_144.0;

/// Bounds the error of a search for `components` by `codes` of this step.
///
/// Let x be the stored vector of a row and c its codes with step s, q the query and d its codes with step t. The difference
/// between the true score and the score by codes is
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
    // 0.01 % exceeds the deviation of the lengths from one, and the rounding errors of these numbers.
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

    /// A row of a segment as a query; `None` if there is no such row.
    pub(crate) fn of_row(segment: &Segment, position: u32) -> Option<Query<'static>> {
        let (row, head) = row_of(segment, position)?;
        let codes = row.iter().map(|code| (code ^ 128).cast_signed()).collect();
        Some(Query::of_codes(&[], codes, head.step()))
    }

    fn of_codes(components: &[f32], codes: Vec<i8>, step: f32) -> Query<'_> {
        let excess = codes.iter().map(|&code| i32::from(code) * i32::from(ZERO)).sum();
        Query { components, codes, step, excess, error: Bound::default() }
    }

    /// The score of a row, from the sum of products of its stored codes with the query's.
    #[expect(clippy::cast_precision_loss, reason = "24 bits are more than enough for 8-bit codes")]
    pub(crate) fn score(&self, products: i32, head: Head) -> f32 {
        (products.wrapping_sub(self.excess)) as f32 * (self.step * head.step())
    }

    /// The largest error of [`Query::score`], compared with the score by the stored vector, for any row. It is unknown if
    /// the query itself is a row of a segment.
    #[inline]
    pub(crate) fn error(&self, head: Head) -> f32 {
        self.error.per_step * head.step() + self.error.any
    }

    /// The score of one row of a segment, without checking its checksum; `None` if there is no such row.
    pub(crate) fn score_of(&self, segment: &Segment, position: u32) -> Option<f32> {
        let (row, head) = row_of(segment, position)?;
        let (products, _) = Kernels::best().products(row, &self.codes);
        Some(self.score(products, head))
    }
}

/// Prefetches a row that will be compared soon.
pub(crate) fn prefetch(segment: &Segment, position: u32) {
    if let Some((row, _)) = row_of(segment, position) {
        Kernels::prefetch(row);
        let head = segment.heads().get(position as usize);
        head.into_iter().for_each(|head| Kernels::prefetch(bytemuck::bytes_of(head)));
    }
}

/// Called for every row of a walk, so always inlined, even across codegen units.
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

    /// The error of the score by codes, and its bound.
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

    /// The worst case: every component is off by nearly half a step in the direction of the query.
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
