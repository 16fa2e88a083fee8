//! Reads the fields of a JSON object one by one, so that every mistake can name its field.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ids;

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field within the event, as `data.dueDate`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// What readers get with a record and that says nothing of it: who sends a record back as it was read need not take it out.
const ABOUT_THE_RECORD: [&str; 3] = ["sync", "recordId", "unread"];

/// Fields that readers get and producers can't set.
const NOT_WRITABLE: [(&str, &str); 6] = [
    ("id", "is GHL's id of the contact; send it as contactId beside data"),
    ("lastActivity", "is set by GHL alone; leave it out"),
    ("dateAdded", "is set by GHL alone; leave it out"),
    ("dateUpdated", "is set by GHL alone; leave it out"),
    ("createdAt", "is set by GHL alone; leave it out"),
    ("deletedAt", "follows from a deletion; send an event of that type"),
];

/// An object under inspection. Each read takes note of the name, so that [`Fields::finish`] can report unknown fields.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: Cow<'static, str>,
    asked: Vec<&'static str>,
    errors: Vec<FieldError>,
    others: Option<String>,
}

impl<'a> Fields<'a> {
    /// Reads `object`, whose place in the event is `path` (empty, or ending in a dot).
    pub fn new(object: &'a Map<String, Value>, path: impl Into<Cow<'static, str>>) -> Self {
        let path = path.into();
        Self { object, path, asked: Vec::new(), errors: Vec::new(), others: None }
    }

    /// Notes a mistake in the field `name`.
    pub fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: format!("{}{name}", self.path), message: message.into() });
    }

    /// A text that may be absent or null, but not empty.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let read = self.loose_text(name)?;
        if read.trim().is_empty() {
            self.refuse(name, "must not be empty; leave it out instead");
            return None;
        }
        Some(read)
    }

    /// As [`Fields::text`], of a field that can't be emptied: it may be absent, and not null.
    pub fn set_text(&mut self, name: &'static str) -> Option<String> {
        self.refuse_null(name, "can't be emptied; leave it out instead");
        self.text(name)
    }

    /// Refuses the field where it is null.
    pub fn refuse_null(&mut self, name: &'static str, why: &str) {
        if self.is_null(name) {
            self.refuse(name, why);
        }
    }

    /// Rejects all fields that were not read.
    pub fn refuse_others(&mut self, why: String) {
        self.others = Some(why);
    }

    /// A text that may be absent, null or empty.
    pub fn loose_text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A text that has to be there.
    pub fn required_text(&mut self, name: &'static str) -> String {
        self.required(name, Self::text)
    }

    /// An id, which may be absent or null ([`ids::check`]).
    pub fn id(&mut self, name: &'static str) -> Option<String> {
        let id = self.loose_text(name)?;
        match ids::check(&id) {
            Ok(()) => Some(id),
            Err(bad) => {
                self.refuse(name, bad.to_string());
                None
            }
        }
    }

    /// An id that has to be there.
    pub fn required_id(&mut self, name: &'static str) -> String {
        self.required(name, Self::id)
    }

    /// True or false, or absent.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.read(name, "true or false", Value::as_bool)
    }

    /// A whole number of the range, or absent. As in JSON Schema, `25.0` is one, too.
    pub fn whole(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(name, &expected, |value| whole(value).filter(|number| range.contains(number)))
    }

    /// An instant in RFC 3339, or absent.
    pub fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let expected = "a time in RFC 3339, as 2026-03-01T09:00:00Z";
        self.read(name, expected, |value| value.as_str().and_then(|text| text.parse().ok()))
    }

    /// An instant that has to be there.
    pub fn required_time(&mut self, name: &'static str) -> Timestamp {
        self.required(name, Self::time)
    }

    /// An object, or absent.
    pub fn object(&mut self, name: &'static str) -> Option<&'a Map<String, Value>> {
        self.read(name, "an object", Value::as_object)
    }

    /// A list, or absent.
    pub fn list(&mut self, name: &'static str) -> Option<&'a Vec<Value>> {
        self.read(name, "a list", Value::as_array)
    }

    /// Any value but null, or absent.
    pub fn any(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read(name, "anything", Some)
    }

    /// Whether the field is there and null: the wish to clear it.
    pub fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    /// Whether the field is there and holds nothing: null, or a text of white space alone.
    pub fn is_nothing(&self, name: &str) -> bool {
        self.object
            .get(name)
            .is_some_and(|value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()))
    }

    /// Whether the field is there, null or not.
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether a mistake in the field `name` has been noted.
    pub fn has_mistake(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.field == format!("{}{name}", self.path))
    }

    /// The mistakes, among them every unknown field.
    pub fn finish(mut self) -> Vec<FieldError> {
        let unknown: Vec<_> = self.object.keys().filter(|name| !self.asked.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            if ABOUT_THE_RECORD.contains(&name.as_str()) {
                continue;
            }
            if let Some(why) = self.others.clone() {
                self.refuse(&name, why);
                continue;
            }
            if let Some((_, why)) = NOT_WRITABLE.iter().find(|(known, _)| *known == name) {
                self.refuse(&name, *why);
                continue;
            }
            let known = self.asked.join(", ");
            self.refuse(&name, format!("is not known here; known are {known}"));
        }
        self.errors
    }

    fn required<T: Default>(&mut self, name: &'static str, read: fn(&mut Self, &'static str) -> Option<T>) -> T {
        let value = read(self, name);
        if value.is_none() && !self.has_mistake(name) {
            self.refuse(name, "is missing");
        }
        value.unwrap_or_default()
    }

    /// What `read` makes of the field, which may be absent or null.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        self.asked.push(name);
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.refuse(name, format!("must be {expected}, not {}", kind_of(value)));
        }
        read
    }
}

fn whole(value: &Value) -> Option<u64> {
    // Up to 2^53 a float names one whole number.
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    value.as_u64().or_else(|| value.as_f64().filter(exact).map(|number| number as u64))
}

/// The texts in `value`, whose place is `path`, that hold a NUL: PostgreSQL keeps none, so that no database is asked to.
pub fn nuls(value: &Value, path: &str) -> Vec<FieldError> {
    const MESSAGE: &str = "holds a NUL character (U+0000), which can't be stored";
    let refuse = |field: String| FieldError { field, message: MESSAGE.to_owned() };
    match value {
        Value::String(text) if text.contains('\0') => vec![refuse(path.to_owned())],
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| nuls(item, &format!("{path}[{index}]"))).collect()
        }
        Value::Object(members) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let names = members.keys().filter(|name| name.contains('\0')).map(|name| refuse(below(name)));
            names.chain(members.iter().flat_map(|(name, value)| nuls(value, &below(name)))).collect()
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// What a value is, without its content: it may be personal.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "another string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_may_be_written_as_a_float_and_nothing_else_is_one() {
        let read = |value: Value| {
            let object = json!({ "days": value });
            let mut fields = Fields::new(object.as_object().unwrap(), "");
            let whole = fields.whole("days", 1..=30);
            (whole, fields.finish().len())
        };
        for (value, expected) in [(json!(30), 30), (json!(25.0), 25), (json!(1), 1)] {
            assert_eq!(read(value), (Some(expected), 0));
        }
        assert_eq!(read(Value::Null), (None, 0));
        for wrong in [json!(0), json!(31), json!(2.5), json!(-1), json!(1e300), json!("7"), json!(true)] {
            assert_eq!(read(wrong.clone()), (None, 1), "{wrong}");
        }
    }
}
