//! The parts of a contact: each is read by a call of its own.

use serde::{Deserialize, Serialize};

/// What is read of a contact by one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The contact itself.
    Contact,
    /// Its tasks.
    Tasks,
    /// Its notes.
    Notes,
    /// Its appointments.
    Appointments,
}

impl Part {
    const ALL: [Self; 4] = [Self::Contact, Self::Tasks, Self::Notes, Self::Appointments];

    /// Its name in views, summaries and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Tasks => "tasks",
            Self::Notes => "notes",
            Self::Appointments => "appointments",
        }
    }

    /// The part of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }
}
