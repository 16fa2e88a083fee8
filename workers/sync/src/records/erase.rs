//! Erasing one person's data, on that person's request.
//!
//! The records go in one transaction, which also writes the receipt and every id that the person is known by. From then on nothing of the
//! contact is stored, under any of those ids: no pull, no import, no webhook brings it back ([`RecordsError::Erased`]), until a producer
//! asks for the contact again. What the ledger and the webhooks hold of the person is emptied after that, page by page ([`pages`]), so that
//! no other writer waits for it; their ids stay, as repeated events are known by them. An erasure that a crash interrupts is completed by
//! the next request for it, or by retention.
//!
//! Ids that the person gets later are erased with it ([`later`]).
//!
//! The trap is what a database keeps of a deleted row. SQLite overwrites it (`secure_delete`), and its log is emptied before the
//! receipt is given. PostgreSQL overwrites it once its vacuum has passed, and its backups are their keepers' matter.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;
use uuid::Uuid;

use super::accept::known_locations;
use super::audit::{Act, Action};
use super::feed::{ChangeOp, Changed};
use super::ledger::timestamp;
use super::sql::{CHUNK, ROWS, sql, take_batch, with_list};
use super::{Records, RecordsError, Write, contacts, flows};

pub(super) use self::later::{name_later, person_in, recognize};
pub(super) use self::named::{collect_ids, hold_off, ids_in, is_named_erased};

mod later;
mod named;
mod pages;
mod traces;

/// How often a transaction that lost a race starts again.
const MAX_RACES: u32 = 8;
/// The tables of records, and the statement that erases one contact's: $1 the location, $2 the contact.
const RECORDS: [(&str, &str); 9] = [
    ("history", sql!("erase_history")),
    ("eventIds", sql!("erase_event_ids")),
    ("conflicts", sql!("erase_conflicts")),
    ("missingParts", sql!("erase_missing_parts")),
    ("contactAliases", sql!("erase_aliases")),
    ("enrichments", sql!("erase_enrichments")),
    ("enrichmentAnswers", sql!("erase_enrich_cache")),
    ("entries", sql!("erase_entries")),
    ("contacts", sql!("erase_contacts")),
];

/// What was erased, without a word of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// UUID v7.
    pub id: String,
    /// GHL's location id.
    pub location_id: String,
    /// GHL's id of the contact.
    pub contact_id: String,
    /// Rows erased, or emptied, by table.
    pub erased: BTreeMap<String, u64>,
    /// When.
    pub erased_at: Timestamp,
}

/// Rows by table.
type Counts = BTreeMap<String, u64>;

impl Records {
    /// Erases all that is kept of a contact, whichever of its ids that is, and stores nothing of it from now on. A later request erases what
    /// came since, and gets the first one's receipt with what was erased in all.
    /// None where the location is not connected and nothing of the contact was here.
    ///
    /// # Errors
    /// [`RecordsError::Unwiped`]: to be called again. [`RecordsError::Database`]; nothing was erased then, or the next call goes on.
    pub async fn erase(&self, location_id: &str, contact_id: &str) -> Result<Option<Receipt>, RecordsError> {
        let mut races = 0;
        let begun = loop {
            match self.begin_erasure(location_id, contact_id).await {
                Err(error) if error.is_race() && races < MAX_RACES => races += 1,
                outcome => break outcome?,
            }
        };
        let Some(receipt) = begun else { return Ok(None) };
        let receipt = self.complete_erasure(receipt).await?;
        self.wipe().await?;
        Ok(Some(receipt))
    }

    /// Completes erasures that were interrupted, up to `limit`; returns how many there were.
    ///
    /// # Errors
    /// See [`Records::erase`].
    pub async fn complete_erasures(&self, limit: i64) -> Result<u64, RecordsError> {
        let query = sqlx::query_as(sql!("pending_erasures")).bind(limit);
        let pending: Vec<(String, String)> = query.fetch_all(&self.pool).await?;
        for (location_id, contact_id) in &pending {
            self.erase(location_id, contact_id).await?;
        }
        Ok(pending.len() as u64)
    }

