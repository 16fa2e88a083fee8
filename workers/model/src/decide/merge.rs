//! The three-way merge: what both sides agreed on last, what each made of it, and what it reads now.
//!
//! Field by field, and fields that make sense only together as one: where only one side changed, it wins. Where both changed and mean the same, there is nothing to decide, and GHL's form
//! is taken, since it would come back anyway. Where both changed and differ, the [`Policy`] of the field decides, and the [`Conflict`] is
//! kept with all three values, so that a person can read and undo it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::echo::Fingerprints;
use super::enrichment::OF_A_MACHINE;
use super::fields::{self, Fields};

/// Who wins where both sides edited a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The later edit. Where GHL reported no time of its edit, ours wins: one that GHL does not have yet is moments old.
    #[default]
    Newest,
    /// GHL.
    Ghl,
    /// Clienty.
    Clienty,
}

/// No policy is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is none of newest, ghl, clienty")]
pub struct NoPolicy;

impl FromStr for Policy {
    type Err = NoPolicy;

    fn from_str(name: &str) -> Result<Self, NoPolicy> {
        match name {
            "newest" => Ok(Self::Newest),
            "ghl" => Ok(Self::Ghl),
            "clienty" => Ok(Self::Clienty),
            _ => Err(NoPolicy),
        }
    }
}

/// The policy of every field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Where no other is set.
    pub default: Policy,
    /// By full name: `contact.email`, `contact.tags` for all tags, `task` for every field of tasks. The longest that fits counts.
    pub fields: BTreeMap<String, Policy>,
}

impl Policies {
    /// The policy of fields of a `record` that are decided as one: that of the first of them that has one of its own.
    #[must_use]
    pub fn of_all(&self, record: &str, names: &[&str]) -> Policy {
        let own = names.iter().find_map(|name| self.fields.get(&format!("{record}.{name}")));
        own.copied().unwrap_or_else(|| self.of(record, names.first().copied().unwrap_or_default()))
    }

    /// The policy of the field `name` of a `record`.
    #[must_use]
    pub fn of(&self, record: &str, name: &str) -> Policy {
        let full = format!("{record}.{name}");
        let mut prefix = Some(full.as_str());
        while let Some(name) = prefix {
            if let Some(policy) = self.fields.get(name) {
                return *policy;
            }
            prefix = name.rfind('.').map(|dot| &name[..dot]);
        }
        self.default
    }
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Our records, and their users and producers.
    Clienty,
    /// GHL, and its users.
    Ghl,
}

impl Side {
    /// The word in rows and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clienty => "clienty",
            Self::Ghl => "ghl",
        }
    }

    /// The side of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Clienty, Self::Ghl].into_iter().find(|side| side.as_str() == word)
    }
}

/// A field that both sides changed, each otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Its name within the record. Of fields that make sense only together it is the first, and each value holds them all by name.
    pub field: String,
    /// What both agreed on last; null for nothing.
    pub base: Value,
    /// What Clienty made of it.
    pub ours: Value,
    /// What GHL made of it.
    pub theirs: Value,
    /// Whose value it has now.
    pub winner: Side,
    /// When it was edited here, in ms since 1970.
    pub ours_at: Option<i64>,
    /// When it was edited in GHL; none where GHL reported no time of it.
    pub theirs_at: Option<Timestamp>,
}

/// When GHL's side was edited, as far as GHL reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TheirTimes {
    /// Fields with a known time.
    pub fields: BTreeMap<String, Timestamp>,
    /// Since then all of GHL's edits were made: when the last state that both agreed on was the newest.
    pub not_before: Option<Timestamp>,
    /// Until then they were made: GHL's own time of the record's last change. Where a single field changed, it is that field's.
    pub not_after: Option<Timestamp>,
}

/// When the sides were edited, as far as is known; what [`Policy::Newest`] goes by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times<'a> {
    /// By field, in ms since 1970.
    pub ours: Option<&'a BTreeMap<String, i64>>,
    /// In GHL.
    pub theirs: Option<&'a TheirTimes>,
}

