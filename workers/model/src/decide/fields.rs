//! A record as named values: the form that merging, verifying and the recognition of echoes use.
//!
//! One name is one thing that a person can edit on its own: `email`, but also `tags.vip` and
//! `customFields.f1`, so that two people who each add a tag do not conflict. What GHL alone decides
//! (ids, its dates, a name that follows from its parts) has no name here: it follows GHL.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::record::{Appointment, Contact, Note, Task};

/// A record's values by name. What is null or an empty text has no entry: GHL reports the two and absence apart at random.
pub type Fields = BTreeMap<String, Value>;

/// A record that both sides edit.
pub trait Record: Serialize + DeserializeOwned + Clone {
    /// `contact`, `task`, `note` or `appointment`: the first part of a field's full name, as `contact.email`.
    const NAME: &'static str;
    /// Fields that are no one's to edit: ids, and what GHL decides.
    const FIXED: &'static [&'static str];
    /// Lists of texts whose order means nothing.
    const SETS: &'static [&'static str] = &[];
    /// Lists of `{id, value}`.
    const KEYED: &'static [&'static str] = &[];
    /// Fields that make sense only together: one field in merge, policy, conflict and undo.
    const TOGETHER: &'static [&'static str] = &[];

    /// Fields without which a create still makes sense: where GHL names one of them as wrong, the rest is created.
    const OPTIONAL: &'static [&'static str] = &[];

    /// What a field reads when it is empty.
    fn empty(name: &str) -> Value;

    /// Brings up to date what follows from other fields, after they were set.
    fn derive(&mut self, before: &Self);

    /// Takes on what GHL, which holds `theirs`, filled in where neither side had said anything: both agree on that, so `base` has it as well.
    fn take_on(&mut self, _base: &mut Fields, _theirs: &Self) {}

    /// An event's field, and why what it makes of the record can't be.
    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

impl Record for Contact {
    const NAME: &'static str = "contact";
    const FIXED: &'static [&'static str] =
        &["id", "clientyContactId", "customFieldsByKey", "fields", "name", "lastActivity", "dateAdded", "dateUpdated"];
    const SETS: &'static [&'static str] = &["tags"];
    const KEYED: &'static [&'static str] = &["customFields"];

    fn empty(_: &str) -> Value {
        Value::Null
    }

    fn derive(&mut self, before: &Self) {
        if (&self.first_name, &self.last_name) != (&before.first_name, &before.last_name) {
            self.name = self.name_of_parts();
        }
    }
}

impl Record for Task {
    const NAME: &'static str = "task";
    const FIXED: &'static [&'static str] = &["taskId", "clientyTaskId", "contactId", "unread"];
    const OPTIONAL: &'static [&'static str] = &["body", "assignedTo"];

    fn empty(name: &str) -> Value {
        match name {
            "title" => json!(""),
            "completed" => json!(false),
            _ => Value::Null,
        }
    }

    fn derive(&mut self, _: &Self) {}
}

impl Record for Note {
    const NAME: &'static str = "note";
    const FIXED: &'static [&'static str] = &["noteId", "clientyNoteId", "contactId", "createdAt", "unread"];
    const OPTIONAL: &'static [&'static str] = &["userId"];

    fn empty(name: &str) -> Value {
        if name == "noteText" { json!("") } else { Value::Null }
    }

    fn derive(&mut self, _: &Self) {}
}

impl Record for Appointment {
    const NAME: &'static str = "appointment";
    const FIXED: &'static [&'static str] = &["appointmentId", "clientyAppointmentId", "contactId", "unread"];
    const TOGETHER: &'static [&'static str] = &["startTime", "endTime"];
    const OPTIONAL: &'static [&'static str] = &["title", "status", "address", "notes", "assignedUserId"];

    fn empty(_: &str) -> Value {
        Value::Null
    }

    fn derive(&mut self, before: &Self) {
        self.read_in.clone_from(&before.read_in);
    }

    /// GHL ends an appointment that was created without an end; one whose start was moved since takes that end along.
    fn take_on(&mut self, base: &mut Fields, theirs: &Self) {
        let (Some(start), Some(end)) = (theirs.start_time, theirs.end_time) else { return };
        if self.end_time.is_none() && !base.contains_key("endTime") {
            set(base, "endTime", json!(end));
            self.end_time = self.start_time.and_then(|own| own.checked_add(end.duration_since(start)).ok());
        }
    }

    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let ends_early = self.start_time.zip(self.end_time).is_some_and(|(start, end)| end <= start);
        ends_early.then_some(("data.endTime", "it must be after startTime"))
    }
}

