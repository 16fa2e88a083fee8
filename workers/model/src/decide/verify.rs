//! What became of a write: GHL's reply compared with what was asked.
//!
//! GHL answers 200 and drops a field, or keeps another value. Our record then follows the reply, since writing the same again would end
//! the same; and what was not applied is kept with the record, for a person to see.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, Fields};
use super::refused::Refusal;
use super::same::{answers, same};

/// How the last write of a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteOutcome {
    /// GHL holds what was asked, in its own form.
    Applied,
    /// It did what it was asked but for some fields.
    PartlyApplied,
    /// It refuses something that the record still asks for: the fields that say so, or all of it.
    Refused,
}

impl WriteOutcome {
    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::PartlyApplied => "partly_applied",
            Self::Refused => "refused",
        }
    }
}

/// A field that is not what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unapplied {
    /// Its name within the record.
    pub field: String,
    /// What was asked; null to take it away.
    pub sent: Value,
    /// What GHL holds.
    pub got: Value,
    /// That GHL refused it, so that it is not sent again; none where GHL took the call and the record follows what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// When GHL answered; none for what an earlier version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// How the last write of a record ended, as it is kept with the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncState {
    /// How it ended.
    pub outcome: WriteOutcome,
    /// What was not applied.
    #[serde(default)]
    pub fields: Vec<Unapplied>,
    /// GHL's words where it refused, without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl SyncState {
    /// After a reply in which `unapplied` are not as asked.
    #[must_use]
    pub fn written(mut unapplied: Vec<Unapplied>, at: Timestamp) -> Self {
        let outcome = if unapplied.is_empty() { WriteOutcome::Applied } else { WriteOutcome::PartlyApplied };
        unapplied.iter_mut().for_each(|one| one.at = Some(at));
        Self { outcome, fields: unapplied, reason: None, at }
    }

    /// The same with what an `earlier` write left unapplied and this one, which `asked` for other fields, did not touch: GHL, which holds
    /// `got` now, still keeps it as it did then.
    #[must_use]
    pub fn keeping(mut self, earlier: Option<&Self>, asked: &Fields, got: &Fields) -> Self {
        let stands = |one: &&Unapplied| {
            one.refused.is_none()
                && !asked.contains_key(&one.field)
                && same(&one.field, &one.got, &fields::value(got, &one.field))
        };
        let kept: Vec<_> = earlier.into_iter().flat_map(|earlier| &earlier.fields).filter(stands).cloned().collect();
        if !kept.is_empty() && self.outcome == WriteOutcome::Applied {
            self.outcome = WriteOutcome::PartlyApplied;
        }
        self.fields.extend(kept);
        self
    }

    /// The names of the fields that GHL was asked for since `since_ms` (ms since 1970), took, and holds otherwise.
    #[must_use]
    pub fn unapplied_since(&self, since_ms: i64) -> Vec<String> {
        let is_late = |one: &&Unapplied| one.at.is_some_and(|at| at.as_millisecond() >= since_ms);
        let late = self.fields.iter().filter(|one| one.refused.is_none()).filter(is_late);
        late.map(|one| one.field.clone()).collect()
    }
}

/// The fields of `asked` (null: taken away) that GHL, which answered with `got`, does not hold so.
#[must_use]
pub fn unapplied(asked: &Fields, got: &Fields) -> Vec<Unapplied> {
    let differs = |(name, sent): &(&String, &Value)| !answers(name, sent, &fields::value(got, name));
    let reported = |(name, sent): (&String, &Value)| Unapplied {
        field: name.clone(),
        sent: sent.clone(),
        got: fields::value(got, name),
        refused: None,
        at: None,
    };
    asked.iter().filter(differs).map(reported).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(fields: Value) -> Fields {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_reply_in_ghls_own_form_is_applied() {
        let asked = of(json!({"phone": "0151 2345678", "email": "A@B.de", "city": null}));
        assert_eq!(unapplied(&asked, &of(json!({"phone": "+491512345678", "email": "a@b.de", "state": "BE"}))), []);
    }

    #[test]
    fn what_was_dropped_or_kept_otherwise_is_reported_by_field() {
        let asked = of(json!({"companyName": "Deo", "city": null, "tags.vip": true}));
        let got = of(json!({"city": "Berlin", "tags.vip": true}));
        let reported =
            |field: &str, sent, got| Unapplied { field: field.to_owned(), sent, got, refused: None, at: None };
        assert_eq!(
            unapplied(&asked, &got),
            [reported("city", Value::Null, json!("Berlin")), reported("companyName", json!("Deo"), Value::Null)]
        );
        assert_eq!(
            SyncState::written(unapplied(&asked, &got), Timestamp::UNIX_EPOCH).outcome,
            WriteOutcome::PartlyApplied
        );
    }
}
