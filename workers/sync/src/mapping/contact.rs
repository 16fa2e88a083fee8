//! A contact, both ways.
//!
//! The trap is the name. A contact that is read by id often has no `name`, and lists lower-case the names they give,
//! with the typed spelling in `firstNameRaw` and `lastNameRaw`.

use std::collections::BTreeMap;

use ::ghl::{Carried, WireTime, model as ghl};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sync_model::decide::absent::Absent;
use sync_model::decide::fields::{Fields, fields, value};
use sync_model::record::{Contact, CustomField};

use super::take;

pub use self::write::{to_changes, to_new};

#[cfg(test)]
mod tests;
mod write;

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
        fields: BTreeMap::new(),
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
pub fn reported(contact: &Contact, base: &Fields) -> Option<Fields> {
    let said = fields(contact);
    let mut reported = Fields::new();
    for name in base.keys().chain(said.keys()) {
        if contact.absent.has(name) {
            if name == "timezone" {
                continue;
            }
            return None;
        }
        let is_listed = !name.starts_with("customFields.") || said.contains_key(name);
        reported.insert(name.clone(), is_listed.then(|| value(&said, name))?);
    }
    Some(reported)
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

/// The dates of a contact are GHL's own, and UTC without an offset.
fn instant(time: WireTime) -> Option<Timestamp> {
    time.instant_in(&TimeZone::UTC)
}
