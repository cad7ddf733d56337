//! Parses the parameters of a query as people write them into a [`Filter`] and a [`Query`]. The command line, URLs and
//! the tools of assistants all use it, so a parameter means the same everywhere.

use std::num::NonZeroUsize;
use std::path::Path;

use jiff::ZonedDateTime;

use super::filter::NameError;
use super::parameters::{MOST, MOST_CHARACTERS, conditions, limits};
use super::{
    Circle, CircleError, Cutoff, DEFAULT_KM, Expression, Filter, MinSize, Names, NearDuplicates, Order,
    Period, PeriodError, Query, Shape, Town, TownError, Towns,
};
use crate::hint::Hint;
use crate::item::Folder;
use crate::walk::FileType;

/// The conditions of a filter, as people write them.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The photo is in one of these folders or their subfolders.
    pub folders: Vec<Folder>,
    /// The name matches one of these patterns.
    pub globs: Vec<String>,
    /// The photo was taken at this time or later.
    pub after: Option<String>,
    /// The photo was taken before this time.
    pub before: Option<String>,
    /// The photo was taken in this year, in this month, or on this day.
    pub on: Option<String>,
    /// The photo was taken near this point or town.
    pub near: Option<String>,
    /// The radius in kilometres, if `near` has none.
    pub radius: Option<f64>,
    /// Part of the name of the camera.
    pub camera: Option<String>,
    /// Part of the name of the lens.
    pub lens: Option<String>,
    /// The orientation.
    pub shape: Option<Shape>,
    /// The minimum size.
    pub size: Option<MinSize>,
    /// The file has one of these types.
    pub types: Vec<FileType>,
}

/// Parsed conditions.
#[derive(Clone, Debug)]
pub struct Understood {
    /// The filter.
    pub filter: Filter,
    /// The town found for `near`, if it is a name.
    pub town: Option<Town>,
}

/// The parameters of a query, without its expression.
#[derive(Clone, Debug)]
pub struct Words {
    /// The conditions of the filter.
    pub conditions: Conditions,
    /// The maximum number of matches.
    pub top: NonZeroUsize,
    /// The rule that decides where the matches end.
    pub cutoff: Cutoff,
    /// The order of the matches.
    pub sort: Sort,
    /// How near-duplicates are treated.
    pub near_duplicates: NearDuplicates,
    /// Compare with every photo.
    pub exact: bool,
}

/// The name of an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Best first.
    Score,
    /// Newest first.
    Date,
    /// By path.
    Path,
}

/// An error in the parameters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WordError {
    /// There is no such parameter.
    #[error("there is no parameter `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is invalid.
    #[error("{name}: {why}")]
    Refused {
        /// The parameter.
        name: &'static str,
        /// The error in the value.
        why: Refusal,
    },
    /// No time meets all conditions.
    #[error("after, before and on contradict each other: no time meets all of them")]
    NoTime,
}

