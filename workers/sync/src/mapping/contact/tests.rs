//! Contacts as GHL's replies, lists and webhooks show them.

use serde_json::{Value, json};
use sync_model::decide::absent::Unread;

use super::*;

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
        fields: BTreeMap::new(),
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
    let reply =
        from_ghl(serde_json::from_value(json!({"id": "c", "firstName": "Sam", "city": "Bonn", "email": ""})).unwrap());
    let webhook = json!({"id": "c", "firstName": "Tom", "lastName": "Search", "city": null, "email": "s@x.de",
        "timezone": "Asia/Tokyo", "tags": ["vip"]});
    let both = reply.supplemented(&from_part(serde_json::from_value(webhook).unwrap()));
    let reported = both.completed(&mapped(json!({"id": "c", "timezone": "UTC", "phone": "+4915112345678"})));
    let expected = json!({"id": "c", "firstName": "Sam", "lastName": "Search", "city": "Bonn", "timezone": "Asia/Tokyo",
        "tags": ["vip"], "phone": "+4915112345678"});
    let expected = Contact { name: Some("Sam Search".to_owned()), ..mapped(expected) };
    assert_eq!(reported, expected, "only the reply says whether there is an e-mail");
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
fn a_webhook_reports_the_time_zone_where_it_carries_it() {
    let base = fields(&mapped(json!({"id": "c", "email": "s@x.de", "timezone": "UTC"})));
    let said = |body: Value| reported(&from_part(serde_json::from_value(body).unwrap()), &base);
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
