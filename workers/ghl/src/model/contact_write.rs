//! The bodies that create and change contacts.
//!
//! Three, because GHL takes three sets of fields: an update knows no location, company or gender, and the tags of an
//! update or upsert *replace* all that the contact has. So tags are written with a create only, and otherwise by
//! `add_tags` and `remove_tags`. An upsert may meet a contact that was never read, and so sets no "do not disturb".

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use jiff::civil;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::lenient;
use super::contact::Contact;
use super::dnd::DndChange;

/// What create, update and upsert have in common. A field that is `None` is not sent; the empty text empties it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// ISO 3166, two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// An IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<civil::Date>,
    /// Must be a user of the location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// Those that are not named stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom_fields: Vec<SetCustomField>,
}

/// A contact to create.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewContact {
    pub location_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnd: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(flatten)]
    pub fields: ContactFields,
}

/// A change of a contact.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct UpdateContact {
    #[serde(flatten)]
    pub fields: ContactFields,
    #[serde(flatten)]
    pub dnd: DndChange,
}

/// A contact to create, or to change where one has its e-mail or phone.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpsertContact {
    pub location_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    #[serde(flatten)]
    pub fields: ContactFields,
}

/// What an upsert did. GHL ignores a second identifier that belongs to another contact, so compare it with what was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Upserted {
    /// Whether the contact is new; `None` where GHL did not say.
    pub created: Option<bool>,
    pub contact: Contact,
}

/// The `new` of an upsert's reply.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct UpsertNews {
    #[serde(rename = "new", deserialize_with = "lenient::flag")]
    pub(in super::super) created: Option<bool>,
}

/// A custom field to set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetCustomField {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    field_value: Value,
}

impl SetCustomField {
    /// By the id of its definition, as the documents demand.
    #[must_use]
    pub fn by_id(id: impl Into<String>, value: Value) -> Self {
        Self { id: Some(id.into()), key: None, field_value: value }
    }

    /// By the key of its definition, without `contact.` before it. Accepted, though the documents demand an id.
    #[must_use]
    pub fn by_key(key: impl Into<String>, value: Value) -> Self {
        Self { id: None, key: Some(key.into()), field_value: value }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_set_is_sent() {
        assert_eq!(json!(UpdateContact::default()), json!({}));
        let location_id = "l1".to_owned();
        assert_eq!(json!(NewContact { location_id, ..NewContact::default() }), json!({"locationId": "l1"}));
        let fields = ContactFields {
            phone: Some(String::new()),
            date_of_birth: Some(civil::date(1990, 9, 25)),
            custom_fields: vec![SetCustomField::by_id("f1", json!(7)), SetCustomField::by_key("size", json!("L"))],
            ..ContactFields::default()
        };
        let expected = json!({
            "phone": "",
            "dateOfBirth": "1990-09-25",
            "customFields": [{"id": "f1", "field_value": 7}, {"key": "size", "field_value": "L"}],
        });
        assert_eq!(json!(UpdateContact { fields, dnd: DndChange::default() }), expected);
    }
}
