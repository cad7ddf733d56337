//! The API boundary: a model and an index; a [`Query`] in, ranked matches out.

mod background;
mod collapse;
mod lazy;
mod tags;
mod terms;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use imgsearch_index::{Error as IndexError, Hit, Method, SearchOptions, Searcher, Selection, Vector};
use jiff::tz::TimeZone;

use crate::decode::{Limits, PictureError};
use crate::library::View;
use crate::model::{ImageEncoder, Model, ModelError, TextEncoder};
use crate::photo::{Photo, path_bytes, path_of};
use crate::query::{Cutoff, Filter, NearDuplicates, Order};
use crate::{Library, Query};

pub use tags::{Choice, Label, Tagged, Vocabulary};

use background::{Background, concepts};
use lazy::Lazy;
use terms::{Asked, Picture};

/// The file in the library that keeps the background.
const BACKGROUND: &str = "background";

/// How likely a hit must be to be relevant: a prompt that explains the photo 20 times as well as the background.
const LEAST_PROBABILITY: f32 = 1.0 / 3.0;

/// Hits looked at beyond those asked for, because some of these may be found irrelevant.
const SPARE_HITS: usize = 50;

/// Answers queries on one library with the model it was indexed with. Clones are the same engine: threads share it and
/// ask side by side, while an index run publishes. The model's towers are loaded when a query first needs them.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    library: Library,
    model: Arc<Model>,
    limits: Limits,
    /// What queries that begin now are answered from.
    view: RwLock<View>,
    /// Held while a newer view is opened, so that no older one takes its place.
    refreshing: Mutex<()>,
    text: Lazy<TextEncoder>,
    image: Lazy<ImageEncoder>,
    /// Depends on the model only, so it is the same for every view.
    background: Lazy<Background>,
}

/// One query, answered from one view of the library from its beginning to its end.
struct Search<'a> {
    engine: &'a Inner,
    view: View,
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

impl Engine {
    /// Joins an open index of `library` with the model it was indexed with. `limits` are those of pictures in queries.
    ///
    /// # Errors
    /// [`IndexError::SpaceMismatch`].
    pub fn open(
        library: &Library,
        view: View,
        model: Arc<Model>,
        limits: Limits,
    ) -> Result<Engine, EngineError> {
        check_space(library, view.searcher(), &model)?;
        let inner = Inner {
            library: library.clone(),
            model,
            limits,
            view: RwLock::new(view),
            refreshing: Mutex::default(),
            text: Lazy::default(),
            image: Lazy::default(),
            background: Lazy::default(),
        };
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// The library that it answers from.
    pub fn library(&self) -> &Library {
        &self.inner.library
    }

    /// Lets queries that begin from now on see what was published since the library was opened or last refreshed.
    /// Whether there was something; looking costs about as much as reading one small file.
    ///
    /// # Errors
    /// [`EngineError::ModelChanged`] when another model's index has taken the place of the one that was opened, and
    /// [`EngineError::Index`] when the newer index does not open. Queries are then answered as before.
    pub fn refresh(&self) -> Result<bool, EngineError> {
        let Inner { library, model, view, refreshing, .. } = &*self.inner;
        // It guards no data, and a lock that guards one pointer is never left half changed.
        let _turn = refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newer) = library.newer(&self.view())? else { return Ok(false) };
        if newer.searcher().space() != model.space() {
            let (found, expected) = (newer.searcher().space().label.clone(), model.space().label.clone());
            return Err(EngineError::ModelChanged { found, expected });
        }
        *view.write().unwrap_or_else(PoisonError::into_inner) = newer;
        Ok(true)
    }

