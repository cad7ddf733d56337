//! Interprets the samples of pixels and converts them to RGB.

use super::layout::Compression;
use super::samples::{Depth, Number};
use super::tag;
use super::{damaged, unsupported};
use crate::decode::DecodeError;
use crate::decode::ifd::{Directory, Value};
use crate::decode::raster::Alpha;

/// The colour space of a pixel's first samples.
#[derive(Clone, Debug)]
pub(super) enum Colour {
    Gray {
        is_inverted: bool,
    },
    Rgb,
    Palette(Vec<[u8; 3]>),
    Inks,
    YCbCr(YCbCr),
    /// CIE L*a*b* with a white point of 5000 K; a* and b* are signed bytes, or have 128 added.
    Lab {
        is_signed: bool,
    },
}

/// Parameters of YCbCr.
#[derive(Clone, Copy, Debug)]
pub(super) struct YCbCr {
    /// The weights of red, green and blue in the luma.
    luma: [f64; 3],
    /// For each sample, the reference black (or no colour) and the reference white (or full colour).
    range: [(f64, f64); 3],
}

impl Colour {
    pub(super) fn ycbcr(luma: Option<Value<'_>>, range: Option<Value<'_>>) -> Colour {
        let real = |values: Option<Value<'_>>, index, default| {
            values.and_then(|v| v.number(index)).unwrap_or(default)
        };
        let luma = [(0, 0.299), (1, 0.587), (2, 0.114)].map(|(index, default)| real(luma, index, default));
        let range = [(0, 0.0), (2, 128.0), (4, 128.0)]
            .map(|(index, least)| (real(range, index, least), real(range, index + 1, 255.0)));
        Colour::YCbCr(YCbCr { luma, range })
    }

    /// The number of samples.
    pub(super) fn samples(&self) -> usize {
        match self {
            Colour::Gray { .. } | Colour::Palette(_) => 1,
            Colour::Rgb | Colour::YCbCr(_) | Colour::Lab { .. } => 3,
            Colour::Inks => 4,
        }
    }

    /// Writes the RGB of pixels with `samples` bytes each, laid over white.
    pub(super) fn convert(&self, row: &[u8], samples: usize, alpha: Option<Alpha>, out: &mut [u8]) {
        for (pixel, out) in row.chunks_exact(samples).zip(out.chunks_exact_mut(3)) {
            let colour = self.rgb(pixel);
            let covered = pixel.get(self.samples()).copied().unwrap_or(u8::MAX);
            out.copy_from_slice(&match alpha {
                None => colour,
                Some(alpha) => colour.map(|value| alpha.over_white(value, covered)),
            });
        }
    }

    fn rgb(&self, pixel: &[u8]) -> [u8; 3] {
        match self {
            Colour::Gray { is_inverted } => [if *is_inverted { u8::MAX - pixel[0] } else { pixel[0] }; 3],
            Colour::Palette(colours) => colours.get(usize::from(pixel[0])).copied().unwrap_or_default(),
            Colour::Rgb => [pixel[0], pixel[1], pixel[2]],
            Colour::Inks => [pixel[0], pixel[1], pixel[2]].map(|ink| without_ink(ink, pixel[3])),
            Colour::YCbCr(colours) => colours.rgb(pixel),
            Colour::Lab { is_signed } => lab(pixel, *is_signed),
        }
    }
}

/// The colour space of the first samples.
pub(super) fn of(
    directory: &Directory<'_>,
    depth: Depth,
    compression: Compression,
    samples: usize,
) -> Result<Colour, DecodeError> {
    let name = match directory.uint(tag::INTERPRETATION) {
        Some(0) => return Ok(Colour::Gray { is_inverted: true }),
        Some(1) => return Ok(Colour::Gray { is_inverted: false }),
        Some(2) => return Ok(Colour::Rgb),
        Some(3) => return palette(directory, depth),
        Some(5) if directory.uint(tag::INK_SET).unwrap_or(1) == 1 => return Ok(Colour::Inks),
        // JPEG values always use the full range.
        Some(6) if depth.bits == 8 => {
            let range = directory.get(tag::BLACK_AND_WHITE).filter(|_| compression != Compression::Jpeg);
            return Ok(Colour::ycbcr(directory.get(tag::COEFFICIENTS), range));
        }
        Some(8) => return Ok(Colour::Lab { is_signed: true }),
        Some(9) => return Ok(Colour::Lab { is_signed: false }),
        Some(4) => "that is a mask",
        Some(5) => "in inks other than CMYK",
        Some(6) => "in YCbCr of more than 8 bits",
        Some(10) => "in ITU's Lab",
        Some(32803 | 34892) => "with raw sensor data",
        Some(32844 | 32845) => "in logarithmic colours (LogLuv)",
        Some(number) => return Err(unsupported(&format!("with colour space {number}"))),
        // The same guess as in libtiff.
        None if samples >= 3 => return Ok(Colour::Rgb),
        None => return Ok(Colour::Gray { is_inverted: compression.is_fax() }),
    };
    Err(unsupported(name))
}

