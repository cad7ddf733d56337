//! Skipped files.

use minicbor::{Decode, Encode};

use super::DECODER_VERSION;
use crate::decode::one_short_line;

/// The reason why a file was skipped. It is stored, so the file is not tried again until it changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Skip {
    /// The kind of reason. Totals are counted by kind.
    #[n(0)]
    pub kind: SkipKind,
    /// A description for people, which may be empty.
    #[n(1)]
    pub detail: String,
    /// The [`DECODER_VERSION`] at the time; 0 if every run should try again.
    #[n(2)]
    pub decoder_version: u32,
}

impl Skip {
    /// A skip by this version's decoder. The detail may come from a decoder or from the file.
    pub fn new(kind: SkipKind, detail: impl AsRef<str>) -> Skip {
        Skip { kind, detail: one_short_line(detail.as_ref()), decoder_version: DECODER_VERSION }
    }

    /// A skip for a temporary reason: the next run tries again even if the file has not changed.
    pub fn for_now(kind: SkipKind, detail: impl AsRef<str>) -> Skip {
        Skip { decoder_version: 0, ..Skip::new(kind, detail) }
    }

    /// Whether the reason is temporary.
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

/// The kinds of reasons for skipping a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum SkipKind {
    /// Zero bytes long.
    #[n(0)]
    Empty,
    /// The content has no known picture format.
    #[n(1)]
    NotAnImage,
    /// A picture in a format that this build does not support.
    #[n(2)]
    Unsupported,
    /// A picture that is truncated or inconsistent.
    #[n(3)]
    Damaged,
    /// More bytes or pixels than the limits allow.
    #[n(4)]
    TooLarge,
    /// The operating system refused to read it.
    #[n(5)]
    Unreadable,
    /// A symbolic link without a target.
    #[n(6)]
    DanglingLink,
    /// A decoder failed because of a bug.
    #[n(7)]
    DecoderFailed,
    /// Reading or decoding took too long.
    #[n(8)]
    TooSlow,
    /// The model or the index refused it.
    #[n(9)]
    NotStored,
    /// The name has no known ending, and the content is not a picture. It is not counted as a skipped file, but as a
    /// file that is not a picture.
    #[n(10)]
    OtherFile,
}

impl SkipKind {
    /// The name for people and in `status --json`.
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
