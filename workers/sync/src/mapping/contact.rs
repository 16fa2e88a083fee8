//! A contact, both ways.
//!
//! The trap is the name. A contact that is read by id often has no `name`, and lists lower-case the names they give,
//! with the typed spelling in `firstNameRaw` and `lastNameRaw`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::take;
use crate::decide::absent::Absent;
use crate::decide::fields::{Fields, fields, value};
use crate::ghl::{Carried, WireTime, model as ghl};
use crate::records::model::{Contact, CustomField, is_key};

/// The contact in Clienty's words, from `GET /contacts/{id}`: no other source shows more of it.
#[must_use]
pub fn from_ghl(contact: ghl::Contact) -> Contact {
    read(contact, Absent::default())
}

/// The contact in Clienty's words, from the reply to a write or from a webhook.
#[must_use]
pub fn from_part(contact: ghl::Contact) -> Contact {
    read(contact, Absent::partial())
}

/// The contact in Clienty's words, from a list. Lists may lower-case the names they give, and one in lower case is never taken over a known
/// one. It is taken for an unknown one only if the list has the lower-cased name apart from it.
#[must_use]
pub fn from_list(mut contact: ghl::Contact) -> Contact {
    let mut doubtful = Vec::new();
    let ghl::Contact {
        first_name,
        first_name_raw,
        first_name_lower_case,
        last_name,
        last_name_raw,
        last_name_lower_case,
        name: full_name,
        contact_name,
        ..
    } = &mut contact;
    for (field, name, raw, lower_case) in [
        ("firstName", first_name, first_name_raw, first_name_lower_case),
        ("lastName", last_name, last_name_raw, last_name_lower_case),
    ] {
        match name.as_value().filter(|name| raw.as_value().is_none() && is_lower_case(name)) {
            Some(name) if lower_case.as_value().is_some() => doubtful.push((field, name.clone())),
            Some(_) => *lower_case = std::mem::take(name),
            None => {}
        }
    }
    for name in [full_name, contact_name] {
        if name.as_value().is_some_and(|name| is_lower_case(name)) {
            *name = Carried::Absent;
        }
    }
    let mut listed = read(contact, Absent::partial());
    for (field, name) in doubtful {
        listed.absent.doubt(field, name);
    }
    listed
}

/// Whether the text may be lower-cased: it has letters in lower case and none in upper case.
fn is_lower_case(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
}

