//! From the feed and the notices to the messages of hooks: apart from those who write, and one
//! process at a time.
//!
//! The pump locks the one row that shows how far the feed was read; beside it is how far the notices
//! were. One transaction writes the messages and both rows, so a pump that is killed has done a whole
//! turn or none. A hook has one chain of messages over both: the number of a notice is its place
//! beyond [`NOTICES`], which no change has.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::any::AnyRow;

use super::super::feed::item;
use super::super::sql::{Marks, ROWS, sql, with_list, with_rows_then};
use super::super::{ChangeItem, NoticeItem, Records, RecordsError, Write, contacts, notices};
use super::deliveries::OwedKey;
use super::{Hook, hook_of, seen, select};
use crate::records::hook_event::{received_as, receives};

/// Changes of one turn, and notices of one.
const TURN: i64 = 1000;
/// What the number of a notice has beyond its place among the notices. Programs hold numbers of up to 2^53 exactly.
pub(super) const NOTICES: i64 = 1 << 52;

/// What a turn of the pump came to.
#[derive(Debug, Default)]
pub struct Pumped {
    /// What to enqueue.
    pub jobs: Vec<OwedKey>,
    /// Whether there may be more changes to look at.
    pub more: bool,
}

/// A change or a notice that a hook is to learn of.
pub(super) struct PullPlan<'a> {
    hook_id: &'a str,
    seq: i64,
    previous: Option<i64>,
    event: &'a str,
    location_id: &'a str,
    contact_id: &'a str,
    record: &'a str,
    record_id: &'a str,
    contact_key: String,
}

impl<'a> PullPlan<'a> {
    pub(super) fn of_change(
        hook_id: &'a str,
        change: &'a ChangeItem,
        previous: Option<i64>,
        event: &'a str,
        contact_key: String,
    ) -> Self {
        let ChangeItem { seq, location_id, contact_id, record, record_id, .. } = change;
        Self { hook_id, seq: *seq, previous, event, location_id, contact_id, record, record_id, contact_key }
    }

    /// Messages about one thing keep their order among themselves.
    pub(super) fn of_notice(hook_id: &'a str, notice: &'a NoticeItem, previous: Option<i64>) -> Self {
        let NoticeItem { seq, event, location_id, contact_id, record, record_id, .. } = notice;
        Self {
            hook_id,
            seq: NOTICES + seq,
            previous,
            event,
            location_id: location_id.as_deref().unwrap_or_default(),
            contact_id: contact_id.as_deref().unwrap_or_default(),
            record,
            record_id,
            contact_key: format!("{record}:{record_id}"),
        }
    }
}

