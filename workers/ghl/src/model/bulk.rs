//! Changes of many contacts by one call.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::{Deserialize, Serialize};

use super::super::lenient;

/// Which way tags are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagChange {
    Add,
    Remove,
}

impl TagChange {
    /// Its word in the path.
    pub(in super::super) fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
        }
    }
}

/// Tags to add to many contacts, or to take from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkTags {
    pub location_id: String,
    /// Ids.
    pub contacts: Vec<String>,
    pub tags: Vec<String>,
}

/// What became of the whole: a success may hold failures.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkOutcome {
    /// How many contacts were left as they are, if GHL reports it.
    #[serde(default, deserialize_with = "lenient::count")]
    pub error_count: Option<u64>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub responses: Vec<TagOutcome>,
}

/// What became of one contact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagOutcome {
    pub contact_id: String,
    /// `success` or `error`.
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub message: Option<String>,
}
