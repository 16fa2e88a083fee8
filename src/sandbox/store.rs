//! What one location holds. Records are kept in the form in which GHL shows them.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::seed::ids;

/// The records of one location.
pub(super) struct Store {
    /// By id, each as `GET /contacts/{contactId}` shows it.
    pub(super) contacts: BTreeMap<String, Value>,
    pub(super) tasks: Shelf,
    pub(super) notes: Shelf,
    pub(super) appointments: Shelf,
    /// Source of the ids of records that callers create.
    pub(super) rng: StdRng,
}

impl Store {
    pub(super) fn new(rng: StdRng) -> Self {
        Self {
            contacts: BTreeMap::new(),
            tasks: Shelf::default(),
            notes: Shelf::default(),
            appointments: Shelf::default(),
            rng,
        }
    }

    pub(super) fn new_id(&mut self) -> String {
        ids::record(&mut self.rng)
    }

    /// Removes a contact with all that hangs on it.
    pub(super) fn remove_contact(&mut self, id: &str) {
        self.contacts.remove(id);
        for shelf in [&mut self.tasks, &mut self.notes, &mut self.appointments] {
            shelf.0.remove(id);
        }
    }

    /// Everything, for the control routes.
    pub(super) fn state(&self) -> Value {
        json!({
            "contacts": self.contacts.values().collect::<Vec<_>>(),
            "tasks": self.tasks.all().collect::<Vec<_>>(),
            "notes": self.notes.all().collect::<Vec<_>>(),
            "appointments": self.appointments.all().collect::<Vec<_>>(),
        })
    }
}

/// Records of one kind, by the contact they belong to, in the order in which they came.
#[derive(Default)]
pub(super) struct Shelf(BTreeMap<String, Vec<Value>>);

impl Shelf {
    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.0.values().flatten()
    }

    pub(super) fn of(&self, contact: &str) -> &[Value] {
        self.0.get(contact).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, contact: &str, record: Value) {
        self.0.entry(contact.to_owned()).or_default().push(record);
    }

    pub(super) fn find(&mut self, contact: &str, id: &str) -> Option<&mut Value> {
        self.0.get_mut(contact)?.iter_mut().find(|record| record["id"] == id)
    }

    /// Whether there was such a record.
    pub(super) fn remove(&mut self, contact: &str, id: &str) -> bool {
        let Some(records) = self.0.get_mut(contact) else { return false };
        let before = records.len();
        records.retain(|record| record["id"] != id);
        records.len() < before
    }
}
