//! Unit vectors, and their half-precision form on disk.
//!
//! A [`Vector`] is finite and of length one by construction, so other code need not check that. On disk a component is a
//! half float (`f16`, little-endian): 2 bytes instead of 4, and the ranking of the ten nearest is the same as with `f32`.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// The number of partial sums in [`dot`], so that additions don't wait for each other: four registers of 256 bits.
pub(crate) const LANES: usize = 32;

/// A vector that is finite, of length one and of at least one dimension, by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Vec<f32>);

/// Why numbers cannot become a [`Vector`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// A vector has at least one dimension.
    #[error("a vector cannot be empty")]
    Empty,
    /// A component is infinite or not a number.
    #[error("component {position} of the vector is not a finite number")]
    NotFinite {
        /// The index of the first such component.
        position: usize,
    },
    /// Every component is zero, so the vector has no direction.
    #[error("every component of the vector is zero")]
    Zero,
}

impl Vector {
    /// Scales `components` to length one.
    ///
    /// # Errors
    /// If there are no components, if one is not finite, or if all are zero.
    pub fn normalized(mut components: Vec<f32>) -> Result<Vector, VectorError> {
        if components.is_empty() {
            return Err(VectorError::Empty);
        }
        if let Some(position) = components.iter().position(|x| !x.is_finite()) {
            return Err(VectorError::NotFinite { position });
        }
        let scale = inverse_length(&components).ok_or(VectorError::Zero)?;
        for x in &mut components {
            *x = narrow(f64::from(*x) * scale);
        }
        Ok(Vector(components))
    }

    /// Takes components whose length is already one, within a thousandth, and keeps every bit of them. Others are scaled
    /// as by [`Vector::normalized`]. So a vector that was written out comes back exactly.
    ///
    /// # Errors
    /// As [`Vector::normalized`].
    pub fn kept_if_unit(components: Vec<f32>) -> Result<Vector, VectorError> {
        let is_finite = components.iter().all(|x| x.is_finite());
        match inverse_length(&components) {
            Some(inverse) if is_finite && (inverse - 1.0).abs() < 1e-3 => Ok(Vector(components)),
            _ => Vector::normalized(components),
        }
    }

    /// Reads the bytes of [`to_half_bytes`]; `None` if they are not a vector.
    pub(crate) fn from_half_bytes(bytes: &[u8]) -> Option<Vector> {
        let mut halves = Vec::new();
        let inverse_length = read_half_bytes(bytes, bytes.len() / 2, &mut halves)?;
        Some(Vector(kept(&halves, inverse_length)))
    }

    /// The components.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The number of components; never zero.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.0.len()
    }

    /// The cosine of the angle between two vectors of the same space.
    ///
    /// # Panics
    /// If the vectors have different dimensions, because then they belong to different spaces.
    #[must_use]
    pub fn dot(&self, other: &Vector) -> f32 {
        assert_eq!(self.dim(), other.dim(), "only vectors of one space can be compared");
        dot(&self.0, &other.0)
    }
}

/// One over the length. The squares are summed in `f64`, in which squares of finite `f32` neither overflow nor underflow.
/// `None` for a vector without a direction.
fn inverse_length(components: &[f32]) -> Option<f64> {
    let squares: f64 = components.iter().map(|&x| f64::from(x).powi(2)).sum();
    (squares > 0.0).then(|| squares.sqrt().recip())
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is intended")]
pub(crate) fn narrow(x: f64) -> f32 {
    x as f32
}

/// The sum of products. The order of additions is fixed, and each product is rounded before it is added. So all forms of
/// this loop give equal results ([`crate::simd`] has another).
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a_lanes, a_rest) = a[..len].as_chunks::<LANES>();
    let (b_lanes, b_rest) = b[..len].as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += x * y;
    }
    total(&sums)
}

