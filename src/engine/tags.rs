//! Labels photos from a vocabulary.

use std::ops::ControlFlow;

use imgsearch_index::{Fingerprint, Vector};
use rayon::prelude::*;

use super::background::{Background, concepts};
use super::kept_texts::KeptTexts;
use super::{Engine, EngineError, Search};
use crate::library::{Load, Stored};
use crate::photo::Id;
use crate::query::Filter;
use crate::text_file;

/// Photos labelled at a time: a few milliseconds of work for all cores.
const PHOTOS_AT_A_TIME: usize = 512;

/// The labels to choose from, each with its prompt for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    entries: Vec<(String, String)>,
}

impl Vocabulary {
    /// A few hundred everyday concepts.
    pub fn everyday() -> Vocabulary {
        let label = |prompt: &str| {
            let bare = ["a ", "an ", "the "].iter().find_map(|article| prompt.strip_prefix(article));
            bare.unwrap_or(prompt).to_owned()
        };
        Vocabulary { entries: concepts().map(|prompt| (label(prompt), prompt.to_owned())).collect() }
    }

    /// Parses a list. Each entry is both a label and its prompt. Repeated labels count once.
    pub fn parse(text: &str) -> Vocabulary {
        Vocabulary::of(text_file::entries(text).map(str::to_owned))
    }

    /// These labels, each of which is its own prompt. A label that comes again counts once.
    pub fn of(labels: impl IntoIterator<Item = String>) -> Vocabulary {
        let mut seen = std::collections::HashSet::new();
        let labels = labels.into_iter().filter(|label| seen.insert(label.clone()));
        Vocabulary { entries: labels.map(|label| (label.clone(), label)).collect() }
    }

    /// The labels, in order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(label, _)| label.as_str())
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A vocabulary with the vectors of its prompts in the model of an engine.
pub struct Prepared {
    vocabulary: Vocabulary,
    prompts: Vec<Vector>,
}

/// A photo's label.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The label.
    pub name: String,
    /// How likely it is right, 0 to 1.
    pub probability: f32,
}

/// A photo with its labels, the most likely first.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// The photo's absolute path.
    pub path: std::path::PathBuf,
    /// The content of the file when it was indexed, if known.
    pub content: Option<Fingerprint>,
    /// The labels; may be empty.
    pub labels: Vec<Label>,
}

/// Which labels a photo gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The lowest probability of a label.
    pub least: f32,
    /// The maximum number of labels.
    pub most: usize,
}

impl Engine {
    /// Labels every photo that matches `filter` and passes it to `visit`, until that returns `false`.
    ///
    /// # Errors
    /// [`EngineError::Model`] if the background cannot be made, [`EngineError::Store`] if the index is damaged.
    pub fn tag(
        &self,
        prepared: &Prepared,
        filter: &Filter,
        choice: Choice,
        mut visit: impl FnMut(Tagged) -> bool,
    ) -> Result<(), EngineError> {
        let Search { engine, view } = self.begin();
        let background = engine.background()?;
        let mut photos = Vec::with_capacity(PHOTOS_AT_A_TIME);
        let mut tag = |photos: Vec<Stored>| {
            let tagged = |photo: Stored| {
                let labels = labels(background, photo.vector.as_ref()?, prepared, choice);
                Some(Tagged { path: photo.item.path, content: photo.content, labels })
            };
            let tagged: Vec<Tagged> = photos.into_par_iter().filter_map(tagged).collect();
            let wants_more = tagged.into_iter().all(&mut visit);
            if wants_more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        view.each(filter, Load::WithVector, &mut |photo| {
            photos.push(photo);
            if photos.len() < PHOTOS_AT_A_TIME {
                return ControlFlow::Continue(());
            }
            tag(std::mem::replace(&mut photos, Vec::with_capacity(PHOTOS_AT_A_TIME)))
        })?;
        _ = tag(photos);
        Ok(())
    }

    /// Embeds the labels of a vocabulary and the background, if that was not done before with this model. Both are kept, so
    /// the next time they are only read. `progress` gets the number of texts embedded so far and of all texts, once for each
    /// of the two.
    ///
    /// # Errors
    /// [`EngineError::Model`] if a label cannot be embedded.
    pub fn prepare(
        &self,
        vocabulary: Vocabulary,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Prepared, EngineError> {
        let background = self.inner.prepared_background(progress)?;
        let prompts = if vocabulary == Vocabulary::everyday() {
            background.vectors().to_vec()
        } else {
            let prompts: Vec<&str> = vocabulary.entries.iter().map(|(_, prompt)| prompt.as_str()).collect();
            KeptTexts::of(&self.inner.model).get(&prompts, || self.inner.text(), progress)?
        };
        Ok(Prepared { vocabulary, prompts })
    }

    /// Labels one photo; `None` if the library does not have it.
    ///
    /// # Errors
    /// As [`Engine::tag`].
    pub fn tags_of(
        &self,
        id: Id,
        prepared: &Prepared,
        choice: Choice,
    ) -> Result<Option<Vec<Label>>, EngineError> {
        let Search { engine, view } = self.begin();
        let stored = view.of_content(&id.0, 1)?.pop();
        let Some(vector) = stored.and_then(|stored| stored.vector) else { return Ok(None) };
        Ok(Some(labels(engine.background()?, &vector, prepared, choice)))
    }
}

fn labels(
    background: &Background,
    photo: &Vector,
    Prepared { vocabulary, prompts }: &Prepared,
    choice: Choice,
) -> Vec<Label> {
    let yardstick = background.yardstick(photo);
    let probabilities = prompts.iter().map(|prompt| yardstick.probability(prompt.dot(photo)));
    let mut likely: Vec<(f32, &str)> = probabilities
        .zip(&vocabulary.entries)
        .map(|(probability, (name, _))| (probability, name.as_str()))
        .filter(|(probability, _)| *probability >= choice.least)
        .collect();
    likely.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    likely.truncate(choice.most);
    likely.into_iter().map(|(probability, name)| Label { name: name.to_owned(), probability }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_is_a_line_a_label() {
        let read = Vocabulary::parse("# pets\n dog \n\ncat\ndog\n");
        let both = |name: &str| (name.to_owned(), name.to_owned());
        assert_eq!(read.entries, [both("dog"), both("cat")]);
        assert!(Vocabulary::parse("\n# nothing\n").is_empty());
        let everyday = Vocabulary::everyday().entries;
        assert!(everyday.contains(&("dog".into(), "a dog".into())) && !everyday.is_empty());
    }
}
