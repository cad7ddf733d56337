//! When a photo was taken, as people say it: years, months, days, and days counted from today.
//!
//! A photo's time is what the clock that was looked at showed (its camera's; for a photo without a date, the file
//! system's in UTC). A period is on that clock too: `2024-01-01` admits what was taken on New Year's Day wherever that
//! was, and no time zone comes in.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

/// A stretch of time on the photos' own clocks: from its first millisecond on, and before its last. Counted from
/// 1970-01-01 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first millisecond in it.
    pub from_ms: i64,
    /// The first millisecond behind it.
    pub until_ms: i64,
}

impl Default for Period {
    /// All time.
    fn default() -> Period {
        Period { from_ms: i64::MIN, until_ms: i64::MAX }
    }
}

/// What cannot be read as a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no time: {detail}")]
pub struct PeriodError {
    /// As it was typed.
    pub text: String,
    /// What is wrong with it.
    pub detail: &'static str,
}

const FORMS: &str = "write 2023, 2023-07, 2023-07-14, today, yesterday, or `2 weeks ago`";

impl Period {
    /// The year, the month or the day that `text` names.
    ///
    /// # Errors
    /// [`PeriodError`] for what is none, or is beyond the years −9999 to 9999.
    pub fn parse(text: &str, today: Date) -> Result<Period, PeriodError> {
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
        let ms = |date: Date| TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        let ms = |date| ms(date).map_or(i64::MAX, jiff::Timestamp::as_millisecond);
        Ok(Period { from_ms: ms(start), until_ms: ms(end) })
    }

    /// What is in both; `None` for nothing.
    pub fn and(self, other: Period) -> Option<Period> {
        let from_ms = self.from_ms.max(other.from_ms);
        let until_ms = self.until_ms.min(other.until_ms);
        (from_ms < until_ms).then_some(Period { from_ms, until_ms })
    }

    /// From the beginning of this one on.
    #[must_use]
    pub fn onwards(self) -> Period {
        Period { until_ms: i64::MAX, ..self }
    }

    /// Before the beginning of this one.
    #[must_use]
    pub fn before(self) -> Period {
        Period { from_ms: i64::MIN, until_ms: self.from_ms }
    }

    /// Whether it has everything from the first to the last of these moments: a photo of which only the year is known
    /// is in no single day of it.
    pub fn has_all(&self, (first_ms, last_ms): (i64, i64)) -> bool {
        self.contains(first_ms) && self.contains(last_ms)
    }

    /// Whether it has this moment.
    pub fn contains(&self, ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&ms)
    }
}

/// `2023-07` → 2023, 7. A year has four digits.
fn numbers(text: &str) -> Option<Vec<i16>> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let is_date = parts[0].len() == 4 && parts.iter().all(|part| is_number(part));
    if is_date { parts.iter().map(|part| part.parse().ok()).collect() } else { None }
}

/// No month and no day is as great as what this makes of a number that is too great.
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

    /// A leap day.
    const TODAY: Date = date(2024, 2, 29);

    fn day(year: i16, month: i8, day: i8) -> i64 {
        TimeZone::UTC.to_timestamp(date(year, month, day).at(0, 0, 0, 0)).unwrap().as_millisecond()
    }

    #[test]
    fn periods_are_read_as_people_write_them() {
        #[track_caller]
        fn check(text: &str, from: (i16, i8, i8), until: (i16, i8, i8)) {
            let expected =
                Period { from_ms: day(from.0, from.1, from.2), until_ms: day(until.0, until.1, until.2) };
            assert_eq!(Period::parse(text, TODAY), Ok(expected), "{text}");
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
            let refused = Period::parse(text, TODAY).unwrap_err();
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
        let year = Period::parse("2023", TODAY).unwrap();
        let month = Period::parse("2023-07", TODAY).unwrap();
        assert_eq!(year.and(month), Some(month));
        assert_eq!(month.before().and(month.onwards()), None);
        assert!(month.contains(day(2023, 7, 1)) && !month.contains(day(2023, 8, 1)));
        assert_eq!(Period::default().and(year), Some(year));
    }
}
