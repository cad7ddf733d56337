//! What filters compare of a record, as plain values: the columns that a database filters by itself; and ranges of keys.
//!
//! They repeat what is in the record. A database may narrow a search with them, and what it returns is still checked with
//! [`Filter::admits`](crate::query::Filter::admits).

use crate::item::file_of_key;
use crate::name::normal;
use crate::photo::Glance;
use crate::query::folded;

/// The longest file name extension that is noted; those of pictures are shorter.
const LONGEST_ENDING: usize = 16;

/// The columns of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Columns {
    /// The path in NFC, if that differs from the path itself.
    pub(super) normal: Option<Vec<u8>>,
    /// What comes after the last dot of the path, in lower case.
    pub(super) ending: Option<String>,
    /// Upright, in pixels.
    pub(super) width: Option<i64>,
    /// Upright, in pixels.
    pub(super) height: Option<i64>,
    /// The first and the last millisecond at which it may have been taken.
    pub(super) taken: Option<(i64, i64)>,
    /// Whether these are moments in UTC, and not what a clock on the wall showed.
    pub(super) is_moment: Option<bool>,
    /// Degrees north of the equator and east of Greenwich.
    pub(super) place: Option<(f64, f64)>,
    /// The camera's maker and model, as [`folded`] returns them.
    pub(super) camera: Option<String>,
    /// The lens, likewise.
    pub(super) lens: Option<String>,
}

impl Columns {
    /// The columns of the record with this key and these encoded details.
    pub(super) fn of(key: &[u8], payload: &[u8]) -> Columns {
        let path = file_of_key(key);
        let in_nfc = normal(path);
        let normal = (*in_nfc != *path).then(|| in_nfc.into_owned());
        let mut columns = Columns { normal, ending: ending(path), ..Columns::default() };
        if let Some(glance) = Glance::of(payload) {
            columns.width = Some(glance.width.into());
            columns.height = Some(glance.height.into());
            columns.taken = Some(glance.taken_within());
            columns.is_moment = Some(glance.is_moment());
            columns.place = glance.place();
            // Databases take no NUL in a text, and nobody searches for one.
            let text = |text: &str| folded(text).replace('\0', "");
            columns.camera = glance.camera.map(text);
            columns.lens = glance.lens.map(text);
        }
        columns
    }
}

fn ending(path: &[u8]) -> Option<String> {
    let dot = path.iter().rposition(|byte| *byte == b'.')?;
    let ending = &path[dot + 1..];
    let is_noted = ending.len() <= LONGEST_ENDING && ending.is_ascii() && !ending.contains(&0);
    is_noted.then(|| String::from_utf8_lossy(ending).to_ascii_lowercase())
}

/// The first bytes behind all that begin with `prefix`; `None` if there are none.
pub(super) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{Details, Photo, Stamp};

    #[test]
    fn columns_repeat_the_record() {
        let details = Details {
            width: 4,
            height: 3,
            camera: Some("LUMIE\u{300}RE".into()),
            latitude_e7: Some(525_000_000),
            longitude_e7: Some(-15_000_000),
            ..Details::default()
        };
        let photo = Photo::read(Stamp { size: 1, modified_ns: 2, changed_ns: 3 }, 0, Some(details));
        let columns = Columns::of("/Tu\u{308}r/a.JPG\0\x01\0\0\0\x07".as_bytes(), &photo.encode());
        assert_eq!(columns.normal.as_deref(), Some("/T\u{fc}r/a.JPG".as_bytes()));
        assert_eq!(
            (columns.ending.as_deref(), columns.width, columns.height),
            (Some("jpg"), Some(4), Some(3))
        );
        assert_eq!(columns.camera.as_deref(), Some("lumi\u{e8}re"));
        assert_eq!((columns.lens, columns.place), (None, Some((52.5, -1.5))));
        assert_eq!((columns.taken, columns.is_moment), (Some((0, 0)), Some(true)));
        assert_eq!(Columns::of(b"/a", b"something else"), Columns::default());
    }

    #[test]
    fn the_successor_is_behind_every_continuation() {
        assert_eq!(successor(b"/a/").as_deref(), Some(b"/a0".as_slice()));
        assert_eq!(successor(b"a\xff\xff").as_deref(), Some(b"b".as_slice()));
        assert_eq!(successor(b"\xff"), None);
        assert_eq!(successor(b""), None);
    }
}
