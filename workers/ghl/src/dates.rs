//! The times of GHL: one lenient parser, one strict form.
//!
//! Depending on the route a time is an ISO string, milliseconds since 1970 (as number or digits), a date, or
//! `2021-07-16 11:00:00` without an offset. The last is the trap: it is wall time in the location's zone, and reading it
//! as UTC moves every appointment by hours. So a time without an offset stays [`WireTime::Local`] until someone names the
//! zone.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Digits fewer than this are no milliseconds since 1970 but something like `20210716`.
const FEWEST_EPOCH_DIGITS: usize = 9;

/// A time as GHL sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireTime {
    /// It came with an offset, or as milliseconds since 1970.
    Instant(Timestamp),
    /// It came without: wall time somewhere.
    Local(civil::DateTime),
}

impl WireTime {
    /// Reads whichever form `value` has; `None` where it has none of them.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|ms| ms as i64)).and_then(epoch_ms),
            Value::String(text) => Self::read_text(text.trim()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn read_text(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() >= FEWEST_EPOCH_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return epoch_ms(text.parse().ok()?);
        }
        let instant = text.parse().map(Self::Instant);
        instant.or_else(|_| text.parse().map(Self::Local)).ok()
    }

    /// The instant it means, wall time taken to be of `zone`.
    ///
    /// Where a clock was put back and an hour came twice, the earlier one; where it was put forward over the time, as much
    /// later (the rule of RFC 5545, which calendars follow).
    #[must_use]
    pub fn instant_in(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Local(wall) => zone.to_ambiguous_timestamp(wall).compatible().ok(),
        }
    }

    /// The later of the two instants that a wall time means where a clock was put back and an hour came twice.
    #[must_use]
    pub fn second_in(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Instant(_) => None,
            Self::Local(wall) => {
                let ambiguous = zone.to_ambiguous_timestamp(wall);
                if matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. }) { ambiguous.later().ok() } else { None }
            }
        }
    }
}

/// The calendar day that a value names, without regard to zones: for birthdays. A day in the American order (`09/25/1990`) was seen as well; of
/// a time with an offset the day counts that is written there.
pub(super) fn read_day(value: &Value) -> Option<civil::Date> {
    let text = value.as_str().unwrap_or_default().trim();
    let written = text.get(..10).and_then(|day| day.parse().ok());
    written.or_else(|| american_day(text)).or_else(|| match WireTime::read(value)? {
        WireTime::Instant(at) => Some(TimeZone::UTC.to_datetime(at).date()),
        WireTime::Local(wall) => Some(wall.date()),
    })
}

fn american_day(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('/');
    let mut part = || parts.next()?.parse::<i16>().ok();
    let (month, day, year) = (part()?, part()?, part()?);
    if parts.next().is_some() || year < 1000 {
        return None;
    }
    civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn epoch_ms(ms: i64) -> Option<WireTime> {
    Timestamp::from_millisecond(ms).ok().map(WireTime::Instant)
}

/// A time as GHL accepts it in writes: `2020-10-25T11:00:00Z`. Milliseconds fail there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireSecond {
    at: Timestamp,
    /// Of the place it is said for; UTC where that does not matter.
    offset: Offset,
}

impl WireSecond {
    /// The same instant as a clock in `zone` shows it, `2021-06-23T03:30:00+05:30`: the form of times that calendars need.
    #[must_use]
    pub fn in_zone(at: Timestamp, zone: &TimeZone) -> Self {
        Self { offset: zone.to_offset(at), ..Self::from(at) }
    }
}

impl From<Timestamp> for WireSecond {
    /// Drops what is below the second.
    fn from(at: Timestamp) -> Self {
        Self { at: Timestamp::from_second(at.as_second()).unwrap_or(at), offset: Offset::UTC }
    }
}

impl Serialize for WireSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { at, offset } = self;
        if *offset == Offset::UTC {
            serializer.collect_str(at)
        } else {
            serializer.collect_str(&at.display_with_offset(*offset))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instant(text: &str) -> Option<WireTime> {
        Some(WireTime::Instant(text.parse().unwrap()))
    }

    #[test]
    fn every_form_of_an_instant_is_the_same_instant() {
        let expected = instant("2021-07-16T11:39:30.564Z");
        for value in [
            json!("2021-07-16T11:39:30.564Z"),
            json!("2021-07-16T13:39:30.564+02:00"),
            json!(1_626_435_570_564_i64),
            json!(1_626_435_570_564.0),
            json!("1626435570564"),
        ] {
            assert_eq!(WireTime::read(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_time_without_an_offset_stays_local() {
        let expected = Some(WireTime::Local(civil::date(2021, 7, 16).at(11, 0, 0, 0)));
        for text in ["2021-07-16 11:00:00", "2021-07-16T11:00:00", "2021-07-16T11:00"] {
            assert_eq!(WireTime::read(&json!(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_date_is_its_first_moment() {
        let read = WireTime::read(&json!("2021-07-16"));
        assert_eq!(read, Some(WireTime::Local(civil::date(2021, 7, 16).at(0, 0, 0, 0))));
    }

    #[test]
    fn a_day_is_the_one_that_is_written() {
        for (value, day) in [
            (json!("1990-09-25"), "1990-09-25"),
            (json!("1990-09-25T00:00:00.000Z"), "1990-09-25"),
            (json!("1990-09-25T00:00:00+05:30"), "1990-09-25"),
            (json!("1990-09-25T23:00:00-05:00"), "1990-09-25"),
            (json!("1990-09-25 00:00:00"), "1990-09-25"),
            (json!("09/25/1990"), "1990-09-25"),
            (json!("9/5/1990"), "1990-09-05"),
            (json!(1_363_132_800_000_i64), "2013-03-13"),
            (json!("1363132800000"), "2013-03-13"),
            (json!(-14_256_000_000_i64), "1969-07-20"),
        ] {
            assert_eq!(read_day(&value).map(|day| day.to_string()).as_deref(), Some(day), "{value}");
        }
        for value in [json!("25/09/1990"), json!("unknown"), json!("1/2"), json!("1/2/3/4"), json!(null), json!({})] {
            assert_eq!(read_day(&value), None, "{value}");
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        for value in [json!(""), json!("  "), json!("soon"), json!(null), json!({}), json!(true), json!(1e300)] {
            assert_eq!(WireTime::read(&value), None, "{value}");
        }
    }

    #[test]
    fn a_written_time_has_no_milliseconds() {
        let at: Timestamp = "2020-10-25T11:00:00.987Z".parse().unwrap();
        assert_eq!(json!(WireSecond::from(at)), json!("2020-10-25T11:00:00Z"));
    }
}
