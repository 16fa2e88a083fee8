//! Records of one kind, by the contact they belong to, in the order in which they came.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::packed::Packed;
use crate::contact::{date_ms, text};

#[derive(Default)]
pub(crate) struct ContactCollection(BTreeMap<Box<str>, Vec<Entry>>);

/// What is asked for often is kept beside the record, so that few need be opened.
struct Entry {
    id: Box<str>,
    /// When it begins, in milliseconds since 1970; only appointments do.
    starts_ms: i64,
    record: Packed,
}

impl From<&Value> for Entry {
    fn from(record: &Value) -> Self {
        Self { id: text(record, "id").into(), starts_ms: date_ms(record, "startTime"), record: record.into() }
    }
}

impl ContactCollection {
    pub(crate) fn all(&self) -> impl Iterator<Item = Value> {
        self.0.values().flatten().map(|entry| entry.record.open())
    }

    pub(crate) fn of(&self, contact: &str) -> impl Iterator<Item = Value> {
        self.0.get(contact).into_iter().flatten().map(|entry| entry.record.open())
    }

    pub(crate) fn get(&self, contact: &str, id: &str) -> Option<Value> {
        self.0.get(contact)?.iter().find(|entry| *entry.id == *id).map(|entry| entry.record.open())
    }

    /// The record with this id, whomever it belongs to.
    pub(crate) fn find(&self, id: &str) -> Option<Value> {
        self.0.values().flatten().find(|entry| *entry.id == *id).map(|entry| entry.record.open())
    }

    /// The records that begin in this time.
    pub(crate) fn starting_in(&self, time_ms: RangeInclusive<i64>) -> impl Iterator<Item = Value> {
        self.0
            .values()
            .flatten()
            .filter(move |entry| time_ms.contains(&entry.starts_ms))
            .map(|entry| entry.record.open())
    }

    /// Puts a record in the place of the one with its id, or behind all others; shows what was there.
    pub(super) fn put(&mut self, contact: &str, record: &Value) -> Option<Value> {
        let entries = self.0.entry(contact.into()).or_default();
        match entries.iter_mut().find(|entry| record["id"] == *entry.id) {
            Some(entry) => Some(std::mem::replace(entry, record.into()).record.open()),
            None => {
                entries.push(record.into());
                None
            }
        }
    }

    pub(super) fn take(&mut self, contact: &str, id: &str) -> Option<Value> {
        let entries = self.0.get_mut(contact)?;
        let place = entries.iter().position(|entry| *entry.id == *id)?;
        Some(entries.remove(place).record.open())
    }

    /// Takes all that belongs to a contact.
    pub(super) fn clear(&mut self, contact: &str) -> Vec<Value> {
        self.0.remove(contact).into_iter().flatten().map(|entry| entry.record.open()).collect()
    }
}
