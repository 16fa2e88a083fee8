//! An appointment as `GET /contacts/{id}/appointments` and the calendars return it, and the bodies that write one.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::{Deserialize, Serialize};

use super::super::carried::Carried;
use super::super::dates::{WireSecond, WireTime};
use super::super::lenient;

/// A meeting with a contact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Appointment {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::reference")]
    pub contact_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub calendar_id: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub title: Carried<String>,
    /// That the slot is booked, whatever became of the meeting: that is in `appointmentStatus`, and this does not stand in for it.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub status: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub appointment_status: Carried<String>,
    /// The same, misspelt: seen beside an empty `appointmentStatus`.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub appoinment_status: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub start_time: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub end_time: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub address: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub notes: Carried<String>,
    /// What a write may say; the list of a contact's appointments leaves it out.
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub description: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub assigned_user_id: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub date_added: Carried<WireTime>,
}

/// An appointment to create. GHL checks it against the calendar's free slots, unless reported not to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAppointment {
    pub location_id: String,
    pub contact_id: String,
    pub calendar_id: String,
    pub start_time: WireSecond,
    #[serde(flatten)]
    pub fields: AppointmentFields,
}

/// A change of an appointment.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAppointment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<WireSecond>,
    #[serde(flatten)]
    pub fields: AppointmentFields,
}

/// What create and update have in common. A field that is `None` is not sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppointmentFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<WireSecond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `new`, `confirmed`, `cancelled`, `showed`, `noshow` or `invalid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appointment_status: Option<String>,
    /// Must be a user of the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether GHL's automations notify the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_notify: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_date_range: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_free_slot_validation: Option<bool>,
}

/// Whose events are listed: GHL wants exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsOf {
    User(String),
    Calendar(String),
    Group(String),
}

impl EventsOf {
    /// The name and value in the query.
    pub(in super::super) fn query(&self) -> (&'static str, &str) {
        match self {
            Self::User(id) => ("userId", id),
            Self::Calendar(id) => ("calendarId", id),
            Self::Group(id) => ("groupId", id),
        }
    }
}
