//! `duplicates`.

use std::sync::atomic::Ordering;

use anyhow::Result;
use imgsearch::duplicates::{DuplicateGroups, Likeness, Preference, Watch, find, present};

use super::{Exit, absolute, explain, stop_on_ctrl_c};
use crate::cli::{DuplicatesArgs, Part};
use crate::progress::{self, print_warning};
use crate::render::{FormatOptions, Listed, Output, Records, duplicate_fields, unless_reader_left};
use crate::settings::{Settings, zone};

pub(super) fn run(settings: &Settings, args: &DuplicatesArgs) -> Result<Exit> {
    let layout = FormatOptions::of(&args.output)?;
    let folders = args.paths.iter().map(|folder| absolute(folder)).collect::<Result<Vec<_>>>()?;
    let view = settings.library.view()?;
    let (cancel, bar) = (stop_on_ctrl_c("")?.cancel, progress::rows_bar(settings.ui));
    let watch = Watch {
        progress: &|done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        },
        cancelled: &|| cancel.load(Ordering::Relaxed),
    };
    let preference = Preference { keep: args.keep.into(), zone: zone() };
    let likeness = (&args.likeness).into();
    let found = find(&*view, &folders, likeness, &preference, watch);
    bar.finish_and_clear();
    let Some(DuplicateGroups { groups, without_look }) = found? else { return Ok(Exit::Interrupted) };
    let (groups, absent) = present(groups);
    if !settings.ui.is_quiet() {
        warn(absent, without_look);
    }
    let is_empty = groups.is_empty();
    let mut output = Output::new(settings.ui.look);
    let mut records = Records::new(&mut output, &layout, duplicate_fields())?;
    let mut listed = groups
        .into_iter()
        .zip(1..)
        .flat_map(|(group, number)| Listed::all(group, number, &preference))
        .filter(|photo| is_asked(photo, args.print));
    let written = listed.try_for_each(|photo| records.write(&photo)).and_then(|()| records.finish());
    drop(records);
    unless_reader_left(written.and_then(|()| output.finish()))?;
    if is_empty {
        explain::no_duplicates(settings, &args.paths, further(likeness))?;
    }
    Ok(if is_empty { Exit::NothingFound } else { Exit::Done })
}

/// What finds more than this likeness.
fn further(likeness: Likeness) -> Option<&'static str> {
    match likeness {
        Likeness::Exact => Some("leave out `--exact` to also find pictures that were saved again"),
        Likeness::ReEncoded => Some("`--similar` also finds other shots of the same scene"),
        Likeness::Similar => None,
    }
}

fn warn(absent: usize, without_look: usize) {
    if absent > 0 {
        print_warning(&format!(
            "left out {absent} photos: they were deleted, changed since they were indexed, or are links to another photo"
        ));
    }
    if without_look > 0 {
        print_warning(&format!(
            "{without_look} photos were indexed by an earlier version, so only their bytes are compared: \
             run `imgsearch index` again to compare their contents"
        ));
    }
}

fn is_asked(photo: &Listed, part: Option<Part>) -> bool {
    part.is_none_or(|part| photo.kept_for.is_some() == (part == Part::Keep))
}
