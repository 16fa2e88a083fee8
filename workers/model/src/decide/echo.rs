//! Whether a webhook reports anything new (law 8).
//!
//! No webhook names who caused it, and webhooks come late, twice and out of order. So an own write
//! is recognized by its values: what we wrote and what GHL answered leave a [`Fingerprints`] of each
//! field. Time windows are not used: they would drop a person's edit of the same second, and let an
//! echo through that comes a minute late.
//!
//! The time of the event is used for one thing only: an event before the state that we hold was
//! read is part of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, Fields};
use super::same::{Habits, answers, echoes, same, same_in};

/// Values that are remembered of one field, and pairs of them.
const MEMORY: usize = 12;

/// Hashes of what we wrote to each field and of what GHL answered, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprints {
    fields: BTreeMap<String, VecDeque<String>>,
    /// How the record's location keeps values; no part of what is remembered.
    #[serde(skip)]
    habits: Option<Arc<Habits>>,
}

impl PartialEq for Fingerprints {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Fingerprints {}

impl Fingerprints {
    /// The fingerprints of a record of a location that keeps values so.
    #[must_use]
    pub fn in_location(self, habits: Habits) -> Self {
        Self { habits: Some(Arc::new(habits)), ..self }
    }

    /// Remembers a write: what was asked (null: taken away), and what GHL answered.
    pub fn remember(&mut self, asked: &Fields, got: &Fields) {
        for (name, sent) in asked {
            let fingerprints = self.fields.entry(name.clone()).or_default();
            let got = &fields::value(got, name);
            let pair = answers(name, sent, got).then(|| pair(sent, got));
            for print in [print(sent), print(got)].into_iter().chain(pair) {
                fingerprints.retain(|kept| *kept != print);
                fingerprints.push_back(print);
            }
            while fingerprints.len() > MEMORY {
                fingerprints.pop_front();
            }
        }
    }

    /// Remembers what another record knows that turned out to be this one.
    pub fn absorb(&mut self, other: &Self) {
        self.habits = self.habits.take().or_else(|| other.habits.clone());
        for (name, fingerprints) in &other.fields {
            let known = self.fields.entry(name.clone()).or_default();
            known.extend(fingerprints.iter().filter(|print| !known.contains(print)).cloned().collect::<Vec<_>>());
            while known.len() > MEMORY {
                known.pop_front();
            }
        }
    }

    /// Whether neither of the two values is an edit of the other: they mean the same, or one is the form in which GHL keeps the other, as it
    /// answered to a write.
    #[must_use]
    pub fn same(&self, name: &str, a: &Value, b: &Value) -> bool {
        let are_a_pair =
            |sent, got| self.fields.get(name).is_some_and(|fingerprints| fingerprints.contains(&pair(sent, got)));
        let is_same = match &self.habits {
            Some(habits) => same_in(habits, name, a, b),
            None => same(name, a, b),
        };
        is_same || are_a_pair(a, b) || are_a_pair(b, a)
    }

    /// Whether the field was ever written.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Whether the field was written with this value, or GHL answered with it to a write.
    #[must_use]
    pub fn knows(&self, name: &str, value: &Value) -> bool {
        let print = print(value);
        self.fields.get(name).is_some_and(|fingerprints| fingerprints.contains(&print))
    }
}

fn print(value: &Value) -> String {
    let value = if fields::is_nothing(value) { &Value::Null } else { value };
    let hash = digest(&SHA256, value.to_string().as_bytes());
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A value and the form in which GHL keeps it.
fn pair(sent: &Value, got: &Value) -> String {
    format!("{}>{}", print(sent), print(got))
}

/// What we hold of the record that an event is about.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What a write without an answer asked.
    pub asked: &'a Fields,
    /// The last state agreed with GHL; none while GHL is not known to have it.
    pub base: Option<&'a Fields>,
    /// When that state was the newest in GHL, as GHL said last.
    pub base_at: Option<Timestamp>,
    /// What we wrote.
    pub fingerprints: &'a Fingerprints,
}

/// What an event says: its own fields, all that it has, and when it happened.
#[derive(Debug, Clone, Copy)]
pub struct ReportedFields<'a> {
    /// Null where it says that there is nothing.
    pub fields: &'a Fields,
    /// GHL's time of the event.
    pub at: Option<Timestamp>,
}

