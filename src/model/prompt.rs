//! Caption templates for queries: none, one caption, or the average of several captions.
//!
//! CLIP was trained on captions. Queries often are captions already, so by default they are used as they are, unless the
//! model or the user chooses a template.

use serde::Deserialize;

/// A caption template for a query's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// No template. This is the default, because it keeps what the user typed, and the others are not clearly better: for
    /// 795 captions the offline model finds 38.2 / 78.9 / 90.2 % among the first 1 / 5 / 10 of 239 photos; with `photo` 39.5 /
    /// 79.4 / 90.3, with `ensemble` 40.0 / 78.5 / 91.4 (`examples/recall.rs`). With this few photos, the error is a few
    /// points. The effect on CLIP models is not measured.
    #[default]
    Off,
    /// “a photo of TEXT”.
    Photo,
    /// The average over several captions.
    Ensemble,
}

impl Prompt {
    /// The captions, each of which has one `{}` for the text.
    pub(super) fn templates(self) -> &'static [&'static str] {
        match self {
            Prompt::Off => &["{}"],
            Prompt::Photo => &["a photo of {}"],
            Prompt::Ensemble => {
                &["{}", "a photo of {}", "a snapshot of {}", "a picture that shows {}", "a close-up of {}"]
            }
        }
    }
}
