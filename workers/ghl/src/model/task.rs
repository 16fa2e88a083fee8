//! A task, and the bodies that write one.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use serde::{Deserialize, Serialize};

use super::super::carried::Carried;
use super::super::dates::{WireSecond, WireTime};
use super::super::lenient;

/// A task of a contact. It carries no date of change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub title: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub body: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_text")]
    pub assigned_to: Carried<String>,
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub due_date: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::carried_flag")]
    pub completed: Carried<bool>,
    /// Webhooks carry it; lists do so now and then.
    #[serde(default, deserialize_with = "lenient::carried_time")]
    pub date_added: Carried<WireTime>,
    #[serde(default, deserialize_with = "lenient::reference")]
    pub contact_id: Option<String>,
}

/// A task to create. GHL requires title, due date and `completed`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTask {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    pub due_date: WireSecond,
    pub completed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
}

/// Fields of a task to change; those that are `None` stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTask {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_date: Option<WireSecond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
}

/// The body of the call that completes or reopens a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CompleteTask {
    pub completed: bool,
}
