//! A library in a long-running program: one shared engine that follows the index, and photos by the id of their
//! content. Callers never pass a path, and nothing in the library is changed.
//!
//! Everything here is synchronous. Clones share one service and can be used from several threads at the same time.

mod cursor;
mod pictures;

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::decode::{Limits, PictureError};
use crate::engine::{Dated, dated, first, in_order};
use crate::hint::Hint;
use crate::item::path_bytes;
use crate::library::{Load, StoreError, Thumbnails, View};
use crate::photo::{Id, Photo, Stamp};
use crate::query::{Filter, NearDuplicates, Order, Query};
use crate::{Engine, EngineError, Match};

use cursor::Place;
pub use cursor::{Cursor, CursorError};
use pictures::Pictures;
pub use pictures::{Original, Size};

/// The shortest time between two checks for a newer index.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The maximum number of copies of one content that are listed.
const MOST_COPIES: usize = 1_000;

/// Opens an engine. `None` if nothing is indexed yet.
pub type Open = Box<dyn Fn() -> Result<Option<Engine>, OpenError> + Send + Sync>;

/// The reason why no engine could be opened.
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

/// A library that can be searched. Clones share the same state.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    open: Open,
    engine: RwLock<Option<Engine>>,
    /// The time of the last check for a newer index.
    looked: Mutex<Option<Instant>>,
    /// Increases with each newer index. Starts at a random number, so that it differs between runs of the program.
    version: AtomicU64,
    zone: TimeZone,
    pictures: Pictures,
    /// The timeline of all photos, with its version.
    all: Mutex<Option<(u64, Arc<[Seen]>)>>,
}

/// A photo in the library.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The id of its content.
    pub id: Id,
    /// The record of the first path; `None` if a newer version wrote it.
    pub photo: Option<Photo>,
    /// The paths of all copies, sorted by their bytes; at least one.
    pub paths: Vec<PathBuf>,
    /// The recorded stamp of the file at each path.
    stamps: Vec<Stamp>,
}

/// A photo in a list without a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The photo.
    pub photo: Known,
    /// How many near-duplicates it stands for; `None` unless the query collapses them.
    pub similar: Option<usize>,
}

/// The data that a grid of photos needs about each photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The id of its content.
    pub id: Id,
    /// The local time at which it was taken: milliseconds since 1970-01-01 00:00.
    pub taken_ms: i64,
    /// Width in pixels, seen upright; 0 if unknown.
    pub width: u32,
    /// Height in pixels, seen upright; 0 if unknown.
    pub height: u32,
}

/// A page of results.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The results, sorted.
    pub photos: Vec<T>,
    /// The start of the next page, if there is one.
    pub next: Option<Cursor>,
}

impl Service {
    /// A service whose engines `open` opens, with the thumbnails of their library. `zone` is the time zone for the times of
    /// files.
    pub fn new(open: Open, zone: TimeZone, limits: Limits, thumbnails: Option<Thumbnails>) -> Service {
        let inner = Inner {
            open,
            engine: RwLock::default(),
            looked: Mutex::default(),
            version: AtomicU64::new(RandomState::new().hash_one(0)),
            zone,
            pictures: Pictures::new(limits, thumbnails),
            all: Mutex::default(),
        };
        Service { inner: Arc::new(inner) }
    }

