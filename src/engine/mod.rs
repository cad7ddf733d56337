//! The API boundary: a model and an index; a [`Query`] in, ranked matches out.

mod background;
mod collapse;
mod tags;
mod terms;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use imgsearch_index::{Error as IndexError, Hit, Method, SearchOptions, Searcher, Selection, Vector};
use jiff::tz::TimeZone;

use crate::decode::{Limits, PictureError};
use crate::model::{ImageEncoder, Model, ModelError, TextEncoder};
use crate::photo::{Photo, key_of, path_bytes, path_of};
use crate::query::{Cutoff, Filter, Order};
use crate::{Library, Query};

pub use tags::{Choice, Label, Tagged, Vocabulary};

use background::{Background, concepts};
use terms::{Asked, Picture};

/// The file in the library that keeps the background.
const BACKGROUND: &str = "background";

/// How likely a hit must be to be relevant: a prompt that explains the photo 20 times as well as the background.
const LEAST_PROBABILITY: f32 = 1.0 / 3.0;

/// Hits looked at beyond those asked for, because some of these may be found irrelevant.
const SPARE_HITS: usize = 50;

/// Answers queries on one library with the model it was indexed with. The model's towers are loaded when a query
/// first needs them.
pub struct Engine<'a> {
    library: &'a Library,
    model: &'a Model,
    searcher: Searcher,
    text: Option<TextEncoder>,
    image: Option<ImageEncoder>,
    background: Option<Background>,
    limits: Limits,
}

/// One photo of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// 1 for the best.
    pub rank: usize,
    /// Cosine of the angle between query and photo, −1 to 1; greater is closer. Comparable within one model only.
    pub score: f32,
    /// The photo's absolute path.
    pub path: PathBuf,
    /// What is remembered of it; `None` when a newer version wrote it.
    pub photo: Option<Photo>,
    /// How many near-duplicates it stands for; none unless they were to be collapsed.
    pub similar: usize,
}

