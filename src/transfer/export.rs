//! Writes a library's records into a file.

use std::io::Write;
use std::ops::ControlFlow;

use super::TransferError;
use super::format::{ExportWriter, Header, Row};
use crate::library::{Load, Stored, View, Visit, try_visit};
use crate::query::Filter;

/// What an export contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files with a vector.
    pub photos: u64,
    /// Skipped files.
    pub others: u64,
    /// Parts of files.
    pub parts: u64,
    /// Whether it was stopped before its end.
    pub cancelled: bool,
}

/// Writes all records of `view` to `out`. `progress` receives the number of records so far.
///
/// # Errors
/// [`TransferError::Write`], [`TransferError::Store`], or [`TransferError::Later`] if a record cannot be read.
pub fn export(
    view: &dyn View,
    out: impl Write,
    cancelled: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Exported, TransferError> {
    let header = Header { space: view.space().clone(), note: view.note().encode() };
    let mut writer = ExportWriter::new(out, &header).map_err(TransferError::Write)?;
    let mut exported = Exported::default();
    // Files come before their parts, because a file that is stored replaces its parts.
    others(view, &mut writer, &mut exported)?;
    let has_parts = photos(view, false, &mut writer, &mut exported, (cancelled, progress))?;
    if has_parts && !exported.cancelled {
        photos(view, true, &mut writer, &mut exported, (cancelled, progress))?;
    }
    if !exported.cancelled {
        writer.finish().map_err(TransferError::Write)?;
    }
    Ok(exported)
}

/// Writes the photos that are files, or those that are parts. Returns whether there are parts.
fn photos<W: Write>(
    view: &dyn View,
    parts: bool,
    writer: &mut ExportWriter<W>,
    exported: &mut Exported,
    (cancelled, progress): (&dyn Fn() -> bool, &dyn Fn(u64)),
) -> Result<bool, TransferError> {
    let mut has_parts = false;
    let all = |visit: Visit<'_>| view.each(&Filter::default(), Load::WithVector, visit);
    try_visit(all, |stored| {
        if cancelled() {
            exported.cancelled = true;
            return Ok(ControlFlow::Break(()));
        }
        let is_part = stored.item.part.is_some();
        has_parts |= is_part;
        if is_part == parts {
            writer.row(row(stored)?).map_err(TransferError::Write)?;
            *(if parts { &mut exported.parts } else { &mut exported.photos }) += 1;
            progress(exported.photos + exported.parts + exported.others);
        }
        Ok::<_, TransferError>(ControlFlow::Continue(()))
    })?;
    Ok(has_parts)
}

/// Writes the files that are not photos.
fn others<W: Write>(
    view: &dyn View,
    writer: &mut ExportWriter<W>,
    exported: &mut Exported,
) -> Result<(), TransferError> {
    let mut failed = None;
    view.each_item(&mut |stored, is_photo| {
        if is_photo {
            return ControlFlow::Continue(());
        }
        let written = row(stored).and_then(|row| writer.row(row).map_err(TransferError::Write));
        exported.others += u64::from(written.is_ok());
        failed = written.err();
        if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed.map_or(Ok(()), Err)
}

fn row(stored: Stored) -> Result<Row, TransferError> {
    let Stored { item, content, photo, vector } = stored;
    let key = item.key().ok_or(TransferError::Later)?.as_bytes().to_vec();
    let record = photo.ok_or(TransferError::Later)?.encode();
    Ok(Row { key, content, record, vector })
}
