//! Taking back what a provider gave: every value that no person has touched since.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::audit::{Act, Action};
use super::super::{Records, RecordsError, contacts};
use super::{Held, fields, of_contact, own, set};

/// Contacts of one look.
const PAGE: i64 = 100;

/// What was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Undone {
    /// Contacts that have lost a value.
    pub contacts: u64,
    /// Values that were taken back.
    pub fields: u64,
    /// Values that stay, since a person has edited them: only their origin is forgotten.
    pub kept: u64,
}

impl Records {
    /// Takes back all that a provider gave to contacts of a location since `since_ms` (1970), contact by contact, and forgets where it came from.
    /// Interrupted, it may be called again.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`]; what was done until then stays.
    pub async fn undo_enrichments(
        &self,
        location_id: &str,
        provider: &str,
        since_ms: i64,
    ) -> Result<Undone, RecordsError> {
        let act = Act::new(Action::EnrichUndo).at(location_id).on(provider);
        self.note_act(act.with(json!({"sinceMs": since_ms}))).await?;
        let (mut undone, mut after) = (Undone::default(), String::new());
        loop {
            let query = "select distinct contact_id from enrichments where location_id = $1 and provider = $2 and at >= $3 \
                 and contact_id > $4 order by contact_id limit $5";
            let query = sqlx::query_scalar(query).bind(location_id).bind(provider).bind(since_ms);
            let page: Vec<String> = query.bind(&after).bind(PAGE).fetch_all(&self.pool).await?;
            let Some(last) = page.last() else { return Ok(undone) };
            after.clone_from(last);
            for contact_id in &page {
                let one = self.undo_of(location_id, contact_id, provider, since_ms).await?;
                undone.contacts += u64::from(one.fields > 0);
                undone.fields += one.fields;
                undone.kept += one.kept;
            }
        }
    }

    async fn undo_of(
        &self,
        location_id: &str,
        contact_id: &str,
        provider: &str,
        since_ms: i64,
    ) -> Result<Undone, RecordsError> {
        let mut write = self.write().await?;
        let row = contacts::lock(&mut write, location_id, contact_id).await?;
        let stored = of_contact(write.conn(), location_id, contact_id).await?;
        let given: Vec<String> = stored
            .iter()
            .filter(|stored| stored.own.provider == provider && stored.at_ms >= since_ms)
            .map(|stored| stored.field.clone())
            .collect();
        let mut undone = Undone::default();
        if let Some(row) = row.filter(contacts::ContactRow::is_visible) {
            let (now, own) = (fields(&row.doc), own(stored));
            let held = Held { now: &now, last_edits: &row.last_edits, unread: &row.unread, own: &own };
            let (back, kept): (Vec<&String>, Vec<&String>) = given.iter().partition(|name| held.is_own(name));
            (undone.fields, undone.kept) = (back.len() as u64, kept.len() as u64);
            let nothing: Vec<(String, Value)> = back.into_iter().map(|name| (name.clone(), Value::Null)).collect();
            if !nothing.is_empty() {
                set(&mut write, row, &nothing, provider).await?;
            }
        }
        let delete =
            "delete from enrichments where location_id = $1 and contact_id = $2 and provider = $3 and at >= $4";
        let query = sqlx::query(delete).bind(location_id).bind(contact_id).bind(provider).bind(since_ms);
        query.execute(write.conn()).await?;
        write.commit().await?;
        Ok(undone)
    }
}
