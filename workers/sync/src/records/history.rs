//! The history of records: what each field held, since when, and where that came from (law 20).
//!
//! An entry of the change feed *is* the row of the history. The feed writes one for every change that readers can see, in the change's transaction and
//! after all else of it, so nothing can change without its history, and a history can't show what was rolled back. It names record, job, key and time
//! already. What the history adds are two columns, [`Was`] and [`Via`], and one index by contact: no table, no statement of its own, nothing where
//! nothing changed, and not a byte for what is new. A row of its own beside the feed's would have said all of that twice: some 150 bytes for a city
//! that was edited, where these are about 40.
//!
//! Kept is what a change took away and never what it left: the next change of the field reports that, or the record as it is now. So an import of a
//! million contacts keeps no value twice, and the past is made from the present by taking changes back, the newest first ([`past`]). The price is that
//! each change of a document must be reported with what was there before; the tests compare the past of a fuzzed world with what was there.
//!
//! What a value came from is reported by the entry and by what it leads to: the webhook, the ledger's row, the conflict that the merge kept, the run of a
//! flow ([`why`]). Those are kept for as long as their own settings say.
//!
//! The trap is what a deleted record leaves: its row is forgotten one day, and an erasure takes it at once. So the entry of a deletion holds all that the
//! record was, and an erasure empties the entries of its person, also those of before a record moved to that person's contact.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::feed::{ChangeOp, Origin};

pub use self::earlier::{Earlier, Moment};
pub use self::listing::HistoryQuery;
pub use self::past::{Past, PastView};
pub use self::via::Via;
pub use self::why::{Link, Why};

pub(super) use self::was::{Part, Was, changed_fields, field_names};

mod earlier;
mod forget;
mod listing;
mod past;
mod read;
mod via;
mod was;
mod why;

/// What a change did to a field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// The field's name within the record; each tag and each custom field has its own, as `tags.vip`.
    pub field: String,
    /// What it held before; null for nothing.
    pub from: Value,
    /// What it has held since; null for nothing.
    pub to: Value,
}

/// A change of a record, as people look at it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryItem {
    /// The number of the change in the feed.
    pub id: String,
    /// When it was stored.
    pub at: Timestamp,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// The same for as long as the record lives; the view of the contact has it as well.
    pub record_id: String,
    /// What happened.
    pub op: ChangeOp,
    /// Whether the record was not there before.
    pub is_new: bool,
    /// Who changed it.
    pub origin: Option<Origin>,
    /// How it came about; none for changes of earlier releases.
    #[serde(flatten)]
    pub via: Option<Via>,
    /// The job that it belongs to.
    pub caused_by: Option<String>,
    /// The API key whose event made it.
    pub key_id: Option<String>,
    /// The fields.
    pub changes: Vec<FieldChange>,
}

/// An entry of the feed with what it took away.
#[derive(Debug)]
struct Row {
    seq: i64,
    contact_id: String,
    record: String,
    record_id: String,
    clienty_id: Option<String>,
    ghl_id: Option<String>,
    op: ChangeOp,
    origin: Option<Origin>,
    via: Option<Via>,
    caused_by: Option<String>,
    key_id: Option<String>,
    is_new: bool,
    at_ms: i64,
    /// None where nothing was there before, or nobody knows what.
    was: Option<Was>,
}

impl Row {
    fn read(row: &AnyRow) -> Result<Option<Self>, super::RecordsError> {
        let op: String = row.try_get("op")?;
        let Some(op) = ChangeOp::parse(&op) else { return Ok(None) };
        let seq: i64 = row.try_get("seq")?;
        let corrupt = |error| super::RecordsError::corrupt("changes", &seq.to_string(), &error);
        let fields: Option<String> = row.try_get("fields")?;
        let fields: Vec<String> = serde_json::from_str(fields.as_deref().unwrap_or("[]")).map_err(corrupt)?;
        let was: Option<String> = row.try_get("was")?;
        let was = was.map(|was| Was::read(&was, &fields)).transpose().map_err(corrupt)?;
        Ok(Some(Self {
            seq,
            contact_id: row.try_get("contact_id")?,
            record: row.try_get("record")?,
            record_id: row.try_get("record_id")?,
            clienty_id: row.try_get("clienty_id")?,
            ghl_id: row.try_get("ghl_id")?,
            op,
            origin: row.try_get::<Option<String>, _>("origin")?.and_then(|name| Origin::parse(&name)),
            via: row.try_get::<Option<String>, _>("via")?.and_then(|text| Via::parse(&text)),
            caused_by: row.try_get("caused_by")?,
            key_id: row.try_get("key_id")?,
            is_new: row.try_get::<Option<i64>, _>("is_new")? == Some(1),
            at_ms: row.try_get("changed_at")?,
            was,
        }))
    }

    fn item(&self, changes: Vec<FieldChange>) -> HistoryItem {
        HistoryItem {
            id: self.seq.to_string(),
            at: super::ledger::timestamp(self.at_ms),
            record: self.record.clone(),
            record_id: self.record_id.clone(),
            op: self.op,
            is_new: self.is_new,
            origin: self.origin,
            via: self.via.clone(),
            caused_by: self.caused_by.clone(),
            key_id: self.key_id.clone(),
            changes,
        }
    }
}
