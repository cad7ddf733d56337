//! The conditions that were typed → the filter they mean.

use std::cell::LazyCell;

use anyhow::{Context, Result, bail};
use imgsearch::item::Folder;
use imgsearch::query::{Circle, DEFAULT_KM, Filter, Gazetteer, Names, Period, Town};
use jiff::Timestamp;

use super::absolute;
use crate::cli::FilterArgs;
use crate::progress;
use crate::settings::{Settings, zone};
use crate::usage::UsageError;

/// # Errors
/// For what cannot be read, and for times that have nothing in common.
pub(super) fn filter(settings: &Settings, args: &FilterArgs) -> Result<Filter> {
    let FilterArgs { folders, glob, near, camera, lens, orientation, min_size, types, .. } = args;
    Ok(Filter {
        folders: folders.iter().map(|folder| Ok(Folder::from(&absolute(folder)?))).collect::<Result<_>>()?,
        names: if glob.is_empty() { None } else { Some(Names::new(glob)?) },
        types: types.clone(),
        taken: taken(args)?,
        near: near.as_ref().map(|near| circle(settings, near)).transpose()?,
        camera: camera.clone(),
        lens: lens.clone(),
        shape: orientation.map(Into::into),
        size: *min_size,
    })
}

/// `52.5,13.4,5`, or `Berlin`, `Paris, US` or `Paris, US, 5`.
fn circle(settings: &Settings, near: &str) -> Result<Circle> {
    let is_number = |part: &str| part.trim().parse::<f64>().is_ok();
    let mut parts: Vec<&str> = near.split(',').collect();
    if parts.iter().all(|part| is_number(part)) {
        return near.parse().context("--near");
    }
    let km = parts.pop_if(|part| is_number(part)).map_or(DEFAULT_KM.to_string(), str::to_owned);
    let (name, country) = match parts[..] {
        [name] => (name, None),
        [name, country] => (name, Some(country)),
        _ => bail!("--near: `{near}` is neither LAT,LON[,KM] nor TOWN[,COUNTRY][,KM]"),
    };
    let town = town(settings, name, country)?;
    if !settings.ui.is_quiet() {
        progress::print_note(&format!(
            "near {}, {}: {},{}",
            town.name, town.country, town.latitude, town.longitude
        ));
    }
    format!("{},{},{km}", town.latitude, town.longitude).parse().context("--near")
}

/// The town of this name, if names of towns are here.
fn town(settings: &Settings, name: &str, country: Option<&str>) -> Result<Town, UsageError> {
    let by_numbers = "name the place as LAT,LON: `--near 52.52,13.40`";
    let Some(file) = settings.places_file() else {
        let error = UsageError::new("--near: this user has no home folder to keep names of towns in");
        return Err(error.hint(by_numbers));
    };
    let gazetteer = Gazetteer::read(&file).map_err(|error| {
        let error = format!("--near: cannot read the names of towns in {}: {error}", file.display());
        UsageError::new(error).hint(format!("run `scripts/places` once to fetch them, or {by_numbers}"))
    })?;
    gazetteer.find(name, country).ok_or_else(|| {
        let country = country.map(|country| format!(" in `{}`", country.trim())).unwrap_or_default();
        let error = format!("--near: there is no town `{}`{country} of 15,000 people or more", name.trim());
        UsageError::new(error).hint(by_numbers)
    })
}

fn taken(args: &FilterArgs) -> Result<Option<Period>> {
    // Queries without a period need not wait until the time zone is found.
    let now = LazyCell::new(|| Timestamp::now().to_zoned_datetime(zone()));
    let read = |option: &str, text: &Option<String>| {
        let period = text.as_ref().map(|text| Period::parse(text, &now));
        period.transpose().with_context(|| option.to_owned())
    };
    let after = read("--after", &args.after)?.map(Period::onwards);
    let before = read("--before", &args.before)?.map(Period::before);
    let on = read("--on", &args.on)?;
    let mut periods = [after, before, on].into_iter().flatten();
    let Some(first) = periods.next() else { return Ok(None) };
    match periods.try_fold(first, Period::and) {
        Some(period) => Ok(Some(period)),
        None => bail!("--after, --before and --on leave no time at which a photo could have been taken"),
    }
}
