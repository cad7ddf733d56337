//! The seam to storage: what a library asks of the store that keeps its records.
//!
//! A [`View`] answers from one published state, and a [`Sink`] takes what is to be in the next. All that crosses the seam
//! is plain data, so that every store can answer where its records are: the embedded one (`embedded.rs`) turns a
//! [`Filter`] into a selection of rows, another could turn it into a condition of its own language. `tests/it/store.rs`
//! says what a store must do, and holds the embedded one and one in memory to it.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgsearch_index::{Error as IndexError, Fingerprint, Space, Vector};

use super::Note;
use crate::hint::Hint;
use crate::item::Item;
use crate::photo::Photo;
use crate::query::Filter;

/// What is kept of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Which.
    pub item: Item,
    /// The content that it was read from, where that is known.
    pub content: Option<Fingerprint>,
    /// What is remembered of it; `None` where a later version wrote that.
    pub photo: Option<Photo>,
    /// Its vector, if it has one and it was asked for.
    pub vector: Option<Vector>,
}

/// How much of a record is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// All but its vector.
    WithoutVector,
    /// All of it.
    WithVector,
}

/// Which photos a search is to find.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Those closest to this.
    pub vector: &'a Vector,
    /// So many of them.
    pub top: NonZeroUsize,
    /// Only those that meet these conditions.
    pub filter: &'a Filter,
    /// None of these.
    pub without_items: &'a [Item],
    /// None with one of these contents.
    pub without_contents: &'a [Fingerprint],
    /// Compare with every photo, even where another way is faster.
    pub exact: bool,
    /// How much of each is needed.
    pub load: Load,
}

impl<'a> Ask<'a> {
    /// The `top` photos closest to `vector` of those that meet the conditions.
    pub fn new(vector: &'a Vector, top: NonZeroUsize, filter: &'a Filter) -> Ask<'a> {
        let (without_items, without_contents) = (&[], &[]);
        Ask { vector, top, filter, without_items, without_contents, exact: false, load: Load::WithoutVector }
    }
}

/// A photo that a search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The photo.
    pub stored: Stored,
    /// The cosine of the angle between its vector and the one asked for: greater is closer.
    pub score: f32,
}

/// One change of a library.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are photos, and of the others no more than a batch is there"
)]
pub enum Write {
    /// Keep this in place of what was kept of the item. Without a vector it is a file that was left out: it is
    /// remembered, and no search finds it. The parts that a file had go with what was kept of it, so those that it has now
    /// are put behind it.
    Put {
        /// The item.
        item: Item,
        /// The content that it was read from.
        content: Option<Fingerprint>,
        /// What is to be remembered.
        photo: Photo,
        /// Its vector.
        vector: Option<Vector>,
    },
    /// Forget a file and all its parts. One that is not kept is no error.
    Remove {
        /// The path of the file.
        path: PathBuf,
    },
}

/// What a store consists of. What it does not know is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records with a vector.
    pub rows: usize,
    /// Rows that were deleted or replaced and still take space.
    pub dead_rows: usize,
    /// Pieces that each search looks into.
    pub segments: usize,
    /// How many of `rows` a graph covers; the others are compared one by one.
    pub graph_rows: usize,
    /// All of it on the disk.
    pub bytes_on_disk: u64,
}

/// Takes the photos that a store names, one by one, until it answers [`ControlFlow::Break`].
pub type Visit<'a> = &'a mut dyn FnMut(Stored) -> ControlFlow<()>;

/// The same for items of which each is told whether it is a photo.
pub type VisitItem<'a> = &'a mut dyn FnMut(Stored, bool) -> ControlFlow<()>;

