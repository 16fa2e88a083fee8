//! The words for jobs: what kind, about what, and where they stand.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of jobs that events lead to. The ledger keeps any name; this is the list of those we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Fetch a contact with its tasks, notes and appointments.
    PullContact,
    /// Make GHL's task equal to ours.
    PushTask,
    /// Make GHL's note equal to ours.
    PushNote,
    /// Make GHL's appointment equal to ours.
    PushAppointment,
    /// Ask GHL for the time zone of a location again; the record is the location itself.
    RefreshLocation,
    /// Find the task of a webhook that does not name its contact; the record is GHL's id of the task.
    FindTask,
    /// Find the contact of an appointment whose webhook does not name it; the record is GHL's id of the appointment.
    FindAppointment,
    /// Call any operation of the catalog; the record is the call, so each is a job of its own.
    CallOperation,
    /// Go on with the run of a flow; the record is the run.
    FlowStep,
    /// Look up elsewhere what is missing of a contact.
    EnrichContact,
    /// Make GHL's contact equal to ours.
    PushContact,
    /// One page of contacts of a scan, with their tasks.
    WalkContacts,
    /// Notes and appointments of a few contacts of a scan.
    WalkDetails,
    /// What the pages of a scan did not show.
    WalkRest,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::PullContact,
        Self::PushTask,
        Self::PushNote,
        Self::PushAppointment,
        Self::PushContact,
        Self::RefreshLocation,
        Self::FindTask,
        Self::FindAppointment,
        Self::CallOperation,
        Self::FlowStep,
        Self::EnrichContact,
        Self::WalkContacts,
        Self::WalkDetails,
        Self::WalkRest,
    ];

    /// The name in the ledger and in the queue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PullContact => "pull_contact",
            Self::PushTask => "push_task",
            Self::PushNote => "push_note",
            Self::PushAppointment => "push_appointment",
            Self::RefreshLocation => "refresh_location",
            Self::FindTask => "find_task",
            Self::FindAppointment => "find_appointment",
            Self::CallOperation => "call_operation",
            Self::FlowStep => "flow_step",
            Self::EnrichContact => "enrich_contact",
            Self::PushContact => "push_contact",
            Self::WalkContacts => "walk_contacts",
            Self::WalkDetails => "walk_details",
            Self::WalkRest => "walk_rest",
        }
    }

    /// Whether it is a page of a scan, which is not urgent.
    #[must_use]
    pub fn is_scan(self) -> bool {
        matches!(self, Self::WalkContacts | Self::WalkDetails | Self::WalkRest)
    }

    /// The kind of that name; none for one that another version wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where a ledger row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Runnable.
    Waiting,
    /// To be tried at its due time.
    Scheduled,
    /// A run holds it, or held it when its process died.
    Running,
    /// The work is done.
    Done,
    /// A dead letter, until an operator decides.
    Dead,
    /// An operator closed it without its work being done: a dead one was discarded, an open one cancelled. The column says `done`, as earlier
    /// releases know no other word.
    Discarded,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Waiting, Self::Scheduled, Self::Running, Self::Done, Self::Dead, Self::Discarded];

    /// The word in the ledger and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Discarded)
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// The record of a [`JobKind::RefreshLocation`] that asks for the location's custom fields instead of its time zone.
pub const REFRESHES_FIELDS: &str = "custom-fields";

/// What a job is about: one run at a time holds a key, and serves every open row of it.
///
/// The kind is text, so that rows of a kind that this version does not know can still be listed and buried.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobKey {
    /// [`JobKind::as_str`], or another version's word.
    pub kind: String,
    /// GHL's location id.
    pub location_id: String,
    /// A contact id, the row id of a contact, task, note or appointment that is pushed, or what else the kind says.
    pub record_id: String,
}

impl JobKey {
    /// The key of `kind` for one record.
    #[must_use]
    pub fn new(kind: JobKind, location_id: impl Into<String>, record_id: impl Into<String>) -> Self {
        Self { kind: kind.as_str().to_owned(), location_id: location_id.into(), record_id: record_id.into() }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.location_id, self.record_id)
    }
}
