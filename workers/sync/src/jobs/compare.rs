//! Compares what GHL has of a contact with what readers see, record by record and field by field. Names fields, never values.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use sync_model::decide::echo::Fingerprints;

use crate::records::{ContactView, Difference, Entry, Finding, Parts, Shown};

/// What is no difference: ids of the producer's own, and the one field that GHL's lists leave out and that moves without an event.
const OWN: [&str; 6] =
    ["clientyTaskId", "clientyNoteId", "clientyAppointmentId", "clientyContactId", "deletedAt", "lastActivity"];

/// Where the parts that were read differ from the view; none stands for a contact that the records lack, with all that belongs to it.
#[must_use]
pub(super) fn contact(contact_id: &str, theirs: &Parts, ours: Option<&ContactView>) -> Vec<Finding> {
    let Parts { contact, tasks, notes, appointments, unread } = theirs;
    let finding = |record: &str, id: &str, difference, fields| Finding {
        record: record.to_owned(),
        record_id: id.to_owned(),
        contact_id: contact_id.to_owned(),
        difference,
        fields,
    };
    let mut found = Vec::new();
    match (contact, ours) {
        (Some(_), None) => found.push(finding("contact", contact_id, Difference::Missing, Vec::new())),
        (Some(contact), Some(ours)) => {
            let known = &ours.contact.record;
            let mut fields = differing("contact", &object(&contact.completed(known)), &object(known));
            fields.extend(contact.absent.contradicted(known).map(str::to_owned));
            fields.retain(|field| !ours.contact.unread.contains(field));
            // Events leave the date of change out: alone it is no difference.
            if fields.iter().any(|field| field != "dateUpdated") {
                found.push(finding("contact", contact_id, Difference::Different, fields));
            }
        }
        (None, _) => {}
    }
    let (our_tasks, our_notes, our_appointments) = match ours {
        Some(ours) => (&ours.tasks[..], &ours.notes[..], &ours.appointments[..]),
        None => Default::default(),
    };
    let lists = [
        (
            unread.tasks,
            "task",
            ["taskId", "clientyTaskId"],
            tasks.as_deref().map(|theirs| objects(&as_known(theirs, our_tasks, |our| &our.task))),
            objects(our_tasks),
        ),
        (
            unread.notes,
            "note",
            ["noteId", "clientyNoteId"],
            notes.as_deref().map(|theirs| objects(&as_known(theirs, our_notes, |our| our))),
            objects(our_notes),
        ),
        (
            unread.appointments,
            "appointment",
            ["appointmentId", "clientyAppointmentId"],
            appointments.as_deref().map(|theirs| objects(&as_known(theirs, our_appointments, |our| our))),
            objects(our_appointments),
        ),
    ];
    for (is_partial, record, ids, theirs, ours) in lists {
        let Some(theirs) = theirs else { continue };
        let id_of = |one: &Map<String, Value>| {
            let id = ids.iter().find_map(|id| one.get(*id).and_then(Value::as_str));
            id.unwrap_or_default().to_owned()
        };
        for their in &theirs {
            let id = id_of(their);
            match ours.iter().find(|our| id_of(our) == id) {
                None => found.push(finding(record, &id, Difference::Missing, Vec::new())),
                Some(our) => {
                    let fields = differing(record, their, our);
                    if !fields.is_empty() {
                        found.push(finding(record, &id, Difference::Different, fields));
                    }
                }
            }
        }
        let is_extra = |id: &String| !is_partial && !theirs.iter().any(|their| id_of(their) == *id);
        let extra = ours.iter().map(id_of).filter(is_extra);
        found.extend(extra.map(|id| finding(record, &id, Difference::Extra, Vec::new())));
    }
    found
}

