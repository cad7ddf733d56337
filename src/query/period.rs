//! Date filters: years, months, days, and days relative to today.
//!
//! Cameras record the local time of the place. So `2024-01-01` means New Year's Day wherever the photo was taken, and no
//! time zone is needed. A photo without a date has the time of its file, which is an instant; it belongs to the day that
//! this instant has in the user's time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan, ZonedDateTime};

/// A period in which photos were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// For photos with a date: in local time.
    pub wall: Stretch,
    /// For photos with only the time of their file: in UTC.
    pub utc: Stretch,
}

/// A half-open range of milliseconds since 1970-01-01 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first millisecond.
    pub from_ms: i64,
    /// The millisecond after the last.
    pub until_ms: i64,
}

impl Default for Stretch {
    /// All time.
    fn default() -> Stretch {
        Stretch { from_ms: i64::MIN, until_ms: i64::MAX }
    }
}

impl Stretch {
    /// From the start of one day to before the start of another, in this time zone.
    fn between(start: Date, end: Date, zone: &TimeZone) -> Stretch {
        // If clocks skip midnight, the day starts right after the gap; if they show it twice, at the first one.
        let ms = |date: Date| zone.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        let ms = |date| ms(date).map_or(i64::MAX, jiff::Timestamp::as_millisecond);
        Stretch { from_ms: ms(start), until_ms: ms(end) }
    }

    fn and(self, other: Stretch) -> Stretch {
        Stretch { from_ms: self.from_ms.max(other.from_ms), until_ms: self.until_ms.min(other.until_ms) }
    }

    fn is_empty(self) -> bool {
        self.from_ms >= self.until_ms
    }

    fn contains(self, ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&ms)
    }
}

/// A text that cannot be read as a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read `{text}` as a date: {detail}")]
pub struct PeriodError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub detail: &'static str,
}

const FORMS: &str = "write 2023, 2023-07, 2023-07-14, today, yesterday, or `2 weeks ago`";

impl Period {
    /// Parses a year, a month or a day. `now` is the user's current time.
    ///
    /// # Errors
    /// [`PeriodError`] if the text is not a date, or is outside the years −9999 to 9999.
    pub fn parse(text: &str, now: &ZonedDateTime) -> Result<Period, PeriodError> {
        let today = now.date();
        let refuse = |detail| PeriodError { text: text.to_owned(), detail };
        let first =
            |year, month, day| Date::new(year, month, day).map_err(|_| refuse("there is no such day"));
        let typed = text.trim().to_lowercase();
        let (start, length) = match (typed.as_str(), numbers(&typed).as_deref()) {
            ("today", _) => (today, 1.day()),
            ("yesterday", _) => (today.saturating_sub(1.day()), 1.day()),
            (ago, _) if ago.ends_with(" ago") => {
                let span = span_of(ago).ok_or_else(|| refuse("count days, weeks, months or years"))?;
                (today.checked_add(span).map_err(|_| refuse("that is too long ago"))?, 1.day())
            }
            (_, Some(&[year])) => (first(year, 1, 1)?, 1.year()),
            (_, Some(&[year, month])) => (first(year, small(month), 1)?, 1.month()),
            (_, Some(&[year, month, day])) => (first(year, small(month), small(day))?, 1.day()),
            _ => return Err(refuse(FORMS)),
        };
        let end = start.checked_add(length).map_err(|_| refuse("that is too far ahead"))?;
        let in_zone = |zone| Stretch::between(start, end, zone);
        Ok(Period { wall: in_zone(&TimeZone::UTC), utc: in_zone(now.time_zone()) })
    }

    /// The intersection; `None` if it is empty.
    pub fn and(self, other: Period) -> Option<Period> {
        let both = Period { wall: self.wall.and(other.wall), utc: self.utc.and(other.utc) };
        (!both.wall.is_empty() || !both.utc.is_empty()).then_some(both)
    }

    /// All time from the start of this period.
    #[must_use]
    pub fn onwards(self) -> Period {
        let onwards = |stretch| Stretch { until_ms: i64::MAX, ..stretch };
        Period { wall: onwards(self.wall), utc: onwards(self.utc) }
    }

    /// All time before the start of this period.
    #[must_use]
    pub fn before(self) -> Period {
        let before = |stretch: Stretch| Stretch { from_ms: i64::MIN, until_ms: stretch.from_ms };
        Period { wall: before(self.wall), utc: before(self.utc) }
    }

    /// Whether the whole range from the first to the last of these milliseconds is in the period. So a photo of which
    /// only the year is known is not in any single day. The values are in UTC or in local time.
    pub fn has_all(&self, (first_ms, last_ms): (i64, i64), are_moments: bool) -> bool {
        let stretch = if are_moments { self.utc } else { self.wall };
        stretch.contains(first_ms) && stretch.contains(last_ms)
    }
}

/// `2023-07` → 2023, 7. A year has four digits.
fn numbers(text: &str) -> Option<Vec<i16>> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let is_date = parts[0].len() == 4 && parts.iter().all(|part| is_number(part));
    if is_date { parts.iter().map(|part| part.parse().ok()).collect() } else { None }
}

/// A number too large for `i8` becomes the maximum, which is not a valid month or day either.
fn small(number: i16) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

