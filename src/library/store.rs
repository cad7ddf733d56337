//! The interface to storage: the traits of the store that keeps a library's records.
//!
//! A [`View`] answers from one published state. A [`Sink`] receives the changes for the next one. Both exchange plain
//! data only, so a store can evaluate a [`Filter`] itself: the embedded store (`embedded.rs`) turns it into a selection
//! of rows, and another could turn it into a condition of its own language. `tests/it/store.rs` has the tests that
//! every store must pass, and runs them on the embedded store and on one in memory.

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
use crate::query::{Filter, TextCondition};

/// The record of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The item.
    pub item: Item,
    /// The content that it was read from, if known.
    pub content: Option<Fingerprint>,
    /// Its stored details; `None` if a newer version wrote them.
    pub photo: Option<Photo>,
    /// Its vector, if it has one and it was requested.
    pub vector: Option<Vector>,
}

/// The parts of a record to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// All except its vector.
    WithoutVector,
    /// The whole record.
    WithVector,
}

/// The parameters of a search.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The vector to compare with.
    pub vector: &'a Vector,
    /// The maximum number of photos.
    pub top: NonZeroUsize,
    /// The conditions that photos must meet.
    pub filter: &'a Filter,
    /// The items to leave out.
    pub without_items: &'a [Item],
    /// The contents to leave out.
    pub without_contents: &'a [Fingerprint],
    /// Compare with every photo, even if another method is faster.
    pub exact: bool,
    /// The parts of each record to load.
    pub load: Load,
}

impl<'a> Ask<'a> {
    /// Searches the `top` photos closest to `vector` that meet the conditions.
    pub fn new(vector: &'a Vector, top: NonZeroUsize, filter: &'a Filter) -> Ask<'a> {
        let (without_items, without_contents) = (&[], &[]);
        Ask { vector, top, filter, without_items, without_contents, exact: false, load: Load::WithoutVector }
    }
}

/// A photo found by a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The photo.
    pub stored: Stored,
    /// The cosine similarity of its vector and the search vector: greater is closer.
    pub score: f32,
}

/// The most photos in which words stand that are compared with a query.
pub(super) const MOST_STANDING: NonZeroUsize = NonZeroUsize::new(1_000).expect("not zero");

/// How many photos a sample should have: enough to estimate a deviation within a few percent.
pub(super) const SAMPLE: usize = 512;

/// The standard deviation of the scores of a sample.
#[expect(clippy::cast_precision_loss, reason = "a sample is small")]
pub(super) fn deviation(scores: &[f32]) -> f32 {
    let count = scores.len().max(1) as f32;
    let mean = scores.iter().sum::<f32>() / count;
    (scores.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / count).sqrt()
}

/// The photos in which some words stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The number of all photos.
    pub photos: usize,
    /// For each word, in how many of all photos it stands. A database may count a few more if a word has several parts and
    /// stands in thousands of photos.
    pub counts: Vec<usize>,
    /// The photos that meet the conditions, each with a bit for each word, the lowest for the first. If there are more than
    /// `MOST_STANDING`, so many of the closest ones, and of those with all words that stand in any of them.
    pub hits: Vec<(Hit, u32)>,
    /// The standard deviation of the scores of a sample of all photos.
    pub deviation: f32,
}

/// One change of a library.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most are photos, and no more than one batch exists")]
pub enum Write {
    /// Store this record of the item and replace an earlier one. A record without a vector is a skipped file, which no
    /// search finds. Replacing the record of a file also removes its parts, so put its current parts after it.
    Put {
        /// The item.
        item: Item,
        /// The content that it was read from.
        content: Option<Fingerprint>,
        /// The details to store.
        photo: Photo,
        /// Its vector.
        vector: Option<Vector>,
    },
    /// Remove a file and all its parts. A file without a record is not an error.
    Remove {
        /// The path of the file.
        path: PathBuf,
    },
}

/// The sizes of a store. Unknown values are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records with a vector.
    pub rows: usize,
    /// Rows that were deleted or replaced and still take space.
    pub dead_rows: usize,
    /// Segments that each search reads.
    pub segments: usize,
    /// The number of `rows` covered by a graph. The others are compared one by one.
    pub graph_rows: usize,
    /// The size of the whole store on the disk.
    pub bytes_on_disk: u64,
}

/// Visits photos one by one until it returns [`ControlFlow::Break`].
pub type Visit<'a> = &'a mut dyn FnMut(Stored) -> ControlFlow<()>;

/// Visits items in the same way. The flag tells whether the item is a photo.
pub type VisitItem<'a> = &'a mut dyn FnMut(Stored, bool) -> ControlFlow<()>;

/// Visits the items of `all` with a `visit` that may fail. The first failure or [`ControlFlow::Break`] ends the visit.
///
/// # Errors
/// The errors of `all` and of `visit`.
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

/// A published state of a library. Threads may share it.
///
/// A view of a library folder never changes. A view of a library in a database may answer from a later state than that
/// in which it was opened, because other machines change it at any time; each single answer is of one state.
///
/// Its *photos* are the items that have a vector. All methods that return a `Result` fail if the store is damaged or
/// cannot be read.
#[expect(clippy::missing_errors_doc, reason = "the errors are described above")]
pub trait View: Send + Sync {
    /// The vector space of the model.
    fn space(&self) -> &Space;

