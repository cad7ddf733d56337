//! Parses dates and times in the notations of cameras, phones and programs.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;

use super::{Precision, Taken};

/// Earlier years are invalid: programs write them for "not set".
const FIRST_YEAR: i16 = 1000;
/// The largest valid offset from UTC, in minutes.
const FARTHEST: i16 = 18 * 60;

/// Parses a date with an optional time and offset from UTC.
///
/// EXIF has `2019:11:28 14:38:40`, XMP and ISO 8601 `2019-11-28T14:38:40.25+01:00`, IPTC `20191128`, e-mail `Thu, 28 Nov 2019
/// 14:38:40 +0100`. Files also have slashes and dots, single digits, times without seconds, the hour 24 and the second 60.
/// Zeros and blanks mean unknown.
pub(super) fn parse(text: &str) -> Option<Taken> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    Rest(text).date_and_time().or_else(|| in_words(text))
}

/// Parses an offset from UTC in minutes: `+02:00`, `+2:00`, `+0200`, `+02` or `Z`, with an optional `UTC` or `GMT` in front.
pub(super) fn offset(text: &str) -> Option<i16> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let zone = ["UTC", "GMT", "Z", "z"].iter().find_map(|zone| text.strip_prefix(zone));
    let (sign, digits) = match (zone.unwrap_or(text).split_at_checked(1), zone) {
        (Some(("+", digits)), _) => (1, digits),
        (Some(("-", digits)), _) => (-1, digits),
        (None, Some(_)) => return Some(0),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        // Ignore seconds, which no current zone has.
        Some((hours, minutes)) => (hours, minutes.get(..2)?),
        None if digits.len() <= 2 => (digits, "0"),
        None => digits.split_at_checked(digits.len() - 2)?,
    };
    let number = |text: &str| text.parse::<u8>().ok().map(i16::from);
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|minutes| *minutes < 60)?);
    Some(sign * (60 * hours + minutes)).filter(|offset| offset.abs() <= FARTHEST)
}

/// Converts the decimals of a second to milliseconds: `25` → 250.
pub(super) fn fraction(digits: &str) -> i64 {
    let digits = digits.trim().bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0'));
    digits.take(3).fold(0, |number, digit| 10 * number + i64::from(digit - b'0'))
}

impl Taken {
    pub(super) fn new(time: DateTime, offset_minutes: Option<i16>, precision: Precision) -> Option<Taken> {
        if time.year() < FIRST_YEAR {
            return None;
        }
        let clock_ms = TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond();
        Some(Taken { clock_ms, offset_minutes, precision })
    }
}

/// The unread rest of a text.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn date_and_time(&mut self) -> Option<Taken> {
        let year =
            self.number(4).filter(|_| self.0.is_empty() || !self.0.starts_with(char::is_alphabetic))?;
        let whole = |month, day, precision| {
            let date = Date::new(year, month, day).ok()?;
            Taken::new(date.to_datetime(Time::midnight()), None, precision)
        };
        let Some(month) = self.field(&[':', '-', '/', '.', ' ']) else { return whole(1, 1, Precision::Year) };
        let Some(day) = self.field(&[':', '-', '/', '.', ' ']) else {
            return whole(month, 1, Precision::Month);
        };
        let date = Date::new(year, month, day).ok()?;
        self.0 = self.0.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, 'T' | 't'));
        // Keep the date even if the time is nonsense.
        match self.time() {
            Some((time, offset)) => Taken::new(date.to_datetime(time), offset, Precision::Time),
            None => whole(month, day, Precision::Day),
        }
    }

    fn time(&mut self) -> Option<(Time, Option<i16>)> {
        let hour = self.digits(2)?;
        self.skip(&[':', '.']);
        let minute = self.digits(2)?;
        let has_seconds = self.0.starts_with([':', '.']) || self.0.starts_with(|c: char| c.is_ascii_digit());
        self.skip(&[':', '.']);
        let second = if has_seconds { self.digits(2).unwrap_or(0) } else { 0 };
        let mut milliseconds = 0;
        if let Some(digits) = self.0.strip_prefix(['.', ',']) {
            milliseconds = fraction(digits);
            self.0 = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let hour = self.of_day(hour);
        // A leap second becomes the second before it.
        let second = if second == 60 { 59 } else { second };
        let nanoseconds = i32::try_from(milliseconds * 1_000_000).ok()?;
        let time = Time::new(hour, minute, second, nanoseconds).ok()?;
        Some((time, offset(self.0)))
    }

    /// Converts an hour to 0 to 23: phones write 24 for midnight, and programs write AM and PM.
    fn of_day(&mut self, hour: i8) -> i8 {
        let rest = self.0.trim_start();
        let half = rest.get(..2).map(str::to_ascii_lowercase);
        match half.as_deref() {
            Some("am" | "pm") => self.0 = &rest[2..],
            _ => return if hour == 24 { 0 } else { hour },
        }
        hour % 12 + if half.as_deref() == Some("pm") { 12 } else { 0 }
    }

    /// A month or day after a separator; `None` if it is blank, zero or missing.
    fn field(&mut self, separators: &[char]) -> Option<i8> {
        self.skip(separators);
        self.digits(2).filter(|number| *number > 0)
    }

    fn skip(&mut self, separators: &[char]) {
        self.0 = self.0.strip_prefix(separators).unwrap_or(self.0);
    }

    fn digits(&mut self, most: usize) -> Option<i8> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(count);
        let number = digits.parse().ok()?;
        self.0 = rest;
        Some(number)
    }

    /// A number with exactly this many digits.
    fn number(&mut self, length: usize) -> Option<i16> {
        let (digits, rest) = self.0.split_at_checked(length)?;
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        self.0 = rest;
        Some(number)
    }
}

