//! Compares filters with an oracle: a library of 50,000 records without files, 500 combinations of conditions, and for each
//! the rows and the best matches that a plain loop finds.

use std::num::NonZeroUsize;
use std::sync::Arc;

use imgsearch::Library;
use imgsearch::item::{Folder, Item};
use imgsearch::library::{Ask, View, Write};
use imgsearch::photo::{Clock, Details, Photo, Stamp};
use imgsearch::query::{Filter, MinSize, Names, Period, Shape};
use imgsearch_index::{Space, Vector};
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

const ROWS: u32 = 50_000;
const COMBINATIONS: usize = 500;
const DIM: usize = 8;
/// The user's time zone: Los Angeles.
const ZONE: &str = "PST8PDT,M3.2.0,M11.1.0";

const FOLDERS: &[&str] = &["/p/2019", "/p/2019/summer", "/p/2020", "/p/20", "/q"];
const NAMES: &[&str] = &["IMG_", "DSC", "holiday "];
const ENDINGS: &[&str] = &["jpg", "JPG", "png", "heic", "cr2", "txt.jpeg"];
const CAMERAS: &[Option<&str>] = &[None, Some("Canon EOS R5"), Some("NIKON Z 6"), Some("Apple iPhone 12")];
const LENSES: &[Option<&str>] = &[None, Some("RF24-70mm F2.8"), Some("50mm"), Some("Objectif été")];
const SIZES: &[(u32, u32)] = &[(4000, 3000), (3000, 4000), (1080, 1080), (1920, 1080), (640, 480)];
const CITIES: &[(f64, f64)] =
    &[(52.52, 13.40), (48.86, 2.35), (-33.87, 151.21), (64.15, -21.94), (0.0, 179.9)];

/// Reproducible pseudo-random numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A number from −1 to 1.
    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(2_000_001)).unwrap()) / 1e6 - 1.0
    }
}

/// A photo as seen by the oracle.
struct Row {
    path: String,
    vector: Vector,
    /// `None` for photos indexed by a version without details.
    known: Option<Known>,
}

struct Known {
    day: Date,
    clock: Clock,
    place: Option<(f64, f64)>,
    camera: Option<&'static str>,
    lens: Option<&'static str>,
    size: (u32, u32),
}

fn row(number: u32, numbers: &mut Numbers) -> Row {
    let (folder, name, ending) = (numbers.of(FOLDERS), numbers.of(NAMES), numbers.of(ENDINGS));
    let path = format!("{folder}/{name}{number}.{ending}");
    #[expect(clippy::cast_possible_truncation, reason = "to single precision")]
    let vector = Vector::normalized((0..DIM).map(|_| numbers.unit() as f32).collect()).unwrap();
    let place = |numbers: &mut Numbers| {
        let (latitude, longitude) = numbers.of(CITIES);
        (latitude + numbers.unit() * 0.5, (longitude + numbers.unit() * 0.5).min(180.0))
    };
    let known = (numbers.below(20) > 0).then(|| Known {
        day: date(
            2015 + i16::try_from(numbers.below(9)).unwrap(),
            1 + i8::try_from(numbers.below(12)).unwrap(),
            1 + i8::try_from(numbers.below(28)).unwrap(),
        ),
        clock: numbers.of(&[Clock::Camera, Clock::File]),
        place: (numbers.below(3) > 0).then(|| place(numbers)),
        camera: numbers.of(CAMERAS),
        lens: numbers.of(LENSES),
        size: numbers.of(SIZES),
    });
    Row { path, vector, known }
}

fn zone() -> TimeZone {
    TimeZone::posix(ZONE).unwrap()
}

/// Milliseconds of a local time on a camera's clock, or of a file changed at this time in the user's time zone.
fn ms(time: DateTime, clock: Clock) -> i64 {
    let zone = if clock == Clock::File { zone() } else { TimeZone::UTC };
    zone.to_timestamp(time).unwrap().as_millisecond()
}

#[expect(clippy::cast_possible_truncation, reason = "180 degrees at most")]
fn photo(row: &Row) -> Photo {
    let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
    let details = row.known.as_ref().map(|known| Details {
        width: known.size.0,
        height: known.size.1,
        orientation: 1,
        // Late in the evening, to test the end of a day.
        taken_ms: ms(known.day.at(23, 30, 0, 0), known.clock),
        offset_minutes: None,
        clock: known.clock,
        latitude_e7: known.place.map(|place| e7(place.0)),
        longitude_e7: known.place.map(|place| e7(place.1)),
        camera: known.camera.map(Into::into),
        lens: known.lens.map(Into::into),
        ..Details::default()
    });
    Photo::read(Stamp { size: 1, modified_ns: 2, changed_ns: 3 }, 4, details)
}

/// A condition as implemented by the oracle.
type Condition = Box<dyn Fn(&Row) -> bool>;

/// The number of kinds of conditions.
const KINDS: usize = 9;

