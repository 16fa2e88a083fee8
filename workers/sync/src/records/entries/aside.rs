//! What a task, note or appointment owed when its contact went. It is kept aside: GHL may have merged the contact into another one, which has
//! the part then (`sql/remove_entries_of_contact.sql`).

use sqlx::{AnyConnection, Row};

use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::rows::read_text;
use super::{Entry, EntryRow};

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct SetAside<E> {
    /// What both sides had agreed on.
    pub base: E,
    /// Whether its deletion is what GHL does not have yet.
    pub is_deletion: bool,
    /// When it was set aside, in ms since 1970.
    pub since_ms: i64,
}

impl Records {
    /// What was set aside of `row`; none where its contact is there.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn set_aside<E: Entry>(&self, row: &EntryRow<E>) -> Result<Option<SetAside<E>>, RecordsError> {
        if !row.deleted || row.base.is_some() || row.ghl_id.is_none() {
            return Ok(None);
        }
        find(&mut *self.pool.acquire().await?, &row.row_id).await
    }
}

impl Tx {
    /// Whether something was set aside of the row.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn is_set_aside<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<bool, RecordsError> {
        Ok(find::<E>(self.write.conn(), &row.row_id).await?.is_some())
    }
}

async fn find<E: Entry>(connection: &mut AnyConnection, row_id: &str) -> Result<Option<SetAside<E>>, RecordsError> {
    let Some(row) = sqlx::query(sql!("set_aside")).bind(row_id).fetch_optional(connection).await? else {
        return Ok(None);
    };
    let base: String = row.try_get("gone_base")?;
    Ok(Some(SetAside {
        base: read_text(&base).map_err(|error| RecordsError::corrupt("entries", row_id, &error))?,
        is_deletion: row.try_get::<Option<i64>, _>("gone_deleted")? == Some(1),
        since_ms: row.try_get("changed_at")?,
    }))
}