    /// The best matches, in the order that the query asks for; none is no error. Pictures that are part of the query,
    /// and exact copies of them, are left out. Where near-duplicates are collapsed, there are as many matches as
    /// without if there are enough different photos.
    ///
    /// # Errors
    /// [`EngineError::Model`] when a part of the query cannot be embedded, [`EngineError::Picture`] when a picture
    /// cannot be read, [`EngineError::CancelsOut`], and [`EngineError::Index`] when the index is damaged.
    pub fn search(&self, query: &Query) -> Result<Vec<Match>, EngineError> {
        let search = self.begin();
        let Asked { vector, pictures } = search.ask(&query.expression)?;
        let filter = search.select(&query.filter, &pictures);
        let matches = match query.near_duplicates {
            NearDuplicates::Show => search.best(&vector, filter.as_ref(), query, query.top)?,
            NearDuplicates::Collapse => search.different(&vector, filter.as_ref(), query)?,
        };
        Ok(in_order(matches, &query.order))
    }

    fn begin(&self) -> Search<'_> {
        Search { engine: &self.inner, view: self.view() }
    }

    fn view(&self) -> View {
        self.inner.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Search<'_> {
    /// The best `top` matches of a query whose vector and filter are made, best first.
    fn best(
        &self,
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
        let mut hits = self.view.searcher().search(vector, looked_at, &options)?;
        match query.cutoff {
            Cutoff::None => {}
            Cutoff::Score(least) => hits.retain(|hit| hit.score >= least),
            Cutoff::Relevance => hits = self.relevant(hits)?,
        }
        Ok(hits.into_iter().zip(1..=top.get()).map(|(hit, rank)| Match::of(hit, rank)).collect())
    }

    /// The hits that the query likely describes.
    fn relevant(&self, hits: Vec<Hit>) -> Result<Vec<Hit>, EngineError> {
        let background = self.engine.background()?;
        let mut relevant = Vec::new();
        for hit in hits {
            let vector = self.view.searcher().get(&hit.key)?.and_then(|stored| stored.vector);
            let probability = vector.map(|vector| background.yardstick(&vector).probability(hit.score));
            if probability.is_some_and(|probability| probability >= LEAST_PROBABILITY) {
                relevant.push(hit);
            }
        }
        Ok(relevant)
    }

    /// The rows that may be found; `None` for all.
    fn select(&self, filter: &Filter, without: &[Picture]) -> Option<Selection> {
        let is_asked = |picture: &Picture, key: &[u8], fingerprint| {
            picture.key.as_ref().is_some_and(|asked| asked.as_bytes() == key)
                || picture.fingerprint.is_some() && picture.fingerprint == fingerprint
        };
        (!filter.is_empty() || !without.is_empty()).then(|| {
            self.view.searcher().select(|record| {
                filter.admits(&record)
                    && !without.iter().any(|picture| is_asked(picture, record.key, record.fingerprint))
            })
        })
    }
}

impl Inner {
    fn text(&self) -> Result<&TextEncoder, ModelError> {
        self.text.get_or_make(|| self.model.text_encoder())
    }

    fn image(&self) -> Result<&ImageEncoder, ModelError> {
        self.image.get_or_make(|| self.model.image_encoder())
    }

    /// The background kept in the library, or a new one, which takes the text tower a second or some and is kept where
    /// that can be written.
    fn background(&self) -> Result<&Background, ModelError> {
        self.background.get_or_make(|| {
            let space = self.model.space();
            let kept = self.library.kept(BACKGROUND).and_then(|bytes| Background::decode(&bytes, space));
            if let Some(kept) = kept {
                return Ok(kept);
            }
            let text = self.text()?;
            let vectors = concepts().map(|concept| text.encode_text(concept)).collect::<Result<_, _>>()?;
            let background = Background::new(vectors);
            // A library that cannot be written to makes it again next time.
            _ = self.library.keep(BACKGROUND, &background.encode(space));
            Ok(background)
        })
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
    /// Another model's index has taken the place of the one that was opened.
    #[error("the library was indexed anew with `{found}` since it was opened with `{expected}`")]
    ModelChanged {
        /// The model of the library now.
        found: String,
        /// The model it was opened with.
        expected: String,
    },
    /// The weighted parts add up to nothing.
    #[error("the parts of the query cancel each other out")]
    CancelsOut,
}
