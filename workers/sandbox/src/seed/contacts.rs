//! Seeded contacts.

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

use super::{Place, custom_fields, ids, names, one_of, perhaps};
use crate::contact::derive;
use crate::dates;
use crate::phone;

const TAGS: [&str; 8] = ["vip", "new lead", "newsletter", "küche", "do-not-call", "🔥 hot", "q3/2026", "a,b"];

const PARTICULARS: [(&str, [&str; 3]); 9] = [
    ("companyName", ["Acme", "Dewey, Cheatem & Howe", ""]),
    ("address1", ["3535 1st St N", "Straße des 17. Juni 135", "Flat 4\nBlock B"]),
    ("city", ["Dolomite", "मुंबई", "São Paulo"]),
    ("state", ["AL", "BE", "MH"]),
    ("postalCode", ["35061", "00501", "SW1A 1AA"]),
    ("website", ["https://www.example.com", "example.org", ""]),
    ("timezone", ["America/Chihuahua", "Asia/Calcutta", "UTC"]),
    ("source", ["public api", "facebook form", "csv import"]),
    ("dateOfBirth", ["1990-09-25", "1956-02-29", "2008-12-31"]),
];

/// 2023-01-01 and 2026-06-01, between which contacts were added.
const ADDED: std::ops::Range<i64> = 1_672_531_200_000..1_780_272_000_000;
const YEAR_MS: i64 = 365 * 86_400_000;

pub(super) fn contact(rng: &mut impl Rng, place: &Place<'_>, definitions: &[Value]) -> Value {
    let added_ms = rng.random_range(ADDED);
    let updated_ms = rng.random_range(added_ms..ADDED.end + YEAR_MS / 12);
    let mut contact = json!({
        "id": ids::record(rng),
        "locationId": place.location,
        "type": one_of(rng, &["lead", "lead", "customer", "read"]),
        "country": place.country,
        "tags": tags(rng),
        "customFields": custom_fields::values(rng, definitions),
        "attachments": [],
        "additionalEmails": [],
        "dateAdded": iso_ms(added_ms),
        "dateUpdated": iso_ms(updated_ms),
    });
    name(rng, &mut contact, place.number);
    email(rng, &mut contact, place);
    phone(rng, &mut contact, place);
    derive(&mut contact);
    // Not every reply carries the full name; a client has to put it together then.
    if place.number % 4 == 3 {
        contact.as_object_mut().and_then(|fields| fields.remove("name"));
    }

    for (field, choices) in PARTICULARS {
        let value = one_of(rng, &choices);
        perhaps(rng, &mut contact, field, value);
    }
    let user = &place.users[rng.random_range(0..place.users.len())];
    perhaps(rng, &mut contact, "assignedTo", user.as_str());
    perhaps(rng, &mut contact, "businessId", Value::Null);
    let dnd = rng.random_bool(0.2);
    perhaps(rng, &mut contact, "dnd", dnd);
    if rng.random_bool(0.2) {
        contact["dndSettings"] = json!({
            "Call": { "status": "inactive" },
            "Email": { "status": one_of(rng, &["active", "permanent"]), "message": null, "code": null },
        });
    }
    if rng.random_bool(0.2) {
        contact["attributionSource"] = json!({ "url": "Trigger Link", "campaign": null, "medium": "survey" });
    }
    last_activity(rng, &mut contact, updated_ms);
    contact
}

fn name(rng: &mut impl Rng, contact: &mut Value, number: usize) {
    let (first, last) = names::name(rng, number);
    for (field, value) in [("firstName", first), ("lastName", last)] {
        match value {
            Some(value) => contact[field] = value.into(),
            // A missing name is null or absent.
            None if number.is_multiple_of(2) => contact[field] = Value::Null,
            None => {}
        }
    }
}

fn email(rng: &mut impl Rng, contact: &mut Value, place: &Place<'_>) {
    let Place { number, index, .. } = place;
    match rng.random_range(0..10) {
        0 => contact["email"] = Value::Null,
        1 => {}
        2 => contact["email"] = format!("Mixed.Case+{number}@Location{index}.Example.COM").into(),
        3 => contact["email"] = format!("kontakt.{number}@müller{index}.example").into(),
        _ => contact["email"] = format!("contact.{number}@location{index}.example.com").into(),
    }
}

fn phone(rng: &mut impl Rng, contact: &mut Value, place: &Place<'_>) {
    let number = format!("{}", 5_550_100_000 + place.number);
    match rng.random_range(0..10) {
        0 => contact["phone"] = Value::Null,
        1 => {}
        // Left over from before numbers were normalised.
        2 => contact["phone"] = format!("({}) {} ext. 5", &number[..3], &number[3..]).into(),
        3 => contact["phone"] = "".into(),
        _ => contact["phone"] = phone::e164(&number, place.country).into(),
    }
}

fn tags(rng: &mut impl Rng) -> Vec<&'static str> {
    TAGS.into_iter().filter(|_| rng.random_bool(0.25)).collect()
}

/// Absent on most; else epoch milliseconds, or the string that the documents promise.
fn last_activity(rng: &mut impl Rng, contact: &mut Value, at_ms: i64) {
    match rng.random_range(0..10) {
        0 | 1 => contact["lastActivity"] = at_ms.into(),
        2 => contact["lastActivity"] = iso_ms(at_ms).into(),
        3 => contact["lastActivity"] = Value::Null,
        _ => {}
    }
}

fn iso_ms(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map(dates::iso).unwrap_or_default()
}