    /// The note of the last run.
    fn note(&self) -> Note;

    /// The sizes of the store.
    fn stats(&self) -> Stats;

    /// The newer published state, if there is one. This check is cheap.
    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError>;

    /// The matching photos, best first; equally close ones are sorted by key. There are fewer than `top` only if no
    /// more photos match.
    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError>;

    /// The photos that meet the conditions of `ask` in which at least one of the words stands; at most 32 words. `None` if
    /// no photo has any text, or if this store cannot look up words quickly.
    fn standing(&self, _ask: &Ask<'_>, _words: &[TextCondition]) -> Result<Option<Standing>, StoreError> {
        Ok(None)
    }

    /// The number of photos that meet the conditions.
    fn count(&self, filter: &Filter) -> Result<usize, StoreError>;

    /// The record of an item, with its vector.
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError>;

    /// At most `most` photos with this content, with their vectors.
    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError>;

    /// Visits all photos that meet the conditions, in no particular order.
    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Visits every item without its vector, in no particular order, including skipped files, which are not photos.
    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError>;
}

/// Changes a library. Threads may share it. Reading records includes the changes that are not published yet.
#[expect(clippy::missing_errors_doc, reason = "they fail when the store cannot be read or written")]
pub trait Sink: Send + Sync {
    /// The record of an item, without its vector.
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError>;

    /// Visits the photos of this content with their vectors, in no particular order. Each vector belongs to this
    /// content, even if other threads change the photos at the same time.
    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Visits the records of the files at and below `folder` and of their parts, sorted by key. Records that change
    /// meanwhile may or may not be visited.
    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Returns the error with which [`Sink::apply`] would refuse this change. This check is cheap, and prevents one
    /// file from failing the changes of others.
    fn check(&self, write: &Write) -> Result<(), StoreError>;

    /// Applies all these changes or, if it fails, none. They are durable when this returns.
    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Whether other processes may change the library at the same time. Then work is divided with [`Sink::claim`].
    fn is_shared(&self) -> bool {
        false
    }

    /// Claims files for this sink, so that no other process works on them. Returns for each whether it is claimed now; any
    /// other is claimed by another process. A claim ends when [`Sink::apply`] writes the file, with [`Sink::release`],
    /// when the sink is closed, or some minutes after its process has ended in another way.
    fn claim(&self, files: &[Item]) -> Result<Vec<bool>, StoreError> {
        Ok(vec![true; files.len()])
    }

    /// Keeps the claims of this sink from ending. Call it at least once a minute while there are any.
    fn renew_claims(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Gives up claims of files that are not written. Those of other sinks stay.
    fn release(&self, _files: &[Item]) -> Result<(), StoreError> {
        Ok(())
    }

    /// The current note.
    fn note(&self) -> Result<Note, StoreError>;

    /// Replaces the note.
    fn set_note(&self, note: &Note) -> Result<(), StoreError>;

    /// Publishes all changes for views opened from now on, and closes the sink.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// The reason why a library cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An index cannot be opened, read or changed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// `library.json` is invalid, or names a missing index.
    #[error("the library is damaged: {} does not say which index is in use", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
    },
    /// The path of a file is too long to be stored, or (except on Unix) not valid Unicode.
    #[error("the path of {} is too long or not valid Unicode", path.display())]
    Unnameable {
        /// The path.
        path: PathBuf,
    },
    /// A URL does not name a library that this program can open.
    #[error("cannot use {url} as a library: {reason}")]
    Url {
        /// The URL, without secrets.
        url: String,
        /// Why not, and what is accepted instead.
        reason: String,
    },
    /// The library is in a database, and the operation needs the files of a library folder.
    #[error(
        "the library {library} is in a database: `verify` and `repair` work on the files of a library folder only"
    )]
    NoFolder {
        /// Its URL, without secrets.
        library: String,
    },
    /// Nothing was indexed yet into this library.
    #[error("there is no library {library} yet")]
    NoLibrary {
        /// Its folder, or its URL without secrets.
        library: String,
    },
    /// The database of a library failed.
    #[error("could not {action} the library {library}: {detail}")]
    Database {
        /// Its URL, without secrets.
        library: String,
        /// The failed operation, as a verb.
        action: &'static str,
        /// What the database or the network said.
        detail: String,
        /// What to do next, if that is known.
        hint: Option<String>,
    },
    /// The operating system refused an operation.
    #[error("could not {action} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The refused operation, as a verb.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
}

/// The hint names a command, because the index crate does not know our commands.
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
            StoreError::NoLibrary { .. } => Some("run `imgsearch index ~/Photos` first".to_owned()),
            StoreError::Database { hint, .. } => hint.clone(),
            StoreError::NoFolder { .. } => Some("check it with the tools of the database".to_owned()),
            StoreError::Url { .. } | StoreError::Unnameable { .. } | StoreError::Io { .. } => None,
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
        matches!(self, StoreError::Index(IndexError::Missing { .. }) | StoreError::NoLibrary { .. })
    }
}
