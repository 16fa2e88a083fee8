//! Seeded appointments. Half of them lie around a change of the location's clocks.
//!
//! Their times are said without an offset, so an hour that a location lives twice cannot be kept apart from the reply
//! alone; that is GHL's loss, and the client has to live with it. An hour that is skipped never appears.

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt};
use serde_json::{Value, json};

use super::{Place, ids, one_of, perhaps};
use crate::dates;

/// 2025-01-01 and 2028-01-01 in quarters of an hour since 1970.
const QUARTERS: std::ops::Range<i64> = 1_735_689_600 / 900..1_830_297_600 / 900;

const STATUSES: [&str; 9] =
    ["new", "confirmed", "cancelled", "showed", "noshow", "invalid", "booked", "active", "completed"];

pub(super) fn appointment(rng: &mut impl Rng, place: &Place<'_>, contact: &str) -> Value {
    let starts = start(rng, place);
    let ends = starts + SignedDuration::from_mins(one_of(rng, &[15, 30, 60, 90]));
    let added = starts - SignedDuration::from_hours(24 * rng.random_range(1..60));
    let user = &place.users[rng.random_range(0..place.users.len())];
    let mut event = json!({
        "id": ids::record(rng),
        "calendarId": place.calendar,
        "status": "booked",
        "appointmentStatus": one_of(rng, &STATUSES),
        "title": one_of(rng, &["Check-up", "Erstgespräch", "Demo 🎉", "", "Mr & Mrs O'Neil"]),
        "startTime": dates::iso(starts),
        "endTime": dates::iso(ends),
        "dateAdded": dates::iso(added),
        "dateUpdated": dates::iso(added),
        "locationId": place.location,
        "contactId": contact,
        "users": [user],
    });
    perhaps(rng, &mut event, "assignedUserId", user.as_str());
    let address = one_of(rng, &["1 Sandbox Street", "https://meet.example.com/abc", "+15550100000", ""]);
    perhaps(rng, &mut event, "address", address);
    let notes = one_of(rng, &["", "Bring the papers", "<p>Ring twice</p>"]);
    perhaps(rng, &mut event, "notes", notes);
    perhaps(rng, &mut event, "groupId", Value::Null);
    perhaps(rng, &mut event, "assignedResources", json!([]));
    event
}

/// Near one of the next changes of the clocks where the zone has them, else anywhere.
fn start(rng: &mut impl Rng, place: &Place<'_>) -> Timestamp {
    let anywhere = Timestamp::from_second(rng.random_range(QUARTERS) * 900).unwrap_or(Timestamp::UNIX_EPOCH);
    let minutes = one_of(rng, &[-120_i64, -75, -45, -30, -15, 0, 15, 30, 90]);
    let change = place.zone.following(anywhere).next();
    match change.filter(|_| rng.random_bool(0.5)) {
        Some(change) => change.timestamp() + SignedDuration::from_mins(minutes),
        None => anywhere,
    }
}
