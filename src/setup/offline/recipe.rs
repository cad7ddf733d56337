//! Follows a recipe: pieces of a skeleton and weights in, an ONNX file out.

use std::io::{self, Write};

use half::f16;

/// Numbers per row of [`Rows`].
const ROW: usize = 384;

/// What batch norms add to a variance (EfficientNet's `BATCH_NORM_EPSILON`).
const EPSILON: f64 = 1e-3;

/// Named rows of 384 half-precision numbers, little-endian.
pub(super) struct Rows {
    pub(super) name: &'static str,
    pub(super) bytes: &'static [u8],
}

/// Writes what `recipe` says. An error means that the recipe does not fit the skeleton or the weights.
pub(super) fn cook(
    recipe: &str,
    skeleton: &[u8],
    weights: &[u8],
    rows: &[Rows],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut skeleton = skeleton;
    for line in recipe.lines() {
        let bytes = piece(line, &mut skeleton, weights, rows);
        let wrong =
            || io::Error::new(io::ErrorKind::InvalidData, format!("the recipe's `{line}` does not fit"));
        out.write_all(&bytes.ok_or_else(wrong)?)?;
    }
    Ok(())
}

/// The bytes of one line.
fn piece(line: &str, skeleton: &mut &[u8], weights: &[u8], rows: &[Rows]) -> Option<Vec<u8>> {
    let words: Vec<&str> = line.split(' ').collect();
    let tensor = |text: &str| Tensor::parse(text)?.values(weights);
    match *words.as_slice() {
        ["skeleton", count] => {
            let (piece, rest) = skeleton.split_at_checked(count.parse().ok()?)?;
            *skeleton = rest;
            Some(piece.to_vec())
        }
        ["f16", values] => Some(halves(tensor(values)?)),
        ["f32", values] => Some(singles(tensor(values)?)),
        ["fold16", values, gain, variance] => {
            Some(halves(folded(tensor(values)?, &scales(&tensor(gain)?, &tensor(variance)?))?))
        }
        ["fold32", values, gain, variance] => {
            Some(singles(folded(tensor(values)?, &scales(&tensor(gain)?, &tensor(variance)?))?))
        }
        ["shift32", bias, mean, gain, variance] => {
            let (bias, mean, scales) =
                (tensor(bias)?, tensor(mean)?, scales(&tensor(gain)?, &tensor(variance)?));
            let shifted = bias.iter().zip(&mean).zip(&scales);
            Some(singles(shifted.map(|((bias, mean), scale)| bias - mean * scale).collect()))
        }
        ["sum16", values, repeated] => {
            let repeated = tensor(repeated)?;
            let values = tensor(values)?.into_iter().zip(repeated.iter().cycle());
            Some(halves(values.map(|(value, other)| value + other).collect()))
        }
        ["rows", name, start, count] => {
            let rows = rows.iter().find(|rows| rows.name == name)?.bytes;
            let (start, count): (usize, usize) = (start.parse().ok()?, count.parse().ok()?);
            rows.get(2 * ROW * start..).and_then(|rest| rest.get(..2 * ROW * count)).map(<[u8]>::to_vec)
        }
        _ => None,
    }
}

/// The factor that a batch norm applies to each channel.
fn scales(gain: &[f64], variance: &[f64]) -> Vec<f64> {
    gain.iter().zip(variance).map(|(gain, variance)| gain / (variance + EPSILON).sqrt()).collect()
}

/// The weights of a convolution, each times the scale of its output channel.
fn folded(mut values: Vec<f64>, scales: &[f64]) -> Option<Vec<f64>> {
    let per_channel = values.len().checked_div(scales.len()).filter(|count| *count > 0)?;
    for (channel, scale) in values.chunks_mut(per_channel).zip(scales) {
        channel.iter_mut().for_each(|value| *value *= scale);
    }
    Some(values)
}

fn singles(values: Vec<f64>) -> Vec<u8> {
    values.into_iter().flat_map(|value| single(value).to_le_bytes()).collect()
}

