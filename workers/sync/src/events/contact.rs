//! The fields of a contact that producers send with their events.
//!
//! Tags and e-mails are put into GHL's lower case here: what is written as it will be read is no difference.

use serde_json::{Map, Value};
use sync_model::change::ContactPatch;

use sync_model::json_fields::Fields;

/// Texts that are edited as they are.
const TEXTS: [&str; 14] = [
    "firstName",
    "lastName",
    "email",
    "phone",
    "companyName",
    "address1",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "source",
    "assignedTo",
    "timezone",
];

/// What an event sets. Null takes a field away, absence leaves it.
pub(super) fn patch(data: &mut Fields<'_>) -> ContactPatch {
    let mut patch = ContactPatch::default();
    for name in TEXTS {
        let text = data.loose_text(name).filter(|text| !text.trim().is_empty());
        let text = if name == "email" { text.map(|email| email.trim().to_lowercase()) } else { text };
        if name == "email" && text.as_deref().is_some_and(|email| !may_be_email(email)) {
            data.refuse(name, "must be an e-mail address, as ada@example.com");
        }
        if data.has(name) {
            patch.fields.insert(name.to_owned(), text.into());
        }
    }
    let name = data.loose_text("name").unwrap_or_default();
    if data.has("name") {
        // As GHL does: the first word, and the rest.
        let (first, last) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
        for (part, text) in [("firstName", first), ("lastName", last.trim())] {
            let text = if text.is_empty() { Value::Null } else { text.into() };
            patch.fields.entry(part.to_owned()).or_insert(text);
        }
    }
    let born = data.read("dateOfBirth", "a day, as 1990-09-25", |value| {
        value.as_str().filter(|day| day.parse::<jiff::civil::Date>().is_ok() && day.len() == 10)
    });
    if let Some(born) = born {
        patch.fields.insert("dateOfBirth".to_owned(), born.into());
    } else if data.is_null("dateOfBirth") {
        patch.kept.push(("dateOfBirth", "data.dateOfBirth"));
    }
    if let Some(dnd) = data.flag("dnd") {
        patch.fields.insert("dnd".to_owned(), dnd.into());
    } else if data.is_null("dnd") {
        patch.kept.push(("dnd", "data.dnd"));
    }
    // Without any is what null says.
    patch.tags = if data.is_null("tags") { Some(Vec::new()) } else { None }.or(tags(data, "tags"));
    edit_tags(data, &mut patch, &[("addTags", Value::Bool(true)), ("removeTags", Value::Null)]);
    custom_fields(data, &mut patch);
    // What the names mean, the location's mapping says as the event is taken in.
    let mapped = data.object("fields").into_iter().flatten();
    patch.mapped = mapped.map(|(name, value)| (name.clone(), value.clone())).collect();
    patch
}

/// GHL refuses every write of a contact whose e-mail is none, whatever else it edits. What exactly is one is GHL's to say.
fn may_be_email(text: &str) -> bool {
    let is_host = |host: &str| !host.starts_with('.') && !host.ends_with('.') && host.contains('.');
    !text.contains(char::is_whitespace)
        && text.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && is_host(host))
}

/// What `contact.tagged` sets: its tags come to those that are there.
pub(super) fn tagged(data: &mut Fields<'_>) -> ContactPatch {
    let mut patch = ContactPatch::default();
    let edits = [("tags", Value::Bool(true)), ("addTags", Value::Bool(true)), ("removeTags", Value::Null)];
    edit_tags(data, &mut patch, &edits);
    if patch.fields.is_empty() && !edits.iter().any(|(name, _)| data.has_mistake(name)) {
        data.refuse("tags", "is missing; send tags to add, or removeTags");
    }
    patch
}

fn edit_tags(data: &mut Fields<'_>, patch: &mut ContactPatch, edits: &[(&'static str, Value)]) {
    for (name, value) in edits {
        for tag in tags(data, name).unwrap_or_default() {
            patch.fields.insert(format!("tags.{tag}"), value.clone());
        }
    }
}

