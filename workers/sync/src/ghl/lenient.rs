//! Readers for fields that GHL declares in one way and sends in several.
//!
//! A field of the wrong kind reads as absent: one odd value must not hide a whole contact. The exception is [`id`], since
//! a record without one can't be kept.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::dates::WireTime;
use super::model::SearchAfter;
use crate::ids;

/// A text; numbers and booleans are written out, the empty one is nothing.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(as_text(&Value::deserialize(deserializer)?))
}

/// An id: a text that must be there, and that can be one ([`ids::check`]). What has another can be neither stored nor addressed, as what has none.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    reference(deserializer)?.ok_or_else(|| D::Error::missing_field("id"))
}

/// The id of another record; what can be none reads as absent.
pub(super) fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|id| ids::is_id(id)))
}

/// A yes or no, also as word or number.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Some(flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// A whole number, also as digits.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    })
}

/// A time in any of GHL's forms.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WireTime>, D::Error> {
    Ok(WireTime::read(&Value::deserialize(deserializer)?))
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

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
