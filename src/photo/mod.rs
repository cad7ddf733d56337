//! The stored details of a photo file.
//!
//! A store treats them as opaque bytes; only this module knows the format. It is a CBOR array with numbered fields, so
//! later versions can add fields and still read older records.

mod details;
mod id;
mod skip;
mod step;
mod text;
mod texts;

use imgsearch_index::Fingerprint;
use minicbor::{Decode, Encode};

use crate::sidecar::Sidecars;

pub use crate::stamp::Stamp;
pub use details::{Beside, Clock, Details, Glance, Precision};
pub use id::{Id, IdError};
pub use skip::{Skip, SkipKind};
pub use step::Step;
pub use text::{Corner, LONGEST_LINE, Line, MOST_LINES, Text};
pub use texts::{List, Texts};

/// Increased whenever `decode` supports more files, or reads pixels or metadata differently. The next run reads the
/// files of older decoders again.
pub const DECODER_VERSION: u32 = 5;

/// BLAKE3, truncated to 128 bits. That is enough to rule out collisions in a person's files.
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    Fingerprint(short)
}

/// The stored details of one photo file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Photo {
    /// The stamp of the file when it was read.
    #[n(0)]
    pub stamp: Stamp,
    /// The reason why it has no vector, if it has none.
    #[n(1)]
    pub skip: Option<Skip>,
    /// The id of its disk, from [`crate::disk::Disks`].
    #[n(2)]
    #[cbor(default)]
    pub disk: u64,
    /// The details of the photo; `None` for skipped files and records of very early versions.
    #[n(3)]
    pub details: Option<Details>,
    /// The [`DECODER_VERSION`] that last read it; 0 for records of very early versions.
    #[n(4)]
    #[cbor(default)]
    pub decoder_version: u32,
    /// The reason why the last run could not read it again. The vector and the details are then of its earlier content,
    /// and every run tries again.
    #[n(5)]
    pub trouble: Option<Skip>,
    /// The steps that were applied to its content, besides decoding and embedding.
    #[n(6)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The text that was read in the picture; `None` if nobody has looked yet. It belongs to the content: copies and
    /// moved files have it, too.
    #[n(7)]
    pub text: Option<Text>,
}

/// The longest record of a photo that [`Photo::with_text`] makes, in bytes: what every store takes, less what a newer
/// version may want to note.
const LONGEST: usize = 63_000;

impl Photo {
    /// A file read by this version's decoder.
    pub fn read(stamp: Stamp, disk: u64, details: Option<Details>) -> Photo {
        let (skip, trouble, steps, text) = (None, None, Vec::new(), None);
        Photo { stamp, skip, disk, details, decoder_version: DECODER_VERSION, trouble, steps, text }
    }

    /// The photo with the text that was read in it. Of a text that does not fit beside very long captions and keywords,
    /// the last lines are left out.
    #[must_use]
    pub fn with_text(self, text: Text) -> Photo {
        let mut photo = Photo { text: Some(text), ..self };
        while photo.encode().len() > LONGEST
            && let Some(text) = photo.text.take_if(|text| !text.lines().is_empty())
        {
            let kept = &text.lines()[..text.lines().len() / 2];
            photo.text = Some(Text::new(kept.iter().cloned(), text.reader));
        }
        photo
    }

    /// A skipped file.
    pub fn skipped(stamp: Stamp, disk: u64, skip: Skip) -> Photo {
        Photo { skip: Some(skip), ..Photo::read(stamp, disk, None) }
    }

    /// Encodes the record.
    #[expect(clippy::missing_panics_doc, reason = "writing to a Vec cannot fail")]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// Decodes a record of this or an earlier version; `None` if the bytes are not such a record.
    pub fn decode(payload: &[u8]) -> Option<Photo> {
        minicbor::decode(payload).ok()
    }

