//! Rules that create a task when something happens to a contact in GHL.
//!
//! GHL reports the state of a contact, not the action: a tag counts as new if the last state that
//! both sides agreed on lacks it and it was not added here.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::record::{Contact, Task};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRule {
    /// Its name in the settings, and in the ids of its tasks.
    pub name: String,
    /// When it makes one.
    pub on: Trigger,
    /// The task's title.
    pub title: Template,
    /// The task's body.
    pub body: Option<Template>,
    /// How long after the trigger became known the task is due.
    pub due_after: SignedDuration,
    /// The GHL user who gets it.
    pub assigned_to: Option<String>,
}

/// What happens to a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// It was created in GHL.
    Created,
    /// It got this tag in GHL.
    Tagged(String),
    /// It lost this tag in GHL.
    Untagged(String),
}

/// It is not a known trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither contact.created, contact.tagged=TAG nor contact.untagged=TAG")]
pub struct NoTrigger;

impl FromStr for Trigger {
    type Err = NoTrigger;

    /// GHL keeps tags in lower case.
    fn from_str(text: &str) -> Result<Self, NoTrigger> {
        match text.split_once('=') {
            None if text == "contact.created" => Ok(Self::Created),
            Some(("contact.tagged", tag)) if !tag.trim().is_empty() => Ok(Self::Tagged(tag.trim().to_lowercase())),
            Some(("contact.untagged", tag)) if !tag.trim().is_empty() => Ok(Self::Untagged(tag.trim().to_lowercase())),
            _ => Err(NoTrigger),
        }
    }
}

impl TaskRule {
    /// The task for a contact, of which this became known at `now`.
    #[must_use]
    pub fn task(&self, contact: &Contact, now: Timestamp) -> Task {
        let due = now.checked_add(self.due_after).unwrap_or(now);
        Task {
            contact_id: contact.id.clone(),
            title: self.title.fill(contact),
            body: self.body.as_ref().map(|body| body.fill(contact)),
            due_date: Timestamp::from_second(due.as_second()).ok(),
            assigned_to: self.assigned_to.clone(),
            ..Task::default()
        }
    }
}

/// The tags that GHL, which holds `theirs`, has given a contact since both sides agreed on `base`; `ours` is what readers see.
#[must_use]
pub fn new_tags<'a>(base: &Contact, ours: &Contact, theirs: &'a Contact) -> Vec<&'a str> {
    let is_known = |tag: &&String| base.tags.contains(tag) || ours.tags.contains(tag);
    theirs.tags.iter().filter(|tag| !is_known(tag)).map(String::as_str).collect()
}

/// The tags that GHL, which holds `theirs`, has taken from a contact since both sides agreed on `base`; `ours` is what readers see.
#[must_use]
pub fn lost_tags<'a>(base: &'a Contact, ours: &Contact, theirs: &Contact) -> Vec<&'a str> {
    let is_lost = |tag: &&String| ours.tags.contains(tag) && !theirs.tags.contains(tag);
    base.tags.iter().filter(is_lost).map(String::as_str).collect()
}

/// The name of a contact; of one without, what else it can be called by.
#[must_use]
pub fn called(contact: &Contact) -> &str {
    let Contact { id, name, company_name, email, phone, .. } = contact;
    let known = [name, company_name, email, phone].into_iter().flatten().find(|text| !text.trim().is_empty());
    known.unwrap_or(id)
}

/// A text with places for what the contact is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    FirstName,
    LastName,
    CompanyName,
    Email,
    Phone,
}

const PLACES: [(&str, Place); 6] = [
    ("name", Place::Name),
    ("firstName", Place::FirstName),
    ("lastName", Place::LastName),
    ("companyName", Place::CompanyName),
    ("email", Place::Email),
    ("phone", Place::Phone),
];

/// The text is empty, or holds a place that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTemplate;

impl fmt::Display for NoTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = PLACES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
        write!(f, "a text in which {} stand for what the contact is called", places.join(", "))
    }
}

