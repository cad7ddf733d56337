//! `library`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use imgsearch::files::{self, Readers};
use imgsearch::roots::is_named;
use imgsearch::transfer::{self, Exported, Exports, Imported, Moved, TransferError};
use indicatif::ProgressBar;

use super::{Exit, absolute, existing, stop_on_ctrl_c};
use crate::cli::{ExportArgs, ImportArgs, LibraryArgs, LibraryCommand, MoveRootArgs};
use crate::progress;
use crate::render::Output;
use crate::settings::Settings;
use crate::usage::UsageError;

/// Appended to "stopping".
const AT_ONCE: &str = " after the current record";

pub(super) fn run(settings: &Settings, args: &LibraryArgs) -> Result<Exit> {
    let cancel = stop_on_ctrl_c(AT_ONCE)?.cancel;
    let bar = progress::records_bar(settings.ui);
    let exit = match &args.command {
        LibraryCommand::Export(args) => export(settings, args, &cancel, &bar),
        LibraryCommand::Import(args) => import(settings, args, &cancel, &bar),
        LibraryCommand::MoveRoot(args) => move_root(settings, args, &cancel, &bar),
    };
    bar.finish_and_clear();
    exit
}

fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

fn export(settings: &Settings, args: &ExportArgs, cancel: &AtomicBool, bar: &ProgressBar) -> Result<Exit> {
    let view = settings.library.as_stored().view()?;
    let stops = || cancel.load(Ordering::Relaxed);
    let show = |records| bar.set_position(records);
    let exported = if is_standard(&args.file) {
        let mut output = Output::new(settings.ui.look);
        if settings.ui.look.is_terminal {
            return Err(UsageError::new("an export is not for a terminal")
                .hint("name a file, or send it to another program: `imgsearch library export - | …`")
                .into());
        }
        transfer::export(&*view, output.raw(), &stops, &show)?
    } else {
        let cannot = || format!("cannot write {}", args.file.display());
        // It has the paths, times and places of all photos.
        let unfinished = files::begin(&args.file, Readers::Owner).with_context(cannot)?;
        let file = File::create(&unfinished).with_context(cannot)?;
        let mut out = BufWriter::new(file);
        let exported = transfer::export(&*view, &mut out, &stops, &show)?;
        if !exported.cancelled {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all().with_context(cannot)?;
            unfinished.persist(&args.file).map_err(|error| error.error).with_context(cannot)?;
        }
        exported
    };
    bar.finish_and_clear();
    let Exported { photos, others, parts, cancelled } = exported;
    if cancelled {
        return Ok(Exit::Interrupted);
    }
    let parts = if parts > 0 { format!(", {parts} parts of files") } else { String::new() };
    note(settings, &format!("exported {photos} photos, {others} skipped files{parts}"));
    Ok(Exit::Done)
}

fn import(settings: &Settings, args: &ImportArgs, cancel: &AtomicBool, bar: &ProgressBar) -> Result<Exit> {
    if is_standard(&args.file) {
        return import_from(settings, io::stdin().lock(), cancel, bar);
    }
    let cannot = || format!("cannot read {}", args.file.display());
    let open = || File::open(&args.file).map(BufReader::new).with_context(cannot);
    // The whole file is checked before the library is changed.
    Exports::open(open()?).and_then(Exports::check).with_context(cannot)?;
    import_from(settings, open()?, cancel, bar)
}

fn import_from(
    settings: &Settings,
    input: impl Read,
    cancel: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Exit> {
    let exports = Exports::open(input)?;
    let space = exports.header().space.clone();
    let library = settings.library.as_stored();
    library.create()?;
    let mut locked = library.lock()?;
    if let Some(view) = existing(&library)?
        && *view.space() != space
    {
        let expected = Box::new(view.space().clone());
        return Err(TransferError::OtherModel { found: Box::new(space), expected }.into());
    }
    let opened = locked.open(&space)?;
    let stops = || cancel.load(Ordering::Relaxed);
    let imported = transfer::import(exports, &*opened.sink, &stops, &|records| bar.set_position(records));
    // What was imported before an error is right, and stays.
    opened.sink.close()?;
    bar.finish_and_clear();
    let Imported { added, replaced, kept, later, refused, first_refusal, cancelled } = imported?;
    note(settings, &format!("imported {added} new records, replaced {replaced} older ones, kept {kept}"));
    if later > 0 {
        progress::print_warning(&format!(
            "{later} records come from a later version of imgsearch and were left out: update this one and import again"
        ));
    }
    if let Some(reason) = first_refusal {
        progress::print_warning(&format!(
            "the library refused {refused} records, the first because {reason}"
        ));
    }
    Ok(match (cancelled, later + refused) {
        (true, _) => Exit::Interrupted,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Failed,
    })
}

fn move_root(
    settings: &Settings,
    args: &MoveRootArgs,
    cancel: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Exit> {
    let (old, new) = (place(&args.old)?, place(&args.new)?);
    let mut library = settings.library.as_stored().lock()?;
    let stops = || cancel.load(Ordering::Relaxed);
    let mut all = Moved::default();
    library.each_index(&mut |_, view, sink| {
        let moved = transfer::move_root(view, sink, (&old, &new), &stops, &|files| bar.set_position(files))?;
        let Moved { files, known, left, cancelled } = moved;
        all = Moved {
            files: all.files + files,
            known: all.known + known,
            left: all.left + left,
            cancelled: all.cancelled || cancelled,
        };
        Ok::<_, TransferError>(())
    })?;
    bar.finish_and_clear();
    let Moved { files, known, left, cancelled } = all;
    if cancelled {
        note(settings, &format!("moved {files} files so far; run the same command again to continue"));
        return Ok(Exit::Interrupted);
    }
    if files + known + left == 0 {
        note(settings, &format!("the library has nothing below {}", old.display()));
        return Ok(Exit::NothingFound);
    }
    note(settings, &format!("moved {files} files to {}", new.display()));
    if known > 0 {
        note(settings, &format!("removed {known} older records, because the library had these files there"));
    }
    if left > 0 {
        progress::print_warning(&format!(
            "{left} files could not be moved and are still below {}",
            old.display()
        ));
    }
    Ok(if left > 0 { Exit::Failed } else { Exit::Done })
}

/// A folder, or a place below a named root as the library stores it: `@photos/2003`.
fn place(typed: &Path) -> Result<PathBuf> {
    if is_named(typed) { Ok(typed.to_owned()) } else { absolute(typed) }
}

/// Tells a result on standard error, because standard output may be the export.
fn note(settings: &Settings, text: &str) {
    if !settings.ui.is_quiet() {
        progress::print_note(text);
    }
}