fn read(contact: ghl::Contact, mut absent: Absent) -> Contact {
    let ghl::Contact {
        id,
        name,
        contact_name,
        first_name,
        last_name,
        first_name_raw,
        last_name_raw,
        first_name_lower_case,
        last_name_lower_case,
        email,
        phone,
        company_name,
        address1,
        address,
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

    let as_typed = first_name_raw.as_value().is_some() || last_name_raw.as_value().is_some();
    let first_name = named([first_name_raw, first_name], first_name_lower_case, "firstName", &mut absent);
    let last_name = named([last_name_raw, last_name], last_name_lower_case, "lastName", &mut absent);
    let joined = joined(first_name.as_deref(), last_name.as_deref());
    let given = name.or(contact_name);
    if given.is_absent() && (absent.has("firstName") || absent.has("lastName")) {
        absent.add("name");
    }
    let name = match (given.value(), joined) {
        (Some(given), Some(joined)) if as_typed && given.to_lowercase() == joined.to_lowercase() => Some(joined),
        (given, joined) => given.or(joined),
    };

    Contact {
        id,
        clienty_contact_id: None,
        name,
        first_name,
        last_name,
        email: take("email", email, &mut absent),
        phone: take("phone", phone, &mut absent),
        company_name: take("companyName", company_name, &mut absent),
        address1: take("address1", address1.or(address), &mut absent),
        city: take("city", city, &mut absent),
        state: take("state", state, &mut absent),
        country: take("country", country, &mut absent),
        postal_code: take("postalCode", postal_code, &mut absent),
        website: take("website", website, &mut absent),
        source: take("source", source, &mut absent),
        assigned_to: take("assignedTo", assigned_to, &mut absent),
        date_of_birth: take("dateOfBirth", date_of_birth, &mut absent).map(|born| born.to_string()),
        dnd: take("dnd", dnd, &mut absent),
        timezone: take("timezone", timezone, &mut absent),
        tags: take("tags", tags, &mut absent).unwrap_or_default(),
        custom_fields: take("customFields", custom_fields, &mut absent)
            .map(|fields| fields.into_iter().map(custom_field).collect())
            .unwrap_or_default(),
        custom_fields_by_key: BTreeMap::new(),
        last_activity: take("lastActivity", last_activity.and_then(instant), &mut absent),
        date_added: take("dateAdded", date_added.and_then(instant), &mut absent),
        date_updated: take("dateUpdated", date_updated.and_then(instant), &mut absent),
        absent,
    }
}

/// A part of the name, which has a name of its own where it is as typed; marked as absent where the source has it in lower case alone.
fn named(
    [raw, name]: [Carried<String>; 2],
    lower_cased: Carried<String>,
    field: &'static str,
    absent: &mut Absent,
) -> Option<String> {
    let typed = if raw.as_value().is_some() { raw } else { name };
    match (typed, lower_cased) {
        (Carried::Value(typed), _) => Some(typed),
        (_, Carried::Value(lower_cased)) => {
            absent.add_lower_cased(field, lower_cased);
            None
        }
        (typed, lower_cased) => take(field, typed.or(lower_cased), absent),
    }
}

/// What a webhook about a contact says of it. Nothing where it leaves out what `base` has: it may be gone, or just not carried. The time
/// zone is in few webhooks, so that its absence says nothing.
#[must_use]
pub fn told(contact: &Contact, base: &Fields) -> Option<Fields> {
    let said = fields(contact);
    let mut told = Fields::new();
    for name in base.keys().chain(said.keys()) {
        if contact.absent.has(name) {
            if name == "timezone" {
                continue;
            }
            return None;
        }
        let is_listed = !name.starts_with("customFields.") || said.contains_key(name);
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
    use crate::decide::absent::Unread;

    fn mapped(contact: Value) -> Contact {
        Contact { absent: Absent::default(), ..from_ghl(serde_json::from_value(contact).unwrap()) }
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
            absent: Absent::default(),
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

    fn listed(contact: Value) -> Contact {
        from_list(serde_json::from_value(contact).unwrap())
    }

    #[test]
    fn a_name_in_lower_case_alone_is_not_taken_for_the_spelling_but_shows_an_edit() {
        let known = mapped(json!({"id": "c", "name": "Sam McSearch", "firstName": "Sam", "lastName": "McSearch"}));
        for item in [
            json!({"id": "c", "firstNameLowerCase": "sam", "lastNameLowerCase": "mcsearch"}),
            json!({"id": "c", "firstName": "sam", "lastName": "mcsearch", "contactName": "sam mcsearch"}),
            json!({"id": "c", "firstName": "sam", "firstNameRaw": null, "lastNameLowerCase": "mcsearch"}),
        ] {
            let listed = listed(item);
            assert_eq!(listed.completed(&known), known);
            assert!(!listed.unread_after(&Unread::new(), Some(&known)).contains("firstName"));
            let unknown = listed.completed(&Contact::default());
            assert_eq!((unknown.name, unknown.first_name, unknown.last_name), (None, None, None));
            assert!(listed.unread_after(&Unread::new(), None).is_superset(&names(&["firstName", "lastName"])));
        }
        // A list that has both gives the name as it was typed.
        let both = json!({"id": "c", "firstName": "sam", "firstNameLowerCase": "sam", "lastName": "McSearch"});
        assert_eq!(listed(both.clone()).completed(&known), known);
        assert_eq!(listed(both).completed(&Contact::default()).name.unwrap(), "sam McSearch");
        let renamed = listed(json!({"id": "c", "firstNameLowerCase": "tom", "lastNameLowerCase": "mcsearch"}));
        assert_eq!(renamed.completed(&known), known, "its spelling is not known");
        assert_eq!(renamed.unread_after(&Unread::new(), Some(&known)), names(&["firstName"]));
    }

    fn names(names: &[&str]) -> Unread {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_left_out_is_as_it_was_and_null_and_the_empty_text_empty() {
        let whole = json!({
            "id": "c", "firstName": "Sam", "lastName": "Search", "email": "s@x.de", "phone": "+4915112345678",
            "companyName": "Deo", "address1": "Here", "city": "Bonn", "state": "NW", "country": "DE",
            "postalCode": "53111", "website": "x.de", "source": "form", "assignedTo": "u", "dateOfBirth": "1990-09-25",
            "dnd": true, "timezone": "Europe/Berlin", "tags": ["vip"], "customFields": [{"id": "f", "value": 1}],
            "lastActivity": "2026-01-01T00:00:00Z", "dateAdded": "2026-01-01T00:00:00Z",
            "dateUpdated": "2026-01-01T00:00:00Z",
        });
        let known = mapped(whole.clone());
        for field in whole.as_object().unwrap().keys().filter(|field| *field != "id") {
            for read in [from_ghl, from_part, from_list] {
                let read = |value: Option<Value>| {
                    let mut body = whole.clone();
                    match value {
                        Some(value) => body[field] = value,
                        None => drop(body.as_object_mut().unwrap().remove(field)),
                    }
                    read(serde_json::from_value(body).unwrap()).completed(&known)
                };
                assert_eq!(read(None), known, "{field} is left out");
                assert_eq!(read(Some(json!({"odd": 1}))).id, "c");
                let emptied = read(Some(Value::Null));
                assert_ne!(emptied, known, "{field} is null");
                assert!(stored(&emptied, field).is_none_or(|value| value == json!([])), "{field} is null");
                assert_eq!(read(Some(json!(""))), emptied, "{field} is empty");
            }
        }
    }

    fn stored(contact: &Contact, field: &str) -> Option<Value> {
        Some(json!(contact)[field].clone()).filter(|value| !value.is_null())
    }

    #[test]
    fn what_a_reply_leaves_out_is_taken_from_a_webhook_that_carries_it() {
        let reply = from_ghl(
            serde_json::from_value(json!({"id": "c", "firstName": "Sam", "city": "Bonn", "email": ""})).unwrap(),
        );
        let webhook = json!({"id": "c", "firstName": "Tom", "lastName": "Search", "city": null, "email": "s@x.de",
            "timezone": "Asia/Tokyo", "tags": ["vip"]});
        let both = reply.supplemented(&from_part(serde_json::from_value(webhook).unwrap()));
        let told = both.completed(&mapped(json!({"id": "c", "timezone": "UTC", "phone": "+4915112345678"})));
        let expected = json!({"id": "c", "firstName": "Sam", "lastName": "Search", "city": "Bonn", "timezone": "Asia/Tokyo",
            "tags": ["vip"], "phone": "+4915112345678"});
        let expected = Contact { name: Some("Sam Search".to_owned()), ..mapped(expected) };
        assert_eq!(told, expected, "only the reply says whether there is an e-mail");
    }

    #[test]
    fn the_search_has_another_name_for_the_address() {
        assert_eq!(listed(json!({"id": "c", "address": "12 Elm Street"})).address1.unwrap(), "12 Elm Street");
        assert_eq!(mapped(json!({"id": "c", "address1": "Here", "address": "There"})).address1.unwrap(), "Here");
        assert!(listed(json!({"id": "c", "address": {"line1": "Here"}})).absent.has("address1"));
    }

    #[test]
    fn tags_come_as_one_text_and_custom_fields_as_an_object() {
        let contact = mapped(json!({"id": "c", "tags": "vip, new lead", "customFields": {"f1": "hello", "f2": 42}}));
        assert_eq!(contact.tags, ["vip", "new lead"]);
        let fields: Vec<_> = contact.custom_fields.iter().map(|field| (field.id.as_str(), &field.value)).collect();
        assert_eq!(fields, [("f1", &json!("hello")), ("f2", &json!(42))]);
    }

    #[test]
    fn a_webhook_tells_the_time_zone_where_it_carries_it() {
        let base = fields(&mapped(json!({"id": "c", "email": "s@x.de", "timezone": "UTC"})));
        let said = |body: Value| told(&from_part(serde_json::from_value(body).unwrap()), &base);
        let moved = said(json!({"id": "c", "email": "s@x.de", "timezone": "Etc/GMT+12"})).unwrap();
        assert_eq!(moved["timezone"], "Etc/GMT+12");
        assert!(!said(json!({"id": "c", "email": "s@x.de"})).unwrap().contains_key("timezone"));
        assert_eq!(said(json!({"id": "c", "timezone": "UTC"})), None, "whether the e-mail is gone only GHL knows");
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