impl<'a> Engine<'a> {
    /// Joins an open index of `library` with the model it was indexed with.
    ///
    /// # Errors
    /// [`IndexError::SpaceMismatch`].
    pub fn open(
        library: &'a Library,
        searcher: Searcher,
        model: &'a Model,
    ) -> Result<Engine<'a>, EngineError> {
        check_space(library, &searcher, model)?;
        let limits = Limits::default();
        Ok(Engine { library, model, searcher, text: None, image: None, background: None, limits })
    }

    /// The same with other limits on the pictures of a query than the default ones.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Engine<'a> {
        Engine { limits, ..self }
    }

    /// The best matches, best first; none is no error. Pictures that are part of the query, and exact copies of
    /// them, are left out.
    ///
    /// # Errors
    /// [`EngineError::Model`] when a part of the query cannot be embedded, [`EngineError::Picture`] when a picture
    /// cannot be read, [`EngineError::NotRemembered`], [`EngineError::CancelsOut`], and [`EngineError::Index`] when
    /// the index is damaged.
    pub fn search(&mut self, query: &Query) -> Result<Vec<Match>, EngineError> {
        let Asked { vector, pictures } = self.ask(&query.expression)?;
        let filter = self.select(&query.filter, &pictures);
        Ok(in_order(self.best(&vector, filter.as_ref(), query, query.top)?, &query.order))
    }

    /// The best `top` matches of a query whose vector and filter are made, best first.
    fn best(
        &mut self,
        vector: &Vector,
        filter: Option<&Selection>,
        query: &Query,
        top: NonZeroUsize,
    ) -> Result<Vec<Match>, EngineError> {
        let method = if query.exact { Method::Exact } else { Method::default() };
        let options = SearchOptions { filter, method };
        let looked_at = match query.cutoff {
            Cutoff::None | Cutoff::Score(_) => top,
            Cutoff::Relevance => top.saturating_add(SPARE_HITS),
        };
        let mut hits = self.searcher.search(vector, looked_at, &options)?;
        match query.cutoff {
            Cutoff::None => {}
            Cutoff::Score(least) => hits.retain(|hit| hit.score >= least),
            Cutoff::Relevance => hits = self.relevant(hits)?,
        }
        Ok(hits.into_iter().zip(1..=top.get()).map(|(hit, rank)| Match::of(hit, rank)).collect())
    }

    /// The vector of a match; `None` when its photo is not in the library any more.
    ///
    /// # Errors
    /// [`EngineError::Index`] when the index is damaged.
    pub fn vector_of(&self, found: &Match) -> Result<Option<Vector>, EngineError> {
        let Some(key) = key_of(&found.path) else { return Ok(None) };
        Ok(self.searcher.get(&key)?.and_then(|stored| stored.vector))
    }

    /// The hits that the query likely describes.
    fn relevant(&mut self, hits: Vec<Hit>) -> Result<Vec<Hit>, EngineError> {
        self.load_background()?;
        let Some(background) = &self.background else { return Ok(hits) };
        let mut relevant = Vec::new();
        for hit in hits {
            let vector = self.searcher.get(&hit.key)?.and_then(|stored| stored.vector);
            let probability = vector.map(|vector| background.yardstick(&vector).probability(hit.score));
            if probability.is_some_and(|probability| probability >= LEAST_PROBABILITY) {
                relevant.push(hit);
            }
        }
        Ok(relevant)
    }

    /// Makes sure that there is a background: the one kept in the library, or a new one, which takes the text tower a
    /// second or some and is kept where that can be written.
    fn load_background(&mut self) -> Result<(), EngineError> {
        if self.background.is_some() {
            return Ok(());
        }
        let space = self.model.space();
        let kept = self.library.kept(BACKGROUND).and_then(|bytes| Background::decode(&bytes, space));
        if kept.is_some() {
            self.background = kept;
            return Ok(());
        }
        let mut vectors = Vec::new();
        for concept in concepts() {
            vectors.push(self.text()?.encode_text(concept)?);
        }
        let background = Background::new(vectors);
        // A library that cannot be written to makes it again next time.
        _ = self.library.keep(BACKGROUND, &background.encode(space));
        self.background = Some(background);
        Ok(())
    }

    /// The rows that may be found; `None` for all.
    fn select(&self, filter: &Filter, without: &[Picture]) -> Option<Selection> {
        let is_asked = |picture: &Picture, key: &[u8], fingerprint| {
            picture.key.as_ref().is_some_and(|asked| asked.as_bytes() == key)
                || picture.fingerprint.is_some() && picture.fingerprint == fingerprint
        };
        (!filter.is_empty() || !without.is_empty()).then(|| {
            self.searcher.select(|record| {
                filter.admits(&record)
                    && !without.iter().any(|picture| is_asked(picture, record.key, record.fingerprint))
            })
        })
    }

    fn text(&mut self) -> Result<&TextEncoder, ModelError> {
        if self.text.is_none() {
            self.text = Some(self.model.text_encoder()?);
        }
        Ok(self.text.as_ref().expect("it was just loaded"))
    }

    fn image(&mut self) -> Result<&ImageEncoder, ModelError> {
        if self.image.is_none() {
            self.image = Some(self.model.image_encoder()?);
        }
        Ok(self.image.as_ref().expect("it was just loaded"))
    }
}

/// Equal ones stay in the order of their ranks.
fn in_order(mut matches: Vec<Match>, order: &Order) -> Vec<Match> {
    match order {
        Order::Score => {}
        Order::Date { zone } => matches.sort_by_key(|found| std::cmp::Reverse(found.wall_ms(zone))),
        Order::Path => matches.sort_by(|a, b| path_bytes(&a.path).cmp(&path_bytes(&b.path))),
    }
    matches
}

impl Match {
    fn wall_ms(&self, zone: &TimeZone) -> Option<i64> {
        Some(self.photo.as_ref()?.details.as_ref()?.wall_ms(zone))
    }

    fn of(hit: Hit, rank: usize) -> Match {
        let Hit { key, score, payload, .. } = hit;
        Match { rank, score, path: path_of(key.as_bytes()), photo: Photo::decode(&payload), similar: 0 }
    }
}

/// Checks that the library's vectors and the model's can be compared.
///
/// # Errors
/// [`IndexError::SpaceMismatch`].
pub fn check_space(library: &Library, searcher: &Searcher, model: &Model) -> Result<(), IndexError> {
    let (found, expected) = (searcher.space(), model.space());
    if found == expected {
        return Ok(());
    }
    Err(IndexError::SpaceMismatch {
        path: library.folder().to_owned(),
        found: Box::new(found.clone()),
        expected: Box::new(expected.clone()),
    })
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The index does not open or does not read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The model does not load or does not run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture of the query cannot be used.
    #[error("cannot look at {path}: {error}", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        error: PictureError,
    },
    /// A result was named that the last query did not have.
    #[error("the last query on this library has no result {rank}")]
    NotRemembered {
        /// Its number.
        rank: NonZeroUsize,
    },
    /// The weighted parts add up to nothing.
    #[error("the parts of the query cancel each other out")]
    CancelsOut,
}
