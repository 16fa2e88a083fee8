//! Moments in the forms that GHL reads and writes.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// The wall clock, for the dates of records that callers create.
#[expect(clippy::disallowed_methods, reason = "the sandbox plays a foreign server and shares no clock with its client")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// `Wed, 21 Oct 2026 07:28:00 GMT`, as the header `Date` has it.
pub(super) fn http(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2021-07-02T05:18:26.704Z`
pub(super) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `2021-07-16 11:00:00`, without an offset: on the clock on the wall of the location.
pub(super) fn wall(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2021-07-16T11:00:00+05:30`
pub(super) fn with_offset(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Reads an ISO 8601 moment, or a day; without an offset it is in UTC.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let civil = || {
        let at = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from)).ok()?;
        TimeZone::UTC.to_timestamp(at).ok()
    };
    text.parse::<Timestamp>().ok().or_else(civil)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_an_offset_without_one_and_as_a_day() {
        for (text, iso_form) in [
            ("2020-10-25T11:00:00Z", "2020-10-25T11:00:00.000Z"),
            ("2020-10-25T11:00:00+02:00", "2020-10-25T09:00:00.000Z"),
            ("2020-10-25T11:00:00", "2020-10-25T11:00:00.000Z"),
            ("2020-10-25", "2020-10-25T00:00:00.000Z"),
        ] {
            assert_eq!(parse(text).map(iso).as_deref(), Some(iso_form), "{text}");
        }
        assert_eq!(parse("next week"), None);
    }
}