/// An error in a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A time.
    #[error(transparent)]
    Time(#[from] PeriodError),
    /// A pattern.
    #[error(transparent)]
    Glob(#[from] NameError),
    /// A point and a distance.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// A town.
    #[error(transparent)]
    Town(#[from] TownError),
    /// Neither a point nor a town.
    #[error("`{0}` is neither LAT,LON[,KM] nor TOWN[,COUNTRY][,KM]")]
    Place(String),
    /// Any other value.
    #[error("`{value}` is invalid: {why}")]
    Value {
        /// The value as it was written.
        value: String,
        /// The expected form.
        why: String,
    },
}

impl Hint for WordError {
    fn hint(&self) -> Option<String> {
        let by_numbers = "name the place as LAT,LON: 52.52,13.40";
        match self {
            WordError::Refused { why: Refusal::Town(TownError::Unread { .. }), .. } => {
                Some(format!("run `imgsearch setup places` once to fetch them (35 MB), or {by_numbers}"))
            }
            WordError::Refused { why: Refusal::Town(_), .. } => Some(by_numbers.to_owned()),
            WordError::Unknown { .. } | WordError::Refused { .. } | WordError::NoTime => None,
        }
    }
}

impl Default for Words {
    fn default() -> Words {
        Words {
            conditions: Conditions::default(),
            top: NonZeroUsize::new(10).expect("not zero"),
            cutoff: Cutoff::None,
            sort: Sort::Score,
            near_duplicates: NearDuplicates::Show,
            exact: false,
        }
    }
}

impl Words {
    /// Sets the parameter with this name.
    ///
    /// # Errors
    /// [`WordError::Unknown`] if there is none in [`super::PARAMETERS`], or [`WordError::Refused`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), WordError> {
        match name {
            "n" => {
                self.top = value_of("n", value, "write a whole number from 1 to 1000", |value| {
                    value.parse().ok().filter(|top: &NonZeroUsize| top.get() <= MOST as usize)
                })?
            }
            // A cutoff takes precedence.
            "min_score" => {
                let least = number("min_score", value)?;
                if self.cutoff != Cutoff::Relevance {
                    #[expect(clippy::cast_possible_truncation, reason = "it is from −1 to 1")]
                    let least = least as f32;
                    self.cutoff = Cutoff::Score(least);
                }
            }
            "cutoff" => {
                if flag("cutoff", value)? {
                    self.cutoff = Cutoff::Relevance;
                }
            }
            "sort" => {
                self.sort = value_of("sort", value, "write score, date or path", |value| match value {
                    "score" => Some(Sort::Score),
                    "date" => Some(Sort::Date),
                    "path" => Some(Sort::Path),
                    _ => None,
                })?
            }
            "collapse" => {
                self.near_duplicates =
                    if flag("collapse", value)? { NearDuplicates::Collapse } else { NearDuplicates::Show };
            }
            "exact" => self.exact = flag("exact", value)?,
            _ => self.conditions.set(name, value)?,
        }
        Ok(())
    }

    /// The query for an expression, and the town that was found for `near`. Relative times count from `now`.
    ///
    /// # Errors
    /// As [`Conditions::understand`].
    pub fn query(
        &self,
        expression: Expression,
        now: &dyn Fn() -> ZonedDateTime,
        towns: &Towns,
    ) -> Result<(Query, Option<Town>), WordError> {
        let Understood { filter, town } = self.conditions.understand(now, towns)?;
        let order = match self.sort {
            Sort::Score => Order::Score,
            Sort::Date => Order::Date { zone: now().time_zone().clone() },
            Sort::Path => Order::Path,
        };
        let Words { top, cutoff, near_duplicates, exact, .. } = *self;
        Ok((Query { expression, top, cutoff, filter, order, near_duplicates, exact }, town))
    }
}

impl Conditions {
    /// Sets the condition with this name.
    ///
    /// # Errors
    /// [`WordError::Unknown`] if there is none, or [`WordError::Refused`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), WordError> {
        if let Some(parameter) = conditions().iter().find(|parameter| parameter.name == name) {
            let why = format!("it has more than {MOST_CHARACTERS} characters");
            value_of(parameter.name, value, &why, |value| {
                (value.chars().count() <= MOST_CHARACTERS).then_some(())
            })?;
        }
        let text = || Some(value.to_owned());
        match name {
            "in" => {
                let path = value_of("in", value, "write an absolute path", |value| {
                    Some(Path::new(value)).filter(|path| path.is_absolute())
                })?;
                self.folders.push(Folder::from(path));
            }
            "glob" => self.globs.push(value.to_owned()),
            "after" => self.after = text(),
            "before" => self.before = text(),
            "on" => self.on = text(),
            "near" => self.near = text(),
            "radius" => self.radius = Some(number("radius", value)?),
            "camera" => self.camera = text(),
            "lens" => self.lens = text(),
            "orientation" => self.shape = Some(parsed("orientation", value)?),
            "min_size" => self.size = Some(parsed("min_size", value)?),
            "type" => {
                for value in value.split(',') {
                    self.types.push(parsed("type", value)?);
                }
            }
            _ => return Err(WordError::Unknown { name: name.to_owned() }),
        }
        Ok(())
    }

    /// Parses the conditions. Relative times count from `now`.
    ///
    /// # Errors
    /// [`WordError::Refused`] or [`WordError::NoTime`].
    pub fn understand(
        &self,
        now: &dyn Fn() -> ZonedDateTime,
        towns: &Towns,
    ) -> Result<Understood, WordError> {
        let Conditions { folders, globs, camera, lens, shape, size, types, .. } = self;
        let (near, town) = self.place(towns)?;
        let names = Some(globs).filter(|globs| !globs.is_empty()).map(|globs| Names::new(globs)).transpose();
        let filter = Filter {
            folders: folders.clone(),
            names: names.map_err(refused("glob"))?,
            types: types.clone(),
            taken: self.taken(now)?,
            near,
            camera: camera.clone(),
            lens: lens.clone(),
            shape: *shape,
            size: *size,
        };
        Ok(Understood { filter, town })
    }

    /// `52.5,13.4,5`, or `Berlin`, `Paris, US` or `Paris, US, 5`.
    fn place(&self, towns: &Towns) -> Result<(Option<Circle>, Option<Town>), WordError> {
        let Some(near) = &self.near else { return Ok((None, None)) };
        let km = |written: Option<&str>| {
            written.map_or_else(|| self.radius.unwrap_or(DEFAULT_KM).to_string(), str::to_owned)
        };
        let circle = |text: &str| text.parse::<Circle>().map_err(refused("near"));
        let is_number = |part: &str| part.trim().parse::<f64>().is_ok();
        let mut parts: Vec<&str> = near.split(',').collect();
        if parts.iter().all(|part| is_number(part)) {
            let near = if parts.len() == 2 { format!("{near},{}", km(None)) } else { near.clone() };
            return Ok((Some(circle(&near)?), None));
        }
        let written = parts.pop_if(|part| is_number(part));
        let (name, country) = match parts[..] {
            [name] => (name, None),
            [name, country] => (name, Some(country)),
            _ => return Err(refused("near")(Refusal::Place(near.clone()))),
        };
        let town = towns.find(name, country).map_err(refused("near"))?;
        let circle = circle(&format!("{},{},{}", town.latitude, town.longitude, km(written)))?;
        Ok((Some(circle), Some(town)))
    }

    fn taken(&self, now: &dyn Fn() -> ZonedDateTime) -> Result<Option<Period>, WordError> {
        let read = |name: &'static str, text: &Option<String>| {
            let period = text.as_ref().map(|text| Period::parse(text, &now()));
            period.transpose().map_err(refused(name))
        };
        let after = read("after", &self.after)?.map(Period::onwards);
        let before = read("before", &self.before)?.map(Period::before);
        let on = read("on", &self.on)?;
        let mut periods = [after, before, on].into_iter().flatten();
        let Some(first) = periods.next() else { return Ok(None) };
        periods.try_fold(first, Period::and).map(Some).ok_or(WordError::NoTime)
    }
}

