//! Seeded notes: plain, HTML and long.

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

use super::{Place, ids, one_of, perhaps};
use crate::dates;

const BODIES: [&str; 6] = [
    "Spoke on the phone.",
    "<div><p>Wants <strong>two</strong> &amp; pays &lt; 50&nbsp;€</p><ul><li>one</li><li>two</li></ul></div>",
    "Zeile eins\r\nZeile zwei\r\n\r\n– Ende",
    "ملاحظة من اليمين إلى اليسار",
    "👍🏽",
    "<script>alert('no')</script><p onclick=\"x()\">Careful</p>",
];

/// 2024-01-01 and 2026-06-01 in milliseconds.
const ADDED: std::ops::Range<i64> = 1_704_067_200_000..1_780_272_000_000;

pub(super) fn note(rng: &mut impl Rng, place: &Place<'_>, contact: &str) -> Value {
    let added = Timestamp::from_millisecond(rng.random_range(ADDED)).unwrap_or(Timestamp::UNIX_EPOCH);
    let body = if rng.random_bool(0.05) { "A long story. ".repeat(500) } else { one_of(rng, &BODIES).to_owned() };
    let mut note = json!({
        "id": ids::record(rng),
        "body": body,
        "dateAdded": dates::iso(added),
        "contactId": contact,
    });
    let user = &place.users[rng.random_range(0..place.users.len())];
    perhaps(rng, &mut note, "userId", user.as_str());
    if rng.random_bool(0.3) {
        note["title"] = "Follow-up summary".into();
        note["color"] = "#FFAA00".into();
        note["pinned"] = rng.random_bool(0.5).into();
    }
    note
}