    /// The current engine, after a check for a newer index; `None` if nothing is indexed yet.
    ///
    /// # Errors
    /// As [`Service::refresh`].
    pub fn engine(&self) -> Result<Option<Engine>, ServiceError> {
        let mut looked = self.inner.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.look()?;
            *looked = Some(Instant::now());
        }
        Ok(self.current())
    }

    /// The current view of the library; `None` if nothing is indexed yet.
    ///
    /// # Errors
    /// As [`Service::refresh`].
    pub fn view(&self) -> Result<Option<Arc<dyn View>>, ServiceError> {
        Ok(self.engine()?.map(|engine| engine.view()))
    }

    /// Checks for a newer index, and returns whether there was one.
    ///
    /// # Errors
    /// [`ServiceError::Engine`] or [`ServiceError::Open`] if the newer index cannot be opened. The old one stays in
    /// use.
    pub fn refresh(&self) -> Result<bool, ServiceError> {
        let mut looked = self.inner.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = self.look()?;
        *looked = Some(Instant::now());
        Ok(is_newer)
    }

    /// The version of the published index. If it changes, the library may have other photos.
    pub fn version(&self) -> u64 {
        self.inner.version.load(Ordering::Acquire)
    }

    fn current(&self) -> Option<Engine> {
        self.inner.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The caller holds the lock of `looked`.
    fn look(&self) -> Result<bool, ServiceError> {
        let is_newer = match self.current().map(|engine| engine.refresh()) {
            Some(Ok(is_newer)) => is_newer,
            Some(Err(EngineError::OtherModel { .. })) | None => self.reopen()?,
            Some(Err(EngineError::Store(error))) if error.is_missing() => self.reopen()?,
            Some(Err(error)) => return Err(error.into()),
        };
        if is_newer {
            self.inner.version.fetch_add(1, Ordering::AcqRel);
        }
        Ok(is_newer)
    }

    fn reopen(&self) -> Result<bool, ServiceError> {
        let engine = (self.inner.open)().map_err(ServiceError::Open)?;
        let mut current = self.inner.engine.write().unwrap_or_else(PoisonError::into_inner);
        let is_newer = engine.is_some() || current.is_some();
        *current = engine;
        Ok(is_newer)
    }

    /// A page of `query.top` matches after the cursor. Pages follow each other by score; within a page the matches have
    /// the order of the query.
    ///
    /// # Errors
    /// As [`Engine::search`] and [`Service::refresh`].
    pub fn search(&self, query: &Query, after: Option<Cursor>) -> Result<Page<Match>, ServiceError> {
        let Some(engine) = self.engine()? else { return Ok(Page { photos: Vec::new(), next: None }) };
        let seen = after.map_or(0, |after| after.seen as usize);
        let wanted = query.top.get();
        // One more result tells if there is another page.
        let mut top = NonZeroUsize::MIN.saturating_add(seen + wanted);
        loop {
            let mut found = engine.search(&Query { top, order: Order::Score, ..query.clone() })?;
            let is_all = found.len() < top.get();
            let mut rest = found.split_off(after.map_or(0, |after| after.passes(&found, place_of)));
            if rest.len() <= wanted && !is_all {
                // New photos may precede the cursor: request more.
                top = top.saturating_mul(NonZeroUsize::MIN.saturating_add(1));
                continue;
            }
            let is_last = rest.len() <= wanted;
            rest.truncate(wanted);
            for (at, found) in rest.iter_mut().enumerate() {
                found.rank = seen + at + 1;
            }
            let end = rest.last().map(|last| (place_of(last), seen + rest.len()));
            let next = end.filter(|_| !is_last).map(|((place, key), seen)| cursor_at(place, key, seen));
            return Ok(Page { photos: in_order(rest, &query.order), next });
        }
    }

    /// The rank of the last match of a page that is likely relevant, or the number of matches before the page if none
    /// is; `None` if nothing is indexed yet.
    ///
    /// # Errors
    /// As [`Engine::likely`] and [`Service::refresh`].
    pub fn likely(&self, matches: &[Match]) -> Result<Option<usize>, ServiceError> {
        let Some(engine) = self.engine()? else { return Ok(None) };
        let likely = engine.likely(matches)?;
        let last = likely.iter().rposition(|likely| *likely);
        let before = matches.first().map_or(0, |first| first.rank - 1);
        Ok(Some(last.map_or(before, |last| matches[last].rank)))
    }

    /// All photos that pass the filter, newest first, each content once. Photos without an id, indexed by a very early
    /// version, are left out.
    ///
    /// # Errors
    /// [`ServiceError::Store`], and as [`Service::refresh`].
    pub fn timeline(&self, filter: &Filter) -> Result<Arc<[Seen]>, ServiceError> {
        let Some(view) = self.view()? else { return Ok(Arc::default()) };
        if !filter.is_empty() {
            return Ok(self.seen(&*view, filter)?.into());
        }
        let version = self.version();
        let mut all = self.inner.all.lock().unwrap_or_else(PoisonError::into_inner);
        match &*all {
            Some((of, seen)) if *of == version => Ok(Arc::clone(seen)),
            _ => {
                let seen: Arc<[Seen]> = self.seen(&*view, filter)?.into();
                *all = Some((version, Arc::clone(&seen)));
                Ok(seen)
            }
        }
    }

    /// A page of `query.top` photos that pass the query's filter, after the cursor. Pages follow each other by date, newest
    /// first; within a page the photos have the order of the query. Its expression, cutoff and `exact` do not count.
    ///
    /// # Errors
    /// As [`Service::timeline`].
    pub fn newest(&self, query: &Query, after: Option<Cursor>) -> Result<Page<Listed>, ServiceError> {
        let mut page = match query.near_duplicates {
            NearDuplicates::Show => self.all_newest(query, after)?,
            NearDuplicates::Collapse => self.different_newest(query, after)?,
        };
        if query.order == Order::Path {
            page.photos.sort_by(|a, b| path_bytes(&a.photo.paths[0]).cmp(&path_bytes(&b.photo.paths[0])));
        }
        Ok(page)
    }

    fn all_newest(&self, query: &Query, after: Option<Cursor>) -> Result<Page<Listed>, ServiceError> {
        let all = self.timeline(&query.filter)?;
        let place = |seen: &Seen| (Place::Taken(seen.taken_ms), short(seen.id));
        let rest = &all[after.map_or(0, |after| after.passes(&all, place))..];
        let page = &rest[..rest.len().min(query.top.get())];
        let end = page.last().filter(|_| page.len() < rest.len());
        let seen = after.map_or(0, |after| after.seen as usize) + page.len();
        let next = end.map(place).map(|(place, key)| cursor_at(place, key, seen));
        let mut photos = Vec::with_capacity(page.len());
        for seen in page {
            // The photo may have been removed meanwhile.
            photos.extend(self.photo(seen.id)?.map(|photo| Listed { photo, similar: None }));
        }
        Ok(Page { photos, next })
    }

    /// The same without near-duplicates of newer photos.
    ///
    /// If the library has changed since the first page, it is not known which photos were on the pages so far. A new one
    /// there must not hide one that was on none. So photos are then compared only with those after the cursor.
    fn different_newest(&self, query: &Query, after: Option<Cursor>) -> Result<Page<Listed>, ServiceError> {
        let Some(view) = self.view()? else { return Ok(Page { photos: Vec::new(), next: None }) };
        let (now, zone) = (self.version(), &self.inner.zone);
        let version = after.map_or(now, |after| after.version);
        let mut all = dated(&*view, &query.filter, zone)?;
        let mut seen = after.map_or(0, |after| after.seen as usize);
        if let Some(after) = after.filter(|_| version != now) {
            let rest = all.split_off(after.passes(&all, |one: &Dated| taken(one.taken_ms, &one.item.path)));
            let known: ahash::HashSet<_> = all.iter().filter_map(|one| one.content).collect();
            all = rest;
            all.retain(|one| one.content.is_none_or(|content| !known.contains(&content)));
            seen = 0;
        }
        let end = seen + query.top.get();
        let top = NonZeroUsize::MIN.saturating_add(end);
        let mut found = first(&*view, &Query { top, order: Order::Score, ..query.clone() }, &all)?;
        let is_last = found.len() < top.get();
        found.truncate(end);
        let last = found.last().filter(|_| !is_last);
        let next = last.map(|last| {
            let (place, key) = taken(last.wall_ms(zone).unwrap_or(i64::MIN), &last.path);
            Cursor { version, ..cursor_at(place, key, end) }
        });
        let mut photos = Vec::with_capacity(query.top.get());
        for Match { content, similar, .. } in found.into_iter().skip(seen) {
            let Some(content) = content else { continue };
            photos.extend(self.photo(Id(content))?.map(|photo| Listed { photo, similar: Some(similar) }));
        }
        Ok(Page { photos, next })
    }

    fn seen(&self, view: &dyn View, filter: &Filter) -> Result<Vec<Seen>, StoreError> {
        let mut all = Vec::new();
        view.each(filter, Load::WithoutVector, &mut |stored| {
            if let Some(content) = stored.content {
                let details = stored.photo.as_ref().and_then(|photo| photo.details.as_ref());
                let taken_ms = details.map_or(i64::MIN, |details| details.wall_ms(&self.inner.zone));
                let (width, height) = details.map_or((0, 0), |details| (details.width, details.height));
                all.push(Seen { id: Id(content), taken_ms, width, height });
            }
            ControlFlow::Continue(())
        })?;
        // The files of copies may have different times: the newest counts.
        all.sort_by_key(|seen| (std::cmp::Reverse(seen.taken_ms), seen.id));
        let mut met = ahash::HashSet::default();
        all.retain(|seen| met.insert(seen.id));
        Ok(all)
    }

    /// A photo by its id.
    ///
    /// # Errors
    /// [`ServiceError::Store`], and as [`Service::refresh`].
    pub fn photo(&self, id: Id) -> Result<Option<Known>, ServiceError> {
        let Some(view) = self.view()? else { return Ok(None) };
        let mut copies = view.of_content(&id.0, MOST_COPIES)?;
        copies.retain(|copy| copy.item.part.is_none());
        copies.sort_by(|a, b| path_bytes(&a.item.path).cmp(&path_bytes(&b.item.path)));
        let none = Stamp { size: 0, modified_ns: 0, changed_ns: 0 };
        let stamps =
            copies.iter().map(|copy| copy.photo.as_ref().map_or(none, |photo| photo.stamp)).collect();
        let photo = copies.first().and_then(|first| first.photo.clone());
        let paths: Vec<PathBuf> = copies.into_iter().map(|copy| copy.item.path).collect();
        Ok((!paths.is_empty()).then_some(Known { id, photo, paths, stamps }))
    }

    /// A thumbnail or preview, if it is in memory.
    pub fn kept(&self, id: Id, size: Size) -> Option<Arc<[u8]>> {
        self.inner.pictures.kept(id, size)
    }

    /// A thumbnail or preview of a photo, as JPEG.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPhoto`], [`ServiceError::Changed`] and [`ServiceError::Picture`], and as
    /// [`Service::photo`].
    pub fn small(&self, id: Id, size: Size) -> Result<Arc<[u8]>, ServiceError> {
        if let Some(kept) = self.kept(id, size) {
            return Ok(kept);
        }
        let photo = self.photo(id)?.ok_or(ServiceError::NoSuchPhoto { id })?;
        self.inner.pictures.make(&photo, size)
    }

    /// A photo as a JPEG whose longer side has at most `side` pixels, and never more than a preview.
    ///
    /// # Errors
    /// As [`Service::small`].
    pub fn within(&self, id: Id, side: u32) -> Result<Vec<u8>, ServiceError> {
        let size = if side <= Size::Thumbnail.side() { Size::Thumbnail } else { Size::Preview };
        let small = self.small(id, size)?;
        self.inner.pictures.within(&small, side).map_err(|error| ServiceError::Picture { id, error })
    }

    /// The file of a photo, if it has not changed since it was indexed.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPhoto`] and [`ServiceError::Changed`], and as [`Service::photo`].
    pub fn original(&self, id: Id) -> Result<Original, ServiceError> {
        let photo = self.photo(id)?.ok_or(ServiceError::NoSuchPhoto { id })?;
        pictures::original(&photo)
    }
}

