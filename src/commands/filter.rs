//! Parses the filter options.

use std::cell::LazyCell;

use anyhow::Result;
use imgsearch::hint::Hint;
use imgsearch::item::Folder;
use imgsearch::query::{Conditions, Filter, Towns, Understood, WordError};
use jiff::Timestamp;

use super::absolute;
use crate::cli::FilterArgs;
use crate::progress;
use crate::settings::{Settings, zone};
use crate::usage::UsageError;

/// # Errors
/// If an option is invalid, or if the times contradict each other.
pub(super) fn filter(settings: &Settings, args: &FilterArgs) -> Result<Filter> {
    let FilterArgs {
        folders, glob, after, before, on, near, camera, lens, orientation, min_size, types, ..
    } = args;
    let mut conditions = Conditions {
        folders: folders.iter().map(|folder| Ok(Folder::from(&absolute(folder)?))).collect::<Result<_>>()?,
        globs: glob.clone(),
        after: after.clone(),
        before: before.clone(),
        on: on.clone(),
        near: near.clone(),
        radius: None,
        camera: camera.clone(),
        lens: lens.clone(),
        shape: orientation.map(Into::into),
        size: *min_size,
        types: types.clone(),
        words: Vec::new(),
    };
    for (name, value) in args.words.conditions() {
        conditions.set(name, value).map_err(|error| as_options(&error))?;
    }
    set_written(&mut conditions, &args.written)?;
    understood(settings, &conditions)
}

/// The filter for conditions that were written into a query.
pub(super) fn written(settings: &Settings, written: &[(&'static str, String)]) -> Result<Filter> {
    let mut conditions = Conditions::default();
    set_written(&mut conditions, written)?;
    understood(settings, &conditions)
}

fn set_written(conditions: &mut Conditions, written: &[(&'static str, String)]) -> Result<()> {
    for (name, value) in written {
        let value = if *name == "in" {
            absolute(value.as_ref())?.to_string_lossy().into_owned()
        } else {
            value.clone()
        };
        conditions.set(name, &value).map_err(|error| as_options(&error))?;
    }
    Ok(())
}

fn understood(settings: &Settings, conditions: &Conditions) -> Result<Filter> {
    // Finding the time zone takes time, and only queries with a time need it.
    let now = LazyCell::new(|| Timestamp::now().to_zoned_datetime(zone()));
    let understood = conditions.understand(&|| now.clone(), &Towns::new(settings.places_file()));
    let Understood { filter, town } = understood.map_err(|error| as_options(&error))?;
    if let Some(town) = town
        && !settings.ui.is_quiet()
    {
        progress::print_note(&format!(
            "near {}, {}: {},{}",
            town.name, town.country, town.latitude, town.longitude
        ));
    }
    Ok(filter)
}

/// The error, with the parameter names as options.
fn as_options(error: &WordError) -> UsageError {
    let what = if matches!(error, WordError::NoTime) {
        "--after, --before and --on contradict each other: no time meets all of them".to_owned()
    } else {
        format!("--{error}")
    };
    let told = UsageError::new(what);
    match error.hint() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}