/// Reads a palette: all reds, then all greens, then all blues, with 16 bits each.
fn palette(directory: &Directory<'_>, depth: Depth) -> Result<Colour, DecodeError> {
    if depth.bits > 8 || depth.number != Number::Unsigned {
        return Err(unsupported(&format!("with a palette of {}-bit indices", depth.bits)));
    }
    let count = 1 << depth.bits;
    let map = directory.get(tag::COLOR_MAP).filter(|map| map.len() >= 3 * count);
    let map = map.ok_or_else(|| damaged("the palette is missing"))?;
    let values: Vec<u64> = (0..3 * count).filter_map(|index| map.uint(index)).collect();
    // Some programs write 8-bit values instead of 16-bit ones.
    let shift = if values.iter().any(|value| *value > 255) { 8 } else { 0 };
    let byte = |value: &u64| u8::try_from(value >> shift).unwrap_or(u8::MAX);
    let colours = (0..count).map(|i| [i, count + i, 2 * count + i].map(|at| values.get(at).map_or(0, byte)));
    Ok(Colour::Palette(colours.collect()))
}

/// The kind of alpha in the first sample after the colours. If it is not stated, a fourth sample of RGB is alpha, as in Pillow
/// and most viewers.
pub(super) fn alpha(directory: &Directory<'_>, colour: &Colour, samples: usize) -> Option<Alpha> {
    if samples <= colour.samples() || matches!(colour, Colour::Palette(_)) {
        return None;
    }
    match directory.uint(tag::EXTRA_SAMPLES) {
        Some(1) => Some(Alpha::Premultiplied),
        Some(2) => Some(Alpha::Separate),
        None if matches!(colour, Colour::Rgb) && samples == 4 => Some(Alpha::Separate),
        _ => None,
    }
}

/// The subsampling. `None` for JPEG, whose decoder upsamples colours itself.
pub(super) fn subsampling(
    directory: &Directory<'_>,
    colour: &Colour,
    compression: Compression,
) -> Result<Option<(usize, usize)>, DecodeError> {
    if !matches!(colour, Colour::YCbCr { .. }) || compression == Compression::Jpeg {
        return Ok(None);
    }
    let values = directory.get(tag::SUBSAMPLING);
    let step = |index| {
        let step = values.map_or(Some(2), |values| values.uint(index))?;
        [1, 2, 4].into_iter().find(|known| *known as u64 == step)
    };
    match (step(0), step(1)) {
        (Some(1), Some(1)) => Ok(None),
        (Some(across), Some(down)) => Ok(Some((across, down))),
        _ => Err(damaged("the colour subsampling is invalid")),
    }
}

/// The light that a coloured ink and black leave, as in Pillow.
#[expect(clippy::cast_possible_truncation, reason = "a product of two bytes divided by 255 is a byte")]
fn without_ink(ink: u8, black: u8) -> u8 {
    ((u32::from(u8::MAX - ink) * u32::from(u8::MAX - black) + 127) / 255) as u8
}

impl YCbCr {
    fn rgb(&self, pixel: &[u8]) -> [u8; 3] {
        // The largest difference is 127 of 255.
        let scaled = |index: usize, most: f64| {
            let (least, greatest) = self.range[index];
            (f64::from(pixel[index]) - least) * most / (greatest - least)
        };
        let (y, cb, cr) = (scaled(0, 255.0), scaled(1, 127.0), scaled(2, 127.0));
        let [red_share, green_share, blue_share] = self.luma;
        let (red, blue) = (y + cr * (2.0 - 2.0 * red_share), y + cb * (2.0 - 2.0 * blue_share));
        [red, (y - red_share * red - blue_share * blue) / green_share, blue].map(byte)
    }
}