    /// Whether a file with the stamp `now` is unchanged and has had all these steps.
    pub fn is_current(&self, now: &Stamp, steps: &[Step]) -> bool {
        self.stamp == *now && self.has_had(steps) && self.trouble.is_none()
    }

    /// Whether this version's decoder read its content, and the current versions of all these steps were applied. A
    /// skipped file only needs the current decoder.
    pub fn has_had(&self, steps: &[Step]) -> bool {
        match &self.skip {
            Some(skip) => skip.decoder_version == DECODER_VERSION,
            None => {
                self.decoder_version == DECODER_VERSION && steps.iter().all(|step| self.steps.contains(step))
            }
        }
    }

    /// Whether its details come from the current sidecars.
    pub fn has_seen(&self, sidecars: &Sidecars) -> bool {
        let beside = self.details.as_ref().and_then(|details| details.beside.as_ref());
        self.skip.is_some() || beside.map_or(0, |beside| beside.stamp) == sidecars.stamp()
    }

    /// Whether these details have the same pixels in the same orientation. Then the vector is the same, too.
    ///
    /// This compares the small copies and the perceptual hashes. Without small copies, which early versions did not
    /// store, a blank hash does not count: all pictures without contrast have the same hash.
    pub fn has_pixels_of(&self, details: &Details) -> bool {
        let Some(own) = &self.details else { return false };
        let lies_the_same =
            (own.width, own.height, own.orientation) == (details.width, details.height, details.orientation);
        let looks_the_same = match (&own.look, &details.look) {
            (Some(own), Some(other)) => own == other,
            (None, _) | (_, None) => own.perceptual.is_some_and(|hash| !hash.is_blank()),
        };
        lies_the_same && looks_the_same && own.perceptual.is_some() && own.perceptual == details.perceptual
    }
}

#[cfg(test)]
mod tests {
    use super::details::tests::details;
    use super::text::tests::line;
    use super::*;

    const STAMP: Stamp = Stamp { size: 5, modified_ns: -7, changed_ns: 9 };

    #[test]
    fn payloads_round_trip() {
        for skip in [None, Some(Skip::new(SkipKind::Damaged, "ends after 3 bytes"))] {
            let photo = Photo { skip, ..Photo::read(STAMP, 7, None) };
            assert_eq!(Photo::decode(&photo.encode()), Some(photo));
        }
        let trouble = Some(Skip::for_now(SkipKind::Unreadable, "no answer"));
        let photo = Photo { trouble, ..Photo::read(STAMP, 7, Some(details())) };
        assert_eq!(Photo::decode(&photo.encode()), Some(photo));
        assert_eq!(Photo::decode(b"something else"), None);
        assert_eq!(Photo::decode(b""), None);
    }

    #[test]
    fn a_photo_keeps_its_text_within_a_record() {
        let text = Text::new([line("Total"), line("12.50")], 1);
        let photo = Photo::read(STAMP, 7, Some(details())).with_text(text.clone());
        assert_eq!(photo.text, Some(text));
        assert_eq!(Photo::decode(&photo.encode()), Some(photo));
        // Keywords may be as long as earlier versions let them be.
        let keywords: Vec<String> = (0..100).map(|i| format!("{i:04}{}", "\u{10348}".repeat(140))).collect();
        let long = Text::new(vec![line(&"x".repeat(90)); 300], 1);
        let full = Photo::read(STAMP, 7, Some(Details { keywords, ..details() })).with_text(long);
        let lines = full.text.as_ref().unwrap().lines().len();
        assert!(full.encode().len() <= LONGEST && lines > 0 && lines < 90, "{lines}");
    }

    #[test]
    fn a_photo_is_read_again_when_its_sidecars_change() {
        let photo = |stamp| {
            let beside = Some(Beside { stamp, ..Beside::default() });
            Photo::read(STAMP, 7, Some(Details { beside, ..details() }))
        };
        let none = Sidecars::default();
        assert!(Photo::read(STAMP, 7, Some(details())).has_seen(&none));
        assert!(Photo::skipped(STAMP, 7, Skip::new(SkipKind::Damaged, "")).has_seen(&none));
        assert!(!photo(5).has_seen(&none));
    }

