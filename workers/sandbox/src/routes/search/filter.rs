//! The filters of a search: read once, strictly, then asked of each contact.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::contact::{date_ms, text};
use crate::dates;
use crate::store::Date;

pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Dated(Date, RangeInclusive<i64>),
    Is(String, Value),
    Contains(String, String),
    Exists(String),
}

impl Filter {
    /// All of these, each a filter or a group of them joined by AND or OR.
    pub(super) fn all(filters: &[Value]) -> Result<Vec<Self>, ApiError> {
        filters.iter().map(Self::read).collect()
    }

    fn read(filter: &Value) -> Result<Self, ApiError> {
        if let Some(members) = filter["filters"].as_array() {
            let members = Self::all(members)?;
            return Ok(if filter["group"] == "OR" { Self::Any(members) } else { Self::All(members) });
        }
        let (name, operator, wanted) = (text(filter, "field"), text(filter, "operator"), &filter["value"]);
        let field = name.to_owned();
        let lower = || wanted.as_str().unwrap_or_default().to_lowercase();
        Ok(match (operator, Date::named(name)) {
            ("range", Some(date)) => Self::Dated(date, range(name, wanted)?),
            ("eq", _) => Self::Is(field, wanted.clone()),
            ("not_eq", _) => Self::Not(Self::Is(field, wanted.clone()).into()),
            ("contains", _) => Self::Contains(field, lower()),
            ("not_contains", _) => Self::Not(Self::Contains(field, lower()).into()),
            ("exists", _) => Self::Exists(field),
            ("not_exists", _) => Self::Not(Self::Exists(field).into()),
            _ => return Err(ApiError::unprocessable(vec![format!("filter {field} {operator} is not supported")])),
        })
    }

    pub(super) fn lets(&self, contact: &Value) -> bool {
        match self {
            Self::All(members) => members.iter().all(|member| member.lets(contact)),
            Self::Any(members) => members.iter().any(|member| member.lets(contact)),
            Self::Not(member) => !member.lets(contact),
            Self::Dated(date, range) => range.contains(&date_ms(contact, date.field())),
            Self::Is(field, wanted) => same(&contact[field], wanted),
            Self::Contains(field, wanted) => holds(&contact[field], wanted),
            Self::Exists(field) => {
                let value = &contact[field];
                !value.is_null() && *value != "" && *value != json!([])
            }
        }
    }
}

/// A bound that is not sent bounds nothing; one that is no moment is refused.
fn range(field: &str, wanted: &Value) -> Result<RangeInclusive<i64>, ApiError> {
    let bound = |side: &str, default| match &wanted[side] {
        Value::Null => Ok(default),
        bound => moment(bound)
            .ok_or_else(|| ApiError::unprocessable(vec![format!("{side} of the range of {field} must be a date")])),
    };
    Ok(bound("gte", i64::MIN)?..=bound("lte", i64::MAX)?)
}

/// Epoch milliseconds or ISO 8601.
fn moment(bound: &Value) -> Option<i64> {
    bound.as_i64().or_else(|| Some(dates::parse(bound.as_str()?)?.as_millisecond()))
}

fn same(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Array(values), Value::Array(wanted)) => wanted.iter().all(|one| values.contains(one)),
        (Value::Array(values), one) => values.contains(one),
        (one, Value::Array(wanted)) => wanted.iter().any(|wanted| same(one, wanted)),
        (Value::String(value), Value::String(wanted)) => value.to_lowercase() == wanted.to_lowercase(),
        _ => value == wanted,
    }
}

fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).any(|one| one.to_lowercase() == wanted),
        Value::String(value) => value.to_lowercase().contains(wanted),
        _ => false,
    }
}
