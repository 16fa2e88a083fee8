//! An appointment, and the two ways in which GHL says its times.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::contact::text;
use super::dates;

const TIMES: [&str; 4] = ["startTime", "endTime", "dateAdded", "dateUpdated"];

/// As a contact's appointments are shown: `2021-07-16 11:00:00` on the clock on the location's wall, without an offset.
pub(super) fn to_local_time(event: Value, zone: &TimeZone) -> Value {
    with_times(event, |at| dates::wall(at, zone))
}

/// As calendars show it: `2023-09-25T16:00:00+05:30`.
pub(super) fn with_offset(event: Value, zone: &TimeZone) -> Value {
    with_times(event, |at| dates::with_offset(at, zone))
}

fn with_times(mut event: Value, say: impl Fn(Timestamp) -> String) -> Value {
    for field in TIMES {
        if let Some(at) = dates::parse(text(&event, field)) {
            event[field] = say(at).into();
        }
    }
    event
}
