//! What a change took away, as its entry of the feed keeps it: a list beside the entry's `fields`, without their names.
//!
//! Each item is what the field held before, null for nothing. All tags are one field of the feed; theirs is an object that reports each tag that came or
//! went whether it was there. What fits no field stands behind them in one object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sync_model::decide::fields::{Fields, Record, difference, fields};
use sync_model::entry::AnyEntry;

use super::super::feed::{ChangeOp, Changed, public_name};

/// What a change took away.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in super::super) struct Was {
    /// By the names of the feed, in its order.
    pub(super) values: Vec<(String, Value)>,
    pub(super) rest: Rest,
}

/// What fits no field.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rest {
    /// Readers did not see the record before, though it was known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) hidden: bool,
    /// Nor was it known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) unmet: bool,
    /// All that a deleted record was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) doc: Option<Fields>,
    /// What went with a contact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
}

/// A task, note or appointment that went with its contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Part {
    pub(in super::super) record: String,
    pub(in super::super) id: String,
    pub(in super::super) doc: Fields,
}

impl Was {
    /// The names of the fields in which the two differ, all of `after` where there was none before, and what that took away.
    pub(in super::super) fn of<R: Record>(op: ChangeOp, before: Option<&R>, after: &R) -> (Vec<String>, Option<Self>) {
        let (names, values) = compared(before, after);
        let values = names.iter().cloned().zip(values).collect();
        let was = match (op, before) {
            (ChangeOp::Deleted, Some(before)) => Some(Self { values, ..Self::gone(before) }),
            (ChangeOp::Deleted, None) => {
                Some(Self { rest: Rest { hidden: true, unmet: true, ..Rest::default() }, values })
            }
            (_, Some(_)) => Some(Self { values, rest: Rest::default() }),
            (_, None) => None,
        };
        (names, was)
    }

    /// A record that is gone.
    pub(in super::super) fn gone<R: Record>(doc: &R) -> Self {
        Self { values: Vec::new(), rest: Rest { doc: Some(fields(doc)), ..Rest::default() } }
    }

    /// And what went with it.
    pub(in super::super) fn with_parts(mut self, parts: Vec<Part>) -> Self {
        self.rest.parts = parts;
        self
    }

    pub(in super::super) fn text(&self) -> String {
        let values = self.values.iter().map(|(_, value)| value.clone());
        let rest = serde_json::to_value(&self.rest).ok().filter(|_| self.rest != Rest::default());
        Value::Array(values.chain(rest).collect()).to_string()
    }

    /// As [`Was::text`] wrote it, for an entry with these fields.
    pub(super) fn read(text: &str, fields: &[String]) -> serde_json::Result<Self> {
        let mut values: Vec<Value> = serde_json::from_str(text)?;
        let rest = values.drain(fields.len().min(values.len())..).next();
        let rest = rest.map(serde_json::from_value).transpose()?.unwrap_or_default();
        Ok(Self { values: fields.iter().cloned().zip(values).collect(), rest })
    }

    /// The fields by their own names.
    pub(super) fn fields<'a>(&'a self, sets: &[&str]) -> Vec<(String, &'a Value)> {
        let mut each = Vec::new();
        for (name, value) in &self.values {
            match value {
                Value::Object(items) if sets.contains(&name.as_str()) => {
                    each.extend(items.iter().map(|(item, was)| (format!("{name}.{item}"), was)));
                }
                value => each.push((name.clone(), value)),
            }
        }
        each
    }
}

impl Changed {
    /// This and what `begun` it, as one change.
    pub(in super::super) fn goes_on(self, begun: Self) -> Self {
        let Some(before) = begun.was else { return self };
        if self.op == ChangeOp::Synced {
            return Self { op: begun.op, fields: begun.fields, was: Some(before), ..self };
        }
        let Some(was) = self.was else { return Self { was: None, ..self } };
        let (mut values, rest) = (was.values, if before.rest.hidden { before.rest } else { was.rest });
        for (name, value) in before.values {
            match values.iter_mut().find(|(known, _)| *known == name) {
                Some((_, Value::Object(items))) if value.is_object() => {
                    items.extend(value.as_object().cloned().unwrap_or_default());
                }
                Some((_, known)) => *known = value,
                None => values.push((name, value)),
            }
        }
        let fields = values.iter().map(|(name, _)| name.clone()).collect();
        Self { fields, was: Some(Was { values, rest }), ..self }
    }

