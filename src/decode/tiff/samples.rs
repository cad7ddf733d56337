//! Converts samples of any size to bytes.

use half::f16;

use crate::decode::ifd::whole;

/// The kind of number of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Unsigned,
    Signed,
    Float,
}

/// The format of samples, and which numbers become 0 and 255.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    pub(super) bits: u32,
    pub(super) number: Number,
    is_little: bool,
    least: f64,
    greatest: f64,
}

impl Depth {
    /// Scales integers so that the least possible number becomes 0 and the greatest 255; floats are scaled from 0 to 1.
    pub(super) fn new(bits: u32, number: Number, is_little: bool) -> Depth {
        let most = 2f64.powi(i32::try_from(bits).unwrap_or(64));
        let (least, greatest) = match number {
            Number::Unsigned => (0.0, most - 1.0),
            Number::Signed => (-most / 2.0, most / 2.0 - 1.0),
            Number::Float => (0.0, 1.0),
        };
        Depth { bits, number, is_little, least, greatest }
    }

    /// The same without scaling, for indices into a palette.
    pub(super) fn unscaled(self) -> Depth {
        Depth { least: 0.0, greatest: 255.0, ..self }
    }

    /// The same, treating signed numbers as unsigned. Photos marked as signed are actually unsigned, and libtiff treats them
    /// so; grey measurements are really signed.
    pub(super) fn without_signs(self) -> Depth {
        if self.number == Number::Signed {
            Depth::new(self.bits, Number::Unsigned, self.is_little)
        } else {
            self
        }
    }

    /// Scales the numbers so that the least becomes black and the greatest white. Floats within 0 and 1 are not scaled.
    pub(super) fn stretched(self, range: Option<(f64, f64)>) -> Depth {
        let Some((least, greatest)) = range else { return self };
        if self.number == Number::Float && least >= 0.0 && greatest <= 1.0 {
            return self;
        }
        Depth { least, greatest, ..self }
    }

    /// Extends `range` to include the first sample of every pixel in a row.
    pub(super) fn range(
        &self,
        row: &[u8],
        pixels: usize,
        samples: usize,
        range: Option<(f64, f64)>,
    ) -> Option<(f64, f64)> {
        let found = (0..pixels).filter_map(|pixel| self.stored(row, pixel * samples));
        found.filter(|number| number.is_finite()).fold(range, |range, number| {
            let (least, greatest) = range.unwrap_or((number, number));
            Some((least.min(number), greatest.max(number)))
        })
    }

