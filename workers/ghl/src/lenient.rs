//! Readers for fields that GHL declares in one way and sends in several.
//!
//! A field of the wrong kind reads as absent: one odd value must not hide a whole contact. The exception is [`id`], since
//! a record without one can't be kept.

use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sync_model::ids;

use super::carried::Carried;
use super::dates::{WireTime, read_day};
use super::json::LOST;
use super::model::{CustomField, SearchAfter};

/// The value if it is present, also if it is null.
pub(super) fn reported<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A text; numbers and booleans are written out, the empty one is nothing.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(as_text(&Value::deserialize(deserializer)?))
}

/// An id: a text that must be there, and that can be one ([`ids::check`]). What has another can be neither stored nor addressed, as what has none.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    reference(deserializer)?.ok_or_else(|| D::Error::missing_field("id"))
}

/// The id of another record; what can be none reads as absent. So does one of which a part was [cleaned](super::json) away: it is another id now.
pub(super) fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|id| ids::is_id(id) && !id.contains(LOST)))
}

/// A yes or no, also as word or number.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(as_flag(&Value::deserialize(deserializer)?))
}

/// A whole number, also as digits.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    })
}

/// [`text`], with what is left out apart from what is empty.
pub(super) fn carried_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Carried<String>, D::Error> {
    carried(deserializer, as_text)
}

/// [`flag`], with what is left out apart from what is empty.
pub(super) fn carried_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Carried<bool>, D::Error> {
    carried(deserializer, as_flag)
}

/// [`time`], with what is left out apart from what is empty.
pub(super) fn carried_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Carried<WireTime>, D::Error> {
    carried(deserializer, WireTime::read)
}

/// A day in any of GHL's forms, with what is left out apart from what is empty.
pub(super) fn carried_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Carried<Date>, D::Error> {
    carried(deserializer, read_day)
}

/// Tags: a list of texts, or one text that holds them all, with commas between. A list with an element that is none says nothing: what is
/// missing from it would count as taken away.
pub(super) fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Carried<Vec<String>>, D::Error> {
    carried(deserializer, |value| match value {
        Value::Array(values) => {
            values.iter().filter(|value| !is_nothing(value)).map(as_text).collect::<Option<Vec<_>>>()
        }
        Value::String(text) => {
            Some(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect())
        }
        _ => None,
    })
}

/// Custom fields: a list of them, or an object of values by id. A list with a field whose value can't be read says nothing, as with [`tags`];
/// a value without an id is nobody's.
pub(super) fn custom_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Carried<Vec<CustomField>>, D::Error> {
    carried(deserializer, |value| match value {
        Value::Array(values) => {
            let reported = values.iter().filter(|value| !is_nothing(value) && !is_nobodys(value));
            reported.map(|value| CustomField::deserialize(value).ok()).collect::<Option<Vec<_>>>()
        }
        Value::Object(by_id) => {
            Some(by_id.iter().map(|(id, value)| CustomField { id: id.clone(), value: value.clone() }).collect())
        }
        _ => None,
    })
}

/// Null and the empty text are empty; what `read` makes nothing of is as good as absent.
fn carried<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Carried<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(match &value {
        Value::Null => Carried::Empty,
        Value::String(text) if text.is_empty() => Carried::Empty,
        value => read(value).map_or(Carried::Absent, Carried::Value),
    })
}

/// A value without a known field.
fn is_nobodys(value: &Value) -> bool {
    value.as_object().is_some_and(|field| field.get("id").is_none_or(|id| as_text(id).is_none()))
}

/// Null and the empty text: there is no such element.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// A list of texts; null is an empty one.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(values) => values.iter().filter_map(as_text).collect(),
        _ => Vec::new(),
    })
}

/// A list of records, without those that can't be read; null is an empty one.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(values) => values.into_iter().filter_map(|value| T::deserialize(value).ok()).collect(),
        _ => Vec::new(),
    })
}

/// A record, or nothing where it can't be read.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(T::deserialize(Value::deserialize(deserializer)?).ok())
}

/// The cursor of a search.
pub(super) fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SearchAfter>, D::Error> {
    Ok(SearchAfter::read(Value::deserialize(deserializer)?))
}

fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