impl Records {
    /// Looks through the next changes of the feed, and the next notices.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn pump_hooks(&self) -> Result<Pumped, RecordsError> {
        let look = "select (select last_seq from hook_pump where name = 'feed'), (select last_seq from hook_pump where name = 'notices'), \
             change_counter.last, notice_counter.last from change_counter, notice_counter";
        let (pumped, reported, end, newest): (i64, i64, i64, i64) = sqlx::query_as(look).fetch_one(&self.pool).await?;
        if pumped >= end && reported >= newest {
            return Ok(Pumped::default());
        }
        let mut write = self.write().await?;
        // The pump's lock, before anything is read.
        let take = "update hook_pump set last_seq = last_seq where name = 'feed' returning last_seq";
        let pumped: i64 = sqlx::query_scalar(take).fetch_one(write.conn()).await?;
        let reported = sqlx::query_scalar("select last_seq from hook_pump where name = 'notices'");
        let reported: i64 = reported.fetch_one(write.conn()).await?;
        let ends =
            sqlx::query_as("select change_counter.last, notice_counter.last from change_counter, notice_counter");
        let (end, newest): (i64, i64) = ends.fetch_one(write.conn()).await?;
        seen::end_with_keys(&mut write).await?;
        let rows = sqlx::query(select("where state = 'active' order by id")).fetch_all(write.conn()).await?;
        let hooks = rows.iter().map(hook_of).collect::<Result<Vec<_>, _>>()?;
        if hooks.is_empty() {
            move_to(&mut write, end, newest).await?;
            write.commit().await?;
            return Ok(Pumped::default());
        }
        let rows = after(&mut write, pumped, end, TURN).await?;
        let is_full = |rows: usize| i64::try_from(rows).unwrap_or(TURN) >= TURN;
        let more = is_full(rows.len());
        // What an operation of a later release did is passed over with the rest.
        let changes = rows.iter().filter_map(|row| item(row).transpose()).collect::<Result<Vec<_>, _>>()?;
        let last = if more { changes.last().map_or(end, |change| change.seq) } else { end };
        let notices = notices::after(&mut write, reported, newest, TURN).await?;
        let more_notices = is_full(notices.len());
        let last_notice = if more_notices { notices.last().map_or(newest, |notice| notice.seq) } else { newest };
        let received = self.received(&mut write, &hooks, &changes, &notices).await?;
        let jobs = insert(&mut write, &received).await?;
        // In one order, as all code that writes to several hooks.
        let newest: BTreeMap<&str, i64> = received.iter().map(|received| (received.hook_id, received.seq)).collect();
        for (hook_id, seq) in newest {
            let note = sqlx::query("update hooks set last_seq = $1 where id = $2").bind(seq).bind(hook_id);
            note.execute(write.conn()).await?;
        }
        move_to(&mut write, last, last_notice).await?;
        write.commit().await?;
        Ok(Pumped { jobs, more: more || more_notices })
    }

    /// Which of the changes and of the notices each hook gets, in the order of its chain.
    async fn received<'a>(
        &self,
        write: &mut Write,
        hooks: &'a [Hook],
        changes: &'a [ChangeItem],
        notices: &'a [NoticeItem],
    ) -> Result<Vec<PullPlan<'a>>, RecordsError> {
        let (imported, seen) = (imported(write, changes).await?, seen::now(write).await?);
        let mut keys = ContactKeys::default();
        let mut previous: HashMap<&str, i64> = HashMap::new();
        let mut all = Vec::new();
        for change in changes {
            let is_imported = change.caused_by.as_ref().is_some_and(|job| imported.contains(job));
            for hook in hooks.iter().filter(|hook| hook.from_seq < change.seq) {
                let Some(event) = received_as(change, is_imported, hook.requests(&seen)) else { continue };
                let before = previous.insert(&hook.id, change.seq).or(hook.last_seq);
                let contact_key = keys.of(write, change).await?;
                all.push(PullPlan::of_change(&hook.id, change, before, event, contact_key));
            }
        }
        for notice in notices {
            let is_new = |hook: &&Hook| hook.from_notice < notice.seq && receives(notice, hook.requests(&seen));
            for hook in hooks.iter().filter(is_new) {
                let before = previous.insert(&hook.id, NOTICES + notice.seq).or(hook.last_seq);
                all.push(PullPlan::of_notice(&hook.id, notice, before));
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
pub(super) async fn insert(write: &mut Write, received: &[PullPlan<'_>]) -> Result<Vec<OwedKey>, RecordsError> {
    const HEAD: &str = "insert into hook_deliveries \
         (hook_id, seq, previous, event, location_id, contact_id, contact_key, record, record_id, state, created_at) values ";
    // What was recovered is sent again, unless it arrived.
    const AGAIN: &str = "on conflict (hook_id, seq) do update set state = 'open', attempts = 0, next_at = null, ended_at = null \
         where hook_deliveries.state in ('failed', 'dropped')";
    let now_ms = write.now_ms;
    let marks = Marks::of(write.conn());
    let mut left = received;
    while !left.is_empty() {
        // Whole batches or single rows: a row may be there once in a statement that updates what it meets, so none is filled up.
        let (batch, rest) = left.split_at(if left.len() >= ROWS { ROWS } else { 1 });
        left = rest;
        let mut query = sqlx::query(with_rows_then(marks, HEAD, batch.len(), 11, AGAIN));
        for PullPlan { hook_id, seq, previous, event, location_id, contact_id, record, record_id, contact_key } in batch
        {
            query = query.bind(*hook_id).bind(*seq).bind(*previous).bind(*event).bind(*location_id).bind(*contact_id);
            query = query.bind(contact_key).bind(*record).bind(*record_id).bind("open").bind(now_ms);
        }
        query.execute(write.conn()).await?;
    }
    let mut jobs: Vec<OwedKey> = received
        .iter()
        .map(|received| OwedKey {
            hook_id: received.hook_id.to_owned(),
            contact_key: received.contact_key.clone(),
            due_at_ms: None,
        })
        .collect();
    jobs.sort();
    jobs.dedup();
    Ok(jobs)
}

async fn move_to(write: &mut Write, change: i64, notice: i64) -> Result<(), RecordsError> {
    for (name, seq) in [("feed", change), ("notices", notice)] {
        let update = sqlx::query("update hook_pump set last_seq = $1 where name = $2").bind(seq).bind(name);
        update.execute(write.conn()).await?;
    }
    Ok(())
}
