//! Describes the library, so that an assistant can ask well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgsearch::hub::Known as KnownModel;
use imgsearch::query::Filter;
use imgsearch::walk::FileType;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::paths::{Common, Paths};
use super::records::{self, text};
use crate::cli::McpPaths;
use crate::serve::overview::{cameras_of, each, places_of};
use crate::serve::problem::Problem;
use crate::serve::{App, Once};
use crate::status::status_of;
use crate::terminal::escape_path;

/// The maximum number of folders, cameras and places. Those with the most photos are kept.
const MOST: usize = 20;
/// The maximum length of a name in characters.
const LONGEST: usize = 100;

/// What models of this kind are good and bad at.
const ADVICE: &str = "The model compares a picture with words. It knows scenes, things, animals, activities, colours and \
    moods. It is bad at counting, at left and right, at `without`, at small text, and it knows no people by name: use \
    conditions (dates, places, folders) for what you know otherwise, and look at the pictures. Scores only order the \
    results of one query.";

/// Cached results that need a look at all photos.
#[derive(Default)]
pub(in crate::serve) struct Kept {
    paths: Once<Paths>,
    library: Once<Value>,
}

/// Whether assistants see any paths.
pub(super) fn tells_paths(app: &App) -> bool {
    app.mcp_paths != McpPaths::None
}

/// Shortens paths for assistants; cached until the library changes.
pub(super) fn paths(app: &App) -> Result<Arc<Paths>, Problem> {
    let find = || {
        let mut common = Common::default();
        if app.mcp_paths == McpPaths::Relative {
            each(app, &Filter::default(), |stored, _| common.add(&stored.item.path))?;
        }
        Ok(Paths::new(app.mcp_paths, common.folder()))
    };
    app.kept.mcp.paths.get_or_find(app.service.version(), String::new(), find)
}

/// The description of the library; cached until the library changes.
pub(super) fn of_library(app: &App) -> Result<Value, Problem> {
    let found = app.kept.mcp.library.get_or_find(app.service.version(), String::new(), || found(app))?;
    Ok(Value::clone(&found))
}

fn found(app: &App) -> Result<Value, Problem> {
    let all = Filter::default();
    let view = app.service.view()?;
    let status = status_of(&app.library, view.as_deref())?;
    let timeline = app.service.timeline(&all)?;
    let day = |taken_ms: i64| {
        let clock = Timestamp::from_millisecond(taken_ms).ok()?;
        Some(Offset::UTC.to_datetime(clock).date())
    };
    let mut years: BTreeMap<String, usize> = BTreeMap::new();
    for day in timeline.iter().filter_map(|seen| day(seen.taken_ms)) {
        *years.entry(day.year().to_string()).or_default() += 1;
    }
    let paths = paths(app)?;
    let (mut types, mut folders): (BTreeMap<&str, usize>, BTreeMap<PathBuf, usize>) = Default::default();
    each(app, &all, |stored, _| {
        let path = &stored.item.path;
        let kind = FileType::of(path.as_os_str().as_encoded_bytes());
        *types.entry(kind.as_ref().map_or("other", FileType::name)).or_default() += 1;
        if let Some(folder) = paths.told(path).as_deref().and_then(Path::parent) {
            *folders.entry(folder.to_owned()).or_default() += 1;
        }
    })?;
    let mut folders: Vec<_> = folders.into_iter().collect();
    folders.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    let folders = folders.iter().take(MOST).map(|(folder, count)| {
        // The folder that contains all photos has an empty path.
        let name = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        json!({ "folder": text(&escape_path(name), LONGEST), "count": count })
    });
    let mut told = json!({
        "photos": status.images,
        "newest": timeline.first().and_then(|seen| day(seen.taken_ms)).map(|day| day.to_string()),
        "oldest": timeline.iter().rev().find_map(|seen| day(seen.taken_ms)).map(|day| day.to_string()),
        "years": years,
        "types": types,
        "cameras": cameras(app)?,
        "model": status.model,
        "languages": languages(app)?,
        "advice": ADVICE,
        "skipped_files": status.skipped,
        "last_indexed": status.last_indexed.map(|time| time.to_string()),
        "photos_in_next_index": status.building.first().map(|building| building.images),
    });
    if tells_paths(app) {
        told["folders"] = folders.collect();
    }
    if !app.hides_places {
        let mut places = records::json(&places_of(app, &all)?)?;
        if let Some(places) = places.as_array_mut() {
            places.truncate(MOST);
        }
        told["places"] = places;
    }
    if let Some(told) = told.as_object_mut() {
        told.retain(|_, value| !value.is_null());
    }
    Ok(told)
}

fn cameras(app: &App) -> Result<Value, Problem> {
    let cameras = records::json(&cameras_of(app, &Filter::default())?)?;
    let cameras = cameras["cameras"].as_array().into_iter().flatten().take(MOST);
    let told = cameras.map(|camera| {
        json!({ "camera": text(camera["name"].as_str().unwrap_or_default(), LONGEST), "count": camera["count"] })
    });
    Ok(told.collect())
}

/// The languages of the model, if known.
fn languages(app: &App) -> Result<Option<&'static str>, Problem> {
    let Some(view) = app.service.view()? else { return Ok(None) };
    let folder = view.note().model();
    let name = folder.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    Ok(match name {
        // `imgsearch setup` installs it.
        Some("offline") => Some("English"),
        Some(name) => KnownModel::named(name).map(|known| known.languages),
        None => None,
    })
}
