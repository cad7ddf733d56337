//! The engine: answers a [`Query`] with ranked matches, using a model and a library.

mod background;
mod collapse;
mod hint;
mod kept_texts;
mod lazy;
mod lift;
mod newest;
pub mod nothing;
pub mod spelling;
mod tags;
mod terms;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use imgsearch_index::{Fingerprint, Space, Vector};
use jiff::tz::TimeZone;

use crate::decode::{Limits, PictureError};
use crate::item::{Item, Part, path_bytes};
use crate::library::{Ask, Hit, Load, StoreError, Stored, View};
use crate::model::{ImageEncoder, Model, ModelError, TextEncoder};
use crate::photo::{Id, Photo};
use crate::query::{Cutoff, Filter, NearDuplicates, Order, TextCondition, why};
use crate::{Library, Query};

pub use newest::newest;
pub(crate) use newest::{Dated, dated, first};
pub use tags::{Choice, Label, Prepared, Tagged, Vocabulary};

use background::{Background, concepts};
use collapse::different;
use kept_texts::KeptTexts;
use lazy::Lazy;
use lift::Lifted;
use terms::Asked;

/// The file in the library that stores the background.
const BACKGROUND: &str = "background";

/// The least probability of a relevant hit: the prompt fits the photo 20 times better than the background does.
pub const LEAST_PROBABILITY: f32 = 1.0 / 3.0;

/// Additional hits to fetch, because some may turn out irrelevant.
const SPARE_HITS: usize = 50;

/// Answers queries on a library with the model that indexed it. Clones share the same engine, so threads can query in
/// parallel while an index run publishes. The model's towers are loaded when a query first needs them.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    library: Library,
    model: Arc<Model>,
    limits: Limits,
    /// The view for new queries.
    view: RwLock<Arc<dyn View>>,
    /// Locked while a newer view is opened, so that an older one cannot replace it.
    refreshing: Mutex<()>,
    text: Lazy<TextEncoder>,
    image: Lazy<ImageEncoder>,
    /// It depends only on the model, so it is the same for every view.
    background: Lazy<Background>,
}

/// A running query, which uses one view of the library throughout.
struct Search<'a> {
    engine: &'a Inner,
    view: Arc<dyn View>,
}

/// A photo that a query found.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// 1 for the best.
    pub rank: usize,
    /// The cosine of query and photo, −1 to 1; greater is closer. Comparable only within one model. `None` in a list of
    /// photos without a query.
    pub score: Option<f32>,
    /// How words that stand in it lifted it, if they did.
    pub lift: Option<Lift>,
    /// The photo's absolute path.
    pub path: PathBuf,
    /// The part of the file that was found; `None` for the whole file.
    pub part: Option<Part>,
    /// The fingerprint of the file's content when it was indexed, if known.
    pub content: Option<Fingerprint>,
    /// Its record; `None` if a newer version wrote it.
    pub photo: Option<Photo>,
    /// How many near-duplicates it stands for; 0 unless the query collapses them.
    pub similar: usize,
    /// The words that make it meet a condition, or that lifted it, and where they stand: `text "invoice 2023"`.
    pub why: Vec<String>,
}

/// How far the query's words lift a photo in which they stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lift {
    /// The share of the query's words that stand in it, rare words weighted more: 0 to 1.
    pub share: f32,
    /// What that adds to its score when photos are ranked.
    pub by: f32,
}

/// A photo on its way to become a [`Match`].
#[derive(Clone)]
struct Ranked {
    hit: Hit,
    lift: Option<Lift>,
}

impl Ranked {
    /// What photos are ranked by.
    fn standing(&self) -> f32 {
        self.hit.score + self.lift.map_or(0.0, |lift| lift.by)
    }
}

impl Engine {
    /// Makes an engine from a view of `library` and the model that indexed it. `limits` apply to pictures in queries.
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

    /// The engine's library.
    pub fn library(&self) -> &Library {
        &self.inner.library
    }

