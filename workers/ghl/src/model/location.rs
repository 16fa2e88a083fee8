//! A location, for what the records need of it: its time zone, its country, its custom fields and its tags.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::Deserialize;

use super::super::lenient;

/// A location (sub-account).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// An IANA name: `America/Chicago`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub timezone: Option<String>,
    /// ISO 3166: its calling code goes before national phones.
    #[serde(default, deserialize_with = "lenient::text")]
    pub country: Option<String>,
}

/// What a custom field of contacts is: they name it by its id.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomFieldDefinition {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// `contact.pincode`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub field_key: Option<String>,
    /// `TEXT`, `NUMERICAL`, `CHECKBOX`, …
    #[serde(default, deserialize_with = "lenient::text")]
    pub data_type: Option<String>,
    /// `contact` or `opportunity`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub model: Option<String>,
    /// What a choice may be; empty where anything may.
    #[serde(default, deserialize_with = "lenient::texts")]
    pub picklist_options: Vec<String>,
}

/// A tag that the location knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationTag {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
}