impl std::error::Error for NoTemplate {}

impl FromStr for Template {
    type Err = NoTemplate;

    fn from_str(text: &str) -> Result<Self, NoTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(NoTemplate)?;
            let (_, place) = PLACES.iter().find(|(known, _)| *known == name).ok_or(NoTemplate)?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Place(*place)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if text.trim().is_empty() || rest.contains('}') { Err(NoTemplate) } else { Ok(Self(pieces)) }
    }
}

impl Template {
    /// The text for a contact. What it lacks is left out.
    #[must_use]
    pub fn fill(&self, contact: &Contact) -> String {
        let Contact { id, first_name, last_name, company_name, email, phone, .. } = contact;
        let fill = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(Place::Name) => called(contact).to_owned(),
            Piece::Place(Place::FirstName) => first_name.clone().unwrap_or_default(),
            Piece::Place(Place::LastName) => last_name.clone().unwrap_or_default(),
            Piece::Place(Place::CompanyName) => company_name.clone().unwrap_or_default(),
            Piece::Place(Place::Email) => email.clone().unwrap_or_default(),
            Piece::Place(Place::Phone) => phone.clone().unwrap_or_default(),
        };
        let text: String = self.0.iter().map(fill).collect();
        // A title may not be empty.
        if text.trim().is_empty() { id.clone() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(name: Option<&str>, tags: &[&str]) -> Contact {
        Contact {
            id: "c1".to_owned(),
            name: name.map(str::to_owned),
            email: Some("a@x.de".to_owned()),
            tags: tags.iter().map(ToString::to_string).collect(),
            ..Contact::default()
        }
    }

    #[test]
    fn a_template_is_filled_with_what_the_contact_is_called() {
        let fill = |text: &str, contact: &Contact| text.parse::<Template>().unwrap().fill(contact);
        assert_eq!(fill("Call {name} ({email})", &contact(Some("Ada"), &[])), "Call Ada (a@x.de)");
        assert_eq!(fill("{name}", &contact(None, &[])), "a@x.de");
        assert_eq!(fill("{firstName}", &contact(None, &[])), "c1", "no title is empty");
        for wrong in ["", " ", "{nick}", "{name", "name}", "{{name}}"] {
            assert_eq!(wrong.parse::<Template>(), Err(NoTemplate), "{wrong}");
        }
    }

    #[test]
    fn an_trigger_is_a_word_and_a_tag_in_lower_case() {
        assert_eq!("contact.created".parse(), Ok(Trigger::Created));
        assert_eq!("contact.tagged=VIP one".parse(), Ok(Trigger::Tagged("vip one".to_owned())));
        for wrong in ["contact.tagged", "contact.tagged=", "contact.deleted", "contact.created=x", ""] {
            assert_eq!(wrong.parse::<Trigger>(), Err(NoTrigger), "{wrong}");
        }
    }

    #[test]
    fn a_tag_is_new_where_neither_side_had_it() {
        let of = |tags: &[&str]| contact(None, tags);
        let (base, ours, theirs) = (of(&["old"]), of(&["old", "ours"]), of(&["old", "ours", "vip"]));
        assert_eq!(new_tags(&base, &ours, &theirs), ["vip"]);
        assert!(new_tags(&theirs, &theirs, &theirs).is_empty());
    }

    #[test]
    fn a_task_is_due_to_the_second_after_the_trigger() {
        let rule = TaskRule {
            name: "welcome".to_owned(),
            on: Trigger::Created,
            title: "Welcome {name}".parse().unwrap(),
            body: None,
            due_after: SignedDuration::from_hours(48),
            assigned_to: None,
        };
        let task = rule.task(&contact(Some("Ada"), &[]), "2026-06-01T12:00:00.5Z".parse().unwrap());
        assert_eq!((task.title.as_str(), task.due_date), ("Welcome Ada", "2026-06-03T12:00:00Z".parse().ok()));
    }
}
