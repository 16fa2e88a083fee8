//! Erasing one person's data, on that person's request.
//!
//! Every table that holds something of the contact loses it in one transaction; ids stay, as repeated events are known by them. A
//! receipt is kept, which says how much was erased and nothing of what. From then on nothing of the contact is stored: no pull, no
//! import, no webhook brings it back ([`RecordsError::Erased`]), until a producer asks for the contact again.
//!
//! The trap is what a database keeps of a deleted row. SQLite overwrites it (`secure_delete`), and its log is emptied before the
//! receipt is given. PostgreSQL overwrites it once its vacuum has passed, and its backups are their keepers' matter.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::AnyConnection;
use uuid::Uuid;

use super::accept::known_locations;
use super::feed::{ChangeOp, Changed};
use super::ledger::timestamp;
use super::sql::{CHUNK, sql, with_list};
use super::{Records, RecordsError, contacts, flows};

/// Each table that holds data of people, and the statement that erases one's: $1 the location, $2 the contact. Webhooks and jobs before
/// entries, by which theirs are found.
const PLACES: [(&str, &str); 6] = [
    ("webhooks", sql!("erase_webhooks")),
    ("jobs", sql!("erase_jobs")),
    ("conflicts", sql!("erase_conflicts")),
    ("contactAliases", sql!("erase_aliases")),
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

impl Records {
    /// Erases all that is kept of a contact, whichever of its ids that is, and stores nothing of it from now on. A second request by GHL's
    /// id gets the first one's receipt.
    /// None where the location is not connected and nothing of the contact was here.
    ///
    /// # Errors
    /// [`RecordsError::Unwiped`]: to be called again. [`RecordsError::Database`]; nothing was erased then.
    pub async fn erase(&self, location_id: &str, contact_id: &str) -> Result<Option<Receipt>, RecordsError> {
        let contact_id = &contacts::resolve(&mut *self.pool.acquire().await?, location_id, contact_id).await?;
        let receipt = match self.erasure(location_id, contact_id).await? {
            Some(receipt) => receipt,
            None => match self.try_erase(location_id, contact_id).await {
                // Two requests at once: the other one's receipt is there now.
                Err(error) if error.is_race() => {
                    self.erasure(location_id, contact_id).await?.ok_or(RecordsError::Raced)?
                }
                Ok(None) => return Ok(None),
                outcome => outcome?.ok_or(RecordsError::Raced)?,
            },
        };
        self.wipe().await?;
        Ok(Some(receipt))
    }

    /// The receipt that is in force for a contact.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn erasure(&self, location_id: &str, contact_id: &str) -> Result<Option<Receipt>, RecordsError> {
        let row: Option<(String, String, i64)> =
            sqlx::query_as(sql!("erasure")).bind(location_id).bind(contact_id).fetch_optional(&self.pool).await?;
        let Some((id, erased, erased_at)) = row else { return Ok(None) };
        let erased = serde_json::from_str(&erased).map_err(|error| RecordsError::corrupt("erasures", &id, &error))?;
        let (location_id, contact_id) = (location_id.to_owned(), contact_id.to_owned());
        Ok(Some(Receipt { id, location_id, contact_id, erased, erased_at: timestamp(erased_at) }))
    }

    async fn try_erase(&self, location_id: &str, contact_id: &str) -> Result<Option<Receipt>, RecordsError> {
        let mut write = self.write().await?;
        // First, so that whoever is about to store something of the contact has done so, or will see that it must not.
        sqlx::query(sql!("count_erasure")).execute(write.conn()).await?;
        // Anew: GHL may have told its own id since.
        let contact_id = &contacts::resolve(write.conn(), location_id, contact_id).await?;
        // Before the aliases, by which they are found, and the jobs, which end with them.
        let runs = flows::ending::erased(&mut write, location_id, contact_id).await?;
        let mut erased = BTreeMap::from([("flowRuns".to_owned(), runs)]);
        for (table, statement) in PLACES {
            let rows = sqlx::query(statement).bind(location_id).bind(contact_id).execute(write.conn()).await?;
            erased.insert(table.to_owned(), rows.rows_affected());
        }
        let nothing = erased.values().all(|rows| *rows == 0);
        if nothing && known_locations(write.conn(), HashSet::from([location_id])).await?.is_empty() {
            return Ok(None);
        }
        let receipt = Receipt {
            id: Uuid::now_v7().to_string(),
            location_id: location_id.to_owned(),
            contact_id: contact_id.to_owned(),
            erased,
            erased_at: timestamp(write.now_ms),
        };
        let now_ms = write.now_ms;
        sqlx::query(sql!("insert_erasure"))
            .bind(&receipt.id)
            .bind(location_id)
            .bind(contact_id)
            // A map of numbers has no way to fail.
            .bind(serde_json::to_string(&receipt.erased).unwrap_or_default())
            .bind(now_ms)
            .execute(write.conn())
            .await?;
        write.changed.push(Changed {
            location_id: location_id.to_owned(),
            contact_id: contact_id.to_owned(),
            record: "contact",
            record_id: contact_id.to_owned(),
            op: ChangeOp::Erased,
        });
        write.commit().await?;
        Ok(Some(receipt))
    }

    /// Empties SQLite's log, in which the pages stand as they were before.
    async fn wipe(&self) -> Result<(), RecordsError> {
        if !self.sqlite {
            return Ok(());
        }
        let _gate = self.gate().await;
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&self.pool).await?;
        if busy == 0 { Ok(()) } else { Err(RecordsError::Unwiped) }
    }
}

/// Those of the contacts whose data was erased, as location and contact id.
pub(super) async fn erased_among(
    connection: &mut AnyConnection,
    contacts: &[(&str, &str)],
) -> Result<HashSet<(String, String)>, RecordsError> {
    let wanted: HashSet<(&str, &str)> = contacts.iter().copied().collect();
    let ids: Vec<&str> = wanted.iter().map(|(_, contact_id)| *contact_id).collect();
    let mut erased = HashSet::new();
    for chunk in ids.chunks(CHUNK) {
        let mut query = sqlx::query_as(with_list(sql!("erasures_in_force"), chunk.len())).persistent(chunk.len() == 1);
        for id in chunk {
            query = query.bind(*id);
        }
        let rows: Vec<(String, String)> = query.fetch_all(&mut *connection).await?;
        let is_wanted =
            |(location, contact): &(String, String)| wanted.contains(&(location.as_str(), contact.as_str()));
        erased.extend(rows.into_iter().filter(is_wanted));
    }
    Ok(erased)
}