impl Times<'_> {
    /// Whether our side edited the field.
    fn has(&self, field: &str) -> bool {
        self.ours.is_some_and(|times| times.contains_key(field))
    }

    fn ours(&self, fields: &[&str]) -> Option<i64> {
        self.ours.and_then(|times| fields.iter().filter_map(|field| times.get(*field)).max().copied())
    }

    /// Whether our side of the fields is no person's word, so that any other one counts.
    fn is_of_a_machine(&self, fields: &[&str]) -> bool {
        self.ours(fields) == Some(OF_A_MACHINE)
    }

    /// When GHL's side of the fields was edited; `is_single`: nothing else changed there.
    fn theirs(&self, fields: &[&str], is_single: bool) -> Option<Timestamp> {
        let reported = self.theirs?;
        let of_fields = fields.iter().filter_map(|field| reported.fields.get(*field)).max().copied();
        of_fields.or(reported.not_after.filter(|_| is_single))
    }

    /// Whose edit is the newer one. If that is unknown, ours: GHL does not have it yet, so it is moments old.
    fn newest(&self, fields: &[&str], is_single: bool) -> Side {
        let Some(ours) = self.ours(fields) else { return Side::Clienty };
        let not_before = self.theirs.and_then(|reported| reported.not_before);
        let at_least = self.theirs(fields, is_single).max(not_before);
        if at_least.is_some_and(|at| at.as_millisecond() > ours) { Side::Ghl } else { Side::Clienty }
    }
}

/// What a merge comes to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Merged {
    /// The values now.
    pub fields: Fields,
    /// What had to be decided.
    pub conflicts: Vec<Conflict>,
}

/// When GHL first reported each field as it reads in `now`. `reported`: the reported fields, in any order, null for what is not there; a field that
/// one does not carry is not in it.
#[must_use]
pub fn first_reported(
    now: &Fields,
    mut reported: Vec<(Timestamp, Fields)>,
    fingerprints: &Fingerprints,
) -> BTreeMap<String, Timestamp> {
    reported.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let names: BTreeSet<String> = reported.iter().flat_map(|(_, fields)| fields.keys().cloned()).collect();
    let mut first = BTreeMap::new();
    for name in names {
        let wanted = fields::value(now, &name);
        let carried = reported.iter().filter_map(|(at, fields)| Some((at, fields.get(&name)?)));
        if let Some((at, _)) = carried.take_while(|(_, value)| fingerprints.same(&name, value, &wanted)).last() {
            first.insert(name, *at);
        }
    }
    first
}

/// Merges what the two sides made of `base` in a record called `record`, the fields `together` as one. By its `prints` GHL's form of our own write
/// is known.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "the three states, and what decides between them")]
pub fn merge(
    record: &str,
    together: &[&str],
    base: &Fields,
    ours: &Fields,
    theirs: &Fields,
    times: &Times<'_>,
    policies: &Policies,
    fingerprints: &Fingerprints,
) -> Merged {
    let mut merged = Merged::default();
    let names: BTreeSet<&str> = base.keys().chain(ours.keys()).chain(theirs.keys()).map(String::as_str).collect();
    let (one, alone): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| together.contains(name));
    let alone = alone.iter().map(std::slice::from_ref);
    let groups: Vec<&[&str]> = alone.chain((!one.is_empty()).then_some(together)).collect();
    let all_same = |names: &[&str], a: &Fields, b: &Fields| {
        names.iter().all(|name| fingerprints.same(name, &fields::value(a, name), &fields::value(b, name)))
    };
    let is_single = groups.iter().filter(|names| !all_same(names, theirs, base)).count() == 1;
    for names in groups {
        let same = |a: &Fields, b: &Fields| all_same(names, a, b);
        // Who went back to what was agreed meant it, too.
        let is_untouched = same(ours, base) && !names.iter().any(|name| times.has(name));
        let side = if same(ours, theirs) || is_untouched {
            Side::Ghl
        } else if same(theirs, base) {
            Side::Clienty
        } else if times.is_of_a_machine(names) {
            Side::Ghl
        } else {
            let winner = match policies.of_all(record, names) {
                Policy::Ghl => Side::Ghl,
                Policy::Clienty => Side::Clienty,
                Policy::Newest => times.newest(names, is_single),
            };
            let [base, ours, theirs] = [base, ours, theirs].map(|side| reported(side, names));
            let field = names.first().copied().unwrap_or_default().to_owned();
            let (ours_at, theirs_at) = (times.ours(names), times.theirs(names, is_single));
            merged.conflicts.push(Conflict { field, base, ours, theirs, winner, ours_at, theirs_at });
            winner
        };
        let from = if side == Side::Ghl { theirs } else { ours };
        for name in names {
            fields::set(&mut merged.fields, name, fields::value(from, name));
        }
    }
    merged
}

/// What a side holds of a field; of several that are one, each by its name.
fn reported(side: &Fields, names: &[&str]) -> Value {
    match names {
        [name] => fields::value(side, name),
        names => names.iter().map(|name| ((*name).to_owned(), fields::value(side, name))).collect(),
    }
}

#[cfg(test)]
mod tests;
