//! The kinds of values that pipes take and give.

use serde_json::Value;

/// What is known of a value before it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is known.
    Any,
    /// A text, whatever it says.
    Text,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A text that is a day, `2026-03-01`.
    Date,
    /// A text that is an instant, `2026-03-01T09:00:00Z`.
    Time,
    /// A list.
    List,
    /// An object.
    Object,
}

/// Whatever can be written out.
pub(super) const SCALAR: &[Kind] = &[Kind::Text, Kind::Number, Kind::Bool, Kind::Date, Kind::Time];
/// Whatever can be a time: numbers are milliseconds since 1970.
pub(super) const WHEN: &[Kind] = &[Kind::Text, Kind::Number, Kind::Date, Kind::Time];
/// Whatever can be a number.
pub(super) const NUMERIC: &[Kind] = &[Kind::Text, Kind::Number];
/// Whatever can be true or false.
pub(super) const BOOLEAN: &[Kind] = &[Kind::Text, Kind::Number, Kind::Bool];
/// Lists alone.
pub(super) const LIST: &[Kind] = &[Kind::List];
/// Whatever has parts that can be counted.
pub(super) const COUNTED: &[Kind] = &[Kind::Text, Kind::Date, Kind::Time, Kind::List, Kind::Object];
/// Everything.
pub(super) const EVERY: &[Kind] =
    &[Kind::Any, Kind::Text, Kind::Number, Kind::Bool, Kind::Date, Kind::Time, Kind::List, Kind::Object];

impl Kind {
    /// That of a value; a text is taken for no more than that, and null for anything.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Any,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    /// As people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// `a text, a number or a list`.
pub(super) fn list(kinds: &[Kind]) -> String {
    let words: Vec<_> = kinds.iter().map(|kind| kind.words()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
