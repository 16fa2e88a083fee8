//! Which fields a source of a record does not carry (law 13).
//!
//! GHL's replies, lists and webhooks carry different fields of the same record: the search has no `lastActivity`, in 2025 it had no time
//! zone, and a reply to an update may show five fields. What is absent is neither empty nor changed, so each reading of a record says
//! which fields it lacks, and [`filled`] takes these from what is known.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Fields, Record, object};
use crate::record::Contact;

/// Top-level names of fields whose value GHL has not shown yet.
pub type Unread = BTreeSet<String>;

/// Fields of a contact that no reading is asked to complete: GHL alone decides them, most sources leave them out, and no edit moves them alone.
const NOT_AWAITED: [&str; 3] = ["lastActivity", "dateUpdated", "name"];

/// What a reading leaves out. A record that comes from nowhere but here leaves out nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Absent {
    fields: BTreeSet<&'static str>,
    /// Names that the source has in lower case. One that is absent shows an edit, but not its spelling; one that is carried is no edit of a
    /// name that differs in case alone.
    lower_cased: BTreeMap<&'static str, String>,
    /// Whether another source may carry what this one leaves out.
    is_partial: bool,
}

impl Absent {
    /// Of a source beside which there is a fuller one.
    #[must_use]
    pub fn partial() -> Self {
        Self { is_partial: true, ..Self::default() }
    }

    /// The source leaves the field out.
    pub fn add(&mut self, name: &'static str) {
        self.fields.insert(name);
    }

    /// The source has the name in lower case alone.
    pub fn add_lower_cased(&mut self, name: &'static str, text: String) {
        self.fields.insert(name);
        self.lower_cased.insert(name, text);
    }

    /// The source carries the name in lower case, perhaps as it was typed.
    pub fn doubt(&mut self, name: &'static str, text: String) {
        self.lower_cased.insert(name, text);
    }

    /// Whether another source may carry what this one leaves out.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The source shows the field in another way.
    pub fn remove(&mut self, name: &str) {
        self.fields.remove(name);
        self.lower_cased.remove(name);
    }

    /// Whether the source leaves out the field, which may be a part of one, as `customFields.f1`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains(name.split('.').next().unwrap_or(name))
    }

    /// Whether the source carries every field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields that the source leaves out.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().copied()
    }

    /// The field in lower case, where the source has it so alone.
    #[must_use]
    pub fn lower_cased(&self, name: &str) -> Option<&str> {
        self.lower_cased.get(name).map(String::as_str)
    }

    /// The fields of `known` that the source shows to be edited, though not to what.
    pub fn contradicted(&self, known: &Contact) -> impl Iterator<Item = &'static str> {
        let absent = self.lower_cased.iter().filter(|(name, _)| self.fields.contains(*name));
        absent.filter(move |(name, shown)| !is_lower_cased_of(known, name, shown)).map(|(name, _)| *name)
    }

    /// Whether the source shows that the field of `known` is edited, though not to what.
    #[must_use]
    pub fn is_contradicted(&self, name: &str, known: &Contact) -> bool {
        self.contradicted(known).any(|one| one == name)
    }
}

/// `reading` with what it leaves out taken from `known`.
#[must_use]
pub fn filled<R: Record>(reading: &R, absent: &Absent, known: &R) -> R {
    if absent.is_empty() {
        return reading.clone();
    }
    let (mut now, known) = (object(reading), object(known));
    for name in absent.iter() {
        match known.get(name) {
            Some(value) => drop(now.insert(name.to_owned(), value.clone())),
            None => drop(now.remove(name)),
        }
    }
    // Every value was read from a record of this type, so it fits one.
    serde_json::from_value(now.into()).unwrap_or_else(|_| reading.clone())
}

impl Contact {
    /// The whole contact: what this reading leaves out is taken from `known`.
    #[must_use]
    pub fn completed(&self, known: &Self) -> Self {
        let parts = |contact: &Self| (contact.first_name.clone(), contact.last_name.clone());
        let mut now = filled(self, &self.absent, known);
        let spelt_otherwise =
            self.absent.lower_cased.iter().filter(|(name, shown)| is_lower_cased_of(known, name, shown));
        for (name, _) in spelt_otherwise {
            match *name {
                "firstName" => now.first_name.clone_from(&known.first_name),
                _ => now.last_name.clone_from(&known.last_name),
            }
        }
        if parts(&now) != parts(known) && self.absent.has("name") {
            now.name = now.name_of_parts();
        } else if parts(&now) == parts(known) && differs_in_case_alone(now.name.as_deref(), known.name.as_deref()) {
            // A list that lower-cases its names does so with the full name as well.
            now.name.clone_from(&known.name);
        }
        now.absent = Absent::default();
        now
    }

    /// This reading, with what it leaves out taken from `other`, another reading of the same contact.
    #[must_use]
    pub fn supplemented(&self, other: &Self) -> Self {
        // The full name follows from its parts, whichever reading they are of.
        let is_carried = |name: &&str| *name != "name" && !other.absent.has(name);
        let names: Vec<_> = self.absent.iter().filter(is_carried).collect();
        if names.is_empty() {
            return self.clone();
        }
        let (mut now, other) = (object(self), object(other));
        for name in &names {
            match other.get(*name) {
                Some(value) => drop(now.insert((*name).to_owned(), value.clone())),
                None => drop(now.remove(*name)),
            }
        }
        // Every value was read from a record of this type, so it fits one.
        let mut now: Self = serde_json::from_value(now.into()).unwrap_or_else(|_| self.clone());
        now.absent = self.absent.clone();
        names.into_iter().for_each(|name| now.absent.remove(name));
        now
    }

    /// What is unread after this reading of a contact of which `before` was; `known` is its last agreed state, none where there is none.
    #[must_use]
    pub fn unread_after(&self, before: &Unread, known: Option<&Self>) -> Unread {
        if !self.absent.is_partial {
            return Unread::new();
        }
        let still = before.iter().filter(|name| self.absent.has(name)).cloned();
        match known {
            Some(known) => still.chain(self.absent.contradicted(known).map(str::to_owned)).collect(),
            None => still.chain(self.awaited().map(str::to_owned)).collect(),
        }
    }

    /// What this reading leaves out and a fuller source would show.
    pub fn awaited(&self) -> impl Iterator<Item = &'static str> {
        self.absent.iter().filter(|name| self.absent.is_partial && !NOT_AWAITED.contains(name))
    }

    /// Those of the fields `asked` of GHL that its reply leaves out, though another source would show them.
    pub fn unconfirmed(&self, asked: &Fields) -> impl Iterator<Item = String> {
        let asked: BTreeSet<&str> = asked.keys().map(|name| name.split('.').next().unwrap_or(name)).collect();
        self.awaited().filter(move |name| asked.contains(name)).map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    /// The full name that the parts make; none where there are none.
    #[must_use]
    pub fn name_of_parts(&self) -> Option<String> {
        let parts = [&self.first_name, &self.last_name];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

/// Whether the part of the name of `known` reads as `shown` in lower case.
fn is_lower_cased_of(known: &Contact, name: &str, shown: &str) -> bool {
    let known = if name == "firstName" { &known.first_name } else { &known.last_name };
    known.as_deref().unwrap_or_default().trim().to_lowercase() == shown.trim().to_lowercase()
}

fn differs_in_case_alone(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.to_lowercase() == other.to_lowercase())
}
