//! Why a file has no vector.

use minicbor::{Decode, Encode};

use super::DECODER_VERSION;
use crate::decode::one_short_line;

/// A file that was looked at and has no vector, remembered so that it is not tried again until it changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Skip {
    /// The kind, which totals are counted by.
    #[n(0)]
    pub kind: SkipKind,
    /// What exactly was wrong, for a person; may be empty.
    #[n(1)]
    pub detail: String,
    /// [`DECODER_VERSION`] at the time; 0 for what every run is to try again.
    #[n(2)]
    pub decoder_version: u32,
}

impl Skip {
    /// A skip by this version's decoder. The detail may come from a decoder or from the file itself.
    pub fn new(kind: SkipKind, detail: impl AsRef<str>) -> Skip {
        Skip { kind, detail: one_short_line(detail.as_ref()), decoder_version: DECODER_VERSION }
    }

    /// A skip for a reason that may pass without a change of the file: the next run tries again.
    pub fn for_now(kind: SkipKind, detail: impl AsRef<str>) -> Skip {
        Skip { decoder_version: 0, ..Skip::new(kind, detail) }
    }

    /// Whether the reason may pass without a change of the file.
    pub fn is_for_now(&self) -> bool {
        self.decoder_version == 0
    }
}

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.label())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// The reasons for which a file is left out of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum SkipKind {
    /// Zero bytes long.
    #[n(0)]
    Empty,
    /// The content is of no picture format we know.
    #[n(1)]
    NotAnImage,
    /// A picture, but of a format this build does not read.
    #[n(2)]
    Unsupported,
    /// A picture that breaks off or contradicts itself.
    #[n(3)]
    Damaged,
    /// More bytes or pixels than the limits allow.
    #[n(4)]
    TooLarge,
    /// The operating system would not let us read it.
    #[n(5)]
    Unreadable,
    /// A symbolic link whose target is gone.
    #[n(6)]
    DanglingLink,
    /// A bug in a decoder, contained.
    #[n(7)]
    DecoderFailed,
    /// Not read or not decoded in the time it is given.
    #[n(8)]
    TooSlow,
    /// Read, and refused by the model or the index.
    #[n(9)]
    NotStored,
    /// Its name does not say what it is, and its content is no picture: it counts as a file that is no picture, and
    /// not as one that was skipped.
    #[n(10)]
    OtherFile,
}

impl SkipKind {
    /// What people and `status --json` call it.
    pub fn label(self) -> &'static str {
        match self {
            SkipKind::Empty => "empty file",
            SkipKind::NotAnImage => "not an image",
            SkipKind::Unsupported => "unsupported",
            SkipKind::Damaged => "damaged",
            SkipKind::TooLarge => "too large",
            SkipKind::Unreadable => "unreadable",
            SkipKind::DanglingLink => "dangling link",
            SkipKind::DecoderFailed => "decoder failed",
            SkipKind::TooSlow => "too slow",
            SkipKind::NotStored => "not stored",
            SkipKind::OtherFile => "other file",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_a_short_line() {
        let detail = |text: &str| Skip::new(SkipKind::Damaged, text).detail;
        assert_eq!(detail(" ends\nafter 3 bytes "), "ends after 3 bytes");
        assert!(detail(&"ä".repeat(70_000)).len() < 1_000);
    }
}