    /// Makes newly published photos visible to later queries. Returns whether there was anything new. Checking costs about
    /// as much as reading two small files.
    ///
    /// # Errors
    /// [`EngineError::OtherModel`] if another model's index has replaced the one that was opened: open a new engine then.
    /// [`EngineError::Store`] if the newer index cannot be opened. After an error, the engine keeps its current view.
    pub fn refresh(&self) -> Result<bool, EngineError> {
        let Inner { library, model, view, refreshing, .. } = &*self.inner;
        // A poisoned lock is safe here: this one guards no data, the other a single pointer.
        let _turn = refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newer) = self.view().newer()? else { return Ok(false) };
        check_space(library, newer.space(), model)?;
        *view.write().unwrap_or_else(PoisonError::into_inner) = newer;
        Ok(true)
    }

    /// The best matches in the query's order; perhaps none. Photos in which words of the query stand are lifted. Pictures in
    /// the query, and exact copies of them, are left out. If near-duplicates are collapsed, there are still as many matches,
    /// provided there are enough different photos.
    ///
    /// # Errors
    /// [`EngineError::Model`] if a part of the query cannot be embedded, [`EngineError::Picture`] if a picture cannot be
    /// read, [`EngineError::CancelsOut`], and [`EngineError::Store`] if the index is damaged.
    pub fn search(&self, query: &Query) -> Result<Vec<Match>, EngineError> {
        let search = self.begin();
        let asked = search.ask(&query.expression)?;
        let lifted = search.lifted(&query.expression, &search.asking(&asked, query, query.top))?;
        let best = |top| search.best(&asked, &lifted, query, top);
        let found = match query.near_duplicates {
            NearDuplicates::Show => best(query.top)?.into_iter().map(|found| (found, 0)).collect(),
            NearDuplicates::Collapse => different(&*search.view, query.top, best)?,
        };
        let matches =
            found.into_iter().zip(1..).map(|((found, similar), rank)| Match::of(found, rank, similar));
        Ok(in_order(explained(matches.collect(), &query.filter, &lifted.words), &query.order))
    }

    /// Loads what the first text query would otherwise wait for, and the background, which takes a second or some the
    /// first time.
    ///
    /// # Errors
    /// [`EngineError::Model`].
    pub fn warm_up(&self) -> Result<(), EngineError> {
        self.inner.text()?;
        self.inner.background()?;
        Ok(())
    }

    /// Embeds the concepts that [`Engine::probabilities`] compares with, if that was not done before with this model.
    /// `progress` gets the number of concepts embedded so far and of all concepts.
    ///
    /// # Errors
    /// [`EngineError::Model`].
    pub fn prepare_background(&self, progress: &dyn Fn(usize, usize)) -> Result<(), EngineError> {
        self.inner.prepared_background(progress)?;
        Ok(())
    }

    /// Of each match, whether it likely shows what was asked for, as [`Cutoff::Relevance`] judges it.
    ///
    /// # Errors
    /// [`EngineError::Model`] when the background cannot be made, [`EngineError::Store`] when the index is damaged.
    pub fn likely(&self, matches: &[Match]) -> Result<Vec<bool>, EngineError> {
        let probabilities = self.probabilities(matches)?;
        Ok(probabilities.into_iter().map(|probability| probability >= LEAST_PROBABILITY).collect())
    }

    /// Of each match, how probably it shows what was asked for, 0 to 1; at least the share of the words that stand in it. It
    /// is likely from [`LEAST_PROBABILITY`] on.
    ///
    /// # Errors
    /// As [`Engine::likely`].
    pub fn probabilities(&self, matches: &[Match]) -> Result<Vec<f32>, EngineError> {
        let (Search { engine, view }, mut all) = (self.begin(), Vec::with_capacity(matches.len()));
        let background = engine.background()?;
        for found in matches {
            let item = Item { path: found.path.clone(), part: found.part };
            let vector = view.get(&item)?.and_then(|stored| stored.vector);
            let score = vector.zip(found.score);
            let seen = score.map_or(0.0, |(vector, score)| background.yardstick(&vector).probability(score));
            all.push(found.lift.map_or(seen, |lift| seen.max(lift.share)));
        }
        Ok(all)
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
    /// What to ask the library for the best `top` photos.
    fn asking<'a>(&self, asked: &'a Asked, query: &'a Query, top: NonZeroUsize) -> Ask<'a> {
        let (top, load) = match query.cutoff {
            Cutoff::None | Cutoff::Score(_) => (top, Load::WithoutVector),
            Cutoff::Relevance => (top.saturating_add(SPARE_HITS), Load::WithVector),
        };
        Ask {
            vector: &asked.vector,
            top,
            filter: &query.filter,
            without_items: &asked.items,
            without_contents: &asked.contents,
            exact: query.exact,
            load,
        }
    }

    /// The best `top` photos for a query vector, and those that words lift among them, best first.
    fn best(
        &self,
        asked: &Asked,
        lifted: &Lifted,
        query: &Query,
        top: NonZeroUsize,
    ) -> Result<Vec<Ranked>, EngineError> {
        let mut found = lifted.merged(self.view.search(&self.asking(asked, query, top))?);
        match query.cutoff {
            Cutoff::None => {}
            Cutoff::Score(least) => found.retain(|found| found.hit.score >= least),
            Cutoff::Relevance => {
                let background = self.engine.background()?;
                found.retain(|found| is_relevant(found, background));
            }
        }
        found.truncate(top.get());
        Ok(found)
    }
}