    /// As it comes after a state that readers saw, or did not see.
    pub(in super::super) fn after(mut self, was_shown: bool) -> Self {
        if !was_shown {
            self.was.get_or_insert_default().rest = Rest { hidden: true, ..Rest::default() };
        }
        self
    }
}

/// The names of the fields in which the two differ, as the feed shows them: all of `after` where there was none before.
pub(in super::super) fn changed_fields<R: Record>(before: Option<&R>, after: &R) -> Vec<String> {
    compared(before, after).0
}

/// The names of the fields that it has.
pub(in super::super) fn field_names(entry: &AnyEntry) -> Vec<String> {
    match entry {
        AnyEntry::Task(task) => changed_fields(None, task),
        AnyEntry::Note(note) => changed_fields(None, note),
        AnyEntry::Appointment(appointment) => changed_fields(None, appointment),
    }
}

/// The fields in which the two differ, and what each held before.
fn compared<R: Record>(before: Option<&R>, after: &R) -> (Vec<String>, Vec<Value>) {
    let mut before = before.map_or_else(Fields::new, fields);
    let (mut names, mut values): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
    for name in difference(&before, &fields(after)).into_keys() {
        let was = before.remove(&name).unwrap_or_default();
        let item = name.split_once('.').filter(|(list, _)| R::SETS.contains(list)).map(|(_, item)| item.to_owned());
        let public = public_name(name);
        let is_known = names.last() == Some(&public);
        match (item, values.last_mut()) {
            (Some(item), Some(Value::Object(items))) if is_known => {
                items.insert(item, was);
            }
            (Some(item), _) => {
                names.push(public);
                values.push(Value::Object(Map::from_iter([(item, was)])));
            }
            (None, _) if is_known => {}
            (None, _) => {
                names.push(public);
                values.push(was);
            }
        }
    }
    (names, values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use sync_model::record::{Contact, CustomField};

    fn contact(city: &str, tags: &[&str], pincode: Value) -> Contact {
        Contact {
            city: Some(city.to_owned()),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            custom_fields: vec![CustomField { id: "f1".to_owned(), value: pincode }],
            ..Contact::default()
        }
    }

    #[test]
    fn what_was_there_stands_beside_the_names_of_the_feed() {
        let (before, after) = (contact("Berlin", &["a", "b"], json!(7)), contact("Bonn", &["b", "c"], Value::Null));
        let (names, was) = Was::of(ChangeOp::Stored, Some(&before), &after);
        assert_eq!(names, ["city", "customFields.f1", "tags"]);
        let was = was.unwrap();
        assert_eq!(was.text(), r#"["Berlin",7,{"a":true,"c":null}]"#);
        assert_eq!(Was::read(&was.text(), &names).unwrap(), was);
        let fields: Vec<_> = was.fields(Contact::SETS).into_iter().map(|(name, was)| (name, was.clone())).collect();
        let expected = [
            ("city", json!("Berlin")),
            ("customFields.f1", json!(7)),
            ("tags.a", json!(true)),
            ("tags.c", Value::Null),
        ];
        assert_eq!(fields, expected.map(|(name, was)| (name.to_owned(), was)));
    }

    #[test]
    fn nothing_is_kept_of_what_was_not_there() {
        let (names, was) = Was::of(ChangeOp::Stored, None, &contact("Bonn", &[], json!(1)));
        assert_eq!((names.len(), was), (2, None));
        let same = contact("Bonn", &[], json!(1));
        assert_eq!(Was::of(ChangeOp::Stored, Some(&same), &same).1.unwrap().text(), "[]");
    }

    #[test]
    fn a_deletion_keeps_all_and_what_went_along() {
        let part = Part { record: "task".to_owned(), id: "r1".to_owned(), doc: fields(&contact("x", &[], json!(1))) };
        let was = Was::gone(&contact("Bonn", &["a"], json!(1))).with_parts(vec![part]);
        assert_eq!(Was::read(&was.text(), &[]).unwrap(), was);
        let hidden = Was::of(ChangeOp::Deleted, None, &contact("Bonn", &[], json!(1)));
        assert_eq!(Was::read(&hidden.1.clone().unwrap().text(), &hidden.0).unwrap(), hidden.1.unwrap());
    }
}