fn tags(data: &mut Fields<'_>, name: &'static str) -> Option<Vec<String>> {
    let tag = |tag: &Value| Some(tag.as_str()?.trim().to_lowercase()).filter(|tag| !tag.is_empty());
    data.read(name, "an array of texts that are not empty", |value| value.as_array()?.iter().map(tag).collect())
}

/// By key, `{"pincode": 5}`, or as GHL lists them, `[{"id" | "key", "value"}]`.
fn custom_fields(data: &mut Fields<'_>, patch: &mut ContactPatch) {
    let expected = "an object of values by key, or an array of {\"id\" or \"key\", \"value\"}";
    let read = data.read("customFields", expected, |value| match value {
        Value::Object(by_key) => {
            Some(by_key.iter().map(|(key, value)| (keyed(key), value.clone())).collect::<Vec<_>>())
        }
        Value::Array(list) => list.iter().map(|item| listed(item.as_object()?)).collect(),
        _ => None,
    });
    // As readers get them beside the list, where they know the keys.
    let expected = "an object of values by key";
    let by_key = data.read("customFieldsByKey", expected, |value| {
        Some(value.as_object()?.iter().map(|(key, value)| (keyed(key), value.clone())).collect::<Vec<_>>())
    });
    // Sent with the list, which names the same fields by id, it says nothing more.
    let by_key = by_key.filter(|_| read.is_none());
    for (name, value) in read.or(by_key).unwrap_or_default() {
        let is_blank = value.as_str().is_some_and(|text| text.trim().is_empty());
        let value = if is_blank { Value::Null } else { value };
        patch.fields.insert(format!("customFields.{name}"), value);
    }
}

fn listed(item: &Map<String, Value>) -> Option<(String, Value)> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("id").map(str::to_owned).or_else(|| text("key").map(keyed))?;
    let known = ["id", "key", "value", "field_value"];
    let value = item.get("value").or_else(|| item.get("field_value"))?;
    item.keys().all(|name| known.contains(&name.as_str())).then(|| (name, value.clone()))
}

fn keyed(key: &str) -> String {
    format!("contact.{}", key.trim_start_matches("contact."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(data: Value) -> (ContactPatch, Vec<String>) {
        let object = data.as_object().unwrap();
        let mut fields = Fields::new(object, "data.");
        let patch = patch(&mut fields);
        (patch, fields.finish().into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn null_takes_away_and_absence_leaves() {
        let (patch, faults) = read(json!({"email": "A@X.de", "city": null, "dnd": true}));
        assert_eq!(json!(patch.fields), json!({"email": "a@x.de", "city": null, "dnd": true}));
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn a_name_is_split_as_ghl_does_unless_its_parts_are_sent() {
        let (patch, _) = read(json!({"name": "Jane van Doe", "lastName": "Roe"}));
        assert_eq!(json!(patch.fields), json!({"firstName": "Jane", "lastName": "Roe"}));
    }

    #[test]
    fn custom_fields_are_named_by_key_or_id() {
        let by_key = read(json!({"customFields": {"pincode": 5, "contact.size": "L"}})).0.fields;
        assert_eq!(json!(by_key), json!({"customFields.contact.pincode": 5, "customFields.contact.size": "L"}));
        let list = json!({"customFields": [{"id": "f1", "value": ["a"]}, {"key": "size", "field_value": null}]});
        assert_eq!(json!(read(list).0.fields), json!({"customFields.f1": ["a"], "customFields.contact.size": null}));
    }

    #[test]
    fn every_mistake_is_named() {
        let data =
            json!({"email": 5, "dateOfBirth": "May", "tags": ["a", ""], "customFields": [{"value": 1}], "nick": "x"});
        let faults = ["data.email", "data.dateOfBirth", "data.tags", "data.customFields", "data.nick"];
        assert_eq!(read(data).1, faults);
    }
}