/// Whether the query likely describes the photo.
fn is_relevant(found: &Ranked, background: &Background) -> bool {
    let vector = found.hit.stored.vector.as_ref();
    found.lift.is_some_and(|lift| lift.share >= LEAST_PROBABILITY)
        || vector.is_some_and(|vector| is_likely(vector, found.hit.score, background))
}

fn is_likely(vector: &Vector, score: f32, background: &Background) -> bool {
    background.yardstick(vector).probability(score) >= LEAST_PROBABILITY
}

impl Inner {
    fn text(&self) -> Result<&TextEncoder, ModelError> {
        self.text.get_or_make(|| self.model.text_encoder())
    }

    fn image(&self) -> Result<&ImageEncoder, ModelError> {
        self.image.get_or_make(|| self.model.image_encoder_for_few())
    }

    /// The background stored in the library, or a new one. Making it takes a few seconds with the text tower; it is stored
    /// if the library is writable.
    fn background(&self) -> Result<&Background, ModelError> {
        self.prepared_background(&|_, _| ())
    }

    /// The same. `progress` gets the number of concepts embedded so far and of all concepts.
    fn prepared_background(&self, progress: &dyn Fn(usize, usize)) -> Result<&Background, ModelError> {
        self.background.get_or_make(|| {
            let space = self.model.space();
            let kept = self.library.kept(BACKGROUND).and_then(|bytes| Background::decode(&bytes, space));
            if let Some(kept) = kept {
                return Ok(kept);
            }
            let concepts: Vec<&str> = concepts().collect();
            let vectors = KeptTexts::of(&self.model).get(&concepts, || self.text(), progress)?;
            let background = Background::new(vectors);
            // If the library is not writable, the background is made again next time.
            _ = self.library.keep(BACKGROUND, &background.encode(space));
            Ok(background)
        })
    }
}

/// Sorts matches. Equal ones stay in the order of their ranks.
pub(crate) fn in_order(mut matches: Vec<Match>, order: &Order) -> Vec<Match> {
    match order {
        Order::Score => {}
        Order::Date { zone } => matches.sort_by_key(|found| std::cmp::Reverse(found.wall_ms(zone))),
        Order::Path => matches.sort_by(|a, b| path_bytes(&a.path).cmp(&path_bytes(&b.path))),
    }
    matches
}

impl Match {
    pub(crate) fn wall_ms(&self, zone: &TimeZone) -> Option<i64> {
        Some(self.photo.as_ref()?.details.as_ref()?.wall_ms(zone))
    }

    fn of(found: Ranked, rank: usize, similar: usize) -> Match {
        let Ranked { hit: Hit { stored, score }, lift } = found;
        let Stored { item: Item { path, part }, content, photo, .. } = stored;
        Match { rank, score: Some(score), lift, path, part, content, photo, similar, why: Vec::new() }
    }

    /// What matches are ranked by: the score, and what words add to it.
    pub fn standing(&self) -> f32 {
        self.score.unwrap_or_default() + self.lift.map_or(0.0, |lift| lift.by)
    }
}

/// The matches with the words that make them meet the filter, or that lifted them.
fn explained(mut matches: Vec<Match>, filter: &Filter, lifting: &[TextCondition]) -> Vec<Match> {
    for found in &mut matches {
        let (Some(path), Some(photo)) = (path_bytes(&found.path), &found.photo) else { continue };
        let lifting = lifting.iter().filter(|_| found.lift.is_some());
        found.why = why(filter.texts.iter().chain(lifting), path, photo);
    }
    matches
}

/// Checks that the vectors of `library` (in `space`) can be compared with the model's.
///
/// # Errors
/// [`EngineError::OtherModel`].
pub fn check_space(library: &Library, space: &Space, model: &Model) -> Result<(), EngineError> {
    if space == model.space() {
        return Ok(());
    }
    Err(EngineError::OtherModel {
        library: library.to_string(),
        found: Box::new(space.clone()),
        expected: Box::new(model.space().clone()),
    })
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The library cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The library holds the vectors of another model.
    #[error(
        "the library {} holds `{}` vectors ({} dimensions), not `{}` vectors ({} dimensions)",
        library, found.label(), found.dim(), expected.label(), expected.dim()
    )]
    OtherModel {
        /// The folder of the library, or its URL without secrets.
        library: String,
        /// The library's space.
        found: Box<Space>,
        /// The model's space.
        expected: Box<Space>,
    },
    /// The model cannot be loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture of the query cannot be used.
    #[error("cannot use the picture {path}: {error}", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: PictureError,
    },
    /// The query names a photo that the library does not have.
    #[error("the library has no photo {id}")]
    NoSuchPhoto {
        /// Its id.
        id: Id,
    },
    /// The weighted parts add up to zero.
    #[error("the parts of the query cancel each other out")]
    CancelsOut,
}
