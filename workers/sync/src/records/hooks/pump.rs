//! From the feed to the messages of hooks: apart from those who write, and one process at a time.
//!
//! The pump locks the one row that shows how far the feed was read. One transaction writes the
//! messages and that row, so a pump that is killed has done a whole turn or none.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::any::AnyRow;

use super::super::feed::item;
use super::super::sql::{ROWS, sql, with_list, with_rows_then};
use super::super::{ChangeItem, Records, RecordsError, Write, contacts};
use super::deliveries::OwedKey;
use super::{Hook, hook_of, seen, select};
use crate::hooks::event::heard_as;

/// Changes of one turn.
const TURN: i64 = 1000;

/// What a turn of the pump came to.
#[derive(Debug, Default)]
pub struct Pumped {
    /// What to enqueue.
    pub jobs: Vec<OwedKey>,
    /// Whether there may be more changes to look at.
    pub more: bool,
}

/// A change that a hook is to hear of.
pub(super) struct Heard<'a> {
    pub(super) hook_id: &'a str,
    pub(super) change: &'a ChangeItem,
    pub(super) previous: Option<i64>,
    pub(super) event: &'static str,
    pub(super) contact_key: String,
}

impl Records {
    /// Looks through the next changes of the feed.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn pump_hooks(&self) -> Result<Pumped, RecordsError> {
        let look = "select hook_pump.last_seq, change_counter.last from hook_pump, change_counter where name = 'feed'";
        let (pumped, end): (i64, i64) = sqlx::query_as(look).fetch_one(&self.pool).await?;
        if pumped >= end {
            return Ok(Pumped::default());
        }
        let mut write = self.write().await?;
        // The pump's lock, before anything is read.
        let take = "update hook_pump set last_seq = last_seq where name = 'feed' returning last_seq";
        let pumped: i64 = sqlx::query_scalar(take).fetch_one(write.conn()).await?;
        let end: i64 = sqlx::query_scalar("select last from change_counter").fetch_one(write.conn()).await?;
        seen::end_with_keys(&mut write).await?;
        let rows = sqlx::query(select("where state = 'active' order by id")).fetch_all(write.conn()).await?;
        let hooks = rows.iter().map(hook_of).collect::<Result<Vec<_>, _>>()?;
        if hooks.is_empty() {
            move_to(&mut write, end).await?;
            write.commit().await?;
            return Ok(Pumped::default());
        }
        let rows = after(&mut write, pumped, end, TURN).await?;
        let more = i64::try_from(rows.len()).unwrap_or(TURN) >= TURN;
        // What an operation of a later release did is passed over with the rest.
        let changes = rows.iter().filter_map(|row| item(row).transpose()).collect::<Result<Vec<_>, _>>()?;
        let last = if more { changes.last().map_or(end, |change| change.seq) } else { end };
        let heard = self.heard(&mut write, &hooks, &changes).await?;
        let jobs = insert(&mut write, &heard).await?;
        // In one order, as all code that writes to several hooks.
        let newest: BTreeMap<&str, i64> = heard.iter().map(|heard| (heard.hook_id, heard.change.seq)).collect();
        for (hook_id, seq) in newest {
            let note = sqlx::query("update hooks set last_seq = $1 where id = $2").bind(seq).bind(hook_id);
            note.execute(write.conn()).await?;
        }
        move_to(&mut write, last).await?;
        write.commit().await?;
        Ok(Pumped { jobs, more })
    }

    /// Which of the changes each hook gets.
    async fn heard<'a>(
        &self,
        write: &mut Write,
        hooks: &'a [Hook],
        changes: &'a [ChangeItem],
    ) -> Result<Vec<Heard<'a>>, RecordsError> {
        let (imported, seen) = (imported(write, changes).await?, seen::now(write).await?);
        let mut keys = ContactKeys::default();
        let mut previous: HashMap<&str, i64> = HashMap::new();
        let mut all = Vec::new();
        for change in changes {
            let is_imported = change.caused_by.as_ref().is_some_and(|job| imported.contains(job));
            for hook in hooks.iter().filter(|hook| hook.from_seq < change.seq) {
                let Some(event) = heard_as(change, is_imported, hook.wishes(&seen)) else { continue };
                let before = previous.insert(&hook.id, change.seq).or(hook.last_seq);
                let contact_key = keys.of(write, change).await?;
                all.push(Heard { hook_id: &hook.id, change, previous: before, event, contact_key });
            }
        }
        Ok(all)
    }
}

