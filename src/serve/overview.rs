//! The library as a whole: timeline, places, cameras and status.

use std::collections::HashMap;
use std::ops::ControlFlow;

use axum::extract::{Query as Pairs, State};
use axum::response::Response;
use imgsearch::library::{Load, Stored};
use imgsearch::photo::{Details, Id};
use imgsearch::query::{Conditions, Filter};
use imgsearch::service::Seen;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::openapi;
use super::photos::written;
use super::problem::Problem;
use super::router::json;
use super::search::{Said, now};
use crate::render::document;
use crate::status::{Status, status_of};

/// The number of milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// A version as hexadecimal text: JSON numbers may lose digits.
pub(super) fn version_of(version: u64) -> String {
    format!("{version:016x}")
}

/// The filter for the parameters of a request.
pub(super) fn filter(said: &Said, app: &App) -> Result<Filter, Problem> {
    let mut conditions = Conditions::default();
    for (name, value) in said {
        refuse_places(name, app)?;
        conditions.set(name, value)?;
    }
    Ok(conditions.understand(&now, &app.towns)?.filter)
}

/// Refuses a condition on places if places are hidden.
pub(super) fn refuse_places(name: &str, app: &App) -> Result<(), Problem> {
    let is_hidden = app.hides_places && HIDDEN_WITH_PLACES.contains(&name);
    if is_hidden { Err(Problem::places_are_hidden()) } else { Ok(()) }
}

/// The conditions that tell where a photo was taken.
pub(super) const HIDDEN_WITH_PLACES: [&str; 3] = ["near", "radius", "place"];