/// Whether there is a field of that full name: `task` for all of a record, `contact.email`, `contact.tags` for all tags, `contact.tags.vip`.
///
/// # Errors
/// The words for what would be one.
pub fn check_name(name: &str) -> Result<(), String> {
    let (record, field) = name.split_once('.').map_or((name, None), |(record, field)| (record, Some(field)));
    match record {
        Contact::NAME => check_field::<Contact>(field),
        Task::NAME => check_field::<Task>(field),
        Note::NAME => check_field::<Note>(field),
        Appointment::NAME => check_field::<Appointment>(field),
        _ => Err(format!("one of {}", [Contact::NAME, Task::NAME, Note::NAME, Appointment::NAME].join(", "))),
    }
}

fn check_field<R: Record + Default>(field: Option<&str>) -> Result<(), String> {
    let Some(field) = field else { return Ok(()) };
    let list = field.split_once('.').map_or(field, |(list, _)| list);
    let has_parts = R::SETS.contains(&list) || R::KEYED.contains(&list);
    let known: Vec<_> = object(&R::default()).into_iter().map(|(name, _)| name).collect();
    let mut known = known.iter().map(String::as_str).filter(|name| !R::FIXED.contains(name));
    match known.clone().any(|name| name == field || (has_parts && name == list)) {
        true => Ok(()),
        false => Err(format!("a field of {}s: {}", R::NAME, known.by_ref().collect::<Vec<_>>().join(", "))),
    }
}

/// The names of a record's own fields; lists by their own name.
#[must_use]
pub fn names<R: Record + Default>() -> Vec<String> {
    let names = object(&R::default()).into_iter().map(|(name, _)| name);
    names.filter(|name| !R::FIXED.contains(&name.as_str())).collect()
}

/// The names of the fields in which the two differ, in order, but for those that `is_left_out` names.
#[must_use]
pub fn differing(one: &Fields, other: &Fields, is_left_out: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names: Vec<_> = one.keys().chain(other.keys()).filter(|name| !is_left_out(name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| value(one, name) != value(other, name));
    names
}

/// The values of `record`.
#[must_use]
pub fn fields<R: Record>(record: &R) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in object(record) {
        let name_is = |list: &[&str]| list.contains(&name.as_str());
        if name_is(R::FIXED) {
            continue;
        }
        match value {
            Value::Array(items) if name_is(R::SETS) => {
                let texts = items.iter().filter_map(Value::as_str);
                fields.extend(texts.map(|text| (format!("{name}.{text}"), Value::Bool(true))));
            }
            Value::Array(items) if name_is(R::KEYED) => {
                let entries = items
                    .into_iter()
                    .filter_map(|mut item| Some((item["id"].as_str()?.to_owned(), item["value"].take())));
                fields.extend(entries.map(|(id, value)| (format!("{name}.{id}"), value)));
            }
            value => {
                fields.insert(name, value);
            }
        }
    }
    fields.retain(|_, value| !is_nothing(value));
    fields
}

/// `like` with the values of `wanted` instead of its own. Lists keep the order that `like` has them in, and what is new comes last.
#[must_use]
pub fn with_fields<R: Record>(like: &R, wanted: &Fields) -> R {
    let mut object = object(like);
    for (name, value) in &mut object {
        let name_is = |list: &[&str]| list.contains(&name.as_str());
        if name_is(R::FIXED) {
            continue;
        }
        let entries = || {
            wanted
                .iter()
                .filter_map(|(field, value)| Some((field.strip_prefix(name.as_str())?.strip_prefix('.')?, value)))
        };
        if name_is(R::SETS) {
            let texts = entries().map(|(text, _)| text).collect();
            *value = Value::Array(
                in_order(value, texts, |item| item.as_str()).into_iter().map(|text| json!(text)).collect(),
            );
        } else if name_is(R::KEYED) {
            // One without a value is there, though nothing can be said of it.
            let empty = value.as_array().into_iter().flatten().filter(|item| is_nothing(&item["value"]));
            let ids = entries().map(|(id, _)| id).chain(empty.filter_map(|item| item["id"].as_str())).collect();
            let ids = in_order(value, ids, |item| item["id"].as_str());
            // Nothing is said in the words that `like` has for it.
            let nothing = |id: &str| {
                let own = value.as_array().into_iter().flatten().find(|item| item["id"] == *id);
                own.map(|item| item["value"].clone()).filter(is_nothing).unwrap_or_default()
            };
            let item = |id: String| {
                let wanted = wanted.get(&format!("{name}.{id}")).cloned();
                json!({"value": wanted.unwrap_or_else(|| nothing(&id)), "id": id})
            };
            *value = Value::Array(ids.into_iter().map(item).collect());
        } else {
            *value = wanted.get(name).cloned().unwrap_or_else(|| R::empty(name));
        }
    }
    // Every value was read from a record of this type, so it fits one.
    let mut record = serde_json::from_value(Value::Object(object)).unwrap_or_else(|_| like.clone());
    R::derive(&mut record, like);
    record
}

