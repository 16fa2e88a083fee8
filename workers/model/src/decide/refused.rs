//! What GHL refused for good, and what a later push leaves out because of it.
//!
//! GHL accepts a call as a whole or not at all. If a refused value were sent again, every other
//! edit of the record would fail with it. So a field is left out as long as it has exactly the
//! refused value; another value is sent. If GHL names the fields at fault, only they are refused,
//! else all fields of the call: GHL does not show which of them is at fault. How GHL names a field
//! is in [`names`](super::names).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fields::{self, Fields, Record, difference, fields};
use super::names::named;
use super::verify::{SyncState, Unapplied, WriteOutcome};

/// That and why GHL refused a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// GHL's words, without values.
    pub reason: String,
}

/// The pending write of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Owed {
    /// What is to be sent; null takes away.
    pub fields: Fields,
    /// The record as it reads once that was sent.
    pub sendable: Fields,
    /// What is not sent, since GHL refused it.
    pub held: Vec<Unapplied>,
}

impl Owed {
    /// Of a record that reads `doc` and that GHL holds as `base`; none where GHL does not have it. A create is sent as a whole, but for what GHL named
    /// as wrong in it and what it makes sense without; or not at all.
    #[must_use]
    pub fn of<R: Record>(base: Option<&R>, doc: &R, sync: Option<&SyncState>) -> Self {
        let (wanted, held_there) = (fields(doc), base.map(fields).unwrap_or_default());
        let mut held = held_back::<R>(&held_there, &wanted, sync);
        let is_left_out = || sync.is_some_and(|sync| sync.is_of_left_out::<R>());
        if base.is_none() && held.len() < wanted.len() && !is_left_out() {
            held.clear();
        }
        let mut sendable = wanted.clone();
        for one in &held {
            fields::set(&mut sendable, &one.field, fields::value(&held_there, &one.field));
        }
        Self { fields: difference(&held_there, &sendable), sendable, held }
    }

    /// Why nothing is to be sent, where GHL refused all there is.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        let refusal = self.held.iter().filter_map(|one| one.refused.as_ref()).max_by_key(|refusal| refusal.at)?;
        self.fields.is_empty().then_some(refusal.reason.as_str())
    }

    /// Why GHL refused something after `at_ms` since 1970.
    #[must_use]
    pub fn refused_since(&self, at_ms: i64) -> Option<&str> {
        let refusals = self.held.iter().filter_map(|one| one.refused.as_ref());
        refusals.filter(|one| one.at.as_millisecond() >= at_ms).map(|one| one.reason.as_str()).next_back()
    }
}

/// What `sync` shows as refused and is still wanted. What makes sense only together is left out together or not at all.
fn held_back<R: Record>(base: &Fields, wanted: &Fields, sync: Option<&SyncState>) -> Vec<Unapplied> {
    let is_pending = |name: &str| fields::value(wanted, name) != fields::value(base, name);
    let refused = sync.into_iter().flat_map(|sync| &sync.fields).filter(|one| one.refused.is_some());
    let mut held: Vec<_> = refused
        .filter(|one| is_pending(&one.field) && fields::value(wanted, &one.field) == one.sent)
        .cloned()
        .collect();
    if R::TOGETHER.iter().any(|name| is_pending(name) && held.iter().all(|one| one.field != *name)) {
        held.retain(|one| !R::TOGETHER.contains(&one.field.as_str()));
    }
    held
}

/// Those of the fields `asked` that GHL's `words` name; all where they name none.
#[must_use]
pub fn blamed<R: Record>(asked: &Fields, words: &[&str]) -> Fields {
    let named = named::<R>(asked, words);
    let is_named = |name: &str| named.contains(name);
    let of_group = |name: &str| R::TOGETHER.contains(&name) && R::TOGETHER.iter().any(|other| is_named(other));
    let mut blamed = asked.clone();
    blamed.retain(|name, _| is_named(name) || of_group(name));
    if blamed.is_empty() { asked.clone() } else { blamed }
}

