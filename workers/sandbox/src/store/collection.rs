//! Records of a location itself, few enough to be looked through: tags, custom fields, businesses, calendars.

use serde_json::Value;

#[derive(Default)]
pub(crate) struct Collection(Vec<Value>);

impl From<Vec<Value>> for Collection {
    fn from(records: Vec<Value>) -> Self {
        Self(records)
    }
}

impl Collection {
    pub(crate) fn all(&self) -> &[Value] {
        &self.0
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Value> {
        self.0.iter().find(|record| record["id"] == id)
    }

    /// The record whose field has this text.
    pub(crate) fn with(&self, field: &str, text: &str) -> Option<&Value> {
        self.0.iter().find(|record| record[field] == text)
    }

    /// Puts a record in the place of the one with its id, or behind all others.
    pub(crate) fn put(&mut self, record: Value) {
        match self.0.iter_mut().find(|kept| kept["id"] == record["id"]) {
            Some(kept) => *kept = record,
            None => self.0.push(record),
        }
    }

    /// Whether there was such a record.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|record| record["id"] != id);
        self.0.len() < before
    }
}
