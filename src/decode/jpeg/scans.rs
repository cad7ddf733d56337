//! Which scans of a progressive JPEG a smaller picture needs.
//!
//! Each scan of such a file makes some frequencies of some components more exact. The last one commonly holds the last
//! bit of every brightness: half of the file, and most of the work. A picture at 1/8 is made of the means of its
//! blocks; one at 1/2 or 1/4 is shrunk further, and hardly differs: measured on photos of Pillow's qualities 75 to 95
//! shrunk to 256 pixels, values are .18 to .29 of 255 off the full picture's on average instead of .17 to .27, and 3 at
//! most as before.

use super::frame::segment;

/// In order of frequency, the last that counts at so many eighths: what is finer is averaged away when the picture is
/// shrunk. At one eighth none does but the mean.
const LAST_FREQUENCIES: [(u8, usize); 3] = [(1, 0), (2, 4), (4, 24)];
/// The coarsest steps whose last bit may be missing. Qualities of 50 have steps of 12, and come out .27 off.
const COARSEST: u16 = 8;

/// `bytes` without the last scans that make no difference to a picture at so many `eighths`. The first component is
/// brightness.
pub(super) fn needed(bytes: &[u8], eighths: u8) -> &[u8] {
    cut(bytes, eighths).and_then(|length| bytes.get(..length)).unwrap_or(bytes)
}

/// Where the scans end that are needed; `None` if all are, or if anything is unusual.
fn cut(bytes: &[u8], eighths: u8) -> Option<usize> {
    let (_, last) = LAST_FREQUENCIES.into_iter().find(|(of, _)| *of == eighths)?;
    let (mut tables, mut brightness, mut end) = ([None; 4], None, None);
    let mut rest = bytes.get(2..)?;
    // What a file without an end would have gone on with is not known.
    while !rest.starts_with(b"\xFF\xD9") {
        let start = bytes.len() - rest.len();
        let (marker, payload, after) = segment(rest)?;
        rest = after;
        match marker {
            0x01 | 0xD8 => return None,
            0xDB => read_steps(payload, &mut tables)?,
            0xC2 => brightness = Some(Brightness::of(payload)?),
            0xDA => {
                let Brightness { component, table } = brightness?;
                let steps: &[u16; 64] = tables.get(usize::from(table))?.as_ref()?;
                let is_coarse = steps.get(1..=last)?.iter().any(|step| *step > COARSEST);
                let is_needed = match *payload {
                    [1, of, _, first, _, bits] if of == component && first > 0 => {
                        eighths != 1 && (is_coarse || bits != 0x10)
                    }
                    _ => true,
                };
                end = if is_needed { None } else { end.or(Some(start)) };
                rest = after_scan(rest);
            }
            _ => {}
        }
    }
    end
}

/// The component of brightness: the first, and none is finer.
#[derive(Clone, Copy)]
struct Brightness {
    component: u8,
    /// Which table has the steps of its frequencies.
    table: u8,
}

impl Brightness {
    /// From a frame header.
    fn of(payload: &[u8]) -> Option<Brightness> {
        let components = payload.get(6..)?.chunks_exact(3);
        let [component, sampling, table] = *components.clone().next()? else { return None };
        let fineness = |sampling: u8| (sampling >> 4, sampling & 15);
        let (across, down) = fineness(sampling);
        let is_finest = components.map(|of| fineness(of[1])).all(|(x, y)| x <= across && y <= down);
        is_finest.then_some(Brightness { component, table })
    }
}

