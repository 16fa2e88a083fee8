//! A note, and the bodies that write one.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::{Deserialize, Serialize};

use super::super::carried::Carried;
use super::super::dates::WireTime;
use super::super::lenient;

/// A note on a contact. It carries no date of change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    /// May be HTML.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub body: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub user_id: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub date_added: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::reference")]
    pub contact_id: Option<String>,
}

/// A note to create.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewNote {
    pub body: String,
    /// Must be a user of the location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// Fields of a note to change; those that are `None` stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateNote {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}
