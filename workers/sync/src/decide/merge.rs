//! The three-way merge: what both sides agreed on last, what each made of it, and what it reads now.
//!
//! Field by field: where only one side changed, it wins. Where both changed and mean the same, there is nothing to decide, and GHL's form
//! is taken, since it would come back anyway. Where both changed and differ, the [`Policy`] of the field decides, and the [`Conflict`] is
//! told with all three values, so that a person can look at it and take it back.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::echo::Prints;
use super::fields::{self, Fields};

/// Who wins where both sides edited a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The later edit. GHL tells no time for an edit of a task or note; then ours wins, as an edit that GHL does not have yet is
    /// moments old.
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
    /// Our records, and whoever edits them.
    Clienty,
    /// GHL, and whoever edits there.
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
}

/// A field that both sides changed, each otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Its name within the record.
    pub field: String,
    /// What both agreed on last; null for nothing.
    pub base: Value,
    /// What Clienty made of it.
    pub ours: Value,
    /// What GHL made of it.
    pub theirs: Value,
    /// Whose value it has now.
    pub winner: Side,
}

/// When the sides were edited, as far as is known; what [`Policy::Newest`] goes by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times<'a> {
    /// By field, in ms since 1970.
    pub ours: Option<&'a BTreeMap<String, i64>>,
    /// Of their record as a whole.
    pub theirs: Option<Timestamp>,
}

impl Times<'_> {
    /// Whether our side edited the field.
    fn has(&self, field: &str) -> bool {
        self.ours.is_some_and(|times| times.contains_key(field))
    }

    fn newest(&self, field: &str) -> Side {
        let ours = self.ours.and_then(|times| times.get(field));
        match (ours, self.theirs.map(Timestamp::as_millisecond)) {
            (Some(ours), Some(theirs)) if theirs > *ours => Side::Ghl,
            _ => Side::Clienty,
        }
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

/// Merges what the two sides made of `base` in a record called `record`. By its `prints` GHL's form of our own write is known.
#[must_use]
pub fn merge(
    record: &str,
    base: &Fields,
    ours: &Fields,
    theirs: &Fields,
    times: &Times<'_>,
    policies: &Policies,
    prints: &Prints,
) -> Merged {
    let same = |name: &str, a: &Value, b: &Value| prints.same(name, a, b);
    let mut merged = Merged::default();
    let names: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    for name in names {
        let [base, ours, theirs] = [base, ours, theirs].map(|side| fields::value(side, name));
        // Who went back to what was agreed meant it, too.
        let is_untouched = same(name, &ours, &base) && !times.has(name);
        let side = if same(name, &ours, &theirs) || is_untouched {
            Side::Ghl
        } else if same(name, &theirs, &base) {
            Side::Clienty
        } else {
            let winner = match policies.of(record, name) {
                Policy::Ghl => Side::Ghl,
                Policy::Clienty => Side::Clienty,
                Policy::Newest => times.newest(name),
            };
            let (ours, theirs) = (ours.clone(), theirs.clone());
            merged.conflicts.push(Conflict { field: name.clone(), base, ours, theirs, winner });
            winner
        };
        fields::set(&mut merged.fields, name, if side == Side::Ghl { theirs } else { ours });
    }
    merged
}

#[cfg(test)]
mod tests;
