//! The data of `status`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use imgsearch::Library;
use imgsearch::library::{self, Note, Root, Stats, StoreError, Stored, View};
use imgsearch::photo::{Skip, SkipKind};
use imgsearch::query::Filter;
use imgsearch::walk::Kind;
use serde::{Serialize, Serializer};

/// The data of `status`. The field names are the keys of `status --json`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
pub(crate) struct Status {
    pub(crate) library: String,
    pub(crate) model: Option<String>,
    /// Where the image model ran when pictures were embedded last, as `--device` names it.
    pub(crate) device: Option<String>,
    pub(crate) images: usize,
    /// The folders that were indexed.
    pub(crate) folders: Vec<KnownFolder>,
    #[cfg_attr(feature = "serve", schema(value_type = BTreeMap<String, u64>))]
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Files in the last run that are not pictures.
    #[serde(serialize_with = "by_name")]
    #[cfg_attr(feature = "serve", schema(value_type = BTreeMap<String, u64>))]
    pub(crate) not_pictures: BTreeMap<Kind, u64>,
    /// RAW files that the last run skipped in favour of their JPEG.
    pub(crate) stood_back: u64,
    pub(crate) noted: usize,
    pub(crate) bytes_on_disk: u64,
    pub(crate) bytes_per_image: u64,
    pub(crate) segments: usize,
    pub(crate) rows: usize,
    pub(crate) dead_rows: usize,
    pub(crate) graph_rows: usize,
    /// RFC 3339, in UTC.
    #[cfg_attr(feature = "serve", schema(value_type = Option<String>))]
    pub(crate) last_indexed: Option<jiff::Timestamp>,
    /// Indexes for other models that are not complete yet.
    pub(crate) building: Vec<Building>,
}

/// A folder that was indexed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
pub(crate) struct KnownFolder {
    pub(crate) folder: String,
    pub(crate) images: usize,
    /// RFC 3339, in UTC; null if no run over it was completed.
    #[cfg_attr(feature = "serve", schema(value_type = Option<String>))]
    pub(crate) last_indexed: Option<jiff::Timestamp>,
}

/// An index that will replace the one in use once it has all its photos.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "serve", derive(utoipa::ToSchema))]
pub(crate) struct Building {
    pub(crate) folder: String,
    pub(crate) model: String,
    pub(crate) images: usize,
}

/// Replaces the kinds by their names.
fn by_name<S: Serializer>(kinds: &BTreeMap<Kind, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(kinds.iter().map(|(kind, files)| (kind.plural(), files)))
}

/// What the collections of a library take on the disk, as far as they open.
fn bytes_of_collections(library: &Library) -> u64 {
    let views = library.collections().into_iter().filter_map(|collection| collection.view().ok());
    views.map(|view| view.stats().bytes_on_disk).sum()
}

/// The status of a library. `view` is its published state, if there is one.
///
/// # Errors
/// If the library cannot be read.
pub(crate) fn status_of(library: &Library, view: Option<&dyn View>) -> Result<Status, StoreError> {
    let note = view.map_or_else(Note::default, View::note);
    let (mut by_reason, mut images, mut noted) = (BTreeMap::new(), 0, 0);
    let roots: Vec<PathBuf> = note.roots().iter().map(Root::path).collect();
    let mut in_roots = vec![0; roots.len()];
    if let Some(view) = view {
        each_file(view, |file, is_photo| {
            if let Some(skip) = skip_of(&file) {
                *by_reason.entry(skip.kind.label()).or_default() += 1;
            }
            images += usize::from(is_photo);
            // A folder inside another has its own count.
            let inside = roots.iter().enumerate().filter(|(_, root)| file.item.path.starts_with(root));
            if let Some((at, _)) = inside.max_by_key(|(_, root)| root.as_os_str().len()) {
                in_roots[at] += usize::from(is_photo);
            }
            noted += usize::from(is_photo && note_of(&file).is_some());
        })?;
    }
    let stats = view.map_or_else(Stats::default, View::stats);
    let bytes_on_disk = stats.bytes_on_disk + bytes_of_collections(library);
    let mut building = Vec::new();
    for library::Building { place, view } in library.building()? {
        building.push(Building {
            folder: place,
            model: view.space().label().to_owned(),
            images: view.count(&Filter::default())?,
        });
    }
    Ok(Status {
        library: library.to_string(),
        model: view.map(|view| view.space().label().to_owned()),
        device: note.device().map(str::to_owned),
        images,
        folders: note.roots().iter().zip(in_roots).map(known_folder).collect(),
        skipped: by_reason,
        not_pictures: note.not_pictures().collect(),
        stood_back: note.stood_back,
        noted,
        bytes_on_disk,
        bytes_per_image: bytes_on_disk.checked_div(stats.rows as u64).unwrap_or(0),
        segments: stats.segments,
        rows: stats.rows,
        dead_rows: stats.dead_rows,
        graph_rows: stats.graph_rows,
        last_indexed: time(note.last_indexed),
        building,
    })
}

fn known_folder((root, images): (&Root, usize)) -> KnownFolder {
    KnownFolder { folder: root.path().display().to_string(), images, last_indexed: time(root.last_indexed) }
}

/// The time of a note, which has 0 for never.
fn time(seconds: i64) -> Option<jiff::Timestamp> {
    (seconds > 0).then(|| jiff::Timestamp::from_second(seconds).ok()).flatten()
}

/// Visits every file in a library with a flag that tells if it is a photo. Parts of files are skipped.
pub(crate) fn each_file(view: &dyn View, mut visit: impl FnMut(Stored, bool)) -> Result<(), StoreError> {
    view.each_item(&mut |stored, is_photo| {
        if stored.item.part.is_none() {
            visit(stored, is_photo);
        }
        ControlFlow::Continue(())
    })
}

/// Why a file was skipped, or why a photo that is still indexed could not be read again.
pub(crate) fn skip_of(file: &Stored) -> Option<&Skip> {
    let photo = file.photo.as_ref()?;
    photo.skip.as_ref().or(photo.trouble.as_ref()).filter(|skip| skip.kind != SkipKind::OtherFile)
}

/// The fault of a photo that was embedded in spite of it.
pub(crate) fn note_of(photo: &Stored) -> Option<&str> {
    photo.photo.as_ref()?.details.as_ref()?.note.as_deref()
}
