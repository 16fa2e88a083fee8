//! Which record in GHL is the create whose reply was lost (law 7).
//!
//! GHL has no idempotency key, so the record is known by what was sent: its [`TaskFingerprint`], [`NoteFingerprint`] or
//! [`AppointmentFingerprint`], kept with the intent. Neither mistake is harmless: to miss the record makes a duplicate, to take an equal one that
//! was there before is to overwrite and delete another's later. So what is older than the announcement ([`predates`]) is not it, nor what a look
//! before the announcement saw; and of the rest the comparison forgives what GHL may change on the way (white space at the ends, an
//! assignee of its own, HTML around a text), and a record that a row already has is never taken.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, fields, with_fields};
use super::push_task::Edited;
use super::same::{answers, same_text};
use crate::record::{Appointment, Contact, Note, Task};

/// So far GHL's clock may be behind ours, and the other way round.
const CLOCKS: SignedDuration = SignedDuration::from_mins(2);

/// Whether a record that GHL created at that time is older than the create that was announced at `announced_at_ms`, so that it is not what the
/// create made. Without a time, it is not known to be.
#[must_use]
pub fn predates(created_at: Option<Timestamp>, announced_at_ms: Option<i64>) -> bool {
    let announced = announced_at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    created_at.zip(announced).is_some_and(|(created, announced)| announced.duration_since(created) > CLOCKS)
}

/// What the create of a task sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskFingerprint {
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: Option<String>,
    /// When it is due.
    pub due_date: Option<Timestamp>,
    /// The GHL user who has it; where none was sent, GHL may have put one.
    pub assigned_to: Option<String>,
}

/// What the create of a note sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoteFingerprint {
    /// Its text.
    pub note_text: String,
}

impl TaskFingerprint {
    /// The fingerprint of the create of `task`. Whether it is completed is no part: that can change meanwhile.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let Edited { title, body, due_date, completed: _, assigned_to } = Edited::of(task);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self { title: title.to_owned(), body: owned(body), due_date, assigned_to: owned(assigned_to) }
    }

    /// Whether `remote` is what this create made.
    #[must_use]
    pub fn fits(&self, remote: &Task) -> bool {
        let Self { title, body, due_date, assigned_to } = self;
        same_text(title, &remote.title)
            && same_text(body.as_deref().unwrap_or_default(), remote.body.as_deref().unwrap_or_default())
            && due_date.map(Timestamp::as_second) == remote.due_date.map(Timestamp::as_second)
            && (assigned_to.is_none() || *assigned_to == remote.assigned_to)
    }
}

impl NoteFingerprint {
    /// The fingerprint of the create of `note`.
    #[must_use]
    pub fn of(note: &Note) -> Self {
        let Note {
            note_id: _,
            clienty_note_id: _,
            contact_id: _,
            note_text,
            user_id: _,
            created_at: _,
            unread: _,
            absent: _,
        } = note;
        Self { note_text: note_text.clone() }
    }

    /// Whether `remote` is what this create made.
    #[must_use]
    pub fn fits(&self, remote: &Note) -> bool {
        same_text(&self.note_text, &remote.note_text)
    }
}

/// What the create of an appointment sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppointmentFingerprint {
    /// Its calendar.
    pub calendar_id: Option<String>,
    /// When it begins.
    pub start_time: Option<Timestamp>,
    /// Its title; where none was sent, GHL may have put one.
    pub title: Option<String>,
}

impl AppointmentFingerprint {
    /// The fingerprint of the create of `appointment`. Who has it, how long it takes and where it stands can change meanwhile, or were
    /// GHL's to say.
    #[must_use]
    pub fn of(appointment: &Appointment) -> Self {
        let Appointment { calendar_id, start_time, title, .. } = appointment.clone();
        Self { calendar_id, start_time, title }
    }

    /// Whether `remote` is what this create made.
    #[must_use]
    pub fn fits(&self, remote: &Appointment) -> bool {
        let Self { calendar_id, start_time, title } = self;
        let second = |time: &Option<Timestamp>| time.map(Timestamp::as_second);
        let begins = [&remote.start_time, &remote.second_hour.start_time];
        let title = title.as_deref().filter(|title| !title.trim().is_empty());
        *calendar_id == remote.calendar_id
            && start_time.is_some()
            && begins.into_iter().any(|begin| second(begin) == second(start_time))
            && title.is_none_or(|title| same_text(title, remote.title.as_deref().unwrap_or_default()))
    }
}

