//! Whether two values of a field mean the same, for each of the two questions that are asked about them.
//!
//! *Was it edited?* ([`same`]) Only what GHL is known to rewrite without a person counts as the same: the case of an e-mail, the
//! punctuation of a phone, a number's spelling, a day's form. A looser comparison would take an edit for nothing, and lose it. How much that is depends
//! on the location: its country says which number a national phone is, and the kind of a custom field what its texts mean ([`Habits`]).
//!
//! *Does this answer what was asked?* ([`answers`]) A reply or a late webhook shows our own write in GHL's form: a note with markup around
//! it, choices in another order, a phone with the country before it. Asked of anything but our own write, this question would lose edits.
//!
//! Where GHL keeps a value in a form that [`same`] does not know, the record's [`Fingerprints`](super::echo::Prints) remember the pair.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use self::custom::{loosely, same_custom};
use self::phone::{answers_phone, same_phone};
use self::words::addresses;
use super::fields::is_nothing;

pub use self::habits::{Habits, calling_code, countries_with};
pub use self::phone::e164;
pub use self::words::same_text;

mod custom;
mod habits;
mod phone;
#[cfg(test)]
mod tests;
mod words;

/// Whether the value `b` of the field `name` is no edit of `a`, nor the other way round.
#[must_use]
pub fn same(name: &str, a: &Value, b: &Value) -> bool {
    same_in(&Habits::default(), name, a, b)
}

/// [`same`], where something is known of the location that keeps the value.
#[must_use]
pub fn same_in(habits: &Habits, name: &str, a: &Value, b: &Value) -> bool {
    if a == b || (is_nothing(a) && is_nothing(b)) {
        return true;
    }
    if name.starts_with("customFields.") {
        return same_custom(a, b, habits.kind(name));
    }
    let (Some(a), Some(b)) = (text(a), text(b)) else { return false };
    match name {
        "email" => a.trim().eq_ignore_ascii_case(b.trim()),
        "phone" => same_phone(a, b, habits.calling_code()),
        // Markup is content: the address of a link is what a person may edit.
        "noteText" | "body" => false,
        "dateOfBirth" => day(a).is_some() && day(a) == day(b),
        "dueDate" | "startTime" | "endTime" => match (second(a), second(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        _ => a.trim() == b.trim(),
    }
}

/// Whether GHL, which shows the value `shown` of the field `name`, did as it was `asked`.
#[must_use]
pub fn answers(name: &str, asked: &Value, shown: &Value) -> bool {
    if same(name, asked, shown) {
        return true;
    }
    if name.starts_with("customFields.") {
        return loosely(asked) == loosely(shown);
    }
    match (text(asked), text(shown)) {
        (Some(asked), Some(shown)) if name == "phone" => answers_phone(asked, shown),
        (Some(asked), Some(shown)) if matches!(name, "noteText" | "body") => same_text(asked, shown),
        _ => false,
    }
}

/// Whether GHL's event, which shows the value `reported` of the field `name`, is of a write that `asked` for that and has no answer yet. As [`answers`],
/// but for what only a person changes behind the same words: where a link leads, what an image shows.
#[must_use]
pub fn echoes(name: &str, asked: &Value, reported: &Value) -> bool {
    let leads = |value: &Value| text(value).map(addresses).unwrap_or_default();
    answers(name, asked, reported) && (!matches!(name, "noteText" | "body") || leads(asked) == leads(reported))
}

/// Nothing is the empty text here, so that it can be compared with one of white space.
fn text(value: &Value) -> Option<&str> {
    if value.is_null() { Some("") } else { value.as_str() }
}

fn second(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// The day at the beginning of an ISO date or time.
fn iso_day(text: &str) -> Option<&str> {
    let is_followed = text.len() == 10 || matches!(text.as_bytes().get(10), Some(b'T' | b' '));
    text.get(..10).filter(|_| is_followed)
}

/// The day that a text names, as a date of birth may be written.
fn day(text: &str) -> Option<Date> {
    let text = text.trim();
    iso_day(text).and_then(|day| day.parse().ok()).or_else(|| {
        let (month, rest) = text.split_once('/')?;
        let (day, year) = rest.split_once('/')?;
        Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
    })
}