/// Visits what `all` names with a `visit` that may fail. The first failure, or an answer of [`ControlFlow::Break`], ends
/// it.
///
/// # Errors
/// Those of `all` and of `visit`.
pub fn try_visit<E: From<StoreError>>(
    all: impl FnOnce(Visit<'_>) -> Result<(), StoreError>,
    mut visit: impl FnMut(Stored) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut failed = None;
    all(&mut |stored| {
        visit(stored).unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })?;
    failed.map_or(Ok(()), Err)
}

/// A library as it was published at one time. It never changes, and threads may share it.
///
/// Its *photos* are the items that have a vector. All methods that give a `Result` fail when the store cannot be read
/// or is damaged.
#[expect(clippy::missing_errors_doc, reason = "they all fail for the one reason that stands above")]
pub trait View: Send + Sync {
    /// Which model made the vectors.
    fn space(&self) -> &Space;

    /// What the last run noted.
    fn note(&self) -> Note;

    /// What the store consists of.
    fn stats(&self) -> Stats;

    /// What was published since, if anything was. It is cheap to ask.
    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError>;

    /// The photos that are asked for, best first, and those that are equally close in the order of their keys. There are
    /// fewer than asked for only where there are not more.
    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError>;

    /// How many photos meet the conditions.
    fn count(&self, filter: &Filter) -> Result<usize, StoreError>;

    /// What is kept of an item, with its vector.
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError>;

    /// Photos of this content with their vectors, `most` at most.
    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError>;

    /// Visits all photos that meet the conditions, in no particular order.
    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Visits every item without its vector, in no particular order, also those that are no photos: files that were left
    /// out. Each comes with whether it is a photo.
    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError>;
}

/// Changes a library. Threads may share it. What it says of records is true after each change, also before it is
/// published.
#[expect(clippy::missing_errors_doc, reason = "they fail when the store cannot be read or written")]
pub trait Sink: Send + Sync {
    /// What is kept of an item, without its vector.
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError>;

    /// Visits the photos of this content with their vectors, in no particular order. Each vector is of this content, even
    /// if other threads change the photos at the same time.
    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Visits what is kept of the files at and below `folder` and of their parts, in the order of their keys. What
    /// changes meanwhile may or may not be visited.
    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Whether [`Sink::apply`] would refuse this, and why. It is cheap, so one file need not cost others their changes.
    fn check(&self, write: &Write) -> Result<(), StoreError>;

    /// Makes all these changes or, when it fails, none. They are durable when this returns.
    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// The note last set.
    fn note(&self) -> Result<Note, StoreError>;

    /// Keeps a note in place of the one before.
    fn set_note(&self, note: &Note) -> Result<(), StoreError>;

    /// Makes every change visible to views that are opened from now on, and ends.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// Why a library cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An index does not open, does not read, or does not take changes.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// `library.json` cannot be understood, or names an index that is not there.
    #[error("the library is damaged: {} does not say which index is in use", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
    },
    /// The path of a file is longer than what can be stored, or (off Unix) not valid Unicode.
    #[error("{} cannot be stored under its name", path.display())]
    Unnameable {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("could not {action} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// The index knows no commands; this names the one that helps.
impl Hint for IndexError {
    fn hint(&self) -> Option<String> {
        let command = if matches!(self, IndexError::Missing { .. }) {
            "run `imgsearch index ~/Photos` first"
        } else if matches!(self, IndexError::Locked { .. }) {
            "another imgsearch is changing this library: wait until it has ended; queries work meanwhile"
        } else if matches!(self, IndexError::Damaged { .. } | IndexError::Catalog { .. }) {
            "run `imgsearch repair`"
        } else {
            return IndexError::hint(self).map(str::to_owned);
        };
        Some(command.to_owned())
    }
}

impl Hint for StoreError {
    fn hint(&self) -> Option<String> {
        match self {
            StoreError::Index(error) => Hint::hint(error),
            StoreError::Layout { .. } => Some("run `imgsearch repair`".to_owned()),
            StoreError::Unnameable { .. } | StoreError::Io { .. } => None,
        }
    }
}

impl StoreError {
    /// Whether another process is changing the library.
    pub fn is_locked(&self) -> bool {
        matches!(self, StoreError::Index(IndexError::Locked { .. }))
    }

    /// Whether there is no library yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, StoreError::Index(IndexError::Missing { .. }))
    }
}
