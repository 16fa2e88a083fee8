//! An appointment as `GET /contacts/{id}/appointments` returns it.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::Deserialize;

use super::super::dates::WireTime;
use super::super::lenient;

/// A meeting with a contact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Appointment {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub contact_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub calendar_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// Whether it was booked; how the meeting went is in `appointmentStatus`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub appointment_status: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub start_time: Option<WireTime>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub end_time: Option<WireTime>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub address: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub notes: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub assigned_user_id: Option<String>,
}
