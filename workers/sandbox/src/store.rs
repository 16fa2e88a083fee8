//! What one location holds. Records are kept in the form in which GHL shows them by id, and every change is reported.

mod collection;
mod contact_collection;
mod contacts;
mod packed;
mod search_index;

pub(super) use collection::Collection;
pub(super) use contact_collection::ContactCollection;
pub(super) use contacts::Contacts;
pub(super) use search_index::Date;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::appointment;
use super::changes::{Changed, Changes};
use super::contact::{self, text};
use super::dates;
use super::seed::ids;

/// A kind of record that belongs to a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Note,
    Appointment,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Task, Self::Note, Self::Appointment];

    fn added(self) -> &'static str {
        match self {
            Self::Task => "TaskCreate",
            Self::Note => "NoteCreate",
            Self::Appointment => "AppointmentCreate",
        }
    }

    fn changed(self, before: &Value, after: &Value) -> &'static str {
        match self {
            Self::Task if before["completed"] != true && after["completed"] == true => "TaskComplete",
            Self::Task => "TaskUpdate",
            Self::Note => "NoteUpdate",
            Self::Appointment => "AppointmentUpdate",
        }
    }

    fn removed(self) -> &'static str {
        match self {
            Self::Task => "TaskDelete",
            Self::Note => "NoteDelete",
            Self::Appointment => "AppointmentDelete",
        }
    }
}

/// The records of one location.
pub(super) struct Store {
    location: String,
    pub(super) contacts: Contacts,
    pub(super) tasks: ContactCollection,
    pub(super) notes: ContactCollection,
    /// Their times are in UTC here; each route says them in its own way.
    pub(super) appointments: ContactCollection,
    /// Definitions of the custom fields, as GHL lists them.
    pub(super) custom_fields: Collection,
    /// Every tag that a contact has or had.
    pub(super) tags: Collection,
    pub(super) businesses: Collection,
    pub(super) calendars: Collection,
    pub(super) campaigns: Collection,
    pub(super) workflows: Collection,
    /// ISO 3166 code; decides how phones are normalised.
    pub(super) country: &'static str,
    /// Deleted contacts, each with what hung on it: a user of GHL may restore them.
    bin: HashMap<String, (Value, Vec<(Kind, Value)>)>,
    changes: Changes,
    /// How far its clock is ahead of the machine's.
    clock_ahead: SignedDuration,
    /// Source of the ids of records that callers create.
    rng: StdRng,
}

impl Store {
    /// The time of day by the clock of GHL, which is not the caller's.
    pub(super) fn now(&self) -> Timestamp {
        dates::now() + self.clock_ahead
    }

    pub(super) fn set_clock_ahead(&mut self, ahead: SignedDuration) {
        self.clock_ahead = ahead;
    }

    pub(super) fn new(location: &str, country: &'static str, changes: Changes, rng: StdRng) -> Self {
        Self {
            location: location.to_owned(),
            contacts: Contacts::default(),
            tasks: ContactCollection::default(),
            notes: ContactCollection::default(),
            appointments: ContactCollection::default(),
            custom_fields: Collection::default(),
            tags: Collection::default(),
            businesses: Collection::default(),
            calendars: Collection::default(),
            campaigns: Collection::default(),
            workflows: Collection::default(),
            country,
            bin: HashMap::new(),
            changes,
            clock_ahead: SignedDuration::ZERO,
            rng,
        }
    }

    pub(super) fn new_id(&mut self) -> String {
        ids::record(&mut self.rng)
    }

    pub(super) fn collection(&self, kind: Kind) -> &ContactCollection {
        match kind {
            Kind::Task => &self.tasks,
            Kind::Note => &self.notes,
            Kind::Appointment => &self.appointments,
        }
    }

    fn collection_mut(&mut self, kind: Kind) -> &mut ContactCollection {
        match kind {
            Kind::Task => &mut self.tasks,
            Kind::Note => &mut self.notes,
            Kind::Appointment => &mut self.appointments,
        }
    }

    /// Makes a tag of the location of each that it does not have yet, as a contact's new tag does.
    pub(super) fn know_tags(&mut self, contact: &Value) {
        for name in contact::tags(&contact["tags"]) {
            if self.tags.with("name", &name).is_none() {
                let tag = json!({ "id": self.new_id(), "name": name, "locationId": self.location });
                self.tags.put(tag);
            }
        }
    }