/// What is found in a contact that GHL lacks: it is extra with all that belongs to it.
#[must_use]
pub(super) fn gone(contact_id: &str, ours: &ContactView) -> Vec<Finding> {
    let nothing =
        Parts { tasks: Some(Vec::new()), notes: Some(Vec::new()), appointments: Some(Vec::new()), ..Parts::default() };
    let itself = Finding {
        record: "contact".to_owned(),
        record_id: contact_id.to_owned(),
        contact_id: contact_id.to_owned(),
        difference: Difference::Extra,
        fields: Vec::new(),
    };
    std::iter::once(itself).chain(contact(contact_id, &nothing, Some(ours))).collect()
}

/// Their tasks, notes or appointments, read as those that are known here: what they leave out is no difference.
fn as_known<E: Entry, V>(theirs: &[E], ours: &[Shown<V>], entry: fn(&V) -> &E) -> Vec<E> {
    let never = Fingerprints::default();
    let as_known = |their: &E| {
        let mut their = their.clone();
        if let Some(our) = ours.iter().find(|our| entry(&our.record).ghl_id() == their.ghl_id()) {
            their.read_like(entry(&our.record), our.sync.at.is_none().then_some(&never));
        }
        their
    };
    theirs.iter().map(as_known).collect()
}

/// The fields of a contact that can't be compared: what was read leaves them out, or no reading has shown them yet.
#[must_use]
pub(super) fn uncompared(theirs: &Parts, ours: &ContactView) -> BTreeSet<String> {
    let Some(contact) = &theirs.contact else { return BTreeSet::new() };
    let missing = contact.awaited().filter(|name| !contact.absent.is_contradicted(name, &ours.contact.record));
    missing.map(str::to_owned).chain(ours.contact.unread.iter().cloned()).collect()
}

/// The fields of theirs that are not the same in ours.
fn differing(record: &str, theirs: &Map<String, Value>, ours: &Map<String, Value>) -> Vec<String> {
    // Whether a task is overdue depends on when one asks; an appointment's status is a fact.
    let is_own = |name: &str| OWN.contains(&name) || (record == "task" && name == "status");
    let differs = |(name, their): &(&String, &Value)| {
        let our = ours.get(*name).unwrap_or(&Value::Null);
        !is_own(name) && !same(their, our)
    };
    theirs.iter().filter(differs).map(|(name, _)| name.clone()).collect()
}

/// Null, empty and absent are the same, and the order of tags and custom fields means nothing.
fn same(their: &Value, our: &Value) -> bool {
    let is_blank = |value: &Value| value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
    match (their.as_array(), our.as_array()) {
        _ if is_blank(their) && is_blank(our) => true,
        (Some(theirs), Some(ours)) => theirs.len() == ours.len() && theirs.iter().all(|their| ours.contains(their)),
        _ => their == our,
    }
}

fn objects<T: Serialize>(records: &[T]) -> Vec<Map<String, Value>> {
    records.iter().map(object).collect()
}