/// Whether `remote` holds all that the create of `sent` sent. It may hold more: GHL adds a country, and a person whatever they like. What a list
/// leaves out speaks neither for it nor against it, as long as it shows whom it is about.
#[must_use]
pub fn fits_contact(sent: &Contact, remote: &Contact) -> bool {
    let (sent, held) = (fields(sent), fields(remote));
    let is_visible = |name: &str| !remote.absent.has(name) || remote.absent.lower_cased(name).is_some();
    let names_it = |name: &&str| sent.contains_key(*name) && is_visible(name);
    let fits = |(name, value): (&String, &Value)| match remote.absent.lower_cased(name) {
        Some(shown) => answers(name, &lower(value), &lower(&shown.into())),
        None if name == "timezone" || (remote.absent.is_partial() && !is_visible(name)) => true,
        None => answers(name, &lower(value), &lower(&fields::value(&held, name))),
    };
    WHO.iter().any(names_it) && sent.iter().all(fits)
}

/// Whether `remote` is about whom the create of `sent` was about, as far as that said: GHL may change the rest on the way.
#[must_use]
pub fn is_of(sent: &Contact, remote: &Contact) -> bool {
    let mut who = fields(sent);
    who.retain(|name, _| WHO.contains(&name.as_str()));
    fits_contact(&with_fields(sent, &who), remote)
}

/// Whether `remote` has an e-mail or a phone that the create of `sent` did not send: then it is a namesake, and not what the create made.
#[must_use]
pub fn is_namesake(sent: &Contact, remote: &Contact) -> bool {
    (sent.email.is_none() && remote.email.is_some()) || (sent.phone.is_none() && remote.phone.is_some())
}
/// The fields that say whom a contact is about.
const WHO: [&str; 5] = ["firstName", "lastName", "companyName", "email", "phone"];

/// Whether `reported`, a contact of GHL's, may be what the create of `announced` made or met: GHL keeps e-mails and phones unique.
#[must_use]
pub fn could_match_contact(announced: &Contact, reported: &Contact) -> bool {
    let (ours, theirs) = (fields(announced), fields(reported));
    let is_same = |name: &str| {
        let (our, their) = (fields::value(&ours, name), fields::value(&theirs, name));
        !fields::is_nothing(&our) && answers(name, &our, &their)
    };
    is_same("email") || is_same("phone") || fits_contact(announced, reported)
}

fn lower(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| text.to_lowercase().into())
}

/// The GHL id of the lost task among `remote`, the tasks of its contact; `linked` are the ids that rows already have.
/// Of equal ones the first: any will do.
#[must_use]
pub fn lost_task<'a>(lost: &TaskFingerprint, remote: &'a [Task], linked: &HashSet<String>) -> Option<&'a str> {
    remote.iter().filter(|task| lost.fits(task)).find_map(|task| unlinked(task.task_id.as_deref(), linked))
}

/// The GHL id of the lost appointment among `remote`, those of its contact; `linked` are the ids that rows already have.
/// Of equal ones the first: any will do.
#[must_use]
pub fn lost_appointment<'a>(
    lost: &AppointmentFingerprint,
    remote: &'a [Appointment],
    linked: &HashSet<String>,
) -> Option<&'a str> {
    let fitting = remote.iter().filter(|appointment| lost.fits(appointment));
    fitting.filter_map(|appointment| unlinked(appointment.appointment_id.as_deref(), linked)).next()
}

/// The GHL id of the lost note among `remote`, the notes of its contact; `linked` are the ids that rows already have.
/// Of equal ones the newest: the lost one was written last.
#[must_use]
pub fn lost_note<'a>(lost: &NoteFingerprint, remote: &'a [Note], linked: &HashSet<String>) -> Option<&'a str> {
    remote
        .iter()
        .filter(|note| lost.fits(note))
        .filter_map(|note| Some((note.created_at, unlinked(note.note_id.as_deref(), linked)?)))
        .max_by_key(|(created_at, _)| *created_at)
        .map(|(_, id)| id)
}

