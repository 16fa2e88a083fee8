//! What enrichment wrote into contacts, and how it is written: an ordinary change with an author of its own, that of no person.
//!
//! A row says where the value of a field came from, for as long as the field reads so and no person has touched it; which of the rows that is so for is
//! decided when they are read ([`sync_model::decide::enrichment::Held`]), so an edit has nothing to do here. The values go to GHL by the ordinary push.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AnyConnection, Row as _};
use sync_model::decide::enrichment::{Held, OF_A_MACHINE, Overwrite, Own};
use sync_model::decide::fields::{self, Fields, fields, with_fields};
use sync_model::record::Contact;

use super::contacts::{self, ContactRow};
use super::feed::Origin;
use super::history::Via;
use super::ledger::timestamp;
use super::runs::Tx;
use super::{Records, RecordsError, Write, custom_fields, unanswered};

mod answers;
mod keys;
mod spend;
mod undo;

pub use answers::{Asked, KnownAnswer};
pub use keys::StoredKey;
pub use spend::{Ceilings, Question, Reserved, Settle, Spend};
pub use undo::Undone;

/// What a provider found.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The provider.
    pub provider: String,
    /// Fields of the contact; custom fields by key, `customFields.linkedin`.
    pub fields: Fields,
    /// Of 1,000; none where the provider says none.
    pub confidence: Option<i64>,
    /// When it was found, in ms since 1970.
    pub at_ms: i64,
    /// Until when it counts, in ms since 1970.
    pub expires_ms: i64,
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enriched {
    /// The fields that took a value.
    pub filled: Vec<String>,
}

/// Where the value of a field came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrichment {
    /// Of the contact; a custom field by its key where that is known.
    pub field: String,
    /// Who gave it.
    pub provider: String,
    /// As it was written.
    pub value: Value,
    /// From 0 to 1; none where the provider says none.
    pub confidence: Option<f64>,
    /// When.
    pub at: Timestamp,
    /// The provider is not asked again before.
    pub expires_at: Timestamp,
    /// Whether the field still reads so and no person has touched it.
    pub in_force: bool,
}

/// A row of the table.
pub(super) struct Stored {
    field: String,
    own: Own,
    confidence: Option<i64>,
    at_ms: i64,
    expires_ms: i64,
}