/// What a create that `asked` for that and was refused in these `words` is to be sent without; none where it is refused as a whole.
#[must_use]
pub fn left_out_of_create<R: Record>(asked: &Fields, words: &[&str]) -> Option<Fields> {
    let blamed = blamed::<R>(asked, words);
    let is_part = blamed.len() < asked.len() && blamed.keys().all(|name| R::OPTIONAL.contains(&name.as_str()));
    is_part.then_some(blamed)
}

/// That GHL refused `asked` where it holds `base`.
#[must_use]
pub fn refused(asked: &Fields, base: &Fields, refusal: &Refusal) -> Vec<Unapplied> {
    let reported = |(name, sent): (&String, &serde_json::Value)| Unapplied {
        field: name.clone(),
        sent: sent.clone(),
        got: fields::value(base, name),
        refused: Some(refusal.clone()),
        at: Some(refusal.at),
    };
    asked.iter().map(reported).collect()
}

impl SyncState {
    /// Whether it shows what was left out of a create that made the rest, or will: nothing that a create needs was refused with it.
    #[must_use]
    pub fn is_of_left_out<R: Record>(&self) -> bool {
        let mut refused = self.fields.iter().filter(|one| one.refused.is_some()).peekable();
        refused.peek().is_some() && refused.all(|one| R::OPTIONAL.contains(&one.field.as_str()))
    }

    /// After a refusal of `fields`, or of something that is no matter of fields (none), while `held` is held back from before.
    #[must_use]
    pub fn refused(refusal: Refusal, fields: Vec<Unapplied>, held: Vec<Unapplied>) -> Self {
        let Refusal { at, reason } = refusal;
        let fields = held.into_iter().chain(fields).collect();
        Self { outcome: WriteOutcome::Refused, fields, reason: Some(reason), at }
    }

    /// The same while `held` is held back.
    #[must_use]
    pub fn holding(self, held: Vec<Unapplied>) -> Self {
        let Some(refusal) = held.iter().filter_map(|one| one.refused.clone()).max_by_key(|refusal| refusal.at) else {
            return self;
        };
        let fields = held.into_iter().chain(self.fields).collect();
        Self { outcome: WriteOutcome::Refused, fields, reason: Some(refusal.reason), at: self.at }
    }