fn unlinked<'a>(id: Option<&'a str>, linked: &HashSet<String>) -> Option<&'a str> {
    id.filter(|id| !linked.contains(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str) -> Task {
        Task {
            task_id: Some(id.to_owned()),
            contact_id: "c1".to_owned(),
            title: "Call".to_owned(),
            body: Some("About the offer".to_owned()),
            due_date: Some("2026-03-01T09:00:00Z".parse().unwrap()),
            assigned_to: Some("u1".to_owned()),
            ..Task::default()
        }
    }

    fn note(id: &str, text: &str, created_at: &str) -> Note {
        Note {
            note_id: Some(id.to_owned()),
            contact_id: "c1".to_owned(),
            note_text: text.to_owned(),
            created_at: Some(created_at.parse().unwrap()),
            ..Note::default()
        }
    }

    fn linked(ids: &[&str]) -> HashSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_task_that_was_sent_is_found_though_completed_since() {
        let sent = Task { task_id: None, due_date: Some("2026-03-01T09:00:00.500Z".parse().unwrap()), ..task("") };
        let remote = [Task { title: "Other".to_owned(), ..task("t1") }, Task { completed: true, ..task("t2") }];
        assert_eq!(lost_task(&TaskFingerprint::of(&sent), &remote, &linked(&[])), Some("t2"));
    }

    #[test]
    fn a_task_that_differs_in_anything_sent_is_not_taken() {
        let lost = TaskFingerprint::of(&task(""));
        for other in [
            Task { title: "Mail".to_owned(), ..task("t1") },
            Task { body: None, ..task("t1") },
            Task { due_date: Some("2026-03-01T09:00:01Z".parse().unwrap()), ..task("t1") },
            Task { assigned_to: Some("u2".to_owned()), ..task("t1") },
        ] {
            assert_eq!(lost_task(&lost, std::slice::from_ref(&other), &linked(&[])), None, "{other:?}");
        }
    }

    #[test]
    fn a_task_that_a_row_has_is_not_taken_again() {
        let lost = TaskFingerprint::of(&task(""));
        let remote = [task("t1"), task("t2")];
        assert_eq!(lost_task(&lost, &remote, &linked(&["t1"])), Some("t2"));
        assert_eq!(lost_task(&lost, &remote, &linked(&["t1", "t2"])), None);
    }

    #[test]
    fn an_assignee_that_ghl_put_is_forgiven() {
        let lost = TaskFingerprint::of(&Task { assigned_to: None, ..task("") });
        assert_eq!(lost_task(&lost, &[task("t1")], &linked(&[])), Some("t1"));
    }

    #[test]
    fn a_note_that_ghl_wrapped_in_html_is_found() {
        let lost = NoteFingerprint { note_text: "Tea & cake\nat 5 < 6".to_owned() };
        let remote = [note("n1", "<p>Tea &amp; cake</p><p>at 5 &lt; 6</p>", "2026-03-01T09:00:00Z")];
        assert_eq!(lost_note(&lost, &remote, &linked(&[])), Some("n1"));
    }

    #[test]
    fn of_equal_notes_the_newest_without_a_row_is_taken() {
        let lost = NoteFingerprint { note_text: "Tea".to_owned() };
        let remote = [
            note("n1", "Tea", "2026-03-01T09:00:00Z"),
            note("n2", "Tea", "2026-03-03T09:00:00Z"),
            note("n3", "Tea", "2026-03-02T09:00:00Z"),
            note("n4", "Cake", "2026-03-09T09:00:00Z"),
        ];
        assert_eq!(lost_note(&lost, &remote, &linked(&[])), Some("n2"));
        assert_eq!(lost_note(&lost, &remote, &linked(&["n2"])), Some("n3"));
    }

    #[test]
    fn a_contact_is_known_by_all_that_was_sent_whatever_else_it_has() {
        let sent = Contact {
            first_name: Some("Jane".to_owned()),
            phone: Some("0151 2345678".to_owned()),
            tags: vec!["vip".to_owned()],
            ..Contact::default()
        };
        let remote = Contact {
            id: "c1".to_owned(),
            first_name: Some("jane".to_owned()),
            phone: Some("+491512345678".to_owned()),
            country: Some("DE".to_owned()),
            tags: vec!["vip".to_owned(), "new".to_owned()],
            ..Contact::default()
        };
        assert!(fits_contact(&sent, &remote));
        assert!(!fits_contact(&sent, &Contact { tags: vec![], ..remote.clone() }));
        assert!(!fits_contact(&sent, &Contact { first_name: None, ..remote }));
    }

    #[test]
    fn what_is_older_than_the_announcement_is_not_it_but_for_the_clocks() {
        let announced = Some(1_772_355_600_000);
        let at_ms = |ms: i64| Some(Timestamp::from_millisecond(1_772_355_600_000 + ms).unwrap());
        let at = |seconds: i64| at_ms(seconds * 1000);
        for (created_at, is_older) in [
            (at(-86_400 * 700), true),
            (at_ms(-120_001), true),
            // So far apart may clocks be.
            (at_ms(-120_000), false),
            (at_ms(-119_999), false),
            (at(0), false),
            (at(60), false),
            (None, false),
        ] {
            assert_eq!(predates(created_at, announced), is_older, "{created_at:?}");
        }
        assert!(!predates(at(-86_400), None));
    }

    #[test]
    fn whom_a_create_was_about_is_known_though_ghl_changed_the_rest() {
        let sent = Contact {
            first_name: Some("Jane".to_owned()),
            email: Some("jane@x.de".to_owned()),
            city: Some("Bonn".to_owned()),
            ..Contact::default()
        };
        let made = Contact { city: None, country: Some("DE".to_owned()), ..sent.clone() };
        assert!(is_of(&sent, &made) && !fits_contact(&sent, &made));
        assert!(!is_of(&sent, &Contact { first_name: Some("Joan".to_owned()), ..made }));
    }

    #[test]
    fn a_contact_with_a_phone_that_was_not_sent_is_a_namesake() {
        let sent = Contact { first_name: Some("Jane".to_owned()), ..Contact::default() };
        let with = |phone: Option<&str>| Contact { phone: phone.map(str::to_owned), ..sent.clone() };
        assert!(fits_contact(&sent, &with(Some("+491512345678"))) && is_namesake(&sent, &with(Some("+491512345678"))));
        assert!(!is_namesake(&sent, &with(None)) && !is_namesake(&with(Some("+491")), &with(Some("+491"))));
    }

    #[test]
    fn an_appointment_is_known_by_calendar_start_and_title_in_either_hour_that_the_wall_may_mean() {
        let sent = Appointment {
            calendar_id: Some("cal".to_owned()),
            start_time: Some("2021-11-07T06:30:00Z".parse().unwrap()),
            title: Some("Demo".to_owned()),
            ..Appointment::default()
        };
        let lost = AppointmentFingerprint::of(&sent);
        let reported =
            Appointment { appointment_id: Some("a1".to_owned()), status: Some("new".to_owned()), ..sent.clone() };
        let mut twice = reported.clone();
        twice.start_time = Some("2021-11-07T05:30:00Z".parse().unwrap());
        assert!(!lost.fits(&twice));
        twice.second_hour.start_time = sent.start_time;
        assert!(lost.fits(&reported) && lost.fits(&twice));
        for other in [
            Appointment { calendar_id: Some("other".to_owned()), ..reported.clone() },
            Appointment { title: None, ..reported.clone() },
            Appointment { start_time: None, ..reported.clone() },
        ] {
            assert!(!lost.fits(&other), "{other:?}");
        }
        assert_eq!(lost_appointment(&lost, std::slice::from_ref(&reported), &linked(&["a1"])), None);
        assert_eq!(lost_appointment(&lost, &[reported], &linked(&[])), Some("a1"));
    }

    #[test]
    fn markup_alone_does_not_make_notes_equal() {
        let lost = NoteFingerprint { note_text: "<br>".to_owned() };
        assert_eq!(lost_note(&lost, &[note("n1", "", "2026-03-01T09:00:00Z")], &linked(&[])), None);
    }
}
