//! Decides which photo of a group to keep, and why.

use std::cmp::{Ordering, Reverse};

use jiff::tz::TimeZone;

use super::Duplicate;
use crate::item::path_bytes;
use crate::photo::{Clock, Details};
use crate::walk::FileType;

/// The formats of cameras, the most original first. Converters and editors make the others from these.
const ORIGINAL_TYPES: [&str; 3] = ["raw", "heic", "jpeg"];

/// Which photo of a group to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The one with the most metadata; then the one that is not a small copy, in the format closest to a camera's, with the
    /// most pixels, with the most bytes, the oldest.
    Best,
    /// The one taken first.
    Oldest,
    /// The one with the most bytes.
    Largest,
}

/// The order of the photos in a group.
#[derive(Clone, Debug)]
pub struct Preference {
    /// Which one comes first.
    pub keep: Keep,
    /// The time zone used to compare files' times with cameras' local times.
    pub zone: TimeZone,
}

/// The first criterion by which the photo to keep beats the second best of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has more of date, place and camera.
    Metadata,
    /// Its format is closer to the camera's.
    Format,
    /// It has more pixels.
    Pixels,
    /// It has more bytes.
    Bytes,
    /// It is older.
    Taken,
    /// All are equal, so the paths decide.
    Path,
}

/// A criterion for the order of photos.
#[derive(Clone, Copy)]
enum Question {
    Metadata,
    IsSmallCopy,
    Format,
    Pixels,
    Bytes,
    Taken,
    Path,
}

impl Keep {
    fn questions(self) -> [Question; 7] {
        use Question::{Bytes, Format, IsSmallCopy, Metadata, Path, Pixels, Taken};
        match self {
            Keep::Best => [Metadata, IsSmallCopy, Format, Pixels, Bytes, Taken, Path],
            Keep::Oldest => [Taken, Metadata, IsSmallCopy, Format, Pixels, Bytes, Path],
            Keep::Largest => [Bytes, Metadata, IsSmallCopy, Format, Pixels, Taken, Path],
        }
    }
}

impl Preference {
    /// Compares two photos; the one to keep comes first.
    pub(super) fn order(&self, a: &Duplicate, b: &Duplicate) -> Ordering {
        let questions = self.keep.questions().into_iter();
        questions
            .fold(Ordering::Equal, |order, question| order.then_with(|| question.order(a, b, &self.zone)))
    }

    /// Why `kept` comes before `second`.
    pub fn reason(&self, kept: &Duplicate, second: &Duplicate) -> Reason {
        let decides = |question: &Question| question.order(kept, second, &self.zone).is_ne();
        let decisive = self.keep.questions().into_iter().find(decides);
        match decisive {
            Some(Question::Metadata) => Reason::Metadata,
            Some(Question::Format) => Reason::Format,
            Some(Question::IsSmallCopy | Question::Pixels) => Reason::Pixels,
            Some(Question::Bytes) => Reason::Bytes,
            Some(Question::Taken) => Reason::Taken,
            Some(Question::Path) | None => Reason::Path,
        }
    }
}

impl Question {
    fn order(self, a: &Duplicate, b: &Duplicate, zone: &TimeZone) -> Ordering {
        match self {
            Question::Metadata => Reverse(known(a)).cmp(&Reverse(known(b))),
            Question::IsSmallCopy => Reverse(size_class(a)).cmp(&Reverse(size_class(b))),
            Question::Format => format_rank(a).cmp(&format_rank(b)),
            Question::Pixels => Reverse(pixels(a)).cmp(&Reverse(pixels(b))),
            Question::Bytes => Reverse(a.photo.stamp.size).cmp(&Reverse(b.photo.stamp.size)),
            Question::Taken => taken(a, zone).cmp(&taken(b, zone)),
            Question::Path => a.path.cmp(&b.path),
        }
    }
}

/// The number of date, place and camera that are known.
fn known(photo: &Duplicate) -> usize {
    let Some(details) = &photo.photo.details else { return 0 };
    let Details { clock, latitude_e7, camera, .. } = details;
    [*clock != Clock::File, latitude_e7.is_some(), camera.is_some()]
        .into_iter()
        .filter(|known| *known)
        .count()
}

fn pixels(photo: &Duplicate) -> u64 {
    photo.photo.details.as_ref().map_or(0, |details| u64::from(details.width) * u64::from(details.height))
}

/// The size class of a photo. Sizes in one class differ by less than a factor of four, so a copy of half the width is
/// always in a lower class and is not kept for its format alone.
fn size_class(photo: &Duplicate) -> u32 {
    pixels(photo).checked_ilog(4).unwrap_or(0)
}

