//! What an event changes of a record: which one it means, and the fields to set.

use crate::decide::fields::{self, Fields, fields, with_fields};
use crate::entry::Entry;
use crate::patch::Kept;
use crate::record::{Appointment, Contact, Note, Task};

/// Where an event holds Clienty's id of the contact.
pub const CLIENTY_ID: &str = "data.clientyContactId";

/// What an event changes here before its job runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing; the job is about the record of that id.
    None {
        /// A contact id, or the location's id for a job over all of it.
        record_id: String,
    },
    /// A task.
    Task(TaskChange),
    /// A note.
    Note(NoteChange),
    /// An appointment.
    Appointment(AppointmentChange),
    /// A contact.
    Contact(ContactChange),
    /// The conflict of that id is taken back.
    Undo {
        /// The id of the conflict.
        conflict_id: String,
    },
}

impl Change {
    /// The ids that it names, each by its field.
    #[must_use]
    pub fn ids(&self) -> [(&'static str, Option<&str>); 3] {
        fn of_entry<E: Entry>(change: &EntryChange<E>) -> [(&'static str, Option<&str>); 3] {
            let EntryChange { act: _, clienty_id, ghl_id, contact_id, patch: _ } = change;
            [
                (E::CLIENTY_ID_FIELD, clienty_id.as_deref()),
                (E::GHL_ID_FIELD, ghl_id.as_deref()),
                ("contactId", contact_id.as_deref()),
            ]
        }
        const NONE: (&str, Option<&str>) = ("", None);
        match self {
            Self::None { record_id } => [("contactId", Some(record_id)), NONE, NONE],
            Self::Task(change) => of_entry(change),
            Self::Note(change) => of_entry(change),
            Self::Appointment(change) => of_entry(change),
            Self::Contact(ContactChange { act: _, contact_id, clienty_id, patch: _ }) => {
                [("contactId", contact_id.as_deref()), (CLIENTY_ID, clienty_id.as_deref()), NONE]
            }
            Self::Undo { conflict_id } => [("conflictId", Some(conflict_id)), NONE, NONE],
        }
    }
}

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Make it; where Clienty's id is known already, edit it.
    Create,
    /// Edit it.
    Edit,
    /// Delete it; twice is once.
    Delete,
}

/// One edit, naming its task, note or appointment by Clienty's id, GHL's id, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryChange<E: Entry> {
    /// What to do.
    pub act: Act,
    /// The producer's own id.
    pub clienty_id: Option<String>,
    /// GHL's id.
    pub ghl_id: Option<String>,
    /// The contact; needed to create, else checked where given.
    pub contact_id: Option<String>,
    /// The fields to set.
    pub patch: E::Patch,
}

/// An edit of a task.
pub type TaskChange = EntryChange<Task>;
/// An edit of a note.
pub type NoteChange = EntryChange<Note>;
/// An edit of an appointment.
pub type AppointmentChange = EntryChange<Appointment>;

/// One edit, naming its contact by GHL's id, Clienty's id, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactChange {
    /// What to do.
    pub act: Act,
    /// GHL's id; the producer's own does as well, once it is known.
    pub contact_id: Option<String>,
    /// The producer's own id.
    pub clienty_id: Option<String>,
    /// What to set.
    pub patch: ContactPatch,
}

/// Fields of a contact to set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContactPatch {
    /// By name, tags and custom fields among them; null takes one away.
    pub fields: Fields,
    /// All tags, where they are sent as a whole: others go.
    pub tags: Option<Vec<String>>,
    /// By the names of the location's mapping.
    pub mapped: Fields,
    /// See [`crate::patch::TaskPatch::kept`].
    pub kept: Vec<Kept>,
}

impl ContactPatch {
    /// The contact with the fields set.
    #[must_use]
    pub fn apply(&self, contact: &Contact) -> Contact {
        let mut now = fields(contact);
        if let Some(tags) = &self.tags {
            now.retain(|name, _| !name.starts_with("tags."));
            now.extend(tags.iter().map(|tag| (format!("tags.{tag}"), true.into())));
        }
        for (name, value) in &self.fields {
            fields::set(&mut now, name, value.clone());
        }
        with_fields(contact, &now)
    }
}