    /// Reads the first `count` samples of a row.
    pub(super) fn read(&self, row: &[u8], count: usize, bytes: &mut Vec<u8>) {
        bytes.clear();
        match (self.bits, self.number) {
            (8, Number::Unsigned) => bytes.extend_from_slice(&row[..count.min(row.len())]),
            (16, Number::Unsigned) => bytes.extend(row.chunks_exact(2).take(count).map(|pair| {
                let pair = [pair[0], pair[1]];
                rounded(if self.is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
            })),
            _ => bytes.extend((0..count).map_while(|index| Some(self.scaled(self.stored(row, index)?)))),
        }
        bytes.resize(count, 0);
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
    fn scaled(&self, number: f64) -> u8 {
        let span = (self.greatest - self.least).max(f64::MIN_POSITIVE);
        ((number - self.least) / span * 255.0).round() as u8
    }

    /// The stored sample.
    #[expect(clippy::cast_possible_truncation, reason = "only this many bytes were read")]
    #[expect(clippy::cast_possible_wrap, reason = "the sign is the highest bit")]
    fn stored(&self, row: &[u8], index: usize) -> Option<f64> {
        if !self.bits.is_multiple_of(8) {
            return packed(row, index, self.bits).map(f64::from);
        }
        let size = self.bits as usize / 8;
        let raw = whole(row.get(index * size..(index + 1) * size)?, self.is_little);
        Some(match (self.number, self.bits) {
            (Number::Unsigned, _) => raw as f64,
            (Number::Signed, bits) => (((raw << (64 - bits)) as i64) >> (64 - bits)) as f64,
            (Number::Float, 16) => f16::from_bits(raw as u16).into(),
            (Number::Float, 32) => f32::from_bits(raw as u32).into(),
            (Number::Float, _) => f64::from_bits(raw),
        })
    }
}

/// A sample of fewer than 16 bits, stored without gaps and with the highest bit first.
fn packed(row: &[u8], index: usize, bits: u32) -> Option<u32> {
    let bits = bits as usize;
    let start = index * bits;
    let byte = |at: usize| row.get(start / 8 + at).copied().map(u32::from);
    let three = byte(0)? << 16 | byte(1).unwrap_or(0) << 8 | byte(2).unwrap_or(0);
    Some(three >> (24 - start % 8 - bits) & ((1 << bits) - 1))
}

/// Converts 16 bits to 8, rounded to nearest.
#[expect(clippy::cast_possible_truncation, reason = "65535 / 257 is 255")]
fn rounded(number: u16) -> u8 {
    ((u32::from(number) + 128) / 257) as u8
}

/// Undoes the predictor for integers: adds each sample of `bits` bits to the same one of the previous pixel.
pub(super) fn add_up(row: &mut [u8], samples: usize, bits: u32, is_little: bool) {
    let size = bits as usize / 8;
    let distance = samples * size;
    if size == 1 {
        return add_up_bytes(row, distance);
    }
    for at in (distance..row.len()).step_by(size) {
        let number = |at: usize| whole(&row[at..at + size], is_little);
        let sum = number(at).wrapping_add(number(at - distance));
        let number = &mut row[at..at + size];
        number.copy_from_slice(&sum.to_le_bytes()[..size]);
        if !is_little {
            number.reverse();
        }
    }
}

fn add_up_bytes(row: &mut [u8], distance: usize) {
    for at in distance..row.len() {
        row[at] = row[at].wrapping_add(row[at - distance]);
    }
}

/// Undoes the predictor for floats: all highest bytes come first, then all second ones, and so on, and each byte is the
/// difference to the one on its left.
pub(super) fn add_up_floats(row: &mut [u8], samples: usize, bits: u32, is_little: bool) {
    let size = bits as usize / 8;
    add_up_bytes(row, samples);
    let (apart, count) = (row.to_vec(), row.len() / size);
    for (index, number) in row.chunks_exact_mut(size).enumerate() {
        for (place, byte) in number.iter_mut().enumerate() {
            let rank = if is_little { size - 1 - place } else { place };
            *byte = apart[rank * count + index];
        }
    }
}

/// The number of bytes that [`spread`] reads.
pub(super) fn spread_from((columns, rows): (usize, usize), (across, down): (usize, usize)) -> usize {
    columns.div_ceil(across) * rows.div_ceil(down) * (across * down + 2)
}

/// Upsamples colours that several pixels share. The data has the luma of each pixel, then the two colours. The result has
/// three bytes per pixel.
pub(super) fn spread(
    data: &[u8],
    (columns, rows): (usize, usize),
    (across, down): (usize, usize),
) -> Vec<u8> {
    let (unit, units) = (across * down + 2, columns.div_ceil(across));
    // Drop incomplete rows.
    let rows = (data.len() / (unit * units) * down).min(rows);
    let mut pixels = Vec::with_capacity(3 * columns * rows);
    for y in 0..rows {
        for x in 0..columns {
            let start = (y / down * units + x / across) * unit;
            let brightness = start + y % down * across + x % across;
            pixels.extend([data[brightness], data[start + unit - 2], data[start + unit - 1]]);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_become_bytes() {
        #[track_caller]
        fn check(bits: u32, number: Number, row: &[u8], expected: &[u8]) {
            let mut bytes = Vec::new();
            Depth::new(bits, number, false).read(row, expected.len(), &mut bytes);
            assert_eq!(bytes, expected, "{bits} bits, {number:?}");
        }
        check(1, Number::Unsigned, &[0b1010_0000], &[255, 0, 255]);
        check(2, Number::Unsigned, &[0b1101_0010], &[255, 85, 0, 170]);
        check(6, Number::Unsigned, &[0b1111_1100, 0b0001_0000], &[255, 4]);
        check(8, Number::Unsigned, &[7, 255], &[7, 255]);
        check(12, Number::Unsigned, &[0xff, 0xf8, 0x00], &[255, 128]);
        check(16, Number::Unsigned, &[0xff, 0xff, 0x80, 0x00], &[255, 128]);
        check(32, Number::Unsigned, &[0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0], &[255, 128]);
        check(16, Number::Signed, &[0x80, 0, 0x7f, 0xff], &[0, 255]);
        check(16, Number::Float, &[0x3c, 0, 0x38, 0], &[255, 128]);
        check(32, Number::Float, &[0x3f, 0x80, 0, 0, 0xbf, 0x80, 0, 0], &[255, 0]);
        check(64, Number::Float, &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0], &[128]);
        // Missing samples are black.
        check(8, Number::Unsigned, &[7], &[7, 0]);
    }

    #[test]
    fn signed_numbers_can_be_treated_as_unsigned() {
        let mut bytes = Vec::new();
        Depth::new(8, Number::Signed, false).without_signs().read(&[0, 127, 200], 3, &mut bytes);
        assert_eq!(bytes, [0, 127, 200]);
        Depth::new(32, Number::Float, false).without_signs().read(&[0x3f, 0x80, 0, 0], 1, &mut bytes);
        assert_eq!(bytes, [255]);
    }

    #[test]
    fn numbers_without_a_fixed_white_are_stretched() {
        #[track_caller]
        fn check(numbers: &[f32], expected: &[u8]) {
            let row: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
            let depth = Depth::new(32, Number::Float, false);
            let depth = depth.stretched(depth.range(&row, numbers.len(), 1, None));
            let mut bytes = Vec::new();
            depth.read(&row, numbers.len(), &mut bytes);
            assert_eq!(bytes, expected);
        }
        check(&[0.0, 0.5, 0.25], &[0, 128, 64]);
        check(&[-10.0, 0.0, 10.0], &[0, 128, 255]);
        check(&[100.0, 100.0], &[0, 0]);
        check(&[f32::NAN, 2.0, 4.0], &[0, 0, 255]);
    }

    #[test]
    fn differences_are_added_up() {
        #[track_caller]
        fn check(bits: u32, samples: usize, row: &[u8], little: bool, expected: &[u8]) {
            let mut row = row.to_vec();
            add_up(&mut row, samples, bits, little);
            assert_eq!(row, expected);
        }
        check(8, 1, &[250, 10, 1], true, &[250, 4, 5]);
        check(8, 3, &[1, 2, 3, 1, 1, 1], true, &[1, 2, 3, 2, 3, 4]);
        check(16, 1, &[255, 0, 1, 0], true, &[255, 0, 0, 1]);
        check(16, 1, &[0, 255, 0, 1], false, &[0, 255, 1, 0]);
    }
}
