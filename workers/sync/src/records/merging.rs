//! How a stored record takes in what GHL holds: the three-way merge of `decide::merge`, put to rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sync_model::decide::absent::Unread;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::{self, Fields, Record, fields, with_fields};
use sync_model::decide::merge::{Conflict, Policies, TheirTimes, Times, merge};
use sync_model::decide::same::answers;
use sync_model::decide::verify::{self, Unapplied};

use super::RecordsError;

/// When each field that GHL does not have yet was edited here, in ms since 1970.
pub type Edits = BTreeMap<String, i64>;

/// A record after it took in another state.
pub(super) struct Taken<R> {
    pub(super) doc: R,
    pub(super) edits: Edits,
    pub(super) conflicts: Vec<Conflict>,
}

/// `ours`, which was made of `base`, together with `theirs`, GHL's state, whose times are as far known as `reported`. What GHL alone decides is as in
/// `theirs`.
pub(super) fn take_in<R: Record>(
    policies: &Policies,
    base: &Fields,
    ours: &R,
    theirs: &R,
    edits: &Edits,
    fingerprints: &Fingerprints,
    reported: &TheirTimes,
) -> Taken<R> {
    let (mut ours, mut base) = (ours.clone(), base.clone());
    ours.take_on(&mut base, theirs);
    let (our_fields, their_fields) = (fields(&ours), fields(theirs));
    let times = Times { ours: Some(edits), theirs: Some(reported) };
    let merged = merge(R::NAME, R::TOGETHER, &base, &our_fields, &their_fields, &times, policies, fingerprints);
    let pending = |name: &String| fields::value(&merged.fields, name) != fields::value(&their_fields, name);
    let edits = edits.iter().filter(|(name, _)| pending(name)).map(|(name, at)| (name.clone(), *at)).collect();
    Taken { doc: with_fields(theirs, &merged.fields), edits, conflicts: merged.conflicts }
}

/// What both sides agree on, as far as is known: `base`, and of what was `asked` and never answered what `theirs` shows to have come to pass,
/// which `prints` remember from then on. Taken for an edit of GHL's, our own write would stand against what was edited here since (law 8).
pub(super) fn agreed<R: Record>(base: &R, asked: &Fields, theirs: &R, fingerprints: &mut Fingerprints) -> Fields {
    let (mut agreed, theirs) = (fields(base), fields(theirs));
    for (name, asked) in asked {
        let held = fields::value(&theirs, name);
        if answers(name, asked, &held) {
            fingerprints.remember(&Fields::from([(name.clone(), asked.clone())]), &theirs);
            fields::set(&mut agreed, name, held);
        }
    }
    agreed
}

/// The edit that says which tags there are: of a contact that nobody has read, which others it takes away is not known yet.
pub(super) const ALL_TAGS: &str = "tags";

/// `agreed` where nobody had read the fields that `is_unread` names: what was edited here blindly counts as agreed to be overwritten.
pub(super) fn with_blind_edits(
    mut agreed: Fields,
    theirs: &Fields,
    edits: &Edits,
    is_unread: impl Fn(&str) -> bool,
) -> Fields {
    let is_blind = |name: &String| {
        let top = name.split('.').next().unwrap_or(name);
        let is_said = edits.contains_key(name) || (top == ALL_TAGS && edits.contains_key(ALL_TAGS));
        is_said && is_unread(top)
    };
    agreed.extend(theirs.iter().filter(|(name, _)| is_blind(name)).map(|(name, value)| (name.clone(), value.clone())));
    agreed
}

/// Of the `edits` those of fields that are still unread: no reading has met them.
pub(super) fn unmet(edits: &Edits, unread: &Unread) -> Edits {
    let is_unread = |name: &str| unread.contains(name.split('.').next().unwrap_or(name));
    edits.iter().filter(|(name, _)| is_unread(name)).map(|(name, at)| (name.clone(), *at)).collect()
}

/// Whether an edit to what `ours` holds says again what was written last to a field that no reply has shown since: that is no edit.
pub(super) fn says_again(name: &str, ours: &Fields, base: &Fields) -> bool {
    base.get(name).is_some_and(|held| ours.get(name) == Some(held))
}

/// Whether an edit took a field away that nobody had read: no difference shows it, so it has to be read before it can be reported from nothing.
pub(super) fn takes_away_unread(edits: &Edits, unread: &Unread, ours: &Fields, base: &Fields) -> bool {
    let is_unread = |name: &str| unread.contains(name.split('.').next().unwrap_or(name));
    edits.keys().any(|name| is_unread(name) && !ours.contains_key(name) && !base.contains_key(name))
}

/// A write, and what it came to.
pub(super) struct Written {
    /// What both sides agree on now, as far as the write goes: what was not applied counts as agreed too, so that our record follows GHL
    /// there, and an edit of the meantime stays.
    pub(super) agreed: Fields,
    pub(super) unapplied: Vec<Unapplied>,
    pub(super) got: Fields,
}

/// `asked` (null: taken away) was written to a record that GHL held as `base`, and it answered with `reply`.
pub(super) fn written<R: Record>(base: Option<&R>, asked: &Fields, reply: &R) -> Written {
    let mut agreed = base.map(fields).unwrap_or_default();
    let got = fields(reply);
    let unapplied = verify::unapplied(asked, &got);
    for name in asked.keys() {
        fields::set(&mut agreed, name, fields::value(&got, name));
    }
    for Unapplied { field, sent, .. } in &unapplied {
        fields::set(&mut agreed, field, sent.clone());
    }
    Written { agreed, unapplied, got }
}

/// The edits after one that made `after` of `before`.
pub(super) fn edited<R: Record>(edits: &Edits, before: &R, after: &R, now_ms: i64) -> Edits {
    let mut edits = edits.clone();
    edits.extend(fields::difference(&fields(before), &fields(after)).into_keys().map(|name| (name, now_ms)));
    edits
}

/// Of `edits` those that a write of `sent` does not answer: fields that read otherwise in `ours` by now, or that it did not send.
pub(super) fn unanswered(edits: &Edits, sent: &Fields, ours: &Fields) -> Edits {
    let is_answered = |name: &String| sent.get(name).is_some_and(|sent| *sent == fields::value(ours, name));
    edits.iter().filter(|(name, _)| !is_answered(name)).map(|(name, at)| (name.clone(), *at)).collect()
}

/// Whether a field was edited back to what is agreed: GHL may hold something else by then.
pub(super) fn goes_back(edits: &Edits, unread: &Unread, ours: &Fields, base: &Fields) -> bool {
    let is_read = |name: &str| !unread.contains(name.split('.').next().unwrap_or(name));
    edits.keys().any(|name| is_read(name) && fields::value(ours, name) == fields::value(base, name))
}

/// A JSON column: none for what is empty.
pub(super) fn column<T: Serialize + Default + PartialEq>(value: &T) -> Option<String> {
    if *value == T::default() { None } else { serde_json::to_string(value).ok() }
}

/// The value of a JSON column.
pub(super) fn read<T: DeserializeOwned + Default>(
    table: &'static str,
    row: &str,
    text: Option<String>,
) -> Result<T, RecordsError> {
    let parse = |text: String| serde_json::from_str(&text).map_err(|error| RecordsError::corrupt(table, row, &error));
    text.map_or_else(|| Ok(T::default()), parse)
}

/// A value as it is kept in a conflict.
pub(super) fn json(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod parts;
#[cfg(test)]
mod simulation;
