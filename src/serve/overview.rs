//! The library as a whole: all photos by time, where and with what they were taken, and how much there is.

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

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Hexadecimal, since a program may take a number for one with a point.
pub(super) fn version_of(version: u64) -> String {
    format!("{version:016x}")
}

/// The filter that an address says.
pub(super) fn filter(said: &Said, app: &App) -> Result<Filter, Problem> {
    let mut conditions = Conditions::default();
    for (name, value) in said {
        if ["near", "radius"].contains(&name.as_str()) && app.hides_places {
            return Err(Problem::places_are_hidden());
        }
        conditions.set(name, value)?;
    }
    Ok(conditions.understand(&now, &app.towns)?.filter)
}

/// Visits the photos that a filter admits.
fn each(app: &App, filter: &Filter, mut visit: impl FnMut(&Stored, &Details)) -> Result<(), Problem> {
    let Some(view) = app.service.view()? else { return Ok(()) };
    view.each(filter, Load::WithoutVector, &mut |stored| {
        if let Some(details) = stored.photo.as_ref().and_then(|photo| photo.details.as_ref()) {
            visit(&stored, details);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// All photos, the newest first, as much of each as a page needs to lay them out.
#[derive(Serialize, ToSchema)]
struct Timeline {
    /// Tells states of the library apart.
    version: String,
    /// The id of each.
    ids: Vec<String>,
    /// Width divided by height, of each.
    aspects: Vec<f64>,
    /// The day on which each was taken, counted from 1970-01-01; absent where that is not known.
    days: Vec<Option<i64>>,
}

/// All photos that meet the conditions, the newest first: ids, shapes and days.
#[utoipa::path(
    get,
    path = "/timeline",
    tag = "library",
    params(openapi::Conditions),
    responses(
        (status = 200, description = "Three lists of the same length.", body = Timeline),
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

/// With three digits, which no screen tells from more.
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
    /// Those with the most photos first.
    places: Vec<Place>,
}

/// Photos that were taken near each other: within a tenth of a degree.
#[derive(Serialize, ToSchema)]
struct Place {
    /// Degrees north, the average of the photos.
    latitude: f64,
    /// Degrees east, the average of the photos.
    longitude: f64,
    /// How many photos.
    count: usize,
    /// One of them.
    id: Option<String>,
}

/// What is known of a place while photos are counted.
#[derive(Default)]
struct Sum {
    latitude: f64,
    longitude: f64,
    count: u32,
    newest: Option<(i64, Id)>,
}

/// Where photos were taken that meet the conditions.
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
    app.blocking(move || {
        let mut sums: HashMap<(i32, i32), Sum> = HashMap::new();
        each(&asked, &filter(&said, &asked)?, |stored, details| {
            let (Some(latitude), Some(longitude)) = (details.latitude_e7, details.longitude_e7) else {
                return;
            };
            // Tenths of a degree.
            let cell = |e7: i32| e7.div_euclid(1_000_000);
            let sum = sums.entry((cell(latitude), cell(longitude))).or_default();
            sum.latitude += f64::from(latitude) / 1e7;
            sum.longitude += f64::from(longitude) / 1e7;
            sum.count += 1;
            sum.newest = sum.newest.max(stored.content.map(|content| (details.taken_ms, Id(content))));
        })?;
        let mut places: Vec<Place> = sums.into_values().map(Sum::place).collect();
        places.sort_by(|a, b| b.count.cmp(&a.count).then(a.latitude.total_cmp(&b.latitude)));
        written(&Places { places })
    })
    .await
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
struct Cameras {
    /// Those with the most photos first.
    cameras: Vec<Camera>,
    /// Those with the most photos first.
    lenses: Vec<Camera>,
}

/// A camera or a lens.
#[derive(Serialize, ToSchema)]
struct Camera {
    /// Maker and model.
    name: String,
    /// How many photos.
    count: usize,
}

/// With which cameras and lenses photos were taken that meet the conditions.
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
    app.blocking(move || {
        let (mut cameras, mut lenses) = (HashMap::new(), HashMap::new());
        each(&asked, &filter(&said, &asked)?, |_, details| {
            for (names, name) in [(&mut cameras, &details.camera), (&mut lenses, &details.lens)] {
                if let Some(name) = name {
                    *names.entry(name.clone()).or_default() += 1;
                }
            }
        })?;
        written(&Cameras { cameras: most_first(cameras), lenses: most_first(lenses) })
    })
    .await
}

fn most_first(names: HashMap<String, usize>) -> Vec<Camera> {
    let mut all: Vec<Camera> = names.into_iter().map(|(name, count)| Camera { name, count }).collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    all
}

/// What the library holds.
#[utoipa::path(
    get,
    path = "/status",
    tag = "library",
    responses((status = 200, description = "As `imgsearch status --json` has it.", body = Status)),
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
    fn shapes_and_days_are_known_or_said_to_be_unknown() {
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
