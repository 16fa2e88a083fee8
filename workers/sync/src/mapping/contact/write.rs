//! The bodies that write a contact.

use ::ghl::model as ghl;
use serde_json::Value;

use sync_model::decide::fields::{Fields, fields};
use sync_model::record::{Contact, is_key};

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