/// Reads the tables of a segment: how coarse each frequency is.
fn read_steps(mut payload: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> Option<()> {
    while let Some((head, rest)) = payload.split_first() {
        let size = if head >> 4 == 0 { 1 } else { 2 };
        let (steps, after) = rest.split_at_checked(64 * size)?;
        let mut table = [0; 64];
        for (into, step) in table.iter_mut().zip(steps.chunks_exact(size)) {
            *into = step.iter().fold(0, |value, byte| value << 8 | u16::from(*byte));
        }
        *tables.get_mut(usize::from(head & 15))? = Some(table);
        payload = after;
    }
    Some(())
}

/// What follows the data of a scan. Within it, 0xFF is followed by 0, or by a marker to start anew from.
fn after_scan(bytes: &[u8]) -> &[u8] {
    let is_marker = |at: &usize| !matches!(bytes.get(at + 1), None | Some(0x00 | 0xD0..=0xD7 | 0xFF));
    let end = memchr::memchr_iter(0xFF, bytes).find(is_marker);
    end.map_or(&[], |end| &bytes[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = b"\xFF\xD8";
    const END: &[u8] = b"\xFF\xD9";

    fn segment_of(marker: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], &length[..], payload].concat()
    }

    /// All frequencies of brightness in steps as coarse as this.
    fn steps(step: u8) -> Vec<u8> {
        segment_of(0xDB, &[&[0][..], &[step; 64]].concat())
    }

    /// A frame of three components, the first of which is stored as fine as `sampling` says.
    fn frame(sampling: u8) -> Vec<u8> {
        let head = [8, 0, 32, 0, 16, 3];
        segment_of(0xC2, &[&head[..], &[1, sampling, 0], &[2, 0x11, 1], &[3, 0x11, 1]].concat())
    }

    /// A scan of one component, with data in which there are markers that are none.
    fn scan(component: u8, first: u8, bits: u8) -> Vec<u8> {
        [&segment_of(0xDA, &[1, component, 0, first, 63, bits])[..], b"data\xFF\x00data\xFF\xD0data"].concat()
    }

    #[test]
    fn the_last_bit_of_brightness_is_left_out_where_it_makes_no_difference() {
        #[track_caller]
        fn check(parts: &[Vec<u8>], eighths: u8, left_out: usize) {
            let file = [START.to_vec(), parts.concat(), END.to_vec()].concat();
            let left: usize = parts[parts.len() - left_out..].iter().map(Vec::len).sum();
            let expected = if left_out == 0 { file.len() } else { file.len() - END.len() - left };
            assert_eq!(needed(&file, eighths).len(), expected, "{eighths} eighths");
        }
        let (first, last) = (scan(1, 1, 0x02), scan(1, 1, 0x10));
        let all = |coarse, sampling, scans: &[Vec<u8>]| [&[steps(coarse), frame(sampling)], scans].concat();
        let usual = all(8, 0x22, &[scan(2, 1, 0x10), first.clone(), last.clone()]);
        for (eighths, left_out) in [(8, 0), (4, 1), (2, 1), (1, 2)] {
            check(&usual, eighths, left_out);
        }
        // At 1/8 a picture has the means of its blocks alone, however coarse the rest is.
        check(&all(9, 0x22, &[first.clone(), last.clone()]), 2, 0);
        check(&all(9, 0x22, &[first.clone(), last.clone()]), 1, 2);
        // Another part of the frequencies is not their last bit.
        check(&all(8, 0x22, &[first.clone(), scan(1, 5, 0x00)]), 2, 0);
        // The next bit, means, colours, and what colours are read with.
        check(&all(8, 0x22, &[first.clone(), scan(1, 1, 0x21)]), 2, 0);
        check(&all(8, 0x22, &[first.clone(), scan(1, 0, 0x10)]), 2, 0);
        check(&all(8, 0x22, &[last.clone(), scan(3, 1, 0x10)]), 2, 0);
        check(&all(8, 0x01, &[first.clone(), last.clone()]), 2, 0);
        // Anything unusual.
        check(&[frame(0x22), first.clone(), last.clone()], 2, 0);
        check(&[steps(8), first, last], 2, 0);
    }

    #[test]
    fn a_file_without_an_end_is_left_as_it_is() {
        let file = [START.to_vec(), steps(1), frame(0x22), scan(1, 1, 0x02), scan(1, 1, 0x10)].concat();
        for length in 0..file.len() {
            assert_eq!(needed(&file[..length], 2).len(), length);
        }
        let whole = [&file[..], END].concat();
        let kept = needed(&whole, 2).len();
        assert!(kept < file.len());
        // Another picture behind the first.
        let other = [START.to_vec(), frame(0x22), scan(1, 1, 0x02)].concat();
        assert_eq!(needed(&[&whole[..], &other[..]].concat(), 2).len(), kept);
    }
}