/// What enrichment wrote into the contact that is kept under that id.
pub(super) async fn of_contact(
    connection: &mut AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Vec<Stored>, RecordsError> {
    let query = "select field, provider, value, confidence, at, expires_at from enrichments \
         where location_id = $1 and contact_id = $2 order by field";
    let rows = sqlx::query(query).bind(location_id).bind(contact_id).fetch_all(connection).await?;
    let stored = |row: &sqlx::any::AnyRow| {
        let value: String = row.try_get("value")?;
        let value =
            serde_json::from_str(&value).map_err(|error| RecordsError::corrupt("enrichments", contact_id, &error))?;
        Ok(Stored {
            field: row.try_get("field")?,
            own: Own { provider: row.try_get("provider")?, value },
            confidence: row.try_get("confidence")?,
            at_ms: row.try_get("at")?,
            expires_ms: row.try_get("expires_at")?,
        })
    };
    rows.iter().map(stored).collect()
}

fn own(stored: Vec<Stored>) -> BTreeMap<String, Own> {
    stored.into_iter().map(|stored| (stored.field, stored.own)).collect()
}

/// All that was found of the contact of the id `old` belongs to that of `new`; where both have a value of a field, that of `new` stays.
pub(super) async fn move_to(write: &mut Write, location_id: &str, old: &str, new: &str) -> Result<(), RecordsError> {
    let insert = "insert into enrichments (location_id, contact_id, field, provider, value, confidence, at, expires_at) \
         select location_id, $1, field, provider, value, confidence, at, expires_at from enrichments \
         where location_id = $2 and contact_id = $3 on conflict do nothing";
    sqlx::query(insert).bind(new).bind(location_id).bind(old).execute(write.conn()).await?;
    let delete = "delete from enrichments where location_id = $1 and contact_id = $2";
    sqlx::query(delete).bind(location_id).bind(old).execute(write.conn()).await?;
    Ok(())
}

impl Records {
    /// Those of the `wanted` fields for which a value is welcome: they are empty and were not emptied by a person, or they stand as enrichment wrote
    /// them for so long that they are to be refreshed. Custom fields are named by key.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn open_fields(
        &self,
        row: &ContactRow,
        wanted: &[String],
        overwrite: Overwrite,
    ) -> Result<Vec<String>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let stored = of_contact(&mut connection, &row.location_id, &row.contact_id).await?;
        drop(connection);
        let now_ms = self.clock.now_ms();
        let is_old = |stored: &&Stored| overwrite == Overwrite::Own && stored.expires_ms <= now_ms;
        let old: Vec<String> = stored.iter().filter(is_old).map(|stored| stored.field.clone()).collect();
        let own = own(stored);
        let keys = self.custom_field_keys(&row.location_id).await?;
        let ids: BTreeMap<&str, &str> = keys.iter().map(|(id, key)| (key.as_str(), id.as_str())).collect();
        let now = fields(&row.doc);
        let held = Held { now: &now, last_edits: &row.last_edits, unread: &row.unread, own: &own };
        let by_id = |name: &str| match name.strip_prefix(CUSTOM) {
            None => Some(name.to_owned()),
            Some(key) => ids.get(key).map(|id| format!("{CUSTOM}{id}")),
        };
        let is_open = |name: &String| held.is_open(name) && !own.contains_key(name);
        let is_welcome = |name: &String| is_open(name) || (old.contains(name) && held.is_own(name));
        let wanted = wanted.iter().filter(|name| by_id(name).is_some_and(|name| is_welcome(&name)));
        Ok(wanted.cloned().collect())
    }

    /// What enrichment has written into a contact, whichever of its ids that is; none where there is no such contact.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn enrichments(
        &self,
        location_id: &str,
        contact_id: &str,
    ) -> Result<Option<(ContactRow, Vec<Enrichment>)>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let row = contacts::find_by_any_id(&mut connection, location_id, contact_id).await?;
        let Some(row) = row.filter(ContactRow::is_visible) else { return Ok(None) };
        let stored = of_contact(&mut connection, location_id, &row.contact_id).await?;
        drop(connection);
        let keys = match stored.iter().any(|stored| stored.field.starts_with(CUSTOM)) {
            true => self.custom_field_keys(location_id).await?,
            false => Default::default(),
        };
        Ok(Some((row.clone(), shown(&row, stored, |id| keys.get(id).cloned()))))
    }
}

/// Before the id or the key of a custom field.
const CUSTOM: &str = "customFields.";

/// Those of the contact's fields that stand as enrichment wrote them; custom fields by their `keys`.
pub(super) fn in_force(row: &ContactRow, stored: Vec<Stored>, keys: &HashMap<String, String>) -> Vec<Enrichment> {
    let mut all = shown(row, stored, |id| keys.get(id).cloned());
    all.retain(|one| one.in_force);
    all
}

fn shown(row: &ContactRow, stored: Vec<Stored>, key_of: impl Fn(&str) -> Option<String>) -> Vec<Enrichment> {
    let now = fields(&row.doc);
    let all: BTreeMap<String, Own> = stored.iter().map(|stored| (stored.field.clone(), stored.own.clone())).collect();
    let held = Held { now: &now, last_edits: &row.last_edits, unread: &row.unread, own: &all };
    let show = |Stored { field, own, confidence, at_ms, expires_ms }: Stored| {
        let in_force = held.is_own(&field);
        let key = field.strip_prefix(CUSTOM).and_then(&key_of);
        #[expect(clippy::cast_precision_loss, reason = "it is 1,000 at most")]
        let confidence = confidence.map(|of_1000| of_1000 as f64 / 1000.0);
        Enrichment {
            field: key.map_or(field, |key| format!("{CUSTOM}{key}")),
            provider: own.provider,
            value: own.value,
            confidence,
            at: timestamp(at_ms),
            expires_at: timestamp(expires_ms),
            in_force,
        }
    };
    stored.into_iter().map(show).collect()
}