fn format_rank(photo: &Duplicate) -> usize {
    let path = path_bytes(&photo.path).unwrap_or_default();
    let kind = FileType::of(path);
    let rank = kind.and_then(|kind| ORIGINAL_TYPES.iter().position(|name| *name == kind.name()));
    rank.unwrap_or(ORIGINAL_TYPES.len())
}

/// The time in local time, which is the only time a camera knows.
fn taken(photo: &Duplicate, zone: &TimeZone) -> i64 {
    match &photo.photo.details {
        Some(details) => details.wall_ms(zone),
        None => Details::default().in_file(&photo.photo.stamp).wall_ms(zone),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::offset;

    use super::*;
    use crate::photo::{Photo, Stamp};

    const HOUR: i64 = 3_600_000;

    fn duplicate(path: &str, size: u64, details: Details) -> Duplicate {
        let stamp = Stamp { size, modified_ns: 0, changed_ns: 0 };
        let photo = Photo::read(stamp, 0, Some(details));
        Duplicate { path: path.into(), content: None, photo }
    }

    fn details(width: u32) -> Details {
        Details { width, height: 300, orientation: 1, ..Details::default() }
    }

    #[track_caller]
    fn check(keep: Keep, kept: &Duplicate, second: &Duplicate, expected: Reason) {
        let preference = Preference { keep, zone: TimeZone::fixed(offset(2)) };
        assert_eq!(preference.order(kept, second), Ordering::Less);
        assert_eq!(preference.order(second, kept), Ordering::Greater);
        assert_eq!(preference.reason(kept, second), expected);
    }

    #[test]
    fn the_first_criterion_that_differs_decides() {
        let plain = || details(400);
        let dated = || Details { clock: Clock::Camera, taken_ms: 5 * HOUR, ..plain() };
        let placed = || Details { latitude_e7: Some(1), longitude_e7: Some(1), ..dated() };
        let best = |a: Duplicate, b: Duplicate, reason| check(Keep::Best, &a, &b, reason);
        best(duplicate("b.jpg", 1, dated()), duplicate("a.raw", 9, details(800)), Reason::Metadata);
        best(duplicate("b.jpg", 1, placed()), duplicate("a.jpg", 9, dated()), Reason::Metadata);
        best(duplicate("b.CR2", 1, plain()), duplicate("a.heic", 9, plain()), Reason::Format);
        best(duplicate("b.heic", 1, plain()), duplicate("a.jpg", 9, plain()), Reason::Format);
        best(duplicate("b.jpg", 1, plain()), duplicate("a.png", 9, details(420)), Reason::Format);
        best(duplicate("b.png", 1, plain()), duplicate("a.jpg", 9, details(50)), Reason::Pixels);
        best(duplicate("b.jpg", 1, details(401)), duplicate("a.jpg", 9, plain()), Reason::Pixels);
        best(duplicate("b.jpg", 9, plain()), duplicate("a.jpg", 1, plain()), Reason::Bytes);
        best(duplicate("b.webp", 9, plain()), duplicate("a.png", 1, plain()), Reason::Bytes);
        best(
            duplicate("b.jpg", 9, plain()),
            duplicate("a.jpg", 9, Details { taken_ms: 1, ..plain() }),
            Reason::Taken,
        );
        best(duplicate("a.jpg", 9, plain()), duplicate("b.jpg", 9, plain()), Reason::Path);
        check(Keep::Oldest, &duplicate("b.png", 1, plain()), &duplicate("a.jpg", 9, dated()), Reason::Taken);
        check(Keep::Largest, &duplicate("b.png", 9, plain()), &duplicate("a.jpg", 1, dated()), Reason::Bytes);
    }

    /// In a zone two hours ahead of UTC, a file that was last changed at 11:00 UTC is younger than a photo taken at
    /// noon.
    #[test]
    fn cameras_and_files_are_compared_on_one_clock() {
        let at_noon = Details { clock: Clock::Camera, taken_ms: 12 * HOUR, ..details(400) };
        let of_file = |hour: i64| Details { clock: Clock::File, taken_ms: hour * HOUR, ..details(400) };
        let oldest = |a: &Duplicate, b: &Duplicate| check(Keep::Oldest, a, b, Reason::Taken);
        oldest(&duplicate("b.jpg", 1, at_noon.clone()), &duplicate("a.jpg", 1, of_file(11)));
        oldest(&duplicate("b.jpg", 1, of_file(9)), &duplicate("a.jpg", 1, at_noon.clone()));
        let mut unread = duplicate("a.jpg", 1, details(400));
        unread.photo.details = None;
        unread.photo.stamp.modified_ns = 11 * HOUR * 1_000_000;
        oldest(&duplicate("b.jpg", 1, at_noon), &unread);
    }
}
