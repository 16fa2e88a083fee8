//! When and by whom each field was edited last, as far as that is known: an event that says when it occurred may come late, and is not the newest
//! edit then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fields::{self, Fields, Record, difference, fields, with_fields};
use super::merge::{Conflict, Side};

/// The last edit of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEdit {
    /// In ms since 1970.
    pub at: i64,
    /// Whose it was.
    pub by: Side,
}

/// By field.
pub type LastEdits = BTreeMap<String, LastEdit>;

/// Keeps that the fields in which `before` and `after` differ were edited by a side.
pub fn note(last: &mut LastEdits, before: &Fields, after: &Fields, by: Side, at: impl Fn(&str) -> i64) {
    for name in difference(before, after).into_keys() {
        let at = at(&name);
        if last.get(&name).is_none_or(|known| known.at <= at) {
            last.insert(name, LastEdit { at, by });
        }
    }
}

/// `after` an edit of the time `at`, but for what was edited later than that already: there it reads as `before`. Fields that belong together are
/// edited together.
#[must_use]
pub fn but_for_later<R: Record>(before: &R, after: &R, last: &LastEdits, at: i64) -> R {
    let (known, mut now) = (fields(before), fields(after));
    let is_later = |name: &str| last.get(name).is_some_and(|edit| edit.at > at);
    let together = R::TOGETHER.iter().any(|name| is_later(name));
    for name in difference(&known, &now).into_keys() {
        if is_later(&name) || (together && R::TOGETHER.contains(&name.as_str())) {
            fields::set(&mut now, &name, fields::value(&known, &name));
        }
    }
    with_fields(after, &now)
}

/// What an edit of the time `at` said and GHL had edited later already: `after` is what the edit would have made of `before`, `now` what it made.
#[must_use]
pub fn lost<R: Record>(before: &R, after: &R, now: &R, last: &LastEdits, at: i64) -> Vec<Conflict> {
    let (known, said, now) = (fields(before), fields(after), fields(now));
    let of_ghl = |name: &String| last.get(name).is_some_and(|edit| edit.by == Side::Ghl && edit.at > at);
    let names = difference(&now, &said).into_keys().filter(of_ghl);
    names
        .map(|field| {
            let there = fields::value(&known, &field);
            let theirs_at = last.get(&field).and_then(|edit| Timestamp::from_millisecond(edit.at).ok());
            let (ours, base) = (fields::value(&said, &field), there.clone());
            Conflict { field, base, ours, theirs: there, winner: Side::Ghl, ours_at: Some(at), theirs_at }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::{Appointment, Contact};

    fn contact(set: Value) -> Contact {
        serde_json::from_value(set).unwrap()
    }

    #[test]
    fn what_was_edited_later_stands_against_an_edit_that_comes_late() {
        let before = contact(json!({"city": "Bonn", "state": "NW", "tags": ["a"]}));
        let after = contact(json!({"city": "Ulm", "state": "BW", "tags": ["b"]}));
        let mut last = LastEdits::new();
        note(
            &mut last,
            &fields(&contact(json!({}))),
            &fields(&before),
            Side::Ghl,
            |name| if name == "state" { 5 } else { 9 },
        );
        let edited = |at| fields(&but_for_later(&before, &after, &last, at));
        assert_eq!(json!(edited(7)), json!({"city": "Bonn", "state": "BW", "tags.a": true, "tags.b": true}));
        assert_eq!(
            (edited(4), edited(9)),
            (fields(&before).into_iter().chain([("tags.b".to_owned(), json!(true))]).collect(), fields(&after))
        );
        note(&mut last, &fields(&before), &fields(&after), Side::Clienty, |_| 3);
        assert_eq!(
            (last["city"].at, last["tags.b"]),
            (9, LastEdit { at: 3, by: Side::Clienty }),
            "an earlier edit is not the last"
        );
    }

    #[test]
    fn an_end_that_was_edited_later_keeps_its_start() {
        let meeting = |start: &str, end: &str| Appointment {
            start_time: Some(start.parse().unwrap()),
            end_time: Some(end.parse().unwrap()),
            ..Appointment::default()
        };
        let before = meeting("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z");
        let after = meeting("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z");
        let last = LastEdits::from([("endTime".to_owned(), LastEdit { at: 9, by: Side::Ghl })]);
        assert_eq!(but_for_later(&before, &after, &last, 8), before);
        assert_eq!(but_for_later(&before, &after, &last, 9), after);
    }
}
