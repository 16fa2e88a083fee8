//! Conditions: `only_if.contact.tags.has = "vip"`. The last word asks, what stands before it is the place that is looked at.
//!
//! Texts compare whatever their case: nobody who writes "VIP" means to exclude "vip", which is how GHL keeps tags. Times compare as times, whatever
//! their offset; a day is its midnight, and without an offset a time is UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::templates::{Known, MissingValue, Place, fill, places_of};
use crate::events::FieldError;

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is looked at.
    pub place: Place,
    /// What is asked of it.
    pub asks: Asks,
    /// What it is held against.
    pub value: Value,
    /// As it stands in the file: `only_if.contact.tags.has`.
    pub field: String,
}

/// What is asked of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// It is the value, or one of a list of them.
    Is,
    /// It is not.
    IsNot,
    /// A list has the value in it, or a text.
    Has,
    /// It has not.
    HasNot,
    /// There is something, or (false) there is nothing.
    IsSet,
    /// A number, a time or another text that is no less.
    AtLeast,
    /// No more.
    AtMost,
}

const WORDS: [(&str, Asks); 7] = [
    ("is", Asks::Is),
    ("is_not", Asks::IsNot),
    ("has", Asks::Has),
    ("has_not", Asks::HasNot),
    ("is_set", Asks::IsSet),
    ("at_least", Asks::AtLeast),
    ("at_most", Asks::AtMost),
];

impl Condition {
    /// Reads all of a table, every mistake with its place.
    pub(super) fn read_all(table: &Map<String, Value>, field: &str, mistakes: &mut Vec<FieldError>) -> Vec<Self> {
        let mut read = Vec::new();
        descend(table, field, &mut Vec::new(), &mut read, mistakes);
        read
    }

    /// Whether it holds. What a step that was passed over would have answered is not there.
    ///
    /// # Errors
    /// [`MissingValue::Open`] where a rehearsal can't show, [`MissingValue::Unfit`] where a pipe of the value can't do with what comes to it.
    pub fn holds(&self, known: &Known<'_>) -> Result<bool, MissingValue> {
        let absent = |missing| match missing {
            missing @ (MissingValue::Open | MissingValue::Unfit { .. }) => Err(missing),
            MissingValue::PassedOver { .. } | MissingValue::Unanswered { .. } => Ok(None),
        };
        let found = known.find(&self.place).or_else(absent)?.unwrap_or(Value::Null);
        let value = fill(&self.value, known).or_else(absent)?.unwrap_or(Value::Null);
        Ok(match self.asks {
            Asks::Is => is(&found, &value),
            Asks::IsNot => !is(&found, &value),
            Asks::Has => has(&found, &value),
            Asks::HasNot => !has(&found, &value),
            Asks::IsSet => is_set(&found) == (value != Value::Bool(false)),
            Asks::AtLeast => order(&found, &value).is_some_and(std::cmp::Ordering::is_ge),
            Asks::AtMost => order(&found, &value).is_some_and(std::cmp::Ordering::is_le),
        })
    }

    /// The places that it speaks of, each with where it stands below `prefix`.
    pub(super) fn places(&self, prefix: &str) -> Vec<(String, Place)> {
        let field = format!("{prefix}{}", self.field);
        let mut places = places_of(&self.value, &field);
        places.push((field, self.place.clone()));
        places
    }
}

fn descend(
    table: &Map<String, Value>,
    field: &str,
    path: &mut Vec<String>,
    read: &mut Vec<Condition>,
    mistakes: &mut Vec<FieldError>,
) {
    for (name, value) in table {
        let field = format!("{field}.{name}");
        if let Value::Object(inner) = value {
            path.push(name.clone());
            descend(inner, &field, path, read, mistakes);
            path.pop();
            continue;
        }
        let asks = WORDS.iter().find(|(word, _)| word == name).map(|(_, asks)| *asks);
        let mut refuse = |message: String| mistakes.push(FieldError { field: field.clone(), message });
        match asks {
            None => {
                let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
                let words = words.join(", ");
                refuse(format!(
                    "does not end in a question, as only_if.contact.tags.has = \"vip\" does; there are {words}"
                ));
            }
            Some(_) if path.is_empty() => {
                refuse("says no place, as only_if.contact.tags.has = \"vip\" does".to_owned())
            }
            Some(Asks::IsSet) if !value.is_boolean() => refuse("must be true or false".to_owned()),
            Some(asks) => {
                read.push(Condition { place: Place::Path(path.clone()), asks, value: value.clone(), field });
            }
        }
    }
}

