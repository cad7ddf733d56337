//! Finds the full size of a RAW file's picture, which is usually larger than its preview.

use super::blocks::Blocks;
use super::exif::{Exif, structure};
use crate::decode::ifd::{Directory, Structure};
use crate::decode::raw;

/// Longer sides, in pixels, are considered invalid.
const LONGEST_SIDE: u64 = 1 << 20;

/// Width and height, not upright yet.
pub(super) fn raw_size(bytes: &[u8], name: &str, blocks: &Blocks<'_>) -> Option<(u32, u32)> {
    match name {
        "RAF" => raw::raf_size(bytes),
        "RW2" => within_borders(&Structure::of(bytes)?.first()?),
        _ => of_structure(blocks.exif.first()?),
    }
}

/// The default crop of a DNG, or else the size in EXIF, or else that of the largest picture.
fn of_structure(block: &[u8]) -> Option<(u32, u32)> {
    const CROP: u16 = 0xC620;
    const EXIF_SIZE: [u16; 2] = [0xA002, 0xA003];
    const SIZE: [u16; 2] = [0x0100, 0x0101];
    let all: Vec<_> = structure(block)?.all().collect();
    let crop = |directory: &Directory<'_>| {
        let crop = directory.get(CROP)?;
        size(crop.uint(0)?, crop.uint(1)?)
    };
    let stored = |directory: &Directory<'_>| {
        let [width, height] = SIZE.map(|tag| directory.get(tag)?.uint(0));
        size(width?, height?)
    };
    if let Some(crop) = all.iter().filter_map(crop).max_by_key(area) {
        return Some(crop);
    }
    let largest = all.iter().filter_map(stored).max_by_key(area);
    let exif = Exif::of(block)?;
    let [width, height] = EXIF_SIZE.map(|tag| exif.get(tag)?.uint(0));
    // Some cameras store the preview's size there, which is much less than the largest.
    let said = size(width.unwrap_or(0), height.unwrap_or(0));
    said.filter(|said| largest.is_none_or(|largest| 2 * area(said) > area(&largest))).or(largest)
}

/// Panasonic's RW2 stores the picture's borders on the sensor.
fn within_borders(directory: &Directory<'_>) -> Option<(u32, u32)> {
    let [top, left, bottom, right] = [4, 5, 6, 7].map(|tag| directory.get(tag)?.uint(0));
    size(right?.checked_sub(left?)?, bottom?.checked_sub(top?)?)
}

fn size(width: u64, height: u64) -> Option<(u32, u32)> {
    let side = |side| u32::try_from(side).ok().filter(|_| (1..=LONGEST_SIDE).contains(&side));
    Some((side(width)?, side(height)?))
}

fn area((width, height): &(u32, u32)) -> u64 {
    u64::from(*width) * u64::from(*height)
}
