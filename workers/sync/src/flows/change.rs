//! What a change of a record is, as triggers call it.
//!
//! One change may be several things: an appointment that was moved and cancelled at once is `appointment.updated`, `appointment.moved` and
//! `appointment.cancelled`, and starts the flows of each.

use serde_json::Value;
use sync_model::decide::fields::{Fields, value};

use super::On;

/// Fields that say one thing of a task.
const DONE: [&str; 2] = ["completed", "status"];
/// Fields that say when and where an appointment takes place.
const SLOT: [&str; 3] = ["startTime", "endTime", "calendarId"];

/// What a change is called that no event of a producer is.
pub const IN_A_CHANGE: [&str; 4] =
    ["appointment.moved", "appointment.cancelled", "appointment.noshow", "appointment.showed"];

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// `contact`, `task`, `note` or `appointment`.
    pub record: &'static str,
    /// What it is called.
    pub names: Vec<String>,
    /// The names of the fields that read differently.
    pub fields: Vec<String>,
}

impl Changed {
    /// These fields of a record changed, which now reads so.
    #[must_use]
    pub fn of(record: &'static str, now: &Fields, fields: Vec<String>) -> Self {
        let names = names(record, now, &fields).into_iter().map(str::to_owned).collect();
        Self { record, names, fields }
    }

    /// It came to be, or went.
    #[must_use]
    pub fn whole(record: &'static str, verb: &str) -> Self {
        Self { record, names: vec![format!("{record}.{verb}")], fields: Vec::new() }
    }

    /// It was met for the first time as it now reads: what its status says has happened since it was made.
    #[must_use]
    pub fn and_as_met(mut self, now: &Fields) -> Self {
        let done = (self.record == "task" && value(now, "completed") == true).then_some("task.completed");
        self.names.extend(of_status(self.record, now).or(done).map(str::to_owned));
        self
    }
}

impl On {
    /// The type of the event that the trigger waits for, where the change is one.
    #[must_use]
    pub fn met_by(&self, changed: &Changed) -> Option<String> {
        match self {
            Self::Event(name) => changed.names.contains(name).then(|| name.clone()),
            Self::Changed { record, field } if record == changed.record => {
                let is_it = |name: &String| {
                    name.strip_prefix(field.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                changed.fields.iter().any(is_it).then(|| format!("{record}.updated"))
            }
            Self::Changed { .. } | Self::Contact(_) | Self::Webhook(_) => None,
        }
    }
}

fn names(record: &'static str, now: &Fields, fields: &[String]) -> Vec<&'static str> {
    let has = |name: &str| fields.iter().any(|field| field == name);
    match record {
        _ if fields.is_empty() => Vec::new(),
        "contact" => vec!["contact.updated"],
        "note" => vec!["note.updated"],
        "task" => {
            let is_done = value(now, "completed") == true && has("completed");
            let is_edited = fields.iter().any(|name| !is_done || !DONE.contains(&name.as_str()));
            is_done.then_some("task.completed").into_iter().chain(is_edited.then_some("task.updated")).collect()
        }
        _ => {
            let mut names = vec!["appointment.updated"];
            names.extend(SLOT.iter().any(|name| has(name)).then_some("appointment.moved"));
            names.extend(of_status(record, now).filter(|_| has("status")));
            names
        }
    }
}

/// What an appointment's status says, where that is a trigger.
fn of_status(record: &str, now: &Fields) -> Option<&'static str> {
    let status = now.get("status").and_then(Value::as_str).filter(|_| record == "appointment")?;
    IN_A_CHANGE.into_iter().find(|name| statuses_of(name).iter().any(|word| word.eq_ignore_ascii_case(status)))
}

/// The statuses that a trigger of an appointment stands for, as GHL writes them; none where it may have any.
#[must_use]
pub(super) fn statuses_of(trigger: &str) -> &'static [&'static str] {
    match trigger {
        "appointment.cancelled" => &["cancelled"],
        "appointment.noshow" => &["noshow"],
        "appointment.showed" => &["showed", "completed"],
        _ => &[],
    }
}
