//! GHL's side: what it holds, what it does with a call, and what it reports of that.
//!
//! It keeps e-mails in lower case, refuses a second contact with an identifier if the location allows no duplicates, answers 404 for what is
//! gone, and reports neither merges nor who caused a change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use sync_model::decide::fields::{Fields, fields, set, value, with_fields};
use sync_model::decide::identity::UNIQUE;
use sync_model::record::Contact;

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Create(Box<Contact>),
    Update { id: String, fields: Fields },
    Tags { id: String, adds: bool, tags: Vec<String> },
    Delete { id: String },
}

/// What comes back.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Contact(Box<Contact>),
    Tags(Vec<String>),
    Done,
    Gone,
    Duplicate { contact_id: String, field: &'static str },
}

/// What GHL reports.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) kind: &'static str,
    pub(super) contact: Contact,
    pub(super) at: i64,
}

impl Event {
    /// As a webhook holds it.
    pub(super) fn body(&self) -> String {
        let Contact { id, first_name, email, phone, city, tags, date_added, .. } = &self.contact;
        let at = Timestamp::from_millisecond(self.at).unwrap().to_string();
        json!({
            "type": self.kind, "locationId": "L", "id": id, "firstName": first_name, "email": email, "phone": phone, "city": city,
            "tags": tags, "dateAdded": date_added.map(|at| at.to_string()), "timestamp": at,
        })
        .to_string()
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ghl {
    pub(super) people: BTreeMap<String, Contact>,
    /// What was deleted and can be restored.
    pub(super) gone: BTreeMap<String, Contact>,
    pub(super) made: u32,
    /// Whether the location allows no duplicates.
    pub(super) is_unique: bool,
}

impl Ghl {
    /// Makes a contact; the one that it would double, where there is one.
    pub(super) fn create(&mut self, wanted: &Contact, at: i64) -> Result<Event, (String, &'static str)> {
        if let Some(found) = self.double_of(&fields(wanted), "") {
            return Err(found);
        }
        self.made += 1;
        let (id, at_time) = (format!("C{}", self.made), Timestamp::from_millisecond(at).ok());
        let contact = Contact { id: id.clone(), date_added: at_time, date_updated: at_time, ..Contact::default() };
        let contact = with_fields(&contact, &in_its_form(&fields(wanted)));
        self.people.insert(id, contact.clone());
        Ok(Event { kind: "ContactCreate", contact, at })
    }

    /// Changes fields of a contact.
    pub(super) fn change(
        &mut self,
        id: &str,
        changes: &Fields,
        at: i64,
    ) -> Result<Event, Option<(String, &'static str)>> {
        let contact = self.people.get(id).ok_or(None)?;
        let mut now = fields(contact);
        for (name, value) in in_its_form(changes) {
            set(&mut now, &name, value);
        }
        if let Some(found) = self.double_of(changes, id) {
            return Err(Some(found));
        }
        let kind =
            if changes.keys().all(|name| name.starts_with("tags.")) { "ContactTagUpdate" } else { "ContactUpdate" };
        let contact = Contact { date_updated: Timestamp::from_millisecond(at).ok(), ..with_fields(contact, &now) };
        self.people.insert(id.to_owned(), contact.clone());
        Ok(Event { kind, contact, at })
    }

    pub(super) fn delete(&mut self, id: &str, at: i64) -> Option<Event> {
        let contact = self.people.remove(id)?;
        self.gone.insert(id.to_owned(), contact.clone());
        Some(Event { kind: "ContactDelete", contact, at })
    }

    /// Brings a deleted contact back; it comes with an event of a change.
    pub(super) fn restore(&mut self, id: &str, at: i64) -> Option<Event> {
        let contact = self.gone.remove(id)?;
        let contact = Contact { date_updated: Timestamp::from_millisecond(at).ok(), ..contact };
        self.people.insert(id.to_owned(), contact.clone());
        Some(Event { kind: "ContactUpdate", contact, at })
    }

    /// Does what a call asks.
    pub(super) fn answer(&mut self, call: &Call, at: i64) -> (Answer, Option<Event>) {
        let changed = match call {
            Call::Create(wanted) => self.create(wanted, at).map_err(Some),
            Call::Update { id, fields } => self.change(id, fields, at),
            Call::Tags { id, adds, tags } => {
                let value = if *adds { Value::Bool(true) } else { Value::Null };
                self.change(id, &tags.iter().map(|tag| (format!("tags.{tag}"), value.clone())).collect(), at)
            }
            Call::Delete { id } => self.delete(id, at).ok_or(None),
        };
        match (changed, call) {
            (Ok(event), Call::Tags { .. }) => (Answer::Tags(event.contact.tags.clone()), Some(event)),
            (Ok(event), Call::Delete { .. }) => (Answer::Done, Some(event)),
            (Ok(event), _) => (Answer::Contact(Box::new(event.contact.clone())), Some(event)),
            (Err(Some((contact_id, field))), _) => (Answer::Duplicate { contact_id, field }, None),
            (Err(None), _) => (Answer::Gone, None),
        }
    }

    /// The contact with this e-mail, or else this phone.
    pub(super) fn by_identity(&self, contact: &Contact) -> Option<Contact> {
        let wanted = in_its_form(&fields(contact));
        UNIQUE.into_iter().find_map(|name| {
            let value = value(&wanted, name);
            let is_it = |other: &&Contact| {
                !value.is_null() && sync_model::decide::fields::value(&fields(*other), name) == value
            };
            self.people.values().find(is_it).cloned()
        })
    }

    fn double_of(&self, said: &Fields, id: &str) -> Option<(String, &'static str)> {
        let said = in_its_form(said);
        if !self.is_unique {
            return None;
        }
        UNIQUE.into_iter().find_map(|name| {
            let wanted = value(&said, name);
            let is_double =
                |other: &&Contact| other.id != id && !wanted.is_null() && value(&fields(*other), name) == wanted;
            self.people.values().find(is_double).map(|other| (other.id.clone(), name))
        })
    }
}

fn in_its_form(said: &Fields) -> Fields {
    let form = |name: &str, value: &Value| match (name, value.as_str()) {
        ("email", Some(text)) => json!(text.to_lowercase()),
        _ => value.clone(),
    };
    said.iter().map(|(name, value)| (name.clone(), form(name, value))).collect()
}
