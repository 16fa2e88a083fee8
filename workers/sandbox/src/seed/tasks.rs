//! Seeded tasks: done, overdue and far ahead.

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

use super::{Place, ids, one_of, perhaps};
use crate::dates;

const TITLES: [&str; 8] = [
    "Call back",
    "Send the offer 📄",
    "Rückruf wegen Angebot",
    "Ask about <em>renewal</em>",
    "   ",
    "見積もりを送る",
    "It's \"urgent\"",
    "Follow up, then follow up again, and write down what was agreed with whom, when, where and at which price",
];

const BODIES: [&str; 4] =
    ["", "Ask for Ann.", "Line one\nLine two", "<p>See <a href=\"https://example.com\">this</a></p>"];

/// 2024-01-01 and 2034-01-01 in seconds: some are overdue now, and some are open for years to come.
const DUE: std::ops::Range<i64> = 1_704_067_200..2_019_686_400;

pub(super) fn task(rng: &mut impl Rng, place: &Place<'_>, contact: &str) -> Value {
    let due = Timestamp::from_second(rng.random_range(DUE)).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut task = json!({
        "id": ids::record(rng),
        "title": one_of(rng, &TITLES),
        "dueDate": dates::iso(due),
        "completed": rng.random_bool(0.3),
        "contactId": contact,
        // GHL shows that nobody has it (capture 077).
        "assignedTo": null,
    });
    let body = one_of(rng, &BODIES);
    perhaps(rng, &mut task, "body", body);
    let user = &place.users[rng.random_range(0..place.users.len())];
    perhaps(rng, &mut task, "assignedTo", user.as_str());
    task
}