fn halves(values: Vec<f64>) -> Vec<u8> {
    values.into_iter().flat_map(|value| half(value).to_le_bytes()).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest, ties to even")]
fn single(value: f64) -> f32 {
    value as f32
}

/// The nearest half, ties to even. Rounding to f32 in between must not turn a number near a tie into a tie. So an inexact
/// f32 gets an odd last bit ("round to odd"), which is never a tie: halves have 13 bits fewer.
fn half(value: f64) -> f16 {
    let near = single(value);
    let bits = near.to_bits();
    let odd = match f64::from(near).abs().total_cmp(&value.abs()) {
        std::cmp::Ordering::Less => bits | 1,
        std::cmp::Ordering::Greater if bits & 1 == 0 => bits - 1,
        std::cmp::Ordering::Greater | std::cmp::Ordering::Equal => bits,
    };
    f16::from_f32(f32::from_bits(odd))
}

/// Where a tensor is: `OFFSET/SHAPE` or `OFFSET/SHAPE/STRIDES`, with strides in numbers.
#[derive(Debug, PartialEq, Eq)]
struct Tensor {
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Tensor {
    fn parse(text: &str) -> Option<Tensor> {
        let numbers = |part: &str| part.split(',').map(|n| n.parse().ok()).collect::<Option<Vec<usize>>>();
        let mut parts = text.split('/');
        let (offset, shape) = (parts.next()?.parse().ok()?, numbers(parts.next()?)?);
        let strides = match parts.next() {
            Some(strides) => numbers(strides).filter(|strides| strides.len() == shape.len())?,
            None => contiguous(&shape),
        };
        Some(Tensor { offset, shape, strides })
    }

    /// Its numbers, in the order of its shape.
    fn values(&self, weights: &[u8]) -> Option<Vec<f64>> {
        let weights = weights.get(self.offset..)?;
        let value = |place: usize| {
            let bytes = weights.get(place.checked_mul(4)?..)?.first_chunk()?;
            Some(f64::from(f32::from_le_bytes(*bytes)))
        };
        (0..self.shape.iter().product()).map(|number| value(self.place(number))).collect()
    }

    /// How many numbers after the offset the value with this number is.
    fn place(&self, number: usize) -> usize {
        let axes = self.shape.iter().zip(&self.strides).rev();
        let add = |(rest, place): (usize, usize), (length, stride): (&usize, &usize)| {
            (rest / length, place + rest % length * stride)
        };
        axes.fold((number, 0), add).1
    }
}

/// The strides of rows without gaps.
fn contiguous(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: &[Rows] = &[Rows { name: "counted", bytes: &[7; 4 * ROW] }];

    fn weights(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[track_caller]
    fn check(line: &str, expected: Option<&[u8]>) {
        let weights = weights(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let mut out = Vec::new();
        let cooked = cook(line, b"bones", &weights, COUNTED, &mut out);
        assert_eq!(cooked.ok().map(|()| out.as_slice()), expected, "{line}");
    }

    #[test]
    fn each_kind_of_piece_gives_its_bytes() {
        let halves =
            |values: &[f32]| values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect::<Vec<_>>();
        check("skeleton 2\nskeleton 3", Some(b"bones"));
        check("f32 4/2", Some(&weights(&[2.0, 3.0])));
        check("f16 0/2,3", Some(&halves(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
        check("f16 0/3,2/1,3", Some(&halves(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])));
        check("sum16 0/4 16/2", Some(&halves(&[6.0, 8.0, 8.0, 10.0])));
        check("rows counted 1 1", Some(&[7; 2 * ROW]));
        // Gains 5 and 6, variances 3 and 4.
        let scale = |gain: f64, variance: f64| gain / (variance + EPSILON).sqrt();
        let (first, second) = (scale(5.0, 3.0), scale(6.0, 4.0));
        check("fold32 0/2,1 16/2 8/2", Some(&weights(&[single(first), single(2.0 * second)])));
        check(
            "shift32 0/2 8/2 16/2 8/2",
            Some(&weights(&[single(1.0 - 3.0 * first), single(2.0 - 4.0 * second)])),
        );
    }

    #[test]
    fn a_recipe_that_does_not_fit_is_an_error() {
        for line in [
            "skeleton 6",
            "skeleton x",
            "f32 0/7",
            "f32 99/1",
            "f32 0",
            "f32 0/2/1,1",
            "f16",
            "rows counted 2 1",
            "rows other 0 1",
            "rows counted 0 9",
            "fold32 0/2 0/0 0/0",
            "unknown 1",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn halves_are_rounded_once() {
        let step = 2f64.powi(-10); // between halves from 1 on
        assert_eq!(half(1.0 + step / 2.0), f16::from_f32(1.0), "a tie goes to the even one");
        assert_eq!(half(1.0 + step / 2.0 + 1e-12), f16::from_f64(1.0 + step), "just above it");
        assert_eq!(half(1.0 + 1.5 * step), f16::from_f64(1.0 + 2.0 * step), "a tie goes to the even one");
        assert_eq!(half(1.0 + 1.5 * step - 1e-12), f16::from_f64(1.0 + step), "just below it");
        assert_eq!(half(-1.0 - step / 2.0 - 1e-12), f16::from_f64(-1.0 - step));
        assert_eq!(half(0.0).to_bits(), 0);
    }
}
