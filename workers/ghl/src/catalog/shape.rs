//! What a value looks like, and what is wrong with one that does not.
//!
//! The notation is read and written as it stands in the data files: `"string"`, `"number"`, `"boolean"`, `"object"`, `"any"`, with a `?`
//! where null is allowed; `"=a|b"` for one of several words; `[shape]`; `{"name": shape, "name*": shape}`, the star for what must be
//! there; `{"|": [shapes]}` for one of several shapes.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::Mistake;

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything: the documents do not say, or say wrongly.
    Any,
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// An object with unknown members.
    Object,
    /// One of these words.
    Words(Vec<String>),
    /// What the other is, or null.
    OrNull(Box<Shape>),
    /// A list of such.
    List(Box<Shape>),
    /// An object with these members.
    Fields(Vec<Field>),
    /// One of these.
    OneOf(Vec<Shape>),
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it looks like.
    pub shape: Shape,
}

impl Shape {
    /// Reads the notation; what is wrong with it, where it is none.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::word(text),
            Value::Array(items) => match items.as_slice() {
                [item] => Ok(Self::List(Box::new(Self::read(item)?))),
                _ => Err("a list of shapes holds one".to_owned()),
            },
            Value::Object(members) => match members.get("|") {
                Some(Value::Array(shapes)) => Ok(Self::OneOf(shapes.iter().map(Self::read).collect::<Result<_, _>>()?)),
                _ => Ok(Self::Fields(Field::read_all(members)?)),
            },
            other => Err(format!("{other} is no shape")),
        }
    }

    fn word(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_suffix('?') {
            return Ok(Self::OrNull(Box::new(Self::word(inner)?)));
        }
        match text {
            "any" => Ok(Self::Any),
            "string" => Ok(Self::Text),
            "number" => Ok(Self::Number),
            "boolean" => Ok(Self::Flag),
            "object" => Ok(Self::Object),
            _ => match text.strip_prefix('=') {
                Some(words) => Ok(Self::Words(words.split('|').map(str::to_owned).collect())),
                None => Err(format!("`{text}` is no shape")),
            },
        }
    }

    /// The notation.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Any => "any".into(),
            Self::Text => "string".into(),
            Self::Number => "number".into(),
            Self::Flag => "boolean".into(),
            Self::Object => "object".into(),
            Self::Words(words) => format!("={}", words.join("|")).into(),
            Self::OrNull(inner) => match inner.to_value() {
                Value::String(word) => format!("{word}?").into(),
                other => other,
            },
            Self::List(item) => json!([item.to_value()]),
            Self::Fields(fields) => {
                let star = |field: &Field| if field.required { "*" } else { "" };
                let member = |field: &Field| (format!("{}{}", field.name, star(field)), field.shape.to_value());
                Value::Object(fields.iter().map(member).collect())
            }
            Self::OneOf(shapes) => json!({"|": shapes.iter().map(Self::to_value).collect::<Vec<_>>()}),
        }
    }

    /// Notes what of `value`, which stands at `place`, is not of this shape. Never quotes the value: it may be personal.
    pub(super) fn check(&self, value: &Value, place: &str, mistakes: &mut Vec<Mistake>) {
        match (self, value) {
            (Self::Any, _)
            | (Self::Text, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Object, Value::Object(_))
            | (Self::OrNull(_), Value::Null) => {}
            (Self::OrNull(inner), value) => inner.check(value, place, mistakes),
            (Self::Words(words), Value::String(text)) if words.contains(text) => {}
            (Self::List(item), Value::Array(items)) => {
                for (at, each) in items.iter().enumerate() {
                    item.check(each, &format!("{place}[{at}]"), mistakes);
                }
            }
            (Self::Fields(fields), Value::Object(members)) => check_members(fields, members, place, mistakes),
            (Self::OneOf(shapes), value) => check_one_of(shapes, value, place, mistakes),
            (expected, found) => {
                let message = format!("must be {}, not {}", expected.in_words(), kind_of(found));
                mistakes.push(Mistake::new(place, message));
            }
        }
    }

    /// Such as "a list".
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Object | Self::Fields(_) => "an object".to_owned(),
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::OrNull(inner) => format!("{} or null", inner.in_words()),
            Self::List(_) => "a list".to_owned(),
            Self::OneOf(shapes) => {
                let mut words: Vec<_> = shapes.iter().map(Self::in_words).collect();
                words.dedup();
                words.join(" or ")
            }
        }
    }
}

