//! A contact as it was: its present, with what changed since taken back.
//!
//! A moment of the past is the state after the last change that was stored by then. What moves without an edit has no history: `lastActivity` and
//! `dateUpdated` are left out, and nothing is reported about how far GHL had it.

use jiff::Timestamp;
use serde::Serialize;
use sync_model::decide::fields::{Record, with_fields};
use sync_model::record::{Appointment, Contact, Note, Task};

use super::super::custom_fields::show_keys;
use super::super::entries::{AnyEntry, Entry};
use super::super::ledger::timestamp;
use super::super::{Records, RecordsError, TaskView};
use super::read::{Held, Now, Scan};

/// A record of then.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Past<T> {
    /// The record.
    #[serde(flatten)]
    pub record: T,
    /// The same for as long as the record lives.
    pub record_id: String,
}

/// A contact with its tasks, notes and appointments as readers saw them then.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PastView {
    /// The moment.
    pub at: Timestamp,
    /// The contact.
    pub contact: Past<Contact>,
    /// In the order in which they became known here.
    pub tasks: Vec<Past<TaskView>>,
    /// In the order in which they became known here.
    pub notes: Vec<Past<Note>>,
    /// By start time.
    pub appointments: Vec<Past<Appointment>>,
}

impl Records {
    /// The contact as it was at that time; none where readers saw none then.
    ///
    /// # Errors
    /// [`RecordsError::Forgotten`] where that is longer ago than the history goes back; [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_view_at(
        &self,
        location_id: &str,
        contact_id: &str,
        at: Timestamp,
    ) -> Result<Option<PastView>, RecordsError> {
        let Some(mut scan) = self.scan_back(location_id, contact_id).await? else { return Ok(None) };
        let at_ms = at.as_millisecond();
        while scan.back(at_ms)?.is_some() {}
        if scan.is_erased {
            return Ok(None);
        }
        let mut contact = match scan.contact_then(contact_id) {
            Some((record_id, held)) => Past { record: held.contact(), record_id: record_id.clone() },
            // What hangs on a contact that nobody has fetched yet is shown all the same.
            None if scan.has_no_contact() => {
                let record = Contact { id: contact_id.to_owned(), ..Contact::default() };
                Past { record, record_id: contact_id.to_owned() }
            }
            None => return Ok(None),
        };
        if scan.is_at_end() && at_ms < scan.forgotten_ms {
            return Err(RecordsError::Forgotten { since: timestamp(scan.forgotten_ms) });
        }
        show_keys(&mut contact.record, &self.naming(location_id).await?);
        let tasks = scan.all::<Task>().into_iter().map(|Past { record: task, record_id }| Past {
            record: TaskView { status: task.status(at), task },
            record_id,
        });
        let mut appointments = scan.all::<Appointment>();
        appointments.sort_by_key(|Past { record: one, .. }| (one.start_time, one.appointment_id.clone()));
        Ok(Some(PastView { at, contact, tasks: tasks.collect(), notes: scan.all(), appointments }))
    }
}

impl Scan {
    /// The contact that readers saw under that id. Where two rows have become one since, both may have been there: the one that was known by the id.
    fn contact_then(&self, asked: &str) -> Option<(&String, &Held)> {
        let there = || self.records.iter().filter(|(_, held)| held.kind == Contact::NAME && held.is_there);
        let is_asked = |record_id: &String, held: &Held| {
            // The id of then stands in the change that was the last one then.
            let change = self.earlier().find(|row| row.record_id == *record_id);
            let contact_id = change.map_or(&held.contact_id, |row| &row.contact_id);
            contact_id == asked || held.clienty_id.as_deref() == Some(asked)
        };
        let kept = |record_id: &String| self.contact.as_ref().is_some_and(|row| row.row_id == *record_id);
        let asked_for = || there().filter(|(record_id, held)| is_asked(record_id, held));
        let found = asked_for().find(|(record_id, _)| kept(record_id)).or_else(|| asked_for().next());
        found.or_else(|| there().find(|(record_id, _)| kept(record_id))).or_else(|| there().next())
    }

    /// Whether nobody knew the contact then, though something hung on it.
    fn has_no_contact(&self) -> bool {
        let is_contact = |held: &&Held| held.kind == Contact::NAME;
        let mut parts = self.records.values().filter(|held| !is_contact(held));
        parts.any(|part| part.is_there) && self.records.values().filter(is_contact).all(|held| held.is_unmet)
    }

    fn all<E: Entry>(&self) -> Vec<Past<E>>
    where
        AnyEntry: Narrow<E>,
    {
        let of_kind = self.records.iter().filter(|(_, held)| held.kind == E::KIND && held.is_there);
        of_kind.map(|(id, held)| Past { record: held.entry(), record_id: id.clone() }).collect()
    }
}

impl Held {
    fn contact(&self) -> Contact {
        let like = match &self.now {
            Some(Now::Contact(contact)) => (**contact).clone(),
            _ => Contact {
                id: self.ghl_id.clone().unwrap_or_else(|| self.contact_id.clone()),
                clienty_contact_id: self.clienty_id.clone(),
                ..Contact::default()
            },
        };
        Contact { last_activity: None, date_updated: None, ..with_fields(&like, &self.fields) }
    }

    fn entry<E: Entry>(&self) -> E
    where
        AnyEntry: Narrow<E>,
    {
        let now = match &self.now {
            Some(Now::Entry(entry)) => entry.narrow(),
            _ => None,
        };
        let like = now.unwrap_or_else(|| {
            let mut like = E::default();
            like.set_ids(self.ghl_id.clone(), self.clienty_id.clone(), self.contact_id.clone());
            like
        });
        let mut then = with_fields(&like, &self.fields);
        let _ = then.take_unread();
        then
    }
}

/// An entry as one of its kind.
pub(super) trait Narrow<E> {
    fn narrow(&self) -> Option<E>;
}

macro_rules! narrow {
    ($($kind:ident),*) => {$(
        impl Narrow<$kind> for AnyEntry {
            fn narrow(&self) -> Option<$kind> {
                match self {
                    Self::$kind(entry) => Some(entry.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

narrow!(Task, Note, Appointment);