fn refused<E: Into<Refusal>>(name: &'static str) -> impl FnOnce(E) -> WordError {
    move |error| WordError::Refused { name, why: error.into() }
}

fn value_of<'v, T>(
    name: &'static str,
    value: &'v str,
    why: &str,
    read: impl FnOnce(&'v str) -> Option<T>,
) -> Result<T, WordError> {
    // The value may be very long.
    let shown = || value.chars().take(MOST_CHARACTERS).collect();
    let refuse = || Refusal::Value { value: shown(), why: why.to_owned() };
    read(value).ok_or_else(|| refused(name)(refuse()))
}

fn parsed<T: std::str::FromStr<Err: ToString>>(name: &'static str, value: &str) -> Result<T, WordError> {
    value.parse().map_err(|error: T::Err| {
        refused(name)(Refusal::Value { value: value.to_owned(), why: error.to_string() })
    })
}

fn flag(name: &'static str, value: &str) -> Result<bool, WordError> {
    value_of(name, value, "write true or false", |value| value.parse().ok())
}

fn number(name: &'static str, value: &str) -> Result<f64, WordError> {
    let (least, most) = limits(name).unwrap_or((f64::MIN, f64::MAX));
    value_of(name, value, &format!("write a number from {least} to {most}"), |value| {
        value.parse().ok().filter(|number: &f64| (least..=most).contains(number))
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::query::{Kind, PARAMETERS, Parameter};

    fn now() -> ZonedDateTime {
        Timestamp::from_second(1_700_000_000).unwrap().to_zoned_datetime(TimeZone::UTC)
    }

    fn words(said: &[(&str, &str)]) -> Result<Words, WordError> {
        let mut words = Words::default();
        said.iter().try_for_each(|(name, value)| words.set(name, value))?;
        Ok(words)
    }

    fn query(said: &[(&str, &str)]) -> Result<Query, WordError> {
        Ok(words(said)?.query(Expression::text("a cat"), &now, &Towns::default())?.0)
    }

    #[test]
    fn every_parameter_is_parsed() {
        let value = |parameter: &Parameter| match parameter.kind {
            Kind::Text(example) => example,
            Kind::Word(words) => words[0],
            Kind::Flag => "true",
            Kind::Number(..) | Kind::Count(..) => "1",
        };
        for parameter in PARAMETERS {
            assert!(query(&[(parameter.name, value(parameter))]).is_ok(), "{}", parameter.name);
        }
        for parameter in conditions() {
            let filter = query(&[(parameter.name, value(parameter))]).unwrap().filter;
            assert_eq!(filter.is_empty(), parameter.name == "radius", "{}", parameter.name);
        }
        let types: Vec<&str> = FileType::all().map(|kind| kind.name()).collect();
        assert!(
            PARAMETERS.iter().any(|parameter| matches!(parameter.kind, Kind::Word(words) if *words == types))
        );
    }

    #[test]
    fn parameters_become_a_query() {
        let query = query(&[
            ("near", "52.5,13.4"),
            ("radius", "3"),
            ("type", "raw,png"),
            ("type", "gif"),
            ("n", "7"),
            ("cutoff", "true"),
            ("min_score", "0.3"),
            ("collapse", "true"),
            ("sort", "path"),
        ])
        .unwrap();
        assert_eq!(query.filter.near, Some(Circle { latitude: 52.5, longitude: 13.4, km: 3.0 }));
        assert_eq!(query.filter.types.len(), 3);
        assert_eq!((query.top.get(), query.cutoff, query.order), (7, Cutoff::Relevance, Order::Path));
        assert_eq!(query.near_duplicates, NearDuplicates::Collapse);
    }

    #[test]
    fn errors_name_the_invalid_parameter() {
        #[track_caller]
        fn check(said: &[(&str, &str)], expected: &str) {
            let error = query(said).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        check(&[("afetr", "2023")], "`afetr`");
        check(&[("after", "soon")], "after: cannot read `soon`");
        check(&[("after", "2024"), ("before", "2023")], "no time");
        check(&[("near", "1")], "near: ");
        check(&[("near", "a,b,c,1")], "neither");
        check(&[("near", "Lisbon")], "near: this user has no home");
        check(&[("radius", "-1")], "radius: `-1`");
        check(&[("radius", "NaN")], "radius");
        check(&[("n", "0")], "n: `0`");
        check(&[("n", "1001")], "n: `1001`");
        check(&[("sort", "size")], "score, date or path");
        check(&[("collapse", "1")], "true or false");
        check(&[("in", "../etc")], "absolute");
        check(&[("type", "exe")], "unknown type");
        check(&[("glob", "[")], "glob: `[`");
        check(&[("lens", &"x".repeat(501))], "500 characters");
        check(&[("orientation", "tall")], "landscape");
        check(&[("min_size", "1")], "1920x1080");
    }
}