    #[test]
    fn payloads_of_the_first_version_are_read() {
        // [[5, -7, 9], null], from before records had disks and details.
        let photo = Photo { decoder_version: 0, ..Photo::read(STAMP, 0, None) };
        assert_eq!(Photo::decode(b"\x82\x83\x05\x26\x09\xf6"), Some(photo));
    }

    #[test]
    fn a_photo_is_current_until_its_stamp_or_the_decoder_changes() {
        #[track_caller]
        fn check(photo: &Photo, expected: bool) {
            assert_eq!(photo.is_current(&STAMP, &[]), expected, "{photo:?}");
        }
        let photo = |stamp| Photo::read(stamp, 0, None);
        let skipped = |stamp, skip| Photo::skipped(stamp, 0, skip);
        let unreadable = || Skip::new(SkipKind::Unreadable, "");
        check(&photo(STAMP), true);
        check(&photo(Stamp { changed_ns: 10, ..STAMP }), false);
        check(&photo(Stamp { modified_ns: 10, ..STAMP }), false);
        check(&photo(Stamp { size: 10, ..STAMP }), false);
        check(&Photo { decoder_version: DECODER_VERSION - 1, ..photo(STAMP) }, false);
        check(&Photo { trouble: Some(unreadable()), ..photo(STAMP) }, false);
        check(&skipped(STAMP, unreadable()), true);
        check(&skipped(Stamp { changed_ns: 10, ..STAMP }, unreadable()), false);
        check(&skipped(STAMP, Skip { decoder_version: DECODER_VERSION - 1, ..unreadable() }), false);
        check(&skipped(STAMP, Skip::for_now(SkipKind::TooSlow, "")), false);
    }

    #[test]
    fn a_photo_is_current_once_it_has_had_all_steps() {
        #[track_caller]
        fn check(done: &[Step], asked: &[Step], expected: bool) {
            let photo = Photo { steps: done.to_vec(), ..Photo::read(STAMP, 0, None) };
            let photo = Photo::decode(&photo.encode()).unwrap();
            assert_eq!(photo.is_current(&STAMP, asked), expected, "{done:?}, {asked:?}");
        }
        let (one, other) = (Step::new(1, 1), Step::new(2, 1));
        check(&[], &[], true);
        check(&[one], &[], true);
        check(&[], &[one], false);
        check(&[one, other], &[other], true);
        check(&[one], &[one, other], false);
        check(&[Step::new(1, 2)], &[one], false);
        let skipped = Photo::skipped(STAMP, 0, Skip::new(SkipKind::Damaged, ""));
        assert!(skipped.is_current(&STAMP, &[one]));
    }

    #[test]
    fn a_photo_without_steps_is_encoded_as_before() {
        // [[5, -7, 9], null, 7, null, 5]
        let photo = Photo { decoder_version: 5, ..Photo::read(STAMP, 7, None) };
        let bytes = b"\x85\x83\x05\x26\x09\xf6\x07\xf6\x05";
        assert_eq!(photo.encode().escape_ascii().to_string(), bytes.escape_ascii().to_string());
    }

    #[test]
    fn pixels_are_the_same_if_all_their_details_are() {
        #[track_caller]
        fn check(old: Option<Details>, expected: bool) {
            assert_eq!(Photo::read(STAMP, 0, old).has_pixels_of(&details()), expected);
        }
        check(Some(details()), true);
        check(Some(Details { camera: Some("missed before".into()), taken_ms: 5, ..details() }), true);
        check(Some(Details { orientation: 1, ..details() }), false);
        check(Some(Details { width: 299, ..details() }), false);
        check(Some(Details { perceptual: None, ..details() }), false);
        check(None, false);
    }
}
