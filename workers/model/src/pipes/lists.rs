//! Pipes of lists, and what makes them.

use std::collections::HashSet;

use serde_json::Value;

use super::texts::written;
use super::{Fit, LONGEST, too_long};

/// The items of a list.
pub(super) fn of(value: Value) -> Vec<Value> {
    if let Value::Array(items) = value { items } else { Vec::new() }
}

/// Whether nothing is there, as the condition `is_set` has it.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Items of a list, members of an object, characters of a text.
pub(super) fn count(value: Option<&Value>) -> usize {
    match value {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(members)) => members.len(),
        _ => 0,
    }
}

/// The parts of a text, without the space around them and without empty ones.
pub(super) fn split(text: &str, by: &str) -> Value {
    text.split(by).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Items as one text; what is null is left out.
pub(super) fn join(value: &Value, by: &str) -> Fit<Value> {
    let mut joined = String::new();
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    for (at, item) in items.iter().filter(|item| !item.is_null()).enumerate() {
        if at > 0 {
            joined.push_str(by);
        }
        joined.push_str(&written(item));
        // An author's text between many items is no small thing.
        if joined.len() > LONGEST {
            return Err(too_long());
        }
    }
    Ok(joined.into())
}

/// Each item once, where it was first.
pub(super) fn unique(value: Value) -> Value {
    let mut seen = HashSet::new();
    let mut items = of(value);
    items.retain(|item| seen.insert(item.to_string()));
    Value::Array(items)
}