/// Parses `Thu, 28 Nov 2019 14:38:40 +0100` (e-mail) or `Thu Nov 28 14:38:40 2019` (C).
fn in_words(text: &str) -> Option<Taken> {
    if let Ok(zoned) = rfc2822::parse(text) {
        let offset = i16::try_from(zoned.offset().seconds() / 60).ok();
        return Taken::new(zoned.datetime(), offset, Precision::Time);
    }
    let time = strtime::parse("%a %b %e %H:%M:%S %Y", text).ok()?.to_datetime().ok()?;
    Taken::new(time, None, Precision::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = parse(text).map_or("nothing".to_owned(), |taken| {
            let time = jiff::tz::Offset::UTC
                .to_datetime(jiff::Timestamp::from_millisecond(taken.clock_ms).unwrap())
                .to_string();
            let time = match taken.precision {
                Precision::Year => &time[..4],
                Precision::Month => &time[..7],
                Precision::Day => &time[..10],
                Precision::Time => &time,
            };
            let offset = taken.offset_minutes.map_or(String::new(), |minutes| format!(" {minutes}"));
            format!("{time}{offset}")
        });
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn every_notation_is_read() {
        check("2019:11:28 14:38:40", "2019-11-28T14:38:40");
        check("2019-11-28 14:38:40", "2019-11-28T14:38:40");
        check("2019/11/28 14:38:40", "2019-11-28T14:38:40");
        check("2019.11.28 14.38.40", "2019-11-28T14:38:40");
        check("2019:11:28T14:38:40", "2019-11-28T14:38:40");
        check("2019-11-28T14:38:40+01:00", "2019-11-28T14:38:40 60");
        check("2019-11-28T14:38:40.25Z", "2019-11-28T14:38:40.25 0");
        check("2019-11-28T14:38:40,5-0330", "2019-11-28T14:38:40.5 -210");
        check("2019:11:28 14:38", "2019-11-28T14:38:00");
        check("2019-11-28T14:38+02:00", "2019-11-28T14:38:00 120");
        check("2019:1:8 4:08:04", "2019-01-08T04:08:04");
        check("20191128T143840", "2019-11-28T14:38:40");
        check("20191128143840+0100", "2019-11-28T14:38:40 60");
        check("2016:02:02 24:28:33", "2016-02-02T00:28:33");
        check("2016:12:31 23:59:60", "2016-12-31T23:59:59");
        check("2019:11:28 02:38:40 PM", "2019-11-28T14:38:40");
        check("2019:11:28 12:38:40 am", "2019-11-28T00:38:40");
        check("Thu, 28 Nov 2019 14:38:40 +0100", "2019-11-28T14:38:40 60");
        check("Thu Nov 28 14:38:40 2019", "2019-11-28T14:38:40");
        check("Thu Nov  8 14:38:40 2018", "2018-11-08T14:38:40");
        check(" 2019:11:28 14:38:40\0\0", "2019-11-28T14:38:40");
    }

    #[test]
    fn partial_dates_are_kept() {
        check("1958:07:04", "1958-07-04");
        check("19580704", "1958-07-04");
        check("1958:07:04   :  :  ", "1958-07-04");
        check("1958:07:04 99:00:00", "1958-07-04");
        check("1958-07", "1958-07");
        check("1958:07:00 00:00:00", "1958-07");
        check("1958:00:00 00:00:00", "1958");
        check("1958:  :     :  :  ", "1958");
        check("1958", "1958");
    }

    #[test]
    fn invalid_dates_are_ignored() {
        for text in
            ["", "    :  :     :  :  ", "0000:00:00 00:00:00", "0001:01:01 00:00:00", "2023:02:30 00:00:00"]
        {
            check(text, "nothing");
        }
        for text in ["2023:13:01 00:00:00", "unknown", "12", "1958ab", "20é8:01:01", "é", "-123", "２０２３"]
        {
            check(text, "nothing");
        }
    }

    #[test]
    fn every_offset_is_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<i16>) {
            assert_eq!(offset(text), expected, "{text}");
        }
        check("+02:00", Some(120));
        check("+2:00", Some(120));
        check("+0200", Some(120));
        check("+02", Some(120));
        check("-03:30", Some(-210));
        check("-330", Some(-210));
        check("Z", Some(0));
        check("UTC", Some(0));
        check("GMT+02:00", Some(120));
        check("+05:45:00", Some(345));
        check(" +02:00\0", Some(120));
        for text in ["", "   :  ", "02:00", "+", "+19:00", "+02:60", "+é", "Zebra", "+::"] {
            check(text, None);
        }
    }

    #[test]
    fn fractions_are_milliseconds() {
        for (digits, expected) in [("25", 250), ("935476", 935), ("7", 700), ("", 0), (" 92 ", 920), ("x", 0)]
        {
            assert_eq!(fraction(digits), expected, "{digits}");
        }
    }
}
