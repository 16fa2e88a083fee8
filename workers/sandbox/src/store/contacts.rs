//! The contacts of one location, and what finds them: by id, by what may be there only once, and by date of change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::packed::Packed;
use super::search_index::SearchIndex;
use crate::contact::text;

pub(super) type Id = Arc<str>;

#[derive(Default)]
pub(crate) struct Contacts {
    pub(super) kept: BTreeMap<Id, Packed>,
    /// (`email` or `phone`, its text in lower case, id)
    unique: BTreeSet<(&'static str, Box<str>, Id)>,
    pub(super) index: SearchIndex,
}

/// The fields that two contacts may not share, in the order in which GHL looks.
const UNIQUE: [&str; 2] = ["email", "phone"];

impl Contacts {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.kept.contains_key(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.kept.keys().map(AsRef::as_ref)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Value> {
        self.kept.get(id).map(Packed::open)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Value> {
        self.kept.values().map(Packed::open)
    }

    /// The contact other than `except` with this e-mail or else this phone (E.164), and the name of the field that
    /// matched. Empty matches nothing.
    pub(crate) fn duplicate(&self, except: Option<&str>, email: &str, phone: &str) -> Option<(Value, &'static str)> {
        UNIQUE.into_iter().zip([email, phone]).filter(|(_, wanted)| !wanted.is_empty()).find_map(|(field, wanted)| {
            let from = (field, wanted.to_lowercase().into_boxed_str(), Id::from(""));
            self.unique
                .range(from.clone()..)
                .take_while(|(name, kept, _)| (name, kept) == (&from.0, &from.1))
                .find(|(_, _, id)| except != Some(id))
                .and_then(|(_, _, id)| Some((self.get(id)?, field)))
        })
    }

    /// Keeps a contact under its id; shows what was there.
    pub(super) fn put(&mut self, contact: &Value) -> Option<Value> {
        let id = Id::from(text(contact, "id"));
        let before = self.kept.insert(Arc::clone(&id), contact.into());
        let opened = before.as_ref().map(Packed::open);
        self.list(&id, opened.as_ref(), Some(contact));
        self.index.changed(id, before, opened.as_ref(), contact);
        opened
    }

    pub(super) fn take(&mut self, id: &str) -> Option<Value> {
        let before = self.kept.remove(id)?;
        let opened = before.open();
        let id = Id::from(id);
        self.list(&id, Some(&opened), None);
        self.index.removed(id, before, &opened);
        Some(opened)
    }

    fn list(&mut self, id: &Id, before: Option<&Value>, after: Option<&Value>) {
        let entry = |contact: &Value, field| {
            let value = text(contact, field);
            (!value.is_empty()).then(|| (field, value.to_lowercase().into_boxed_str(), Arc::clone(id)))
        };
        for field in UNIQUE {
            if let Some(old) = before.and_then(|contact| entry(contact, field)) {
                self.unique.remove(&old);
            }
            self.unique.extend(after.and_then(|contact| entry(contact, field)));
        }
    }
}
