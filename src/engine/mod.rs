//! The API boundary: a model and an index; a [`Query`] in, ranked matches out.

mod background;
mod collapse;
mod hint;
mod lazy;
mod tags;
mod terms;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use imgsearch_index::{Fingerprint, Space};
use jiff::tz::TimeZone;

use crate::decode::{Limits, PictureError};
use crate::item::{Item, Part, path_bytes};
use crate::library::{Ask, Hit, Load, StoreError, Stored, View};
use crate::model::{ImageEncoder, Model, ModelError, TextEncoder};
use crate::photo::{Id, Photo};
use crate::query::{Cutoff, NearDuplicates, Order};
use crate::{Library, Query};

pub use tags::{Choice, Label, Tagged, Vocabulary};

use background::{Background, concepts};
use lazy::Lazy;
use terms::Asked;

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
    view: RwLock<Arc<dyn View>>,
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
    view: Arc<dyn View>,
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
    /// Which part of the file was found; `None` for the file as a whole.
    pub part: Option<Part>,
    /// The content of the file when it was indexed, where that is known.
    pub content: Option<Fingerprint>,
    /// What is remembered of it; `None` when a newer version wrote it.
    pub photo: Option<Photo>,
    /// How many near-duplicates it stands for; none unless they were to be collapsed.
    pub similar: usize,
}

impl Engine {
    /// Joins a view of `library` with the model it was indexed with. `limits` are those of pictures in queries.
    ///
    /// # Errors
    /// [`EngineError::OtherModel`].
    pub fn open(
        library: &Library,
        view: Arc<dyn View>,
        model: Arc<Model>,
        limits: Limits,
    ) -> Result<Engine, EngineError> {
        check_space(library, view.space(), &model)?;
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
    /// Whether there was something; looking costs about as much as reading two small files.
    ///
    /// # Errors
    /// [`EngineError::OtherModel`] when another model's index has taken the place of the one that was opened: open
    /// another engine then. [`EngineError::Store`] when the newer index does not open. After an error, the engine
    /// goes on with what it showed.
    pub fn refresh(&self) -> Result<bool, EngineError> {
        let Inner { library, model, view, refreshing, .. } = &*self.inner;
        // It guards no data, and a lock that guards one pointer is never left half changed.
        let _turn = refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newer) = self.view().newer()? else { return Ok(false) };
        check_space(library, newer.space(), model)?;
        *view.write().unwrap_or_else(PoisonError::into_inner) = newer;
        Ok(true)
    }

    /// The best matches, in the order that the query asks for; none is no error. Pictures that are part of the query,
    /// and exact copies of them, are left out. Where near-duplicates are collapsed, there are as many matches as
    /// without if there are enough different photos.
    ///
    /// # Errors
    /// [`EngineError::Model`] when a part of the query cannot be embedded, [`EngineError::Picture`] when a picture
    /// cannot be read, [`EngineError::CancelsOut`], and [`EngineError::Store`] when the index is damaged.
    pub fn search(&self, query: &Query) -> Result<Vec<Match>, EngineError> {
        let search = self.begin();
        let asked = search.ask(&query.expression)?;
        let matches = match query.near_duplicates {
            NearDuplicates::Show => {
                let hits = search.best(&asked, query, query.top)?.into_iter();
                hits.zip(1..).map(|(hit, rank)| Match::of(hit, rank, 0)).collect()
            }
            NearDuplicates::Collapse => search.different(&asked, query)?,
        };
        Ok(in_order(matches, &query.order))
    }

    /// Loads what the first text query would otherwise wait for.
    ///
    /// # Errors
    /// [`EngineError::Model`].
    pub fn warm_up(&self) -> Result<(), EngineError> {
        self.inner.text()?;
        Ok(())
    }

    fn begin(&self) -> Search<'_> {
        Search { engine: &self.inner, view: self.view() }
    }

    /// What queries that begin now are answered from.
    pub fn view(&self) -> Arc<dyn View> {
        Arc::clone(&self.inner.view.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Search<'_> {
    /// The best `top` photos for a query that is a vector by now, best first.
    fn best(&self, asked: &Asked, query: &Query, top: NonZeroUsize) -> Result<Vec<Hit>, EngineError> {
        let (looked_at, load) = match query.cutoff {
            Cutoff::None | Cutoff::Score(_) => (top, Load::WithoutVector),
            Cutoff::Relevance => (top.saturating_add(SPARE_HITS), Load::WithVector),
        };
        let mut hits = self.view.search(&Ask {
            vector: &asked.vector,
            top: looked_at,
            filter: &query.filter,
            without_items: &asked.items,
            without_contents: &asked.contents,
            exact: query.exact,
            load,
        })?;
        match query.cutoff {
            Cutoff::None => {}
            Cutoff::Score(least) => hits.retain(|hit| hit.score >= least),
            Cutoff::Relevance => {
                let background = self.engine.background()?;
                hits.retain(|hit| is_relevant(hit, background));
            }
        }
        hits.truncate(top.get());
        Ok(hits)
    }
}

/// Whether the query likely describes the photo.
fn is_relevant(hit: &Hit, background: &Background) -> bool {
    let probability = |vector| background.yardstick(vector).probability(hit.score);
    hit.stored.vector.as_ref().map(probability).is_some_and(|probability| probability >= LEAST_PROBABILITY)
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
pub(crate) fn in_order(mut matches: Vec<Match>, order: &Order) -> Vec<Match> {
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

    fn of(hit: Hit, rank: usize, similar: usize) -> Match {
        let Hit { stored: Stored { item: Item { path, part }, content, photo, .. }, score } = hit;
        Match { rank, score, path, part, content, photo, similar }
    }
}

/// Checks that vectors of `space`, which are those of `library`, can be compared with the model's.
///
/// # Errors
/// [`EngineError::OtherModel`].
pub fn check_space(library: &Library, space: &Space, model: &Model) -> Result<(), EngineError> {
    if space == model.space() {
        return Ok(());
    }
    Err(EngineError::OtherModel {
        library: library.folder().to_owned(),
        found: Box::new(space.clone()),
        expected: Box::new(model.space().clone()),
    })
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The library does not open or does not read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The library holds the vectors of another model.
    #[error(
        "the library in {} holds `{}` vectors ({} dimensions), not `{}` vectors ({} dimensions)",
        library.display(), found.label(), found.dim(), expected.label(), expected.dim()
    )]
    OtherModel {
        /// The folder of the library.
        library: PathBuf,
        /// What is in it.
        found: Box<Space>,
        /// What the model makes.
        expected: Box<Space>,
    },
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
    /// The query names a photo that the library does not have.
    #[error("the library has no photo {id}")]
    NoSuchPhoto {
        /// Its id.
        id: Id,
    },
    /// The weighted parts add up to nothing.
    #[error("the parts of the query cancel each other out")]
    CancelsOut,
}
