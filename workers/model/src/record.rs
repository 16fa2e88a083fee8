//! The records in Clienty's words: what producers send edits of and readers get.
//!
//! Serialised as camelCase JSON with RFC 3339 UTC times. A field is added here and in `mapping/`, which destructures
//! these types without `..`, so the compiler names what a new field forgot.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::absent::{Absent, Unread};

/// A person or company in the CRM. `id` is GHL's contact id; until GHL has the contact, it is the producer's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Contact {
    pub id: String,
    /// The producer's own id; none for a contact that began in GHL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clienty_contact_id: Option<String>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    /// E.164 where GHL could normalise it, else as it came.
    pub phone: Option<String>,
    pub company_name: Option<String>,
    pub address1: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub country: Option<String>,
    pub postal_code: Option<String>,
    pub website: Option<String>,
    pub source: Option<String>,
    pub assigned_to: Option<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// Do not disturb, over all channels.
    pub dnd: Option<bool>,
    pub timezone: Option<String>,
    pub tags: Vec<String>,
    pub custom_fields: Vec<CustomField>,
    /// The same by key, for readers: never stored.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_fields_by_key: BTreeMap<String, Value>,
    /// What the location's mapping makes of them, by Clienty's names, for readers: never stored.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
    pub last_activity: Option<Timestamp>,
    pub date_added: Option<Timestamp>,
    pub date_updated: Option<Timestamp>,
    /// What the source of this reading leaves out; never stored.
    #[serde(skip)]
    pub absent: Absent,
}

/// One custom field of a contact: GHL's field id (its key, until a push has looked up the id) and whatever value the account keeps in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomField {
    pub id: String,
    /// A string, number, array or object, as GHL sent it.
    pub value: Value,
}

/// Whether a custom field is named by its key (`contact.pincode`), as producers do, and not by the id of its definition.
#[must_use]
pub fn is_key(id: &str) -> bool {
    id.starts_with("contact.")
}

/// A key as producers write it, `pincode`.
#[must_use]
pub fn key_of(key: &str) -> &str {
    key.strip_prefix("contact.").unwrap_or(key)
}

/// Something to do for a contact. At least one of the two ids is known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// GHL's id; none until the task has been created there.
    pub task_id: Option<String>,
    /// The producer's own id; none for a task that began in GHL.
    pub clienty_task_id: Option<String>,
    pub contact_id: String,
    pub title: String,
    pub body: Option<String>,
    /// To the second: GHL refuses milliseconds on update.
    pub due_date: Option<Timestamp>,
    pub completed: bool,
    /// A GHL user id.
    pub assigned_to: Option<String>,
    /// Fields that GHL's readings have left out so far, so that their value is unknown; shown beside the record.
    #[serde(skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
    /// When GHL created it, where the reading says so; never stored.
    #[serde(skip)]
    pub added_at: Option<Timestamp>,
    /// What the source of this reading leaves out; never stored.
    #[serde(skip)]
    pub absent: Absent,
}

/// Whether a task still waits; never stored, since `Overdue` depends on when one asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    Open,
    Overdue,
    Completed,
}

impl Task {
    /// The status at `now`: completed, else overdue once the due date has passed, else open.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> TaskStatus {
        match (self.completed, self.due_date) {
            (true, _) => TaskStatus::Completed,
            (false, Some(due)) if due < now => TaskStatus::Overdue,
            (false, _) => TaskStatus::Open,
        }
    }
}

/// A note on a contact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Note {
    /// GHL's id; none until the note has been created there.
    pub note_id: Option<String>,
    /// The producer's own id; none for a note that began in GHL.
    pub clienty_note_id: Option<String>,
    pub contact_id: String,
    /// As written; GHL's editor writes HTML.
    pub note_text: String,
    /// The GHL user who wrote it.
    pub user_id: Option<String>,
    pub created_at: Option<Timestamp>,
    /// Fields that GHL's readings have left out so far, so that their value is unknown; shown beside the record.
    #[serde(skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
    /// What the source of this reading leaves out; never stored.
    #[serde(skip)]
    pub absent: Absent,
}

/// A meeting with a contact, in a calendar of GHL's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Appointment {
    /// GHL's id; none until the appointment has been created there.
    pub appointment_id: Option<String>,
    /// The producer's own id; none for an appointment that began in GHL.
    pub clienty_appointment_id: Option<String>,
    pub contact_id: String,
    pub calendar_id: Option<String>,
    pub title: Option<String>,
    /// GHL's word: new, confirmed, cancelled, showed, noshow, invalid, or one of those replies also use.
    pub status: Option<String>,
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
    pub address: Option<String>,
    pub notes: Option<String>,
    /// A GHL user id.
    pub assigned_user_id: Option<String>,
    /// What else its times may mean; never stored.
    #[serde(skip)]
    pub second_hour: SecondHour,
    /// What its times were read in; kept in its row, and not shown.
    #[serde(skip)]
    pub read_in: ReadIn,
    /// Fields that GHL's readings have left out so far, so that their value is unknown; shown beside the record.
    #[serde(skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
    /// When GHL created it, where the reading says so; never stored.
    #[serde(skip)]
    pub added_at: Option<Timestamp>,
    /// What the source of this reading leaves out; never stored.
    #[serde(skip)]
    pub absent: Absent,
}

/// The time zone in which times were read that GHL reported by the clock on the wall; none where they bore an offset. It says nothing of the appointment
/// itself: two that differ in this alone are the same.
#[derive(Debug, Clone, Default)]
pub struct ReadIn(pub Option<String>);

impl PartialEq for ReadIn {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The other meaning of times that GHL reported by the clock on the wall, where that clock was put back and shows an hour twice. As reported they
/// mean the first; which one was meant, only somebody who knows the appointment can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecondHour {
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
}
