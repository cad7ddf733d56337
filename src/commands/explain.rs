//! Notes about an answer: why nothing was found, and which dates are only those of the files.

use anyhow::Result;
use imgsearch::Match;
use imgsearch::library::{StoreError, View};
use imgsearch::photo::Clock;
use imgsearch::query::{Circle, Cutoff, Filter, Query};

use crate::cli::FilterArgs;
use crate::progress::print_note;
use crate::settings::Settings;
use crate::ui::Ui;

/// More kilometres than between any two points on Earth.
const ANYWHERE_KM: f64 = 30_000.0;

/// If the query has a date condition, says how many of the photos found have no date of their own.
pub(super) fn dates(ui: Ui, matches: &[Match], args: &FilterArgs) {
    let FilterArgs { after, before, on, .. } = args;
    let clock = |found: &Match| Some(found.photo.as_ref()?.details.as_ref()?.clock);
    let undated = matches.iter().filter(|found| clock(found) == Some(Clock::File)).count();
    let is_asked = [after, before, on].iter().any(|date| date.is_some());
    if is_asked && undated > 0 && !ui.is_quiet() {
        print_note(&format!(
            "for {undated} of {} the file's date was used, because the photo itself has none",
            photos(matches.len())
        ));
    }
}

/// Says why a query found nothing.
pub(super) fn nothing_found(settings: &Settings, query: &Query, args: &FilterArgs) -> Result<()> {
    if settings.ui.is_quiet() {
        return Ok(());
    }
    let view = &*settings.library.view()?;
    let left = view.count(&query.filter)?;
    let why = match query.cutoff {
        _ if left == 0 => no_photo_left(view, &query.filter, args)?,
        Cutoff::Score(least) => format!("none of {} scores {least} or more", photos(left)),
        Cutoff::Relevance => {
            format!("none of {} is likely to show this; `--all` lists the best ones anyway", photos(left))
        }
        Cutoff::None => "the library has only the picture you searched with, or copies of it".to_owned(),
    };
    print_note(&format!("no photo matches: {why}"));
    Ok(())
}

/// Says why no photo has a label.
pub(super) fn no_label(settings: &Settings, filter: &Filter, args: &FilterArgs, least: f32) -> Result<()> {
    if settings.ui.is_quiet() {
        return Ok(());
    }
    let view = &*settings.library.view()?;
    let why = match view.count(filter)? {
        0 => no_photo_left(view, filter, args)?,
        left => format!("no label reaches a probability of {least} for any of {}", photos(left)),
    };
    print_note(&format!("no photo has a label: {why}"));
    Ok(())
}

/// Why a filter leaves nothing: the first condition that no photo meets, or else their combination.
fn no_photo_left(view: &dyn View, filter: &Filter, args: &FilterArgs) -> Result<String, StoreError> {
    let all = view.count(&Filter::default())?;
    if all == 0 {
        return Ok("the library is empty".to_owned());
    }
    let indexed = photos(all);
    for (why, alone) in conditions(view, filter, args)? {
        if view.count(&alone)? == 0 {
            return Ok(format!("of {indexed}, {why}"));
        }
    }
    Ok(format!("each condition matches some of {indexed}, but no photo meets all of them"))
}

/// Each condition by itself, with the message if no photo meets it.
fn conditions(
    view: &dyn View,
    filter: &Filter,
    args: &FilterArgs,
) -> Result<Vec<(String, Filter)>, StoreError> {
    let Filter { folders, names, types, taken, near, camera, lens, shape, size, texts } = filter.clone();
    let any = Filter::default;
    let mut conditions = Vec::new();
    if !folders.is_empty() {
        conditions.push((no_photo_in(args), Filter { folders, ..any() }));
    }
    if names.is_some() {
        conditions.push((format!("none matches {}", quoted(&args.glob)), Filter { names, ..any() }));
    }
    if !types.is_empty() {
        let named: Vec<_> = types.iter().map(|kind| kind.name()).collect();
        conditions.push((format!("none is of type {}", quoted(&named)), Filter { types, ..any() }));
    }
    if taken.is_some() {
        conditions.push(("none was taken then".to_owned(), Filter { taken, ..any() }));
    }
    if let Some(circle) = near {
        let anywhere = Filter { near: Some(Circle { km: ANYWHERE_KM, ..circle }), ..any() };
        let why = match view.count(&anywhere)? {
            0 => "none has GPS data, so `--near` finds nothing".to_owned(),
            placed => format!("{placed} have GPS data, but none was taken there"),
        };
        conditions.push((why, Filter { near, ..any() }));
    }
    if let Some(name) = &camera {
        conditions.push((format!("none is from a camera called `{name}`"), Filter { camera, ..any() }));
    }
    if let Some(name) = &lens {
        conditions.push((format!("none was taken with a lens called `{name}`"), Filter { lens, ..any() }));
    }
    if shape.is_some() {
        conditions.push(("none has this orientation".to_owned(), Filter { shape, ..any() }));
    }
    if size.is_some() {
        conditions.push(("none is that large".to_owned(), Filter { size, ..any() }));
    }
    if !texts.is_empty() {
        conditions.push(("none has these words".to_owned(), Filter { texts, ..any() }));
    }
    Ok(conditions)
}

/// The most likely reason is a mistyped folder, so say if one does not exist.
fn no_photo_in(args: &FilterArgs) -> String {
    let folder = |folder: &std::path::PathBuf| {
        let missing = if folder.exists() { "" } else { " (there is no such folder)" };
        format!("{}{missing}", folder.display())
    };
    format!("none is in {}", args.folders.iter().map(folder).collect::<Vec<_>>().join(" or "))
}

fn quoted<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| format!("`{}`", text.as_ref())).collect::<Vec<_>>().join(" or ")
}

fn photos(count: usize) -> String {
    if count == 1 { "1 photo".to_owned() } else { format!("{count} photos") }
}