/// The changes after one place and up to another, at most `limit` of them.
pub(super) async fn after(write: &mut Write, after: i64, end: i64, limit: i64) -> Result<Vec<AnyRow>, RecordsError> {
    // Of every location, whatever the principal.
    let (location, key): (Option<&str>, Option<&str>) = (None, None);
    let query = sqlx::query(sql!("list_changes")).bind(after).bind(end).bind(location).bind(key).bind(limit);
    Ok(query.fetch_all(write.conn()).await?)
}

/// Those of the changes' jobs that are parts of an import.
pub(super) async fn imported(write: &mut Write, changes: &[ChangeItem]) -> Result<HashSet<String>, RecordsError> {
    let jobs: HashSet<&str> = changes.iter().filter_map(|change| change.caused_by.as_deref()).collect();
    let jobs: Vec<&str> = jobs.into_iter().collect();
    let mut imported = HashSet::new();
    for chunk in jobs.chunks(ROWS) {
        let of = "select jobs.id from jobs join walks on walks.id = jobs.record_id where walks.purpose = 'import' and jobs.id in ";
        let query = chunk.iter().fold(sqlx::query_scalar(with_list(of, chunk.len())), |query, id| query.bind(*id));
        imported.extend(query.persistent(false).fetch_all(write.conn()).await?);
    }
    Ok(imported)
}

/// The row ids of contacts: they stay the same when a contact gets its id in GHL.
#[derive(Default)]
pub(super) struct ContactKeys(HashMap<(String, String), String>);

impl ContactKeys {
    pub(super) async fn of(&mut self, write: &mut Write, change: &ChangeItem) -> Result<String, RecordsError> {
        if change.record == "contact" {
            return Ok(change.record_id.clone());
        }
        let place = (change.location_id.clone(), change.contact_id.clone());
        if let Some(key) = self.0.get(&place) {
            return Ok(key.clone());
        }
        let contact_id = contacts::resolve(write.conn(), &place.0, &place.1).await?;
        let query = "select row_id from contacts where location_id = $1 and contact_id = $2";
        let query = sqlx::query_scalar(query).bind(&place.0).bind(&contact_id);
        let key: Option<String> = query.fetch_optional(write.conn()).await?;
        // It was not fetched yet.
        let key = key.unwrap_or(contact_id);
        self.0.insert(place, key.clone());
        Ok(key)
    }
}

/// Writes down what hooks are to hear; what was written before stays as it is. Returns what to enqueue.
pub(super) async fn insert(write: &mut Write, heard: &[Heard<'_>]) -> Result<Vec<OwedKey>, RecordsError> {
    const HEAD: &str = "insert into hook_deliveries \
         (hook_id, seq, previous, event, location_id, contact_id, contact_key, record, record_id, state, created_at) values ";
    // What was recovered is sent again, unless it arrived.
    const AGAIN: &str = "on conflict (hook_id, seq) do update set state = 'open', attempts = 0, next_at = null, ended_at = null \
         where hook_deliveries.state in ('failed', 'dropped')";
    let now_ms = write.now_ms;
    let mut left = heard;
    while !left.is_empty() {
        // Whole batches or single rows: a row may be there once in a statement that updates what it meets, so none is filled up.
        let (batch, rest) = left.split_at(if left.len() >= ROWS { ROWS } else { 1 });
        left = rest;
        let mut query = sqlx::query(with_rows_then(HEAD, batch.len(), 11, AGAIN));
        for Heard { hook_id, change, previous, event, contact_key } in batch {
            query = query.bind(*hook_id).bind(change.seq).bind(*previous).bind(*event).bind(&change.location_id);
            query = query.bind(&change.contact_id).bind(contact_key).bind(&change.record).bind(&change.record_id);
            query = query.bind("open").bind(now_ms);
        }
        query.execute(write.conn()).await?;
    }
    let mut jobs: Vec<OwedKey> = heard
        .iter()
        .map(|heard| OwedKey {
            hook_id: heard.hook_id.to_owned(),
            contact_key: heard.contact_key.clone(),
            due_at_ms: None,
        })
        .collect();
    jobs.sort();
    jobs.dedup();
    Ok(jobs)
}

async fn move_to(write: &mut Write, seq: i64) -> Result<(), RecordsError> {
    sqlx::query("update hook_pump set last_seq = $1 where name = 'feed'").bind(seq).execute(write.conn()).await?;
    Ok(())
}
