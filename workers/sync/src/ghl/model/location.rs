//! A location, for what the records need of it: its time zone.

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
}