    /// Keeps a contact, new or changed. One write can be several events.
    pub(super) fn put_contact(&mut self, contact: &Value) {
        self.know_tags(contact);
        let before = self.contacts.put(contact);
        for event in contact_events(before.as_ref(), contact) {
            self.tell(event, text(contact, "id"), contact);
        }
    }

    /// Removes a contact with all that hangs on it; of what hung on it, GHL reports nothing.
    pub(super) fn remove_contact(&mut self, id: &str) -> bool {
        let Some(contact) = self.contacts.take(id) else { return false };
        let parts = Kind::ALL.into_iter();
        let parts =
            parts.flat_map(|kind| self.collection_mut(kind).clear(id).into_iter().map(move |part| (kind, part)));
        let parts = parts.collect();
        self.tell("ContactDelete", id, &contact);
        self.bin.insert(id.to_owned(), (contact, parts));
        true
    }

    /// Puts a deleted contact back with all that hung on it. No document says what GHL reports it, so nothing is reported.
    pub(super) fn restore_contact(&mut self, id: &str) -> Option<Value> {
        let (contact, parts) = self.bin.remove(id)?;
        self.contacts.put(&contact);
        for (kind, part) in parts {
            self.collection_mut(kind).put(id, &part);
        }
        Some(contact)
    }

    /// Gives all that hangs on one contact to another and removes it; `into` is what the other is from then on.
    pub(super) fn merge_contact(&mut self, gone: &str, into: &Value) -> bool {
        let Some(contact) = self.contacts.take(gone) else { return false };
        self.contacts.put(into);
        let heir = text(into, "id");
        for kind in Kind::ALL {
            for mut record in self.collection_mut(kind).clear(gone) {
                record["contactId"] = heir.into();
                self.collection_mut(kind).put(heir, &record);
            }
        }
        self.tell("ContactMerge", heir, &contact);
        true
    }

    /// Keeps a record of a contact, new or changed.
    pub(super) fn put(&mut self, kind: Kind, record: &Value) {
        let contact = text(record, "contactId");
        let before = self.collection_mut(kind).put(contact, record);
        self.tell(before.map_or(kind.added(), |before| kind.changed(&before, record)), contact, record);
    }

    /// Whether there was such a record.
    pub(super) fn remove(&mut self, kind: Kind, contact: &str, id: &str) -> bool {
        let Some(record) = self.collection_mut(kind).take(contact, id) else { return false };
        self.tell(kind.removed(), contact, &record);
        true
    }

    fn tell(&self, event: &'static str, contact: &str, record: &Value) {
        self.changes.tell(|| Changed {
            event,
            location: self.location.clone(),
            contact: contact.to_owned(),
            id: text(record, "id").to_owned(),
            record: record.clone(),
        });
    }

    /// Everything, for the control routes.
    pub(super) fn state(&self, zone: &jiff::tz::TimeZone) -> Value {
        json!({
            "contacts": self.contacts.all().collect::<Vec<_>>(),
            "tasks": self.tasks.all().collect::<Vec<_>>(),
            "notes": self.notes.all().collect::<Vec<_>>(),
            "businesses": self.businesses.all(),
            "appointments": self.appointments.all().map(|event| appointment::to_local_time(event, zone)).collect::<Vec<_>>(),
        })
    }
}

/// What GHL reports a write: tags and do-not-disturb have events of their own.
fn contact_events(before: Option<&Value>, after: &Value) -> Vec<&'static str> {
    let Some(before) = before else { return vec!["ContactCreate"] };
    let own = [("ContactTagUpdate", ["tags"].as_slice()), ("ContactDndUpdate", &["dnd", "dndSettings"])];
    let differs = |field: &str| before[field] != after[field];
    let mut events: Vec<_> =
        own.iter().filter(|(_, fields)| fields.iter().any(|field| differs(field))).map(|(event, _)| *event).collect();
    let mut fields = after.as_object().into_iter().chain(before.as_object()).flat_map(|record| record.keys());
    let silent = ["tags", "dnd", "dndSettings", "dateUpdated"];
    // A write of what is there already is an update all the same.
    if events.is_empty() || fields.any(|field| !silent.contains(&field.as_str()) && differs(field)) {
        events.push("ContactUpdate");
    }
    events
}