impl Tx {
    /// Lets the contact of `row_id` take what a provider found, below every person's word; a push is pending of what it took.
    ///
    /// # Errors
    /// [`RecordsError::Database`], [`RecordsError::Corrupt`], or that another transaction was faster.
    pub async fn enrich(
        &mut self,
        row_id: &str,
        finding: &Answer,
        overwrite: Overwrite,
    ) -> Result<Enriched, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let write = &mut self.write;
        let Some(row) = contacts::take(write, &location_id, row_id).await? else { return Ok(Enriched::default()) };
        if !row.is_visible() || row.is_pending() || row.is_unread() {
            return Ok(Enriched::default());
        }
        let found = named_by_id(write, &location_id, &finding.fields).await?;
        let own = own(of_contact(write.conn(), &location_id, &row.contact_id).await?);
        let now = fields(&row.doc);
        let held = Held { now: &now, last_edits: &row.last_edits, unread: &row.unread, own: &own };
        let takes = |(name, value): &(String, Value)| held.takes(name, value, &finding.provider, overwrite);
        let taken: Vec<(String, Value)> = found.into_iter().filter(takes).collect();
        if taken.is_empty() {
            return Ok(Enriched::default());
        }
        let contact_id = row.contact_id.clone();
        set(write, row, &taken, &finding.provider).await?;
        for (name, value) in &taken {
            keep(write, &location_id, &contact_id, name, value, finding).await?;
        }
        Ok(Enriched { filled: taken.into_iter().map(|(name, _)| name).collect() })
    }
}

async fn named_by_id(
    write: &mut Write,
    location_id: &str,
    found: &Fields,
) -> Result<Vec<(String, Value)>, RecordsError> {
    let ids = match found.keys().any(|name| name.starts_with(CUSTOM)) {
        true => custom_fields::present(write, location_id).await?,
        false => Default::default(),
    };
    let named = found.iter().filter_map(|(name, value)| match name.strip_prefix(CUSTOM) {
        None => Some((name.clone(), value.clone())),
        // A field that the location lacks could be written to nowhere.
        Some(key) => Some((format!("{CUSTOM}{}", ids.get(key)?), value.clone())),
    });
    Ok(named.collect())
}

/// Gives the contact these values, null for nothing, as an edit of no person, which its push takes to GHL.
async fn set(
    write: &mut Write,
    mut row: ContactRow,
    values: &[(String, Value)],
    provider: &str,
) -> Result<(), RecordsError> {
    let before = row.doc.clone();
    let mut now = fields(&before);
    for (name, value) in values {
        fields::set(&mut now, name, value.clone());
        row.edits.insert(name.clone(), OF_A_MACHINE);
    }
    row.doc = Contact { clienty_contact_id: row.clienty_id.clone(), ..with_fields(&before, &now) };
    contacts::save(write, &row, true).await?;
    let cause = write.cause.clone();
    write.cause.origin = Origin::Enrichment;
    write.cause.via = Via::Enrichment { provider: provider.to_owned() };
    write.report(row.stored(Some(&before)));
    write.cause = cause;
    unanswered::owe_contact(write, &row);
    Ok(())
}

async fn keep(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    field: &str,
    value: &Value,
    finding: &Answer,
) -> Result<(), RecordsError> {
    let upsert = "insert into enrichments (location_id, contact_id, field, provider, value, confidence, at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (location_id, contact_id, field) do update set \
         provider = excluded.provider, value = excluded.value, confidence = excluded.confidence, at = excluded.at, \
         expires_at = excluded.expires_at";
    sqlx::query(upsert)
        .bind(location_id)
        .bind(contact_id)
        .bind(field)
        .bind(&finding.provider)
        .bind(value.to_string())
        .bind(finding.confidence)
        .bind(finding.at_ms)
        .bind(finding.expires_ms)
        .execute(write.conn())
        .await?;
    Ok(())
}
