//! A contact, both ways.
//!
//! The trap is the name. A contact that is read by id often has no `name`, and lists lower-case the names they give,
//! with the typed spelling in `firstNameRaw` and `lastNameRaw`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::decide::fields::{Fields, fields, value};
use crate::ghl::{WireTime, model as ghl};
use crate::records::model::{Contact, CustomField, is_key};

/// The contact in Clienty's words.
#[must_use]
pub fn from_ghl(contact: ghl::Contact) -> Contact {
    let ghl::Contact {
        id,
        name,
        contact_name,
        first_name,
        last_name,
        first_name_raw,
        last_name_raw,
        email,
        phone,
        company_name,
        address1,
        city,
        state,
        country,
        postal_code,
        website,
        source,
        assigned_to,
        date_of_birth,
        dnd,
        // Read for writes alone, which lift nothing permanent.
        dnd_settings: _,
        timezone,
        tags,
        custom_fields,
        last_activity,
        date_added,
        date_updated,
    } = contact;

    let as_typed = first_name_raw.is_some() || last_name_raw.is_some();
    let first_name = first_name_raw.or(first_name);
    let last_name = last_name_raw.or(last_name);
    let joined = joined(first_name.as_deref(), last_name.as_deref());
    let name = match (name.or(contact_name), joined) {
        (Some(given), Some(joined)) if as_typed && given.to_lowercase() == joined.to_lowercase() => Some(joined),
        (given, joined) => given.or(joined),
    };

    Contact {
        id,
        clienty_contact_id: None,
        name,
        first_name,
        last_name,
        email,
        phone,
        company_name,
        address1,
        city,
        state,
        country,
        postal_code,
        website,
        source,
        assigned_to,
        date_of_birth: date_of_birth.map(|born| born.date().to_string()),
        dnd,
        timezone,
        tags,
        custom_fields: custom_fields.into_iter().map(custom_field).collect(),
        custom_fields_by_key: BTreeMap::new(),
        last_activity: last_activity.and_then(instant),
        date_added: date_added.and_then(instant),
        date_updated: date_updated.and_then(instant),
    }
}

/// What a webhook about a contact says of it: all fields but the time zone, which none holds. Nothing where it leaves out what `base` has: it
/// may be gone, or just not told.
#[must_use]
pub fn told(webhook: &Value, base: &Fields) -> Option<Fields> {
    let contact: ghl::Contact = serde_json::from_value(webhook.clone()).ok()?;
    let said = fields(&from_ghl(contact));
    let mut told = Fields::new();
    for name in base.keys().chain(said.keys()).filter(|name| *name != "timezone") {
        let top = name.split('.').next().unwrap_or_default();
        webhook.get(top)?;
        let is_listed = top != "customFields" || said.contains_key(name);
        told.insert(name.clone(), is_listed.then(|| value(&said, name))?);
    }
    Some(told)
}

/// The body that creates `contact`, whose custom fields are named by id.
#[must_use]
pub fn to_new(contact: &Contact, location_id: &str) -> ghl::NewContact {
    let Contact { company_name, dnd, tags, .. } = contact;
    ghl::NewContact {
        location_id: location_id.to_owned(),
        company_name: company_name.clone(),
        gender: None,
        dnd: *dnd,
        tags: tags.clone(),
        fields: to_changes(&fields(contact)),
    }
}

/// The fields of a body that make `changes`; null empties a field. Tags, "do not disturb" and the company go other ways.
#[must_use]
pub fn to_changes(changes: &Fields) -> ghl::ContactFields {
    let mut body = ghl::ContactFields::default();
    for (name, value) in changes {
        let text = || Some(value.as_str().unwrap_or_default().to_owned());
        match name.as_str() {
            "firstName" => body.first_name = text(),
            "lastName" => body.last_name = text(),
            "email" => body.email = text(),
            "phone" => body.phone = text(),
            "address1" => body.address1 = text(),
            "city" => body.city = text(),
            "state" => body.state = text(),
            "country" => body.country = text(),
            "postalCode" => body.postal_code = text(),
            "website" => body.website = text(),
            "timezone" => body.timezone = text(),
            "source" => body.source = text(),
            "assignedTo" => body.assigned_to = text(),
            // GHL has no way to take one away.
            "dateOfBirth" => body.date_of_birth = value.as_str().and_then(|day| day.parse().ok()),
            name => {
                if let Some(id) = name.strip_prefix("customFields.").filter(|id| !is_key(id)) {
                    let value = if value.is_null() { Value::String(String::new()) } else { value.clone() };
                    body.custom_fields.push(ghl::SetCustomField::by_id(id, value));
                }
            }
        }
    }
    body
}

fn custom_field(field: ghl::CustomField) -> CustomField {
    let ghl::CustomField { id, value } = field;
    CustomField { id, value }
}