/// Adds a condition of this kind to `filter`, and returns the oracle's version.
fn condition(kind: usize, filter: &mut Filter, numbers: &mut Numbers) -> Condition {
    match kind {
        0 => {
            let folders = [numbers.of(FOLDERS), numbers.of(FOLDERS)];
            filter.folders = folders.map(Folder::from).to_vec();
            let folders = folders.map(|folder| format!("{folder}/"));
            Box::new(move |row| folders.iter().any(|folder| row.path.starts_with(folder)))
        }
        1 => {
            let (name, ending) = (numbers.of(NAMES), numbers.of(ENDINGS));
            filter.names = Some(Names::new(&[format!("{name}*.{ending}")]).unwrap());
            Box::new(move |row| {
                let file = row.path.rsplit('/').next().unwrap();
                file.starts_with(name) && file.ends_with(&format!(".{ending}"))
            })
        }
        2 => time(filter, numbers),
        3 => near(filter, numbers),
        4 => {
            let part = numbers.of(&["canon", "EOS", "phone", "z 6", "Leica"]);
            filter.camera = Some(part.into());
            known(move |known| {
                known.camera.is_some_and(|it| it.to_lowercase().contains(&part.to_lowercase()))
            })
        }
        5 => {
            let part = numbers.of(&["50MM", "mm", "ÉTÉ", "rf"]);
            filter.lens = Some(part.into());
            known(move |known| known.lens.is_some_and(|it| it.to_lowercase().contains(&part.to_lowercase())))
        }
        6 => {
            let shape = numbers.of(&[Shape::Landscape, Shape::Portrait, Shape::Square]);
            filter.shape = Some(shape);
            known(move |known| match shape {
                Shape::Landscape => known.size.0 > known.size.1,
                Shape::Portrait => known.size.0 < known.size.1,
                Shape::Square => known.size.0 == known.size.1,
            })
        }
        7 if numbers.below(2) == 0 => {
            filter.size = Some(MinSize::Sides(1920, 1080));
            known(|known| known.size.0 >= 1920 && known.size.1 >= 1080)
        }
        7 => {
            filter.size = Some(MinSize::Pixels(2e6));
            known(|known| known.size.0 * known.size.1 >= 2_000_000)
        }
        _ => {
            filter.types = vec!["jpeg".parse().unwrap(), "raw".parse().unwrap()];
            Box::new(|row| [".jpg", ".JPG", ".jpeg", ".cr2"].iter().any(|ending| row.path.ends_with(ending)))
        }
    }
}

fn known(fits: impl Fn(&Known) -> bool + 'static) -> Condition {
    Box::new(move |row| row.known.as_ref().is_some_and(&fits))
}

fn time(filter: &mut Filter, numbers: &mut Numbers) -> Condition {
    let (year, month) =
        (2015 + i16::try_from(numbers.below(9)).unwrap(), 1 + i8::try_from(numbers.below(12)).unwrap());
    let (text, number) = (format!("{year}-{month:02}"), (year, month));
    let now = date(2024, 5, 17).at(12, 0, 0, 0).to_zoned_datetime(zone()).unwrap();
    let period = Period::parse(&text, &now).unwrap();
    let kind = numbers.below(3);
    filter.taken = Some([period.onwards(), period.before(), period][kind]);
    known(move |known| {
        let found = (known.day.year(), known.day.month());
        [found >= number, found < number, found == number][kind]
    })
}

fn near(filter: &mut Filter, numbers: &mut Numbers) -> Condition {
    let (centre, km) = (numbers.of(CITIES), numbers.of(&[5.0, 30.0, 900.0, 15_000.0]));
    filter.near = Some(format!("{},{},{km}", centre.0, centre.1).parse().unwrap());
    // The angle between two points on the unit sphere, by the dot product.
    let point = |(latitude, longitude): (f64, f64)| {
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
    };
    let centre = point(centre);
    let least = (km / 6_371.008_8_f64).cos();
    known(move |known| {
        known
            .place
            .is_some_and(|place| point(place).iter().zip(centre).map(|(a, b)| a * b).sum::<f64>() >= least)
    })
}

fn library(rows: &[Row]) -> (tempfile::TempDir, Arc<dyn View>) {
    let folder = tempfile::tempdir().unwrap();
    let space = Space::new("none", "none", DIM).unwrap();
    let library = Library::new(folder.path());
    let sink = library.lock().unwrap().open(&space).unwrap().sink;
    for rows in rows.chunks(5_000) {
        let puts = rows.iter().map(|row| Write::Put {
            item: Item::file(&row.path),
            content: None,
            photo: photo(row),
            vector: Some(row.vector.clone()),
        });
        sink.apply(puts.collect()).unwrap();
    }
    sink.close().unwrap();
    (folder, library.view().unwrap())
}

#[test]
fn filters_find_what_a_plain_loop_finds() {
    let mut numbers = Numbers(7);
    let rows: Vec<Row> = (0..ROWS).map(|number| row(number, &mut numbers)).collect();
    let (_folder, view) = library(&rows);
    let mut found_some = 0;
    for _ in 0..COMBINATIONS {
        let mut filter = Filter::default();
        let kinds: Vec<usize> = (0..KINDS).filter(|_| numbers.below(4) == 0).collect();
        let conditions: Vec<Condition> =
            kinds.into_iter().map(|kind| condition(kind, &mut filter, &mut numbers)).collect();
        let expected: Vec<&Row> =
            rows.iter().filter(|row| conditions.iter().all(|condition| condition(row))).collect();
        assert_eq!(view.count(&filter).unwrap(), expected.len(), "{filter:?}");
        found_some += usize::from(!expected.is_empty());
        let query = &rows[numbers.below(rows.len())].vector;
        let hits = view.search(&Ask::new(query, NonZeroUsize::new(20).unwrap(), &filter)).unwrap();
        let mut scores: Vec<f32> = expected.iter().map(|row| row.vector.dot(query)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(hits.len(), scores.len().min(20), "{filter:?}");
        assert!(hits.iter().zip(scores).all(|(hit, score)| (hit.score - score).abs() < 2e-3), "{filter:?}");
    }
    assert!(found_some > COMBINATIONS / 2, "{found_some}");
}
