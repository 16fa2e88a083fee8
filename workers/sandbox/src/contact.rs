//! A contact: how written fields change it, and the forms in which GHL shows it.
//!
//! GHL shows one contact in several shapes: by id, after a create, and in lists. They differ in ways that clients trip
//! over, so each is a function here. Records are stored in the first.

use serde_json::{Map, Value, json};

use super::dates;
use super::phone;
use super::store::{Collection, Store};

/// Writes the fields of a create or update into a stored contact, normalised as GHL does.
pub(super) fn apply(contact: &mut Value, input: &Map<String, Value>, store: &Store) {
    for (field, value) in input {
        match field.as_str() {
            "locationId" => {}
            "name" => {
                let name = value.as_str().unwrap_or_default().trim();
                let (first, last) = name.split_once(' ').unwrap_or((name, ""));
                set_unless_sent(contact, input, "firstName", first);
                set_unless_sent(contact, input, "lastName", last);
            }
            "email" => contact["email"] = value.as_str().map(str::to_lowercase).into(),
            "phone" => contact["phone"] = value.as_str().and_then(|raw| phone::e164(raw, store.country)).into(),
            "tags" => contact["tags"] = json!(tags(value)),
            "customFields" => merge_custom_fields(contact, value, &store.custom_fields),
            "dndSettings" | "inboundDndSettings" => merge(&mut contact[field], value),
            "dateOfBirth" => contact["dateOfBirth"] = value.as_str().map(day).into(),
            _ => contact[field] = value.clone(),
        }
    }
    derive(contact);
}

fn set_unless_sent(contact: &mut Value, input: &Map<String, Value>, field: &str, value: &str) {
    if !input.contains_key(field) {
        contact[field] = value.into();
    }
}

/// Brings the fields that follow from others up to date.
pub(super) fn derive(contact: &mut Value) {
    let first = text(contact, "firstName").to_owned();
    let last = text(contact, "lastName").to_owned();
    let full =
        [first.as_str(), last.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    contact["firstNameLowerCase"] = first.to_lowercase().into();
    contact["lastNameLowerCase"] = last.to_lowercase().into();
    contact["fullNameLowerCase"] = full.to_lowercase().into();
    contact["name"] = full.into();
    if let Some(email) = contact["email"].as_str() {
        contact["emailLowerCase"] = email.to_lowercase().into();
    } else if let Some(contact) = contact.as_object_mut() {
        contact.remove("emailLowerCase");
    }
}

/// A list of texts; empty where there is none.
pub(super) fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Tags as GHL keeps them: lower case, each once.
pub(super) fn tags(list: &Value) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in strings(list).into_iter().map(str::to_lowercase) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// A write names fields by id or key and says `field_value`; what is stored says `id` and `value`. Unknown ones vanish.
fn merge_custom_fields(contact: &mut Value, written: &Value, definitions: &Collection) {
    let mut fields = contact["customFields"].as_array().cloned().unwrap_or_default();
    for field in written.as_array().into_iter().flatten() {
        let key = field["key"].as_str().map(|key| format!("contact.{}", key.trim_start_matches("contact.")));
        let Some(definition) = definitions.all().iter().find(|definition| {
            definition["id"] == field["id"] || key.as_deref().is_some_and(|key| definition["fieldKey"] == key)
        }) else {
            continue;
        };
        fields.retain(|kept| kept["id"] != definition["id"]);
        fields.push(json!({ "id": definition["id"], "value": read_back(definition, &field["field_value"]) }));
    }
    contact["customFields"] = Value::Array(fields);
}

/// A value as it is read after it was written. A day comes back with a time, as clients met in production.
fn read_back(definition: &Value, written: &Value) -> Value {
    let day = written.as_str().filter(|_| definition["dataType"] == "DATE").and_then(dates::parse);
    day.map_or_else(|| written.clone(), |day| dates::iso(day).into())
}

/// Sets the keys of `written` in `kept`, and leaves its others.
fn merge(kept: &mut Value, written: &Value) {
    match (kept.as_object_mut(), written.as_object()) {
        (Some(kept), Some(written)) => kept.extend(written.clone()),
        _ => *kept = written.clone(),
    }
}

/// The day of a date that may have been sent with a time.
fn day(date: &str) -> &str {
    date.split('T').next().unwrap_or(date)
}

/// The reply to a create: unlike a read, it has flags of mail delivery and a date of birth with a time, and no `name`.
pub(super) fn as_created(contact: &Value) -> Value {
    let mut shown = contact.clone();
    if let Some(date) = shown["dateOfBirth"].as_str().and_then(dates::parse) {
        shown["dateOfBirth"] = dates::iso(date).into();
    }
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("name");
        fields.remove("timezone");
        fields.extend(["deleted", "bounceEmail", "unsubscribeEmail"].map(|flag| (flag.to_owned(), Value::Bool(false))));
    }
    shown
}

/// An item of `GET /contacts/` or of a business: names in lower case, as typed only in the `Raw` fields.
pub(super) fn as_listed(contact: &Value) -> Value {
    let kept = [
        "id",
        "locationId",
        "companyName",
        "email",
        "phone",
        "dnd",
        "dndSettings",
        "type",
        "source",
        "assignedTo",
        "address1",
        "city",
        "state",
        "postalCode",
        "country",
        "website",
        "timezone",
        "dateOfBirth",
        "dateAdded",
        "dateUpdated",
        "tags",
        "customFields",
        "businessId",
    ];
    let mut shown: Map<String, Value> =
        kept.into_iter().map(|field| (field.to_owned(), contact[field].clone())).collect();
    shown.insert("contactName".to_owned(), contact["fullNameLowerCase"].clone());
    shown.insert("firstName".to_owned(), contact["firstNameLowerCase"].clone());
    shown.insert("lastName".to_owned(), contact["lastNameLowerCase"].clone());
    shown.insert("firstNameRaw".to_owned(), contact["firstName"].clone());
    shown.insert("lastNameRaw".to_owned(), contact["lastName"].clone());
    shown.insert("attributions".to_owned(), json!([]));
    shown.insert("followers".to_owned(), json!(strings(&contact["followers"])));
    Value::Object(shown)
}

/// A field's text; empty where there is none.
pub(super) fn text<'a>(contact: &'a Value, field: &str) -> &'a str {
    contact[field].as_str().unwrap_or_default()
}

/// Milliseconds since 1970 of a contact's date field.
pub(super) fn date_ms(contact: &Value, field: &str) -> i64 {
    dates::parse(text(contact, field)).map_or(0, |at| at.as_millisecond())
}

/// Whether a search for this text, in lower case, finds the contact.
pub(super) fn is_named(contact: &Value, wanted: &str) -> bool {
    ["fullNameLowerCase", "emailLowerCase", "phone"].iter().any(|field| text(contact, field).contains(wanted))
}