    /// The same with nothing held back any more.
    #[must_use]
    pub fn released(mut self) -> Self {
        self.fields.retain(|one| one.refused.is_none());
        self.reason = None;
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::{Appointment, Contact, Task};

    fn of(fields: Value) -> Fields {
        serde_json::from_value(fields).unwrap()
    }

    fn contact(fields: Value) -> Contact {
        serde_json::from_value(fields).unwrap()
    }

    fn after(asked: Value, base: &Fields) -> SyncState {
        let refusal = Refusal { at: Timestamp::UNIX_EPOCH, reason: "no".to_owned() };
        SyncState::refused(refusal.clone(), refused(&of(asked), base, &refusal), Vec::new())
    }

    #[test]
    fn a_refused_value_is_held_back_and_another_one_or_another_field_is_sent() {
        let base = contact(json!({"email": "a@x.de", "city": "Bonn"}));
        let sync = after(json!({"email": "b", "city": null}), &fields(&base));
        let pending = |doc: Value| Owed::of(Some(&base), &contact(doc), Some(&sync));
        let all = pending(json!({"email": "b"}));
        assert_eq!((all.fields.len(), all.held.len(), all.refusal()), (0, 2, Some("no")));
        assert_eq!(pending(json!({"email": "b", "state": "BE"})).fields, of(json!({"state": "BE"})));
        assert_eq!(pending(json!({"email": "c"})).fields, of(json!({"email": "c"})));
        assert_eq!(
            pending(json!({"email": "a@x.de", "city": "Bonn"})),
            Owed { sendable: fields(&base), ..Owed::default() }
        );
        let free = Owed::of(Some(&base), &contact(json!({"email": "b"})), Some(&sync.clone().released()));
        assert_eq!((free.fields, free.held), (of(json!({"email": "b", "city": null})), Vec::new()));
    }

    #[test]
    fn a_create_is_sent_as_a_whole_once_anything_of_it_is_new() {
        let sync = after(json!({"email": "b", "city": "Bonn"}), &Fields::new());
        let pending = |doc: Value| Owed::of(None, &contact(doc), Some(&sync));
        assert_eq!(pending(json!({"email": "b", "city": "Bonn"})).refusal(), Some("no"));
        let more = json!({"email": "b", "city": "Bonn", "state": "NW"});
        assert_eq!(pending(more.clone()).fields, of(more));
    }

    #[test]
    fn a_create_is_sent_without_the_optional_fields_that_ghl_named_and_whole_where_it_named_another() {
        let task = |fields: Value| -> Task { serde_json::from_value(fields).unwrap() };
        let whole = json!({"title": "Call", "assignedTo": "u1", "body": "Long", "completed": false});
        let asked = fields(&task(whole.clone()));
        let left_out = |words: &str| left_out_of_create::<Task>(&asked, &[words]);
        assert_eq!(left_out("assignedTo must be a valid user"), Some(of(json!({"assignedTo": "u1"}))));
        assert_eq!(left_out("title is too long"), None);
        assert_eq!(left_out("no"), None);
        let pending = |sync: &SyncState, doc: &Value| Owed::of(None, &task(doc.clone()), Some(sync));
        let sync = after(json!({"assignedTo": "u1"}), &Fields::new());
        let first = pending(&sync, &whole);
        assert_eq!(
            (first.fields, first.held.len()),
            (of(json!({"title": "Call", "body": "Long", "completed": false})), 1)
        );
        let other = json!({"title": "Call", "assignedTo": "u2", "body": "Long", "completed": false});
        assert_eq!(pending(&sync, &other).fields, of(other));
        // Refused as a whole, it is sent as a whole once anything of it is new.
        let sync = after(whole.clone(), &Fields::new());
        assert_eq!(pending(&sync, &whole).refusal(), Some("no"));
        let renamed = json!({"title": "Mail", "assignedTo": "u1", "body": "Long", "completed": false});
        assert_eq!(pending(&sync, &renamed).fields, of(renamed));
    }

    #[test]
    fn a_start_is_not_held_back_from_its_end() {
        let times = |start: &str, end: &str| json!({"startTime": start, "endTime": end});
        let slot = |times: Value| -> Appointment { serde_json::from_value(times).unwrap() };
        let base = slot(times("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"));
        let moved = times("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z");
        let sync = after(moved.clone(), &fields(&base));
        assert_eq!(Owed::of(Some(&base), &slot(moved), Some(&sync)).refusal(), Some("no"));
        let shorter = times("2026-03-02T09:00:00Z", "2026-03-02T09:30:00Z");
        assert_eq!(Owed::of(Some(&base), &slot(shorter.clone()), Some(&sync)).fields, of(shorter));
        let asked = of(json!({"startTime": "x", "endTime": "y", "title": "z"}));
        assert_eq!(
            blamed::<Appointment>(&asked, &["startTime is taken"]),
            of(json!({"startTime": "x", "endTime": "y"}))
        );
    }

    #[test]
    fn the_fields_that_ghl_names_are_to_blame_else_all() {
        let asked = of(json!({"email": "b", "city": "Bonn", "customFields.f1": 5}));
        assert_eq!(blamed::<Contact>(&asked, &["email must be an email"]), of(json!({"email": "b"})));
        assert_eq!(blamed::<Contact>(&asked, &["customFields must be objects"]), of(json!({"customFields.f1": 5})));
        assert_eq!(blamed::<Contact>(&asked, &["no"]), asked);
    }
}