fn joined(first: Option<&str>, last: Option<&str>) -> Option<String> {
    match (first, last) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// The dates of a contact are GHL's own, and UTC where no offset is told.
fn instant(time: WireTime) -> Option<Timestamp> {
    time.instant_in(&TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mapped(contact: Value) -> Contact {
        from_ghl(serde_json::from_value(contact).unwrap())
    }

    #[test]
    fn a_whole_contact_is_mapped() {
        let contact = mapped(json!({
            "id": "c1", "name": "Rubika Deo", "firstName": "Rubika", "lastName": "Deo", "email": "rubika@deos.com",
            "phone": "+18832327657", "companyName": "DGS", "address1": "1st St", "city": "Dolomite", "state": "AL",
            "country": "US", "postalCode": 35061, "website": "https://example.com", "source": "public api",
            "assignedTo": "u1", "dateOfBirth": "1990-01-31", "dnd": true, "timezone": "Asia/Calcutta",
            "tags": ["vip", null], "customFields": [{"id": "f1", "value": ["a", 1]}, {"value": "no id"}],
            "lastActivity": 1626435570564_i64, "dateAdded": "2021-07-02T05:18:26.704Z",
            "dateUpdated": "2021-07-02T05:18:26.704Z", "ssn": "000-00-0000", "somethingNew": {},
        }));
        let expected = Contact {
            id: "c1".to_owned(),
            clienty_contact_id: None,
            name: Some("Rubika Deo".to_owned()),
            first_name: Some("Rubika".to_owned()),
            last_name: Some("Deo".to_owned()),
            email: Some("rubika@deos.com".to_owned()),
            phone: Some("+18832327657".to_owned()),
            company_name: Some("DGS".to_owned()),
            address1: Some("1st St".to_owned()),
            city: Some("Dolomite".to_owned()),
            state: Some("AL".to_owned()),
            country: Some("US".to_owned()),
            postal_code: Some("35061".to_owned()),
            website: Some("https://example.com".to_owned()),
            source: Some("public api".to_owned()),
            assigned_to: Some("u1".to_owned()),
            date_of_birth: Some("1990-01-31".to_owned()),
            dnd: Some(true),
            timezone: Some("Asia/Calcutta".to_owned()),
            tags: vec!["vip".to_owned()],
            custom_fields: vec![CustomField { id: "f1".to_owned(), value: json!(["a", 1]) }],
            custom_fields_by_key: BTreeMap::new(),
            last_activity: Some("2021-07-16T11:39:30.564Z".parse().unwrap()),
            date_added: Some("2021-07-02T05:18:26.704Z".parse().unwrap()),
            date_updated: Some("2021-07-02T05:18:26.704Z".parse().unwrap()),
        };
        assert_eq!(contact, expected);
    }

    #[test]
    fn nulls_absent_fields_and_empty_strings_are_none() {
        let bare = Contact { id: "c1".to_owned(), ..Contact::default() };
        assert_eq!(mapped(json!({"id": "c1"})), bare);
        assert_eq!(
            mapped(json!({"id": "c1", "name": "", "phone": "", "tags": null, "customFields": null, "dnd": null})),
            bare
        );
        assert_eq!(mapped(json!({"id": "c1", "lastActivity": "", "dateOfBirth": "unknown", "email": {}})), bare);
    }

    #[test]
    fn a_contact_without_a_name_is_called_by_its_parts() {
        let name = |contact| mapped(contact).name;
        assert_eq!(name(json!({"id": "c", "firstName": "Jane", "lastName": "Doe"})).unwrap(), "Jane Doe");
        assert_eq!(name(json!({"id": "c", "lastName": "Doe"})).unwrap(), "Doe");
        assert_eq!(name(json!({"id": "c", "contactName": "Jane Doe"})).unwrap(), "Jane Doe");
    }

    #[test]
    fn a_lower_cased_name_is_spelt_as_typed() {
        let contact = mapped(json!({
            "id": "c", "contactName": "jane mcdoe", "firstName": "jane", "lastName": "mcdoe",
            "firstNameRaw": "Jane", "lastNameRaw": "McDoe",
        }));
        assert_eq!(contact.name.unwrap(), "Jane McDoe");
        assert_eq!((contact.first_name.unwrap(), contact.last_name.unwrap()), ("Jane".to_owned(), "McDoe".to_owned()));
    }

    #[test]
    fn a_name_that_says_more_than_its_parts_stays() {
        let contact = mapped(json!({"id": "c", "name": "Dr. Jane Doe", "firstNameRaw": "Jane", "lastNameRaw": "Doe"}));
        assert_eq!(contact.name.unwrap(), "Dr. Jane Doe");
    }

    #[test]
    fn a_birthday_is_a_day_in_every_form() {
        let born = |value| mapped(json!({"id": "c", "dateOfBirth": value})).date_of_birth;
        for value in [json!("1969-07-20"), json!("1969-07-20T00:00:00.000Z"), json!(-14_256_000_000_i64)] {
            assert_eq!(born(value).unwrap(), "1969-07-20");
        }
    }
}
