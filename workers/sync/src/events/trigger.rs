//! What the ledger accepts.

use jiff::Timestamp;
use job_engine::Priority;
use serde_json::Value;
use sync_model::change::Change;
use sync_model::job::JobKind;

/// An event as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The id that its source gave it, by which a repetition is known.
    pub id: Option<String>,
    /// Who sent it: `api`, `webhook`, `cli`, …
    pub source: String,
    /// When it occurred at the producer's, where that says so; else it counts from its acceptance.
    pub occurred_at: Option<Timestamp>,
    /// Its type, as in `contact.selected`.
    pub event_type: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact it is about.
    pub contact_id: Option<String>,
    /// The rest, kept as it came.
    pub data: Value,
}

/// An event, the job it leads to and the edit it carries.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEvent {
    /// The event.
    pub event: NewEvent,
    /// The job's kind.
    pub kind: JobKind,
    /// Who goes first.
    pub priority: Priority,
    /// What it changes here, which determines the record of the job.
    pub change: Change,
}
