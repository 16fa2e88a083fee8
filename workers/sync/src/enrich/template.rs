//! Texts with places, as those of flows, over what enrichment knows: `{key.email}`, `{secret}`, and in an answer `{data.company.name}`.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sync_model::pipes::{Kind, Mistake};

use crate::flows::{Known, MissingValue, Place, fill};

use super::KEYS;

/// What places may speak of.
pub(super) const ROOTS: [&str; 3] = ["key", "secret", "data"];

/// The values of a request, or of an answer.
#[derive(Debug, Default)]
pub(super) struct Values(Map<String, Value>);

impl Values {
    pub(super) fn with(mut self, root: &str, value: Value) -> Self {
        self.0.insert(root.to_owned(), value);
        self
    }

    /// What the template says; none where a place of it has nothing, or nothing that its pipes can do with.
    pub(super) fn fill(&self, template: &Value) -> Option<Value> {
        let (event, set) = (Value::Null, Map::new());
        let known = Known {
            now: Timestamp::UNIX_EPOCH,
            contact: None,
            event: &event,
            set: &set,
            answers: &self.0,
            is_dry_run: false,
        };
        match fill(template, &known) {
            Ok(filled) => filled.filter(|value| !value.is_null()),
            Err(MissingValue::Unfit { mistake: Mistake { pipe, .. }, .. }) => {
                tracing::debug!(pipe, "a value of a provider does not fit its pipe, and is left out");
                None
            }
            Err(_) => None,
        }
    }

    /// A document with its templates filled, each by itself: a place with nothing takes its own member out, and no other.
    pub(super) fn fill_in(&self, document: &Value) -> Value {
        match document {
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| Some((name.clone(), self.part(value)?));
                members.iter().filter_map(member).collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().filter_map(|item| self.part(item)).collect(),
            value => value.clone(),
        }
    }

    fn part(&self, value: &Value) -> Option<Value> {
        if value.is_string() { self.fill(value) } else { Some(self.fill_in(value)) }
    }

    /// [`Values::fill`] as a text that is not empty.
    pub(super) fn text(&self, template: &str) -> Option<String> {
        let text = match self.fill(&Value::from(template))? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(is) => is.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// What is wrong with a place where these roots are known.
pub(super) fn mistake(place: &Place, roots: &[&str]) -> Option<String> {
    let Place::Path(path) = place.bare() else {
        return Some("has a time in it; known are places as {key.email} and {data.name}".to_owned());
    };
    let (root, rest) = path.split_first()?;
    if !roots.contains(&root.as_str()) {
        return Some(format!("speaks of {{{}}}; known here are {}", path.join("."), roots.join(", ")));
    }
    let kind = match (root.as_str(), rest) {
        ("key", [name]) if KEYS.contains(&name.as_str()) => Kind::Text,
        ("key", _) => return Some(format!("{{{}}} is no key; keys are {}", path.join("."), KEYS.join(", "))),
        ("secret", []) => Kind::Text,
        ("secret", _) => return Some("{secret} is one text".to_owned()),
        _ => Kind::Any,
    };
    let Place::Piped(piped) = place else { return None };
    piped.pipes.gives(kind).err().map(|wrong| format!("{{{}}}, {wrong}", piped.text))
}
