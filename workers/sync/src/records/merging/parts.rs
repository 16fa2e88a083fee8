//! Tasks, notes and appointments: whatever fields a reading leaves out, nothing known is emptied, no edit is undone, and no conflict is won by
//! nothing (law 13).

use std::collections::BTreeSet;

use ::ghl::model as ghl;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Map, json};
use sync_model::decide::merge::Policy;
use sync_model::record::{Appointment, Note, Task};

use super::*;
use crate::mapping;
use crate::records::entries::Entry;

/// A field: its name in GHL and here, and three values of it.
type Of = (&'static str, &'static str, [&'static str; 3]);

const TASK: [Of; 5] = [
    ("title", "title", ["Call", "Mail", "Meet"]),
    ("body", "body", ["About it", "Soon", "Later"]),
    ("dueDate", "dueDate", ["2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"]),
    ("completed", "completed", ["true", "false", "true"]),
    ("assignedTo", "assignedTo", ["u1", "u2", "u3"]),
];
const NOTE: [Of; 3] = [
    ("body", "noteText", ["Hi", "Ho", "Hm"]),
    ("userId", "userId", ["u1", "u2", "u3"]),
    ("dateAdded", "createdAt", ["2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"]),
];
const APPOINTMENT: [Of; 8] = [
    ("calendarId", "calendarId", ["k1", "k2", "k3"]),
    ("title", "title", ["Demo", "Talk", "Lunch"]),
    ("appointmentStatus", "status", ["new", "confirmed", "showed"]),
    ("startTime", "startTime", ["2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"]),
    ("endTime", "endTime", ["2026-03-05T09:30:00Z", "2026-03-06T09:30:00Z", "2026-03-07T09:30:00Z"]),
    ("address", "address", ["Here", "There", "Nowhere"]),
    ("notes", "notes", ["Bring it", "Take it", "Leave it"]),
    ("assignedUserId", "assignedUserId", ["u1", "u2", "u3"]),
];

fn task(body: Value) -> Task {
    mapping::task::from_ghl(serde_json::from_value::<ghl::Task>(body).unwrap(), "c")
}

fn note(body: Value) -> Note {
    mapping::note::from_ghl(serde_json::from_value::<ghl::Note>(body).unwrap(), "c")
}

fn appointment(body: Value) -> Appointment {
    let read = serde_json::from_value::<ghl::Appointment>(body).unwrap();
    mapping::appointment::from_ghl(read, "c", &TimeZone::UTC)
}

/// A record as GHL reports it: each field left out (0), as the first value (1), as the second (2), or null (3).
fn reported(fields: &[Of], how: impl Fn(usize) -> u8) -> Value {
    let mut body = Map::from_iter([("id".to_owned(), json!("x"))]);
    for (index, (name, _, values)) in fields.iter().enumerate() {
        match how(index) {
            0 => continue,
            3 => body.insert((*name).to_owned(), Value::Null),
            value => body.insert((*name).to_owned(), json!(values[usize::from(value) - 1])),
        };
    }
    body.into()
}

/// `how` GHL reports each field (see [`reported`]), and whether it was `edited` here before.
fn holds<E: Entry + std::fmt::Debug>(of: &[Of], read: fn(Value) -> E, how: &[u8], edited: &[bool], policy: Policy) {
    let mut base = read(reported(of, |_| 1));
    base.read_like(&E::default(), None);
    let mut wanted = fields(&base);
    let mut edits = Edits::new();
    for (index, (_, name, values)) in of.iter().enumerate() {
        if edited[index] && !E::FIXED.contains(name) {
            let third = if *name == "completed" { json!(false) } else { json!(values[2]) };
            fields::set(&mut wanted, name, third);
            edits.insert((*name).to_owned(), 1);
        }
    }
    let ours = with_fields(&base, &wanted);
    let reading = read(reported(of, |index| how[index]));
    let mut theirs = reading.clone();
    theirs.read_like(&base, Some(&Fingerprints::default()));
    let policies = Policies { default: policy, ..Policies::default() };
    let taken =
        take_in(&policies, &fields(&base), &ours, &theirs, &edits, &Fingerprints::default(), &TheirTimes::default());

    let all = |record: &E, name: &str| serde_json::to_value(record).unwrap()[name].clone();
    let left_out: BTreeSet<&str> =
        of.iter().enumerate().filter(|(index, _)| how[*index] == 0).map(|(_, one)| one.1).collect();
    let disputed: BTreeSet<&str> = taken.conflicts.iter().map(|conflict| conflict.field.as_str()).collect();
    for (index, (_, name, _)) in of.iter().enumerate() {
        // A start that moves takes the end along, and the two are one field where both sides moved them.
        let is_moved = |other: &&str| other != name && all(&theirs, other) != all(&base, other);
        let moves_along = E::TOGETHER.contains(name) && E::TOGETHER.iter().any(is_moved);
        if !left_out.contains(name) {
            let is_emptied = how[index] == 3 && all(&theirs, name) == E::empty(name);
            assert!(how[index] != 3 || is_emptied, "{name} is null and reads {}", all(&theirs, name));
        } else if !moves_along {
            assert_eq!(all(&theirs, name), all(&base, name), "{name} was left out");
            assert_eq!(all(&taken.doc, name), all(&ours, name), "{name} was left out");
            assert!(!disputed.contains(name), "{name} was left out and won or lost");
            let is_pending =
                edits.contains_key(*name) && fields::value(&wanted, name) != fields::value(&fields(&base), name);
            assert_eq!(taken.edits.contains_key(*name), is_pending, "{name}");
        }
    }
    // The reply to a write of ours shows what it shows, and the rest is as asked.
    let mut reply = reading.clone();
    reply.read_like(&ours, None);
    let is_moved = all(&reply, "startTime") != all(&ours, "startTime");
    for name in left_out.iter().filter(|name| !(is_moved && **name == "endTime")) {
        assert_eq!(all(&reply, name), all(&ours, name), "{name} was left out of a reply");
    }
    // A webhook of what is known reports nothing, whatever it leaves out.
    let mut known = read(reported(of, |index| how[index].min(1)));
    known.read_like(&base, Some(&Fingerprints::default()));
    assert_eq!(fields(&known), fields(&base));
    // Who meets it first does not know what is left out, until a reading shows it.
    let mut met = reading.first_met();
    let unread = met.take_unread();
    assert_eq!(unread.iter().map(String::as_str).collect::<BTreeSet<_>>(), left_out);
    let met = reading.first_met();
    let mut again = reading;
    again.read_like(&met, None);
    assert_eq!(again.take_unread(), unread);
    let mut whole = read(reported(of, |_| 1));
    whole.read_like(&met, None);
    assert!(whole.take_unread().is_empty());
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(vec![Policy::Newest, Policy::Ghl, Policy::Clienty])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_reading_of_a_part_changes_only_what_it_carries(
        how in prop::collection::vec(0_u8..4, 8), edited in prop::collection::vec(any::<bool>(), 8), policy in policy(),
    ) {
        holds(&TASK, task, &how, &edited, policy);
        holds(&NOTE, note, &how, &edited, policy);
        holds(&APPOINTMENT, appointment, &how, &edited, policy);
    }
}