/// Adds up the partial sums: adds the upper half to the lower half until one is left.
pub(crate) fn total(sums: &[f32; LANES]) -> f32 {
    let mut sums = *sums;
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// The components of a stored vector: its half floats times one over their length.
pub(crate) fn kept(halves: &[f16], inverse_length: f32) -> Vec<f32> {
    halves.to_f32_vec().into_iter().map(|x| x * inverse_length).collect()
}

/// The form on disk: one little-endian `f16` per component.
pub(crate) fn to_half_bytes(vector: &Vector) -> Vec<u8> {
    vector.0.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
}

/// Appends the half floats in `bytes` to `halves`, and returns one over the vector's length, which rounding has moved a
/// little away from one. `None`, with nothing appended, unless the bytes are `dim` finite numbers that are not all zero.
pub(crate) fn read_half_bytes(bytes: &[u8], dim: usize, halves: &mut Vec<f16>) -> Option<f32> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if pairs.len() != dim || !rest.is_empty() {
        return None;
    }
    let read: Vec<f16> = pairs.iter().map(|&pair| f16::from_le_bytes(pair)).collect();
    if !read.iter().all(|x| x.is_finite()) {
        return None;
    }
    let inverse = inverse_length(&read.to_f32_vec())?;
    halves.extend_from_slice(&read);
    Some(narrow(inverse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(components: &[f32], expected: &Result<&[f32], VectorError>) {
        let found = Vector::normalized(components.to_vec());
        assert_eq!(found.as_ref().map(Vector::as_slice), expected.as_ref().map(|&slice| slice));
    }

    #[test]
    fn components_are_normalised_or_refused() {
        check(&[], &Err(VectorError::Empty));
        check(&[0.0, -0.0], &Err(VectorError::Zero));
        check(&[1.0, f32::NAN], &Err(VectorError::NotFinite { position: 1 }));
        check(&[f32::NEG_INFINITY], &Err(VectorError::NotFinite { position: 0 }));
        check(&[3.0, 4.0], &Ok(&[0.6, 0.8]));
        check(&[-2.0], &Ok(&[-1.0]));
        check(&[f32::MAX, 0.0], &Ok(&[1.0, 0.0]));
        check(&[0.0, 1e-45], &Ok(&[0.0, 1.0]));
    }

    #[test]
    fn components_of_length_one_keep_their_bits() {
        let almost = vec![0.600_000_1, 0.800_000_1];
        assert_eq!(Vector::kept_if_unit(almost.clone()).unwrap().as_slice(), almost);
        assert_eq!(Vector::kept_if_unit(vec![3.0, 4.0]).unwrap().as_slice(), [0.6, 0.8]);
        assert_eq!(Vector::kept_if_unit(vec![0.0]), Err(VectorError::Zero));
        assert_eq!(Vector::kept_if_unit(vec![]), Err(VectorError::Empty));
        assert_eq!(Vector::kept_if_unit(vec![1.0, f32::NAN]), Err(VectorError::NotFinite { position: 1 }));
    }

    #[test]
    #[should_panic(expected = "only vectors of one space")]
    fn vectors_of_different_dimensions_are_not_compared() {
        let vector = |dim| Vector::normalized(vec![1.0; dim]).unwrap();
        let _ = vector(2).dot(&vector(3));
    }

    #[test]
    fn dot_counts_every_component_once() {
        for len in [1, 15, 16, 17, 31, 32, 33, 65, 512] {
            let ones = vec![1.0; len];
            let counted: f32 = ones.iter().sum();
            assert!((dot(&ones, &ones) - counted).abs() < 1e-6, "{len}");
        }
    }

    #[track_caller]
    fn check_bytes(bytes: &[u8], dim: usize, expected: Option<usize>) {
        let mut halves = Vec::new();
        let found = read_half_bytes(bytes, dim, &mut halves).map(|_| halves.len());
        assert_eq!(found, expected);
        assert_eq!(halves.len(), expected.unwrap_or(0));
    }

    #[test]
    fn half_bytes_are_checked_when_read() {
        let one = f16::ONE.to_le_bytes();
        let nan = f16::NAN.to_le_bytes();
        check_bytes(&one, 1, Some(1));
        check_bytes(&[one, one].concat(), 2, Some(2));
        check_bytes(&[one, one].concat(), 1, None);
        check_bytes(&one[..1], 1, None);
        check_bytes(&nan, 1, None);
        check_bytes(&[0, 0], 1, None);
        check_bytes(&[], 1, None);
    }

    #[test]
    fn half_bytes_keep_the_direction() {
        let vector = Vector::normalized((1..=512u16).map(|i| f32::from(i).sin()).collect()).unwrap();
        let mut halves = Vec::new();
        let inverse = read_half_bytes(&to_half_bytes(&vector), 512, &mut halves).unwrap();
        let cosine = dot(vector.as_slice(), &halves.to_f32_vec()) * inverse;
        assert!((cosine - 1.0).abs() < 1e-6, "{cosine}");
    }
}