    /// The receipt that is in force for a contact, whichever of its ids that is.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn erasure(&self, location_id: &str, contact_id: &str) -> Result<Option<Receipt>, RecordsError> {
        erasure(&mut *self.pool.acquire().await?, location_id, contact_id).await
    }

    /// Deletes the records of the contact and names all its ids, in one transaction.
    async fn begin_erasure(&self, location_id: &str, contact_id: &str) -> Result<Option<Receipt>, RecordsError> {
        let mut write = self.write().await?;
        // First, so that a transaction that is about to store something of the contact has done so, or will see that it must not.
        sqlx::query(sql!("count_erasure")).execute(write.conn()).await?;
        let earlier = erasure(write.conn(), location_id, contact_id).await?;
        // The contact may have got GHL's id since the caller read it.
        let contact_id = match &earlier {
            Some(receipt) => receipt.contact_id.clone(),
            None => contacts::resolve(write.conn(), location_id, contact_id).await?,
        };
        let id = earlier.as_ref().map_or_else(|| Uuid::now_v7().to_string(), |receipt| receipt.id.clone());
        sqlx::query(sql!("name_erased")).bind(&id).bind(location_id).bind(&contact_id).execute(write.conn()).await?;
        let row = match contacts::find(write.conn(), location_id, &contact_id).await {
            // What can't be read is erased all the same.
            Err(RecordsError::Corrupt { .. }) => None,
            row => row?,
        };
        let awaits = row.as_ref().and_then(|row| later::awaited(row, &id));
        let record_id = row.as_ref().map_or_else(|| contact_id.clone(), |row| row.row_id.clone());
        // Before the aliases, by which they are found.
        let runs = flows::ending::erased(&mut write, location_id, &contact_id).await?;
        let mut erased = Counts::from([("flowRuns".to_owned(), runs)]);
        let twins = later::twins(&mut write, &id, location_id, row.as_ref()).await?;
        for (table, statement) in RECORDS {
            for contact_id in std::iter::once(&contact_id).chain(&twins) {
                let rows = sqlx::query(statement).bind(location_id).bind(contact_id).execute(write.conn()).await?;
                *erased.entry(table.to_owned()).or_default() += rows.rows_affected();
            }
        }
        // The persons in unreadable ones are unknown.
        sqlx::query(sql!("forget_unreadable")).bind(i64::MAX).bind(i64::MAX).execute(write.conn()).await?;
        let nothing = erased.values().all(|rows| *rows == 0);
        let is_new = earlier.is_none();
        if is_new && nothing && known_locations(write.conn(), HashSet::from([location_id])).await?.is_empty() {
            return Ok(None);
        }
        let erased_at = earlier.as_ref().map_or_else(|| timestamp(write.now_ms), |receipt| receipt.erased_at);
        let location_id = location_id.to_owned();
        let mut receipt = Receipt { id, location_id, contact_id, erased, erased_at };
        if let Some(earlier) = earlier {
            receipt.add(earlier.erased);
        }
        save(&mut write, &receipt, is_new).await?;
        traces::keep(&mut write, &receipt.id, row.as_ref()).await?;
        if awaits.is_some() {
            sqlx::query(sql!("await_erased")).bind(&awaits).bind(&receipt.id).execute(write.conn()).await?;
        }
        if is_new || !nothing {
            let act = Act::new(Action::ContactErase).at(&receipt.location_id).on(&receipt.contact_id);
            write.act(act.with(json!({"receipt": receipt.id, "erased": receipt.erased})));
            write.report(Changed {
                location_id: receipt.location_id.clone(),
                contact_id: receipt.contact_id.clone(),
                record: "contact",
                record_id,
                clienty_id: None,
                ghl_id: Some(receipt.contact_id.clone()),
                op: ChangeOp::Erased,
                fields: Vec::new(),
                sync: None,
                is_new: false,
                was: None,
            });
        }
        write.commit().await?;
        Ok(Some(receipt))
    }

    /// Empties what else is kept of the person, and closes the erasure.
    async fn complete_erasure(&self, mut receipt: Receipt) -> Result<Receipt, RecordsError> {
        receipt.add(self.erase_pages(&receipt).await?);
        let mut write = self.write().await?;
        sqlx::query(sql!("complete_erasure")).bind(receipt.counts()).bind(&receipt.id).execute(write.conn()).await?;
        sqlx::query(sql!("drop_record_ids")).bind(&receipt.id).execute(write.conn()).await?;
        write.commit().await?;
        Ok(receipt)
    }

    /// Empties SQLite's log, in which the pages stand as they were before.
    async fn wipe(&self) -> Result<(), RecordsError> {
        if !self.sqlite {
            return Ok(());
        }
        let _gate = self.gate().await?;
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&self.pool).await?;
        if busy == 0 { Ok(()) } else { Err(RecordsError::Unwiped) }
    }
}

