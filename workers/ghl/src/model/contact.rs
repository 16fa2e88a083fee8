//! A contact as GHL's replies, lists and webhooks show it.
//!
//! Each source carries fields of its own, some under other names, so every field says whether it was carried at all.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use super::super::carried::Carried;
use super::super::dates::WireTime;
use super::super::lenient;
use super::dnd::DndSettings;

/// A contact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub name: Carried<String>,
    /// What the search calls the name.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub contact_name: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub first_name: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub last_name: Carried<String>,
    /// As typed, where the list has lower-cased `firstName`.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub first_name_raw: Carried<String>,
    /// As typed, where the list has lower-cased `lastName`.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub last_name_raw: Carried<String>,
    /// All that the search had of `firstName` in January 2025.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub first_name_lower_case: Carried<String>,
    /// All that the search had of `lastName` in January 2025.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub last_name_lower_case: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub email: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub phone: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub company_name: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub address1: Carried<String>,
    /// What the search calls `address1`.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub address: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub city: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub state: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub country: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub postal_code: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub website: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub source: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub assigned_to: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_day")]
    pub date_of_birth: Carried<Date>,
    #[serde(default, deserialize_with = "lenient::carried_flag")]
    pub dnd: Carried<bool>,
    #[serde(default)]
    pub dnd_settings: DndSettings,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub timezone: Carried<String>,
    #[serde(default, deserialize_with = "lenient::tags")]
    pub tags: Carried<Vec<String>>,
    #[serde(default, deserialize_with = "lenient::custom_fields")]
    pub custom_fields: Carried<Vec<CustomField>>,
    /// Absent from many replies.
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub last_activity: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub date_added: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub date_updated: Carried<WireTime>,
}

/// One custom field: the id of its definition, and a value of any kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WireCustomField")]
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
    #[serde(default, deserialize_with = "lenient::reported")]
    value: Option<Value>,
    #[serde(default, deserialize_with = "lenient::reported")]
    field_value: Option<Value>,
    #[serde(default, rename = "field_value", deserialize_with = "lenient::reported")]
    old_field_value: Option<Value>,
}

impl TryFrom<WireCustomField> for CustomField {
    type Error = &'static str;

    /// One under another name is not known to be empty.
    fn try_from(wire: WireCustomField) -> Result<Self, Self::Error> {
        let WireCustomField { id, value, field_value, old_field_value } = wire;
        let reported: Vec<Value> = [value, field_value, old_field_value].into_iter().flatten().collect();
        if reported.is_empty() {
            return Err("a custom field without a value");
        }
        let value = reported.into_iter().find(|value| !value.is_null()).unwrap_or_default();
        Ok(Self { id, value })
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
        assert_eq!(read(json!({"id": "f", "value": null})), json!(null));
    }

    #[test]
    fn a_list_with_what_can_not_be_read_says_nothing_of_what_is_missing_from_it() {
        let read = |body: Value| serde_json::from_value::<Contact>(body).unwrap();
        for custom in [
            json!([{"id": "f1", "value": 1}, {"id": "f2"}]),
            json!([{"id": "f1", "fieldValueString": "x"}]),
            json!([{"id": "f1"}]),
            json!(["f1"]),
        ] {
            let contact = read(json!({"id": "c", "customFields": custom}));
            assert_eq!(contact.custom_fields, Carried::Absent, "{custom}");
        }
        for tags in [json!([{"id": "t", "name": "vip"}]), json!(["a", ["b"]])] {
            assert_eq!(read(json!({"id": "c", "tags": tags})).tags, Carried::Absent, "{tags}");
        }
        assert_eq!(read(json!({"id": "c", "tags": ["a", null, ""]})).tags, Carried::Value(vec!["a".to_owned()]));
        assert_eq!(read(json!({"id": "c", "tags": [], "customFields": []})).custom_fields, Carried::Value(Vec::new()));
    }
}