/// Visits the photos that pass a filter.
pub(super) fn each(
    app: &App,
    filter: &Filter,
    mut visit: impl FnMut(&Stored, &Details),
) -> Result<(), Problem> {
    let Some(view) = app.service.view()? else { return Ok(()) };
    view.each(filter, Load::WithoutVector, &mut |stored| {
        if let Some(details) = stored.photo.as_ref().and_then(|photo| photo.details.as_ref()) {
            visit(&stored, details);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// All photos, newest first, with what a page needs for its layout. The lists have the same length.
#[derive(Serialize, ToSchema)]
struct Timeline {
    /// The version of the library.
    version: String,
    /// The ids of the photos.
    ids: Vec<String>,
    /// Width divided by height, for each photo.
    aspects: Vec<f64>,
    /// The day on which each photo was taken, in days since 1970-01-01; null if unknown.
    days: Vec<Option<i64>>,
}

/// Lists all photos that meet the conditions, newest first: their ids, shapes and days.
#[utoipa::path(
    get,
    path = "/timeline",
    tag = "library",
    params(openapi::Conditions),
    responses(
        (status = 200, description = "The photos.", body = Timeline),
        (status = 422, description = "A value cannot be understood."),
    ),
)]
pub(super) async fn timeline(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || {
        let all = asked.service.timeline(&filter(&said, &asked)?)?;
        written(&Timeline {
            version: version_of(asked.service.version()),
            ids: all.iter().map(|seen| seen.id.to_string()).collect(),
            aspects: all.iter().map(aspect).collect(),
            days: all.iter().map(day).collect(),
        })
    })
    .await
}

/// Rounded to three digits, which is enough for a layout.
fn aspect(seen: &Seen) -> f64 {
    let Seen { width, height, .. } = *seen;
    if width == 0 || height == 0 {
        return 1.0;
    }
    (f64::from(width) / f64::from(height) * 1000.0).round() / 1000.0
}

fn day(seen: &Seen) -> Option<i64> {
    (seen.taken_ms != i64::MIN).then(|| seen.taken_ms.div_euclid(DAY_MS))
}

#[derive(Serialize, ToSchema)]
struct Places {
    /// The places, with the most photos first.
    places: Vec<Place>,
}

/// Photos within a tenth of a degree.
#[derive(Serialize, ToSchema)]
pub(super) struct Place {
    /// The average latitude of the photos, in degrees.
    latitude: f64,
    /// The average longitude of the photos, in degrees.
    longitude: f64,
    /// The number of photos.
    count: usize,
    /// The id of the newest photo.
    id: Option<String>,
}

/// The sums for a place while its photos are counted.
#[derive(Default)]
struct Sum {
    latitude: f64,
    longitude: f64,
    count: u32,
    newest: Option<(i64, Id)>,
}

/// Lists the places of the photos that meet the conditions.
#[utoipa::path(
    get,
    path = "/places",
    tag = "library",
    params(openapi::Conditions),
    responses(
        (status = 200, description = "Places with photos.", body = Places),
        (status = 422, description = "A value cannot be understood."),
    ),
)]
pub(super) async fn places(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Response, Problem> {
    if app.hides_places {
        return Err(Problem::places_are_hidden());
    }
    let asked = app.clone();
    app.blocking(move || written(&Places { places: places_of(&asked, &filter(&said, &asked)?)? })).await
}

/// The places of the photos that pass a filter, those with the most photos first.
pub(super) fn places_of(app: &App, filter: &Filter) -> Result<Vec<Place>, Problem> {
    let mut sums: HashMap<(i32, i32), Sum> = HashMap::new();
    each(app, filter, |stored, details| {
        let (Some(latitude), Some(longitude)) = (details.latitude_e7, details.longitude_e7) else {
            return;
        };
        // In tenths of a degree.
        let cell = |e7: i32| e7.div_euclid(1_000_000);
        let sum = sums.entry((cell(latitude), cell(longitude))).or_default();
        sum.latitude += f64::from(latitude) / 1e7;
        sum.longitude += f64::from(longitude) / 1e7;
        sum.count += 1;
        sum.newest = sum.newest.max(stored.content.map(|content| (details.taken_ms, Id(content))));
    })?;
    let mut places: Vec<Place> = sums.into_values().map(Sum::place).collect();
    places.sort_by(|a, b| b.count.cmp(&a.count).then(a.latitude.total_cmp(&b.latitude)));
    Ok(places)
}

impl Sum {
    fn place(self) -> Place {
        let Sum { latitude, longitude, count, newest } = self;
        let average = |sum: f64| (sum / f64::from(count) * 1e5).round() / 1e5;
        Place {
            latitude: average(latitude),
            longitude: average(longitude),
            count: count as usize,
            id: newest.map(|(_, id)| id.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct Cameras {
    /// The cameras, with the most photos first.
    cameras: Vec<Camera>,
    /// The lenses, with the most photos first.
    lenses: Vec<Camera>,
}

/// A camera or a lens.
#[derive(Serialize, ToSchema)]
pub(super) struct Camera {
    /// Maker and model.
    name: String,
    /// The number of photos.
    count: usize,
}

/// Lists the cameras and lenses of the photos that meet the conditions.
#[utoipa::path(
    get,
    path = "/cameras",
    tag = "library",
    params(openapi::Conditions),
    responses(
        (status = 200, description = "Cameras and lenses.", body = Cameras),
        (status = 422, description = "A value cannot be understood."),
    ),
)]
pub(super) async fn cameras(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || written(&cameras_of(&asked, &filter(&said, &asked)?)?)).await
}

/// The cameras and lenses of the photos that pass a filter, those with the most photos first.
pub(super) fn cameras_of(app: &App, filter: &Filter) -> Result<Cameras, Problem> {
    let (mut cameras, mut lenses) = (HashMap::new(), HashMap::new());
    each(app, filter, |_, details| {
        for (names, name) in [(&mut cameras, &details.camera), (&mut lenses, &details.lens)] {
            if let Some(name) = name {
                *names.entry(name.clone()).or_default() += 1;
            }
        }
    })?;
    Ok(Cameras { cameras: most_first(cameras), lenses: most_first(lenses) })
}

fn most_first(names: HashMap<String, usize>) -> Vec<Camera> {
    let mut all: Vec<Camera> = names.into_iter().map(|(name, count)| Camera { name, count }).collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    all
}

/// Describes the library in numbers.
#[utoipa::path(
    get,
    path = "/status",
    tag = "library",
    responses((status = 200, description = "The output of `imgsearch status --json`.", body = Status)),
)]
pub(super) async fn status(State(app): State<App>) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || {
        let engine = asked.service.engine()?;
        let find = || {
            let view = engine.as_ref().map(imgsearch::Engine::view);
            let status = status_of(&asked.library, view.as_deref())?;
            document(&status).map_err(|error| Problem::internal(&error.into()))
        };
        let text = asked.kept.status.get_or_find(asked.service.version(), String::new(), find)?;
        Ok(json(text.to_string()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use imgsearch_index::Fingerprint;

    use super::*;

    #[test]
    fn unknown_shapes_and_days_are_marked() {
        #[track_caller]
        fn check(taken_ms: i64, size: (u32, u32), expected: (Option<i64>, f64)) {
            let seen = Seen { id: Id(Fingerprint([0; 16])), taken_ms, width: size.0, height: size.1 };
            assert_eq!((day(&seen), aspect(&seen)), expected);
        }
        check(0, (3000, 2000), (Some(0), 1.5));
        check(-1, (2000, 3000), (Some(-1), 0.667));
        check(DAY_MS, (1, 1), (Some(1), 1.0));
        check(i64::MIN, (0, 0), (None, 1.0));
    }
}
