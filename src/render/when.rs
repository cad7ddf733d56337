//! Times in a person's words.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

/// How long ago `time` was, or its day: `5 minutes ago`, `today at 14:02`, `yesterday at 14:02`, `on 2026-11-02`.
pub(crate) fn ago(time: Timestamp, now: Timestamp, zone: TimeZone) -> String {
    let minutes = now.duration_since(time).as_mins();
    match minutes {
        ..0 => return format!("on {}", time.to_zoned_datetime(zone).strftime("%Y-%m-%d at %H:%M")),
        0 => return "just now".to_owned(),
        1 => return "1 minute ago".to_owned(),
        2..60 => return format!("{minutes} minutes ago"),
        _ => {}
    }
    let (then, today) = (time.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone));
    let days = then.date().until((Unit::Day, today.date())).map_or(i32::MAX, |span| span.get_days());
    let clock = then.strftime("%H:%M");
    match days {
        0 => format!("today at {clock}"),
        1 => format!("yesterday at {clock}"),
        2..7 => format!("{days} days ago"),
        _ => format!("on {}", then.strftime("%Y-%m-%d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        #[track_caller]
        fn check(time: &str, expected: &str) {
            let now = "2026-11-30T12:00:00Z".parse().unwrap();
            assert_eq!(ago(time.parse().unwrap(), now, TimeZone::UTC), expected);
        }
        check("2026-11-30T11:59:40Z", "just now");
        check("2026-11-30T11:58:30Z", "1 minute ago");
        check("2026-11-30T11:15:00Z", "45 minutes ago");
        check("2026-11-30T08:02:00Z", "today at 08:02");
        check("2026-11-29T23:02:00Z", "yesterday at 23:02");
        check("2026-11-27T23:02:00Z", "3 days ago");
        check("2026-11-02T23:02:00Z", "on 2026-11-02");
        check("2026-12-02T23:02:00Z", "on 2026-12-02 at 23:02");
    }
}