impl Field {
    pub(super) fn read_all(members: &Map<String, Value>) -> Result<Vec<Self>, String> {
        let field = |(name, shape): (&String, &Value)| {
            let (bare, required) = name.strip_suffix('*').map_or((name.as_str(), false), |bare| (bare, true));
            let shape = Shape::read(shape).map_err(|reason| format!("{bare}: {reason}"))?;
            Ok(Self { name: bare.to_owned(), required, shape })
        };
        members.iter().map(field).collect()
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(to)
    }
}

fn check_members(fields: &[Field], members: &Map<String, Value>, place: &str, mistakes: &mut Vec<Mistake>) {
    for Field { name, required, shape } in fields {
        let place = format!("{place}.{name}");
        match members.get(name) {
            Some(value) => shape.check(value, &place, mistakes),
            None if *required => {
                mistakes.push(Mistake::new(&place, format!("is missing; it must be {}", shape.in_words())))
            }
            None => {}
        }
    }
    // Objects that the documents show empty are those of which they say nothing.
    if fields.is_empty() {
        return;
    }
    for name in members.keys().filter(|name| !fields.iter().any(|field| field.name == **name)) {
        let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let message =
            format!("is not known here, and GHL refuses what it does not know; known are {}", known.join(", "));
        mistakes.push(Mistake::new(format!("{place}.{name}"), message));
    }
}

/// Right if one shape fits. If none does, the mistakes against the closest one are returned.
fn check_one_of(shapes: &[Shape], value: &Value, place: &str, mistakes: &mut Vec<Mistake>) {
    let against = |shape: &Shape| {
        let mut found = Vec::new();
        shape.check(value, place, &mut found);
        found
    };
    let all: Vec<_> = shapes.iter().map(against).collect();
    if all.iter().any(Vec::is_empty) {
        return;
    }
    let inside = |found: &&Vec<Mistake>| found.iter().all(|mistake| mistake.field != place);
    match all.iter().filter(inside).min_by_key(|found| found.len()) {
        Some(closest) => mistakes.extend(closest.iter().cloned()),
        None => {
            let expected = Shape::OneOf(shapes.to_vec()).in_words();
            mistakes.push(Mistake::new(place, format!("must be {expected}, not {}", kind_of(value))));
        }
    }
}

/// What a value is, without its content: it may be personal.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "another string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(shape: &Value, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        Shape::read(shape).unwrap().check(value, "body", &mut found);
        found.into_iter().map(|mistake| mistake.field).collect()
    }

    #[test]
    fn the_notation_is_written_as_it_was_read() {
        let shape = json!({"a*": "string?", "b": ["=x|y"], "c": {"|": ["number", {"d": "any"}]}, "e": "object", "f": "boolean"});
        assert_eq!(Shape::read(&shape).unwrap().to_value(), shape);
        for wrong in [json!("text"), json!(["any", "any"]), json!(7), json!({"a": null})] {
            assert!(Shape::read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let shape = json!({"title*": "string", "tags": ["string"], "dnd": {"SMS": {"status*": "=active|inactive"}}});
        let value = json!({"tags": ["a", 7], "dnd": {"SMS": {"status": "on"}}, "titel": "x"});
        assert_eq!(mistakes(&shape, &value), ["body.dnd.SMS.status", "body.tags[1]", "body.title", "body.titel"]);
        assert_eq!(mistakes(&shape, &json!([])), ["body"]);
        assert!(mistakes(&shape, &json!({"title": "x"})).is_empty());
    }

    #[test]
    fn one_of_several_shapes_is_enough_and_the_closest_names_the_mistake() {
        let shape =
            json!({"|": [{"id*": "string", "value": "string"}, {"id*": "string", "value": ["string"]}, "number"]});
        for right in [json!({"id": "a", "value": "b"}), json!({"id": "a", "value": ["b"]}), json!(7)] {
            assert!(mistakes(&shape, &right).is_empty(), "{right}");
        }
        assert_eq!(mistakes(&shape, &json!({"value": "b"})), ["body.id"]);
        assert_eq!(mistakes(&shape, &json!(true)), ["body"]);
    }

    #[test]
    fn no_mistake_quotes_a_value() {
        let mut found = Vec::new();
        Shape::read(&json!({"a": "number"})).unwrap().check(&json!({"a": "jane@example.com"}), "body", &mut found);
        assert!(!found[0].message.contains("jane"), "{found:?}");
    }
}