fn is(found: &Value, value: &Value) -> bool {
    match value {
        Value::Array(values) if !found.is_array() => values.iter().any(|value| is(found, value)),
        _ => equal(found, value),
    }
}

fn has(found: &Value, value: &Value) -> bool {
    match (found, value) {
        (Value::Array(items), value) => items.iter().any(|item| is(item, value)),
        (Value::String(text), Value::String(part)) => text.to_lowercase().contains(&part.to_lowercase()),
        _ => false,
    }
}

fn is_set(found: &Value) -> bool {
    match found {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(a), Value::String(b)) => {
            by_time(one, other).map_or_else(|| a.to_lowercase() == b.to_lowercase(), std::cmp::Ordering::is_eq)
        }
        _ => order(one, other).map_or(one == other, std::cmp::Ordering::is_eq),
    }
}

/// Numbers by what they are, also where a text holds one; times by the instant; other texts by their letters.
fn order(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    if let Some(order) = by_time(one, other) {
        return Some(order);
    }
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.partial_cmp(&other),
        _ => Some(one.as_str()?.cmp(other.as_str()?)),
    }
}

/// The order of two times. Milliseconds are one only beside a time: two numbers are numbers.
fn by_time(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    let is_reported = |value: &Value| value.as_str().and_then(time).is_some();
    let times = instant(one).zip(instant(other)).filter(|_| is_reported(one) || is_reported(other));
    times.map(|(one, other)| one.cmp(&other))
}

/// The instant that a value means beside a time: custom fields may hold it in milliseconds since 1970.
fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(ms) => Timestamp::from_millisecond(ms.as_i64()?).ok(),
        value => time(value.as_str()?),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let to_local_time = || text.parse::<DateTime>().ok().and_then(|wall| TimeZone::UTC.to_timestamp(wall).ok());
    // `2026` alone, or digits, are no time.
    let is_dated = text.len() >= 10 && text.as_bytes().get(4) == Some(&b'-');
    if is_dated { text.parse().ok().or_else(to_local_time) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each with one that is later, in other words.
    #[test]
    fn times_compare_as_times_and_not_as_texts() {
        let table = [
            (json!("2026-03-01T10:00:00+01:00"), json!("2026-03-01T09:30:00Z")),
            (json!("2026-03-01T09:00:00Z"), json!("2026-03-01T09:00:00.001Z")),
            (json!("2026-03-01"), json!("2026-03-01T00:00:01Z")),
            (json!("2026-02-28T23:30:00Z"), json!("2026-03-01T00:00:00")),
            (json!("2026-03-01T23:00:00-05:00"), json!("2026-03-02T05:00:00+00:00")),
            (json!("2026-03-01 09:00:00"), json!("2026-03-01T09:00:00-01:00")),
            (json!(1_772_355_600_000_i64), json!("2026-03-01T10:00:00Z")),
            (json!("9"), json!(10)),
            (json!("2025-12-31"), json!("2026-01-01")),
        ];
        for (earlier, later) in table {
            assert_eq!(order(&earlier, &later), Some(std::cmp::Ordering::Less), "{earlier} {later}");
            assert_eq!(order(&later, &earlier), Some(std::cmp::Ordering::Greater), "{later} {earlier}");
        }
        assert!(equal(&json!("2026-03-01T10:00:00+01:00"), &json!("2026-03-01T09:00:00Z")));
        assert!(
            equal(&json!("VIP"), &json!("vip"))
                && !equal(&json!("2026-03-01T10:00:00Z"), &json!("2026-03-01T10:00:01Z"))
        );
        assert_eq!(order(&json!("2026"), &json!(2025)), Some(std::cmp::Ordering::Greater), "a number");
    }
}
