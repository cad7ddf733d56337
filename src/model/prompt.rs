//! How a query's text is put to a model: alone, as a caption, or as several captions whose vectors are averaged.
//!
//! CLIP was trained on captions. What people search with is often one already, so that nothing is put around it unless the
//! model or the user says so.

use serde::Deserialize;

/// What is put around a query's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// Nothing. The default, as it changes nothing that a person typed, and neither of the others does clearly better: of
    /// 795 captions the offline model finds 38.2 / 78.9 / 90.2 % among the first 1 / 5 / 10 of 239 photos; with `photo` it
    /// is 39.5 / 79.4 / 90.3, with `ensemble` 40.0 / 78.5 / 91.4 (`examples/recall.rs`), and so few photos leave an error
    /// of some points. What CLIPs make of it is not measured.
    #[default]
    Off,
    /// “a photo of”.
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
