//! A contact as `GET /contacts/{id}` and the search return it.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::Deserialize;
use serde_json::Value;

use super::super::dates::WireTime;
use super::super::lenient;
use super::dnd::DndSettings;

/// A contact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// What the search calls the name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub contact_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub first_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub last_name: Option<String>,
    /// As typed, where the list has lower-cased `firstName`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub first_name_raw: Option<String>,
    /// As typed, where the list has lower-cased `lastName`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub last_name_raw: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub company_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub address1: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub city: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub state: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub country: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub postal_code: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub website: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub source: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub assigned_to: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub date_of_birth: Option<WireTime>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub dnd: Option<bool>,
    #[serde(default)]
    pub dnd_settings: DndSettings,
    #[serde(default, deserialize_with = "lenient::text")]
    pub timezone: Option<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    pub tags: Vec<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub custom_fields: Vec<CustomField>,
    /// Absent from many replies.
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_activity: Option<WireTime>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub date_added: Option<WireTime>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub date_updated: Option<WireTime>,
}

/// One custom field: the id of its definition, and a value of any kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "WireCustomField")]
pub struct CustomField {
    pub id: String,
    pub value: Value,
}

/// A custom field under each name that its value has had; v3 sends two of them at once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCustomField {
    #[serde(deserialize_with = "lenient::id")]
    id: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    field_value: Value,
    #[serde(default, rename = "field_value")]
    old_field_value: Value,
}

impl From<WireCustomField> for CustomField {
    fn from(wire: WireCustomField) -> Self {
        let WireCustomField { id, value, field_value, old_field_value } = wire;
        let told = [value, field_value, old_field_value].into_iter().find(|value| !value.is_null());
        Self { id, value: told.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_field_is_read_under_each_name_and_under_two_at_once() {
        let read = |field: Value| serde_json::from_value::<CustomField>(field).unwrap().value;
        assert_eq!(read(json!({"id": "f", "value": 0})), json!(0));
        assert_eq!(read(json!({"id": "f", "field_value": ["a"], "fieldValue": ["a"]})), json!(["a"]));
        assert_eq!(read(json!({"id": "f", "value": null, "fieldValue": {"a": 1}})), json!({"a": 1}));
        assert_eq!(read(json!({"id": "f"})), json!(null));
    }
}