impl Receipt {
    fn add(&mut self, more: Counts) {
        for (table, rows) in more {
            *self.erased.entry(table).or_default() += rows;
        }
    }

    fn counts(&self) -> String {
        // A map of numbers has no way to fail.
        serde_json::to_string(&self.erased).unwrap_or_default()
    }
}

async fn save(write: &mut Write, receipt: &Receipt, is_new: bool) -> Result<(), RecordsError> {
    let Receipt { id, location_id, contact_id, erased_at, .. } = receipt;
    let statement = match is_new {
        true => {
            let insert = sqlx::query(sql!("insert_erasure")).bind(id).bind(location_id).bind(contact_id);
            insert.bind(receipt.counts()).bind(erased_at.as_millisecond())
        }
        false => sqlx::query(sql!("reopen_erasure")).bind(receipt.counts()).bind(id),
    };
    statement.execute(write.conn()).await?;
    Ok(())
}

async fn erasure(
    connection: &mut AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Option<Receipt>, RecordsError> {
    let query = sqlx::query_as(sql!("erasure")).bind(location_id).bind(contact_id);
    let row: Option<(String, String, String, i64)> = query.fetch_optional(connection).await?;
    let Some((id, contact_id, erased, erased_at)) = row else { return Ok(None) };
    let erased = serde_json::from_str(&erased).map_err(|error| RecordsError::corrupt("erasures", &id, &error))?;
    Ok(Some(Receipt { id, location_id: location_id.to_owned(), contact_id, erased, erased_at: timestamp(erased_at) }))
}

/// Whether anybody's data was ever erased: only then must others be asked for.
pub(super) async fn any_erased(connection: &mut AnyConnection) -> Result<bool, RecordsError> {
    let erasures: i64 = sqlx::query_scalar(sql!("count_erasures")).fetch_one(connection).await?;
    Ok(erasures > 0)
}

/// Those of the contacts whose data was erased, as location and contact id.
pub(super) async fn erased_among(
    connection: &mut AnyConnection,
    contacts: &[(&str, &str)],
) -> Result<HashSet<(String, String)>, RecordsError> {
    let wanted: HashSet<(&str, &str)> = contacts.iter().copied().collect();
    let ids: Vec<&str> = wanted.iter().map(|(_, contact_id)| *contact_id).collect();
    let (mut left, mut erased) = (ids.as_slice(), HashSet::new());
    while !left.is_empty() {
        let batch = take_batch(&mut left, CHUNK);
        let text = with_list(sql!("erasures_in_force"), batch.len());
        let mut query = sqlx::query_as(text).persistent(batch.len() <= ROWS);
        for id in batch {
            query = query.bind(*id);
        }
        let rows: Vec<(String, String)> = query.fetch_all(&mut *connection).await?;
        let is_wanted =
            |(location, contact): &(String, String)| wanted.contains(&(location.as_str(), contact.as_str()));
        erased.extend(rows.into_iter().filter(is_wanted));
    }
    Ok(erased)
}
