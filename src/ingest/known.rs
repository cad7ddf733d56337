//! What the library knows of a content.

use std::ops::ControlFlow;
use std::path::Path;

use imgsearch_index::{Fingerprint, Vector};

use crate::item::{Item, Part};
use crate::library::{Sink, StoreError, Stored, Write};
use crate::photo::Photo;

/// A record and its vector.
pub(super) type Embedded = (Photo, Vector);

/// What is kept of a file that has the content. Another file of the same content is to be kept just so.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) photo: Photo,
    pub(super) vector: Vector,
    /// What is kept of its parts. Each of them has a vector.
    pub(super) parts: Vec<(Part, Embedded)>,
}

impl Known {
    /// What is kept of any file with this content, if there is one.
    pub(super) fn of(sink: &dyn Sink, content: &Fingerprint) -> Result<Option<Known>, StoreError> {
        Known::found(sink, content, |_| true)
    }

    /// What is kept of the file at `path`, if it has this content.
    pub(super) fn at(
        sink: &dyn Sink,
        content: &Fingerprint,
        path: &Path,
    ) -> Result<Option<Known>, StoreError> {
        Known::found(sink, content, |found| found == path)
    }

    fn found(
        sink: &dyn Sink,
        content: &Fingerprint,
        is_wanted: impl Fn(&Path) -> bool,
    ) -> Result<Option<Known>, StoreError> {
        let mut found = None;
        sink.of_content(content, &mut |stored| {
            let Stored { item: Item { path, part: None }, photo: Some(photo), vector: Some(vector), .. } =
                stored
            else {
                return ControlFlow::Continue(());
            };
            if !is_wanted(&path) {
                return ControlFlow::Continue(());
            }
            found = Some((path, photo, vector));
            ControlFlow::Break(())
        })?;
        let Some((path, photo, vector)) = found else { return Ok(None) };
        let parts = if has_parts(sink, &path)? { parts(sink, content, &path)? } else { Vec::new() };
        Ok(Some(Known { photo, vector, parts }))
    }

    /// What these changes keep of a file, if it has a vector.
    pub(super) fn of_writes(writes: &[Write]) -> Option<Known> {
        let (mut file, mut parts) = (None, Vec::new());
        for write in writes {
            let Write::Put { item, photo, vector: Some(vector), .. } = write else { continue };
            let embedded = (photo.clone(), vector.clone());
            match item.part {
                None => file = Some(embedded),
                Some(part) => parts.push((part, embedded)),
            }
        }
        file.map(|(photo, vector)| Known { photo, vector, parts })
    }
}

/// Whether parts of this file are kept. They come right behind it.
fn has_parts(sink: &dyn Sink, path: &Path) -> Result<bool, StoreError> {
    let mut has_parts = false;
    sink.each_under(path, &mut |stored| {
        has_parts = stored.item.part.is_some() && stored.item.path == path;
        let is_file = stored.item.part.is_none() && stored.item.path == path;
        if is_file { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(has_parts)
}

fn parts(sink: &dyn Sink, content: &Fingerprint, path: &Path) -> Result<Vec<(Part, Embedded)>, StoreError> {
    let mut parts = Vec::new();
    sink.of_content(content, &mut |stored| {
        if let Stored {
            item: Item { path: of, part: Some(part) },
            photo: Some(photo),
            vector: Some(vector),
            ..
        } = stored
            && of == path
        {
            parts.push((part, (photo, vector)));
        }
        ControlFlow::Continue(())
    })?;
    Ok(parts)
}