fn place_of(found: &Match) -> (Place, u64) {
    (Place::Score(found.standing()), key_of(&found.path))
}

fn taken(ms: i64, path: &Path) -> (Place, u64) {
    (Place::Taken(ms), key_of(path))
}

fn key_of(path: &Path) -> u64 {
    ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(path)
}

fn cursor_at(place: Place, key: u64, seen: usize) -> Cursor {
    Cursor { question: 0, seen: u32::try_from(seen).unwrap_or(u32::MAX), place, key, version: 0 }
}

/// Half of an id, which is enough to distinguish photos with the same time.
fn short(id: Id) -> u64 {
    let [half, _] = id.0.0.as_chunks::<8>().0 else { return 0 };
    u64::from_be_bytes(*half)
}

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The library cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No engine could be opened.
    #[error("{0}")]
    Open(OpenError),
    /// No photo has this id.
    #[error("the library has no photo {id}")]
    NoSuchPhoto {
        /// The id.
        id: Id,
    },
    /// The file does not exist any more or has other content.
    #[error("the file of photo {id} is gone or has changed since it was indexed")]
    Changed {
        /// The id.
        id: Id,
    },
    /// The photo cannot be shown.
    #[error("cannot show photo {id}: {error}")]
    Picture {
        /// The id.
        id: Id,
        /// The reason.
        error: PictureError,
    },
}

impl Hint for ServiceError {
    fn hint(&self) -> Option<String> {
        match self {
            ServiceError::Engine(error) => error.hint(),
            ServiceError::Store(error) => error.hint(),
            ServiceError::Picture { error, .. } => error.hint(),
            ServiceError::Changed { .. } => Some("run `imgsearch index` again".to_owned()),
            ServiceError::Open(_) | ServiceError::NoSuchPhoto { .. } => None,
        }
    }
}