/// The values that `changed` has otherwise than `from`; null for one that it lacks.
#[must_use]
pub fn difference(from: &Fields, changed: &Fields) -> Fields {
    let gone = from.keys().filter(|name| !changed.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let set = changed.iter().filter(|(name, value)| from.get(*name) != Some(*value));
    gone.chain(set.map(|(name, value)| (name.clone(), value.clone()))).collect()
}

/// The value of a field; null where there is none.
#[must_use]
pub fn value(fields: &Fields, name: &str) -> Value {
    fields.get(name).cloned().unwrap_or_default()
}

/// Sets a field; nothing takes it away.
pub fn set(fields: &mut Fields, name: &str, value: Value) {
    if is_nothing(&value) {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
}

/// Null and the empty text.
#[must_use]
pub fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// The record as JSON has it.
#[must_use]
pub fn object<R: Record>(record: &R) -> Map<String, Value> {
    // Structs of texts, numbers and times have no way to fail.
    match serde_json::to_value(record) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn in_order(list: &Value, wanted: Vec<&str>, id: fn(&Value) -> Option<&str>) -> Vec<String> {
    let before: Vec<&str> = list.as_array().into_iter().flatten().filter_map(id).collect();
    let kept = before.iter().filter(|id| wanted.contains(id));
    let new = wanted.iter().filter(|id| !before.contains(id));
    kept.chain(new).map(|id| (*id).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::CustomField;

    fn contact() -> Contact {
        Contact {
            id: "c1".to_owned(),
            name: Some("Jane Doe".to_owned()),
            first_name: Some("Jane".to_owned()),
            last_name: Some("Doe".to_owned()),
            city: Some(String::new()),
            tags: vec!["vip".to_owned(), "new".to_owned()],
            custom_fields: vec![CustomField { id: "f1".to_owned(), value: json!(["a"]) }],
            ..Contact::default()
        }
    }

    #[test]
    fn each_tag_and_custom_field_has_a_name_and_ids_have_none() {
        let expected = json!({
            "firstName": "Jane", "lastName": "Doe", "tags.vip": true, "tags.new": true, "customFields.f1": ["a"],
        });
        assert_eq!(json!(fields(&contact())), expected);
    }

    #[test]
    fn a_record_comes_back_with_other_values_and_the_order_it_had() {
        let mut wanted = fields(&contact());
        set(&mut wanted, "lastName", json!("Roe"));
        set(&mut wanted, "firstName", Value::Null);
        set(&mut wanted, "tags.cold", json!(true));
        set(&mut wanted, "customFields.f0", json!(7));
        let expected = Contact {
            name: Some("Roe".to_owned()),
            first_name: None,
            last_name: Some("Roe".to_owned()),
            city: None,
            tags: ["vip", "new", "cold"].map(str::to_owned).into(),
            custom_fields: [("f1", json!(["a"])), ("f0", json!(7))]
                .map(|(id, value)| CustomField { id: id.to_owned(), value })
                .into(),
            ..contact()
        };
        assert_eq!(with_fields(&contact(), &wanted), expected);
    }

    #[test]
    fn a_custom_field_that_holds_nothing_stays_as_it_is() {
        let field = |id: &str, value| CustomField { id: id.to_owned(), value };
        let custom_fields = vec![field("f1", json!("")), field("f2", Value::Null)];
        let holding_nothing = Contact { custom_fields, ..contact() };
        assert_eq!(
            with_fields(&holding_nothing, &fields(&holding_nothing)).custom_fields,
            holding_nothing.custom_fields
        );
    }

    #[test]
    fn a_field_that_was_taken_away_is_empty_in_the_way_of_its_record() {
        let task = Task { title: "Call".to_owned(), completed: true, body: Some("x".to_owned()), ..Task::default() };
        assert_eq!(with_fields(&task, &Fields::new()), Task::default());
        let note = Note { note_text: "Hi".to_owned(), user_id: Some("u".to_owned()), ..Note::default() };
        assert_eq!(with_fields(&note, &Fields::new()), Note::default());
    }

    #[test]
    fn a_difference_names_what_is_gone_too() {
        let of = |value: Value| -> Fields { serde_json::from_value(value).unwrap() };
        let change = difference(&of(json!({"a": 1, "b": 2, "c": 3})), &of(json!({"a": 1, "b": 4, "d": 5})));
        assert_eq!(change, of(json!({"b": 4, "c": null, "d": 5})));
    }
}