fn object<T: Serialize>(record: &T) -> Map<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        // Structs of texts, numbers and times read as nothing else.
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::records::TaskView;
    use sync_model::decide::sync_status::SyncStatus;
    use sync_model::record::{Appointment, Contact, Task, TaskStatus};

    fn shown<T>(record: T) -> Shown<T> {
        let sync = SyncStatus::default();
        Shown { record, deleted_at: None, record_id: "r".to_owned(), sync, unread: BTreeSet::new() }
    }

    fn person() -> Contact {
        Contact { id: "c".to_owned(), name: Some("Ada".to_owned()), ..Contact::default() }
    }

    fn task(id: &str, title: &str) -> Task {
        Task { task_id: Some(id.to_owned()), title: title.to_owned(), ..Task::default() }
    }

    fn view(tasks: Vec<Task>) -> ContactView {
        let tasks = tasks.into_iter().map(|task| shown(TaskView { task, status: TaskStatus::Overdue })).collect();
        let (notes, appointments) = (Vec::new(), Vec::new());
        ContactView {
            contact: shown(person()),
            tasks,
            notes,
            appointments,
            synced_at: Some(Timestamp::UNIX_EPOCH),
            missing: Vec::new(),
            enrichment: Vec::new(),
        }
    }

    fn reported(theirs: &Parts, ours: Option<&ContactView>) -> Vec<(String, Difference, String)> {
        let found = contact("c", theirs, ours).into_iter();
        found.map(|found| (found.record_id, found.difference, found.fields.join(","))).collect()
    }

    #[test]
    fn what_is_equal_is_not_reported_and_ids_of_our_own_are_no_difference() {
        let ours = Task { clienty_task_id: Some("k".to_owned()), body: Some(String::new()), ..task("t", "Call") };
        let theirs = Parts { contact: Some(person()), tasks: Some(vec![task("t", "Call")]), ..Parts::default() };
        assert_eq!(reported(&theirs, Some(&view(vec![ours]))), []);
    }

    #[test]
    fn what_the_list_of_appointments_leaves_open_is_no_difference_to_what_was_written() {
        let at = |time: &str| Some(time.parse().unwrap());
        let (first, second) = (at("2026-11-01T05:30:00Z"), at("2026-11-01T06:30:00Z"));
        let reported =
            Appointment { appointment_id: Some("a".to_owned()), start_time: first, ..Appointment::default() };
        let mut twice = reported.clone();
        twice.second_hour.start_time = second;
        let ours = Appointment { start_time: second, notes: Some("Bring it".to_owned()), ..reported.clone() };
        let ours =
            Shown { sync: SyncStatus { at: Some(Timestamp::UNIX_EPOCH), ..SyncStatus::default() }, ..shown(ours) };
        let ours = ContactView { appointments: vec![ours], ..view(Vec::new()) };
        let parts = |theirs| Parts { appointments: Some(vec![theirs]), ..Parts::default() };
        assert_eq!(super::contact("c", &parts(twice), Some(&ours)), []);
        let moved = super::contact("c", &parts(reported), Some(&ours));
        assert_eq!(moved[0].fields, ["startTime"]);
    }

    #[test]
    fn the_status_of_an_appointment_counts() {
        let appointment = |status: &str| Appointment {
            appointment_id: Some("a".to_owned()),
            status: Some(status.to_owned()),
            ..Appointment::default()
        };
        let theirs = Parts { appointments: Some(vec![appointment("showed")]), ..Parts::default() };
        let ours = ContactView { appointments: vec![shown(appointment("confirmed"))], ..view(Vec::new()) };
        assert_eq!(reported(&theirs, Some(&ours)), [("a".to_owned(), Difference::Different, "status".to_owned())]);
    }

    #[test]
    fn every_kind_of_difference_is_reported_and_what_was_not_read_is_none() {
        let theirs = Parts {
            contact: Some(Contact { city: Some("Bonn".to_owned()), name: None, ..person() }),
            tasks: Some(vec![task("t1", "Call"), task("t2", "Write")]),
            ..Parts::default()
        };
        let ours = view(vec![task("t1", "Ring"), task("t3", "Go")]);
        let expected = [
            ("c".to_owned(), Difference::Different, "city,name".to_owned()),
            ("t1".to_owned(), Difference::Different, "title".to_owned()),
            ("t2".to_owned(), Difference::Missing, String::new()),
            ("t3".to_owned(), Difference::Extra, String::new()),
        ];
        assert_eq!(reported(&theirs, Some(&ours)), expected);
        let missing = ["c", "t1", "t2"].map(|id| (id.to_owned(), Difference::Missing, String::new()));
        assert_eq!(reported(&theirs, None), missing);
        let extra: Vec<_> = gone("c", &ours).into_iter().map(|found| (found.record_id, found.difference)).collect();
        assert_eq!(extra, ["c", "t1", "t3"].map(|id| (id.to_owned(), Difference::Extra)));
    }
}