/// L*a*b* → sRGB.
fn lab(pixel: &[u8], is_signed: bool) -> [u8; 3] {
    let difference =
        |byte: u8| f64::from(if is_signed { i16::from(byte.cast_signed()) } else { i16::from(byte) - 128 });
    let fy = (f64::from(pixel[0]) * 100.0 / 255.0 + 16.0) / 116.0;
    let (fx, fz) = (fy + difference(pixel[1]) / 500.0, fy - difference(pixel[2]) / 200.0);
    let linear = |f: f64| if f > 6.0 / 29.0 { f.powi(3) } else { (f - 4.0 / 29.0) * 108.0 / 841.0 };
    // The white point of 5000 K, and the matrix to sRGB (Bruce Lindbloom, with Bradford adaptation).
    let (x, y, z) = (0.96422 * linear(fx), linear(fy), 0.82521 * linear(fz));
    [
        3.133_856_1 * x - 1.616_866_7 * y - 0.490_614_6 * z,
        -0.978_768_4 * x + 1.916_141_5 * y + 0.033_454_0 * z,
        0.071_945_3 * x - 0.228_991_4 * y + 1.405_242_7 * z,
    ]
    .map(|linear| byte(255.0 * gamma(linear)))
}

fn gamma(linear: f64) -> f64 {
    if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
fn byte(value: f64) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_converted_to_rgb() {
        #[track_caller]
        fn check(colour: &Colour, pixel: &[u8], expected: [u8; 3]) {
            let off = colour.rgb(pixel).into_iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
            assert!(off <= Some(1), "{colour:?} of {pixel:?} is {:?}", colour.rgb(pixel));
        }
        check(&Colour::Gray { is_inverted: false }, &[10], [10; 3]);
        check(&Colour::Gray { is_inverted: true }, &[10], [245; 3]);
        check(&Colour::Palette(vec![[0; 3], [1, 2, 3]]), &[1], [1, 2, 3]);
        check(&Colour::Palette(vec![[0; 3], [1, 2, 3]]), &[9], [0; 3]);
        check(&Colour::Inks, &[0, 255, 128, 0], [255, 0, 127]);
        check(&Colour::Inks, &[0, 0, 0, 255], [0; 3]);
        let full = Colour::ycbcr(None, None);
        check(&full, &[255, 128, 128], [255; 3]);
        check(&full, &[76, 85, 255], [254, 0, 0]);
        let television =
            YCbCr { luma: [0.299, 0.587, 0.114], range: [(16.0, 235.0), (128.0, 240.0), (128.0, 240.0)] };
        check(&Colour::YCbCr(television), &[16, 128, 128], [0; 3]);
        check(&Colour::YCbCr(television), &[235, 128, 128], [255; 3]);
        // sRGB's own red, green and blue, from Lindbloom's calculator.
        let signed = |value: i8| value.cast_unsigned();
        let cie = Colour::Lab { is_signed: true };
        check(&cie, &[255, 0, 0], [255; 3]);
        check(&cie, &[138, signed(81), signed(70)], [255, 0, 0]);
        check(&cie, &[75, signed(68), signed(-112)], [0, 0, 255]);
        check(&Colour::Lab { is_signed: false }, &[138, 128 + 81, 128 + 70], [255, 0, 0]);
    }

    #[test]
    fn transparent_pixels_are_laid_over_white() {
        #[track_caller]
        fn check(alpha: Option<Alpha>, pixel: &[u8], expected: [u8; 3]) {
            let mut out = [0; 3];
            Colour::Rgb.convert(pixel, pixel.len(), alpha, &mut out);
            assert_eq!(out, expected, "{alpha:?}");
        }
        check(None, &[200, 100, 0, 128], [200, 100, 0]);
        check(Some(Alpha::Separate), &[200, 100, 0, 0], [255; 3]);
        check(Some(Alpha::Separate), &[200, 100, 0, 51], [244, 224, 204]);
        check(Some(Alpha::Premultiplied), &[40, 20, 0, 51], [244, 224, 204]);
        check(Some(Alpha::Premultiplied), &[0, 0, 0, 0], [255; 3]);
    }
}
