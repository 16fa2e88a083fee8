//! Ids that an erased person gets later.
//!
//! A create that was on its way when its contact was erased may have been carried out, and GHL then
//! shows that contact under an id that was unknown at the erasure. So the erasure keeps hashes of
//! what was sent ([`Awaited`]). The code that stores an unknown contact checks it first: a contact
//! that matches is recorded, and the erasure holds under its id from then on.

use std::collections::HashSet;

use sqlx::AnyConnection;
use sync_model::decide::identity::Awaited;
use sync_model::record::Contact;

use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{ContactRow, Records, RecordsError, Write, contacts};
use super::{any_erased, erasure};
use crate::mapping::contact::from_part;

/// What the erasure of `row` waits for.
pub(super) fn awaited(row: &ContactRow, salt: &str) -> Option<String> {
    let sent = row.intent.as_ref().filter(|_| row.base.is_none())?;
    // A struct of texts and a number has no way to fail.
    serde_json::to_string(&Awaited::of(sent, row.intent_at_ms?, salt)).ok()
}

/// What the create of `row` may have made, and a pull has brought under GHL's id already: erased with it, under all its ids.
pub(super) async fn twins(
    write: &mut Write,
    erasure_id: &str,
    location_id: &str,
    row: Option<&ContactRow>,
) -> Result<Vec<String>, RecordsError> {
    let Some((row, sent, at_ms)) = row.and_then(|row| Some((row, row.intent.as_ref()?, row.intent_at_ms?))) else {
        return Ok(Vec::new());
    };
    if row.base.is_some() {
        return Ok(Vec::new());
    }
    let awaited = Awaited::of(sent, at_ms, erasure_id);
    let query = sqlx::query(sql!("contacts_since")).bind(location_id).bind(at_ms - CLOCKS_MS);
    let mut twins = Vec::new();
    for found in query.fetch_all(write.conn()).await? {
        let found = contacts::row_of(&found)?;
        if found.doc.date_added.is_some() && awaited.fits(&found.doc, erasure_id) {
            let query = sqlx::query(sql!("name_erased")).bind(erasure_id).bind(location_id).bind(&found.contact_id);
            query.execute(write.conn()).await?;
            twins.push(found.contact_id);
        }
    }
    Ok(twins)
}

/// GHL's clock may be so far behind ours.
const CLOCKS_MS: i64 = 2 * 60 * 1000;

/// The contact that is, or was, known as `id` has this id of GHL's: if it was erased, the erasure holds under both.
pub(in super::super) async fn name_later(
    write: &mut Write,
    location_id: &str,
    id: &str,
    later: &str,
) -> Result<(), RecordsError> {
    match erasure(write.conn(), location_id, id).await? {
        Some(receipt) => name(write.conn(), &receipt.id, location_id, later).await,
        None => Ok(()),
    }
}

/// Those of the contacts that erased persons are waited for as; each is named by its erasure from now on, and what was kept of it until now is
/// erased with the next round of retention.
pub(in super::super) async fn recognize(
    connection: &mut AnyConnection,
    location_id: &str,
    contacts: &[&Contact],
) -> Result<HashSet<String>, RecordsError> {
    let mut recognized = HashSet::new();
    if !any_erased(connection).await? {
        return Ok(recognized);
    }
    let rows: Vec<(String, String)> =
        sqlx::query_as(sql!("awaiting_erasures")).bind(location_id).fetch_all(&mut *connection).await?;
    for (erasure_id, awaits) in rows {
        let awaited: Awaited =
            serde_json::from_str(&awaits).map_err(|error| RecordsError::corrupt("erasures", &erasure_id, &error))?;
        for contact in contacts.iter().filter(|contact| awaited.fits(contact, &erasure_id)) {
            let known: Option<String> = sqlx::query_scalar(sql!("contact_known"))
                .bind(location_id)
                .bind(&contact.id)
                .fetch_optional(&mut *connection)
                .await?;
            if known.is_none() {
                name(connection, &erasure_id, location_id, &contact.id).await?;
                recognized.insert(contact.id.clone());
            }
        }
    }
    Ok(recognized)
}

/// The contact of a webhook, if the webhook shows the whole contact.
pub(in super::super) fn person_in(body: &serde_json::Map<String, serde_json::Value>) -> Option<Contact> {
    serde_json::from_value(serde_json::Value::Object(body.clone())).ok().map(from_part)
}

async fn name(
    connection: &mut AnyConnection,
    erasure_id: &str,
    location_id: &str,
    id: &str,
) -> Result<(), RecordsError> {
    let query = sqlx::query(sql!("name_later")).bind(erasure_id).bind(location_id).bind(id);
    query.execute(&mut *connection).await?;
    sqlx::query(sql!("erasure_has_come")).bind(erasure_id).execute(connection).await?;
    Ok(())
}

impl Records {
    /// Whether anybody's data was ever erased.
    async fn any_erased(&self) -> Result<bool, RecordsError> {
        let records = self.clone();
        let look = move |asked: Vec<()>| {
            let records = records.clone();
            async move {
                let any = any_erased(&mut *records.often.acquire().await?).await?;
                Ok(vec![any; asked.len()])
            }
        };
        self.lines.erasures.look((), look).await
    }

    /// Whether GHL's contact is an erased person under a new id: nothing of it is to be stored, and what was kept of it is erased.
    ///
    /// # Errors
    /// See [`Records::erase`].
    pub async fn is_erased_person(&self, location_id: &str, contact: &Contact) -> Result<bool, RecordsError> {
        if !self.any_erased().await? {
            return Ok(false);
        }
        let mut write = self.write().await?;
        if recognize(write.conn(), location_id, &[contact]).await?.is_empty() {
            return Ok(false);
        }
        write.commit().await?;
        self.erase(location_id, &contact.id).await?;
        Ok(true)
    }
}

impl Tx {
    /// Erased persons among a page's contacts, who have these ids since: from now on they are erased under them.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn recognize_erased(&mut self, contacts: &[Contact]) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let contacts: Vec<&Contact> = contacts.iter().collect();
        recognize(self.write.conn(), &location_id, &contacts).await.map(drop)
    }
}
