//! Finds the scans of a progressive JPEG that a smaller picture needs.
//!
//! Each scan of such a file refines some frequencies of some components. The last one usually contains the last bit of all
//! brightness values: half of the file and most of the work. A picture at 1/8 needs only the means of its blocks. One at 1/2
//! or 1/4 is shrunk further and hardly changes: measured on photos with Pillow's qualities 75 to 95, shrunk to 256 pixels,
//! values are on average 0.18 to 0.29 of 255 off the full picture's instead of 0.17 to 0.27, and at most 3 as before.

use super::frame::segment;

/// The last relevant frequency for each scale in eighths. Higher frequencies are averaged away when the picture is shrunk. At
/// one eighth only the mean matters.
const LAST_FREQUENCIES: [(u8, usize); 3] = [(1, 0), (2, 4), (4, 24)];
/// The coarsest quantisation steps whose last bit may be dropped. Quality 50 has steps of 12, and would be 0.27 off.
const COARSEST: u16 = 8;

/// `bytes` without the trailing scans that do not change the picture at this scale (`eighths`/8). The first component must be
/// luma.
pub(super) fn needed(bytes: &[u8], eighths: u8) -> &[u8] {
    cut(bytes, eighths).and_then(|length| bytes.get(..length)).unwrap_or(bytes)
}

/// The end of the needed scans; `None` if all are needed, or if anything is unusual.
fn cut(bytes: &[u8], eighths: u8) -> Option<usize> {
    let (_, last) = LAST_FREQUENCIES.into_iter().find(|(of, _)| *of == eighths)?;
    let (mut tables, mut brightness, mut end) = ([None; 4], None, None);
    let mut rest = bytes.get(2..)?;
    // Without an end marker, the rest of the file is unknown.
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

/// The luma component: the first one, with the finest sampling.
#[derive(Clone, Copy)]
struct Brightness {
    component: u8,
    /// The number of its quantisation table.
    table: u8,
}

impl Brightness {
    /// Reads it from a frame header.
    fn of(payload: &[u8]) -> Option<Brightness> {
        let components = payload.get(6..)?.chunks_exact(3);
        let [component, sampling, table] = *components.clone().next()? else { return None };
        let fineness = |sampling: u8| (sampling >> 4, sampling & 15);
        let (across, down) = fineness(sampling);
        let is_finest = components.map(|of| fineness(of[1])).all(|(x, y)| x <= across && y <= down);
        is_finest.then_some(Brightness { component, table })
    }
}

/// Reads the quantisation tables of a segment.
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

/// The bytes after the data of a scan. Within the data, 0xFF is followed by 0 or is a restart marker.
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

    /// A quantisation table with this step for all frequencies.
    fn steps(step: u8) -> Vec<u8> {
        segment_of(0xDB, &[&[0][..], &[step; 64]].concat())
    }

    /// A frame of three components; the first has this `sampling`.
    fn frame(sampling: u8) -> Vec<u8> {
        let head = [8, 0, 32, 0, 16, 3];
        segment_of(0xC2, &[&head[..], &[1, sampling, 0], &[2, 0x11, 1], &[3, 0x11, 1]].concat())
    }

    /// A scan of one component, whose data contains bytes that look like markers.
    fn scan(component: u8, first: u8, bits: u8) -> Vec<u8> {
        [&segment_of(0xDA, &[1, component, 0, first, 63, bits])[..], b"data\xFF\x00data\xFF\xD0data"].concat()
    }

    #[test]
    fn the_last_bit_of_brightness_is_dropped_if_it_makes_no_difference() {
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
        // At 1/8 only the means of the blocks matter, however coarse the rest is.
        check(&all(9, 0x22, &[first.clone(), last.clone()]), 2, 0);
        check(&all(9, 0x22, &[first.clone(), last.clone()]), 1, 2);
        // A scan of other frequencies, and not of a last bit.
        check(&all(8, 0x22, &[first.clone(), scan(1, 5, 0x00)]), 2, 0);
        // The second last bit, means, colours, and interleaved colours.
        check(&all(8, 0x22, &[first.clone(), scan(1, 1, 0x21)]), 2, 0);
        check(&all(8, 0x22, &[first.clone(), scan(1, 0, 0x10)]), 2, 0);
        check(&all(8, 0x22, &[last.clone(), scan(3, 1, 0x10)]), 2, 0);
        check(&all(8, 0x01, &[first.clone(), last.clone()]), 2, 0);
        // Anything unusual.
        check(&[frame(0x22), first.clone(), last.clone()], 2, 0);
        check(&[steps(8), first, last], 2, 0);
    }

    #[test]
    fn a_file_without_an_end_is_not_changed() {
        let file = [START.to_vec(), steps(1), frame(0x22), scan(1, 1, 0x02), scan(1, 1, 0x10)].concat();
        for length in 0..file.len() {
            assert_eq!(needed(&file[..length], 2).len(), length);
        }
        let whole = [&file[..], END].concat();
        let kept = needed(&whole, 2).len();
        assert!(kept < file.len());
        // Another picture after the first.
        let other = [START.to_vec(), frame(0x22), scan(1, 1, 0x02)].concat();
        assert_eq!(needed(&[&whole[..], &other[..]].concat(), 2).len(), kept);
    }
}