/// What to do about an event.
#[derive(Debug, Clone, PartialEq)]
pub enum EchoDecision {
    /// Nothing: it is our own write, or known otherwise.
    Echo,
    /// Its own fields suffice: GHL holds these values now, and the rest as before.
    Apply(Fields),
    /// Only a call to GHL shows what it holds now.
    Pull,
}

/// Whether an event shows the record as the last agreed state has it. Then no older event can show anything new.
#[must_use]
pub fn confirms(reported: &Fields, base: &Fields, fingerprints: &Fingerprints) -> bool {
    reported.iter().all(|(name, value)| fingerprints.same(name, value, &fields::value(base, name)))
}

/// What to do about an event that shows `reported` of a record of which `known` is stored.
#[must_use]
pub fn judge(reported: &ReportedFields<'_>, known: &Known<'_>) -> EchoDecision {
    let Some(base) = known.base else { return EchoDecision::Pull };
    let news: Fields = reported
        .fields
        .iter()
        .filter(|(name, value)| !known.fingerprints.same(name, value, &fields::value(base, name)))
        // It shows the values of our write, whose reply is on its way. What is not sent yet has no echo.
        .filter(|(name, value)| known.asked.get(*name).is_none_or(|asked| !echoes(name, asked, value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let Some(at) = reported.at.filter(|_| !news.is_empty()) else {
        return if news.is_empty() { EchoDecision::Echo } else { EchoDecision::Pull };
    };
    match known.base_at {
        Some(base_at) if at < base_at => EchoDecision::Echo,
        // A value that we wrote once: a late event of that write, or a person who went back to it. The values can't show which.
        Some(_) if news.iter().any(|(name, value)| known.fingerprints.knows(name, value)) => EchoDecision::Pull,
        Some(_) => EchoDecision::Apply(news),
        None => EchoDecision::Pull,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(fields: Value) -> Fields {
        serde_json::from_value(fields).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A record whose e-mail we wrote as `a@x.de` and then as `b@x.de`, the last time at second 100.
    fn judged(reported: Value, reported_at: i64) -> EchoDecision {
        let base = of(json!({"email": "b@x.de", "phone": "+491512345678", "city": "Berlin"}));
        let mut fingerprints = Fingerprints::default();
        fingerprints.remember(&of(json!({"email": "A@x.de"})), &of(json!({"email": "a@x.de"})));
        fingerprints.remember(&of(json!({"email": "b@x.de"})), &base);
        let known =
            Known { asked: &Fields::new(), base: Some(&base), base_at: Some(at(100)), fingerprints: &fingerprints };
        judge(&ReportedFields { fields: &of(reported), at: Some(at(reported_at)) }, &known)
    }

    #[test]
    fn our_own_write_in_ghls_form_is_an_echo_however_late() {
        for late in [100, 101, 9_999_999] {
            assert_eq!(
                judged(json!({"email": "b@x.de", "phone": "+49 151 2345678", "city": "Berlin"}), late),
                EchoDecision::Echo
            );
        }
    }

    #[test]
    fn another_field_edited_in_the_same_second_is_not_swallowed() {
        let reported = json!({"email": "b@x.de", "phone": "+491512345678", "city": "Bonn"});
        assert_eq!(judged(reported, 100), EchoDecision::Apply(of(json!({"city": "Bonn"}))));
    }

    #[test]
    fn a_late_event_of_an_earlier_write_of_ours_changes_nothing() {
        assert_eq!(judged(json!({"email": "a@x.de"}), 99), EchoDecision::Echo);
    }

    #[test]
    fn a_value_of_ours_that_comes_back_later_is_asked_for() {
        // Perhaps a person went back to it.
        assert_eq!(judged(json!({"email": "a@x.de"}), 100), EchoDecision::Pull);
    }

    #[test]
    fn a_write_whose_reply_is_on_its_way_is_known_by_what_it_asked_for() {
        let (base, asked) = (of(json!({"email": "a@x.de"})), of(json!({"email": "B@x.de"})));
        let fingerprints = Fingerprints::default();
        let known = Known { asked: &asked, base: Some(&base), base_at: Some(at(1)), fingerprints: &fingerprints };
        let reported = of(json!({"email": "b@x.de"}));
        assert_eq!(judge(&ReportedFields { fields: &reported, at: Some(at(2)) }, &known), EchoDecision::Echo);
    }

    /// What GHL shows while our write of the field has no answer yet, and after the answer: (field, asked, GHL's form, an edit of GHL's).
    #[test]
    fn our_own_write_is_known_in_ghls_form_before_and_after_its_answer_and_an_edit_is_not() {
        let table = [
            ("phone", json!("0151 2345678"), json!("+491512345678"), json!("+4915123456789")),
            ("phone", json!("06 6982 1234"), json!("+390669821234"), json!("+15551234567")),
            ("phone", json!("8 (912) 345-67-89"), json!("+79123456789"), json!("+499123456789")),
            ("phone", json!("+52 55 1234 5678"), json!("+525512345678"), json!("+5215512345678")),
            ("customFields.n", json!("5.0"), json!(5), json!(6)),
            ("customFields.d", json!("2027-03-01"), json!("2027-03-01T00:00:00.000Z"), json!(1_803_945_600_000_i64)),
            ("customFields.c", json!(["b", "a"]), json!(["a", "b"]), json!(["a"])),
            ("dateOfBirth", json!("1969-07-20"), json!("07/20/1969"), json!("1969-07-21")),
            (
                "noteText",
                json!("See <a href='https://x.de'>this</a>"),
                json!("<p>See <a href=\"https://x.de\">this</a></p>"),
                json!("<p>See <a href=\"https://y.de\">this</a></p>"),
            ),
        ];
        for (name, asked, kept, edit) in table {
            let one = |value: &Value| Fields::from([(name.to_owned(), value.clone())]);
            let judged = |base: &Fields, asked: &Fields, fingerprints: &Fingerprints, reported: &Value| {
                let known = Known { asked, base: Some(base), base_at: Some(at(1)), fingerprints };
                judge(&ReportedFields { fields: &one(reported), at: Some(at(2)) }, &known)
            };
            let (before, asked) = (Fields::new(), one(&asked));
            let none = Fingerprints::default();
            assert_eq!(judged(&before, &asked, &none, &kept), EchoDecision::Echo, "{name}: {kept}, unanswered");
            assert_eq!(
                judged(&before, &asked, &none, &edit),
                EchoDecision::Apply(one(&edit)),
                "{name}: {edit}, unanswered"
            );
            let (held, mut fingerprints) = (one(&kept), Fingerprints::default());
            fingerprints.remember(&asked, &held);
            assert_eq!(judged(&held, &before, &fingerprints, &kept), EchoDecision::Echo, "{name}: {kept}");
            assert_eq!(judged(&held, &before, &fingerprints, &asked[name]), EchoDecision::Echo, "{name}: {asked:?}");
            assert_eq!(judged(&held, &before, &fingerprints, &edit), EchoDecision::Apply(one(&edit)), "{name}: {edit}");
        }
    }

    #[test]
    fn an_event_without_a_time_or_of_an_unknown_record_is_asked_for() {
        let (base, reported, fingerprints) =
            (of(json!({"city": "Bonn"})), of(json!({"city": "Berlin"})), Fingerprints::default());
        let none = Fields::new();
        let known = Known { asked: &none, base: Some(&base), base_at: Some(at(1)), fingerprints: &fingerprints };
        assert_eq!(judge(&ReportedFields { fields: &reported, at: None }, &known), EchoDecision::Pull);
        assert_eq!(
            judge(&ReportedFields { fields: &reported, at: Some(at(2)) }, &Known { base: None, ..known }),
            EchoDecision::Pull
        );
    }
}
