//! How far GHL has a record, as readers see it: the `sync` of every record.
//!
//! It follows from the row alone, so it cannot contradict what the next push will do: what differs from the state that both sides agreed
//! on last is pending, unless GHL refused exactly that value; what GHL took and keeps otherwise stays named until it is edited.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, Record, fields};
use super::refused::{Owed, Refusal};
use super::same::same;
use super::verify::{SyncState, Unapplied, WriteOutcome};
use crate::part::Part;

/// How far GHL has a record, or a field of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// Accepted, and not in GHL yet.
    Pending,
    /// GHL holds what was asked.
    #[default]
    Applied,
    /// GHL took the write and holds something else.
    PartlyApplied,
    /// GHL refuses it; it is not sent again as it is.
    Refused,
}

impl Progress {
    const ALL: [Self; 4] = [Self::Pending, Self::Applied, Self::PartlyApplied, Self::Refused];

    /// The word in rows and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::PartlyApplied => "partlyApplied",
            Self::Refused => "refused",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A field that GHL does not hold as it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldStatus {
    /// Its name within the record.
    pub field: String,
    /// Why GHL does not hold it.
    pub state: Progress,
    /// What was asked; null to take it away.
    pub sent: Value,
    /// What GHL holds, as far as is known.
    pub got: Value,
    /// When and in which words GHL refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// How far GHL has a record.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// Of the record as a whole: pending before refused before partly applied before applied.
    pub state: Progress,
    /// What GHL does not hold as asked.
    pub fields: Vec<FieldStatus>,
    /// GHL's words where it refused, without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When GHL last answered a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The parts of a contact that GHL did not give when they were last asked for; only where the contact is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Part>,
}

/// What is known of a record.
pub struct Facts<'a, R> {
    /// The last state agreed with GHL; none while there is none there.
    pub base: Option<&'a R>,
    /// As readers see it.
    pub doc: &'a R,
    /// Whether readers no longer see it.
    pub is_deleted: bool,
    /// Whether GHL has it, but what GHL has was never read.
    pub is_unread: bool,
    /// When each field that GHL does not have yet was edited here, in ms since 1970.
    pub edits: &'a BTreeMap<String, i64>,
    /// How the last write ended.
    pub last: Option<&'a SyncState>,
}

impl SyncStatus {
    /// What the facts come to.
    #[must_use]
    pub fn of<R: Record + PartialEq>(facts: &Facts<'_, R>) -> Self {
        let Facts { base, doc, is_deleted, is_unread, edits, last } = *facts;
        let at = last.map(|last| last.at);
        let refusal = last.filter(|last| last.outcome == WriteOutcome::Refused);
        if is_deleted {
            // A deletion that GHL has yet to do; or a record that is gone on both sides.
            let state = match (base, refusal) {
                (Some(_), _) => Progress::Pending,
                (None, Some(_)) => Progress::Refused,
                (None, None) => Progress::Applied,
            };
            let reason = refusal.and_then(|last| last.reason.clone()).filter(|_| state == Progress::Refused);
            return Self { state, fields: Vec::new(), reason, at, missing: Vec::new() };
        }
        let pending = if base == Some(doc) { Owed::default() } else { Owed::of(base, doc, last) };
        let held_there = || base.map(fields).unwrap_or_default();
        // What GHL refused without a word on fields was refused as a whole, and stays so until it is edited.
        let is_whole = |last: &&SyncState| {
            last.reason.is_some()
                && last.fields.iter().all(|one| one.refused.is_none())
                && edits.values().all(|edited_at| *edited_at <= last.at.as_millisecond())
        };
        // What both sides agree on by now is refused no more.
        let is_agreed = base.is_some() && !is_unread && pending.fields.is_empty() && pending.held.is_empty();
        let whole = refusal.filter(is_whole).filter(|_| !is_agreed);
        let waiting = if whole.is_some() { Progress::Refused } else { Progress::Pending };
        let there = if pending.fields.is_empty() { BTreeMap::new() } else { held_there() };
        let status = |name: &String, sent: &Value| FieldStatus {
            field: name.clone(),
            state: waiting,
            sent: sent.clone(),
            got: fields::value(&there, name),
            refused: None,
        };
        let mut named: Vec<_> = pending.fields.iter().map(|(name, sent)| status(name, sent)).collect();
        if is_unread {
            // What is taken away from a contact that was never read leaves no difference.
            let blind = edits.keys().filter(|name| !pending.fields.contains_key(*name));
            named.extend(blind.map(|name| status(name, &Value::Null)));
        }
        named.extend(pending.held.into_iter().map(|one| with_state(one, Progress::Refused)));
        named.extend(kept_otherwise(doc, last, &named).into_iter().map(|one| with_state(one, Progress::PartlyApplied)));
        let worst = [Progress::Pending, Progress::Refused, Progress::PartlyApplied];
        let state = worst.into_iter().find(|state| named.iter().any(|one| one.state == *state));
        let state = match (state, whole) {
            (Some(state), _) => state,
            (None, Some(_)) => Progress::Refused,
            (None, None) if base.is_none() || is_unread => Progress::Pending,
            (None, None) => Progress::Applied,
        };
        let reason = refusal.and_then(|last| last.reason.clone()).filter(|_| state == Progress::Refused);
        Self { state, fields: named, reason, at, missing: Vec::new() }
    }
}

fn with_state(one: Unapplied, state: Progress) -> FieldStatus {
    let Unapplied { field, sent, got, refused, at: _ } = one;
    FieldStatus { field, state, sent, got, refused }
}

/// What GHL took and keeps otherwise, as long as the record still reads so.
fn kept_otherwise<R: Record>(doc: &R, last: Option<&SyncState>, named: &[FieldStatus]) -> Vec<Unapplied> {
    let reported: Vec<_> = last.into_iter().flat_map(|last| &last.fields).filter(|one| one.refused.is_none()).collect();
    if reported.is_empty() {
        return Vec::new();
    }
    let now = fields(doc);
    let stands = |one: &&Unapplied| {
        same(&one.field, &one.got, &fields::value(&now, &one.field))
            && named.iter().all(|known| known.field != one.field)
    };
    reported.into_iter().filter(stands).cloned().collect()
}