/// `a week ago` → −1 week.
fn span_of(ago: &str) -> Option<Span> {
    let (count, rest) = ago.split_once(' ')?;
    let count = if matches!(count, "a" | "an" | "one") { "1" } else { count };
    let span: Span = format!("{count} {rest}").parse().ok()?;
    let is_whole_days = span.get_hours() == 0
        && span.get_minutes() == 0
        && span.get_seconds() == 0
        && span.get_milliseconds() == 0
        && span.get_microseconds() == 0
        && span.get_nanoseconds() == 0;
    is_whole_days.then_some(span)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// A leap day in this time zone.
    fn now(zone: &str) -> ZonedDateTime {
        date(2024, 2, 29).at(12, 0, 0, 0).to_zoned_datetime(TimeZone::posix(zone).unwrap()).unwrap()
    }

    fn parse(text: &str) -> Result<Period, PeriodError> {
        Period::parse(text, &now("UTC0"))
    }

    fn day(year: i16, month: i8, day: i8) -> i64 {
        TimeZone::UTC.to_timestamp(date(year, month, day).at(0, 0, 0, 0)).unwrap().as_millisecond()
    }

    #[test]
    fn periods_are_read_as_people_write_them() {
        #[track_caller]
        fn check(text: &str, from: (i16, i8, i8), until: (i16, i8, i8)) {
            let stretch =
                Stretch { from_ms: day(from.0, from.1, from.2), until_ms: day(until.0, until.1, until.2) };
            assert_eq!(parse(text), Ok(Period { wall: stretch, utc: stretch }), "{text}");
        }
        check("2023", (2023, 1, 1), (2024, 1, 1));
        check("2023-12", (2023, 12, 1), (2024, 1, 1));
        check("2024-02", (2024, 2, 1), (2024, 3, 1));
        check("2023-7-4", (2023, 7, 4), (2023, 7, 5));
        check("1965-07-04", (1965, 7, 4), (1965, 7, 5));
        check("Today", (2024, 2, 29), (2024, 3, 1));
        check("yesterday", (2024, 2, 28), (2024, 2, 29));
        check("2 weeks ago", (2024, 2, 15), (2024, 2, 16));
        check("a year ago", (2023, 2, 28), (2023, 3, 1));
        check("1 month 2 days ago", (2024, 1, 27), (2024, 1, 28));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        #[track_caller]
        fn check(text: &str, detail: &str) {
            let refused = parse(text).unwrap_err();
            assert!(refused.detail.contains(detail), "{refused}");
        }
        for text in ["", "23", "summer", "2023-", "14.7.2023", "2023-07-14 18:00", "2023-1-1-1"] {
            check(text, "write 2023");
        }
        check("2023-13", "no such day");
        check("2023-02-30", "no such day");
        check("2023-300", "no such day");
        check("3 hours ago", "days");
        check("soon ago", "days");
        check("99999 years ago", "");
        check("9999", "too far");
    }

    #[test]
    fn periods_can_be_cut() {
        let year = parse("2023").unwrap();
        let month = parse("2023-07").unwrap();
        assert_eq!(year.and(month), Some(month));
        assert_eq!(month.before().and(month.onwards()), None);
        assert!(month.wall.contains(day(2023, 7, 1)) && !month.wall.contains(day(2023, 8, 1)));
        assert_eq!(Period::default().and(year), Some(year));
    }

    #[test]
    fn a_file_has_the_day_that_its_moment_had_where_the_person_is() {
        #[track_caller]
        fn check(zone: &str, text: &str, from: &str, until: &str) {
            let period = Period::parse(text, &now(zone)).unwrap();
            let ms = |time: &str| time.parse::<jiff::Timestamp>().unwrap().as_millisecond();
            let (from, until) = (ms(from), ms(until));
            let edges = [from - 1, from, until - 1, until].map(|ms| period.utc.contains(ms));
            assert_eq!(edges, [false, true, true, false], "{text} is {period:?}");
        }
        // Los Angeles: in summer, in winter, and the days of 23 and of 25 hours.
        let pacific = "PST8PDT,M3.2.0,M11.1.0";
        check(pacific, "2024-07-04", "2024-07-04T07:00:00Z", "2024-07-05T07:00:00Z");
        check(pacific, "2024-12-04", "2024-12-04T08:00:00Z", "2024-12-05T08:00:00Z");
        check(pacific, "2024-03-10", "2024-03-10T08:00:00Z", "2024-03-11T07:00:00Z");
        check(pacific, "2024-11-03", "2024-11-03T07:00:00Z", "2024-11-04T08:00:00Z");
        check(pacific, "2024", "2024-01-01T08:00:00Z", "2025-01-01T08:00:00Z");
        // Clocks that go from 24:00 to 1:00 skip the midnight of 2024-04-01.
        check("<-04>4<-03>,J91/0,J274/0", "2024-04-01", "2024-04-01T04:00:00Z", "2024-04-02T03:00:00Z");
        check("<+0530>-5:30", "yesterday", "2024-02-27T18:30:00Z", "2024-02-28T18:30:00Z");
        // A camera's clock shows the time where the camera was.
        let fourth = Period::parse("2024-07-04", &now(pacific)).unwrap();
        assert!(fourth.wall.contains(day(2024, 7, 4)) && !fourth.wall.contains(day(2024, 7, 5)));
    }
}
