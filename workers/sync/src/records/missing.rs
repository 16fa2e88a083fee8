//! The parts of contacts that GHL did not give: a contact, its tasks, its notes and its appointments are read by calls of their own, of which one
//! can fail while the others come. What came is stored; what did not is kept here by name until it is read, so that no reader takes an empty
//! list for an answer.

use serde::{Deserialize, Serialize};

use jiff::Timestamp;
use sync_model::part::Part;

use super::ledger::timestamp;
use super::runs::Tx;
use super::sql::sql;
use super::{Records, RecordsError, Write};

/// A part of a contact that was asked for and did not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingPart {
    /// Which one.
    pub part: Part,
    /// Why, in GHL's words.
    pub reason: String,
    /// Since when it does not come.
    pub since: Timestamp,
}

/// The contacts of a location of which a part is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingParts {
    /// How many contacts that are.
    pub contacts: i64,
    /// The same by part and reason, the most frequent first.
    pub parts: Vec<MissingCount>,
}

/// How often a part is missing for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingCount {
    /// Which one.
    pub part: Part,
    /// Why, in GHL's words.
    pub reason: String,
    /// Of so many contacts.
    pub contacts: i64,
}

impl Records {
    /// The contacts of a location of which a part is missing.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn missing_parts(&self, location_id: &str) -> Result<MissingParts, RecordsError> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as(sql!("count_missing_parts")).bind(location_id).fetch_all(&self.pool).await?;
        let counted = |(part, reason, contacts): (String, String, i64)| {
            Some(MissingCount { part: Part::parse(&part)?, reason, contacts })
        };
        let contacts: i64 =
            sqlx::query_scalar(sql!("count_incomplete_contacts")).bind(location_id).fetch_one(&self.pool).await?;
        Ok(MissingParts { contacts, parts: rows.into_iter().filter_map(counted).collect() })
    }
}

impl Records {
    /// Whether a part of the contact did not come when it was last asked for.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn lacks_part(&self, location_id: &str, contact_id: &str, part: Part) -> Result<bool, RecordsError> {
        let missing = of_contact(&mut *self.pool.acquire().await?, location_id, contact_id).await?;
        Ok(missing.iter().any(|one| one.part == part))
    }
}

/// Those of one contact.
pub(super) async fn of_contact(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Vec<MissingPart>, RecordsError> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as(sql!("missing_parts")).bind(location_id).bind(contact_id).fetch_all(connection).await?;
    let read = |(part, reason, since): (String, String, i64)| {
        Some(MissingPart { part: Part::parse(&part)?, reason, since: timestamp(since) })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Whether parts of any contact of the location are missing.
pub(super) async fn has_any(connection: &mut sqlx::AnyConnection, location_id: &str) -> Result<bool, RecordsError> {
    let any: Option<String> =
        sqlx::query_scalar(sql!("any_missing_part")).bind(location_id).fetch_optional(connection).await?;
    Ok(any.is_some())
}

/// Forgets all of a contact's: nobody waits for parts of what is gone.
pub(super) async fn forget(write: &mut Write, location_id: &str, contact_id: &str) -> Result<(), RecordsError> {
    sqlx::query(sql!("erase_missing_parts")).bind(location_id).bind(contact_id).execute(write.conn()).await?;
    Ok(())
}

impl Tx {
    /// Whether parts of any contact of the location are missing: of a page of contacts, one look instead of one for each.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn has_missing(&mut self) -> Result<bool, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        has_any(self.write.conn(), &location_id).await
    }

    /// Keeps which parts of the contact came and which did not, with the reason.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn keep_missing(
        &mut self,
        contact_id: &str,
        came: &[Part],
        missing: &[(Part, String)],
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let now_ms = self.write.now_ms;
        if missing.is_empty() && self.write.page.is_whole(&location_id, contact_id) {
            return Ok(());
        }
        // Of most contacts nothing is missing, and to look costs less than to write.
        let before = of_contact(self.write.conn(), &location_id, contact_id).await?;
        for part in came.iter().filter(|part| before.iter().any(|missing| missing.part == **part)) {
            let query = sqlx::query(sql!("part_read")).bind(&location_id).bind(contact_id).bind(part.as_str());
            query.execute(self.write.conn()).await?;
        }
        for (part, reason) in missing {
            sqlx::query(sql!("save_missing_part"))
                .bind(&location_id)
                .bind(contact_id)
                .bind(part.as_str())
                .bind(reason)
                .bind(now_ms)
                .execute(self.write.conn())
                .await?;
        }
        Ok(())
    }
}
