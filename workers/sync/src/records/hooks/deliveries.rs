//! The messages of hooks: unsent ones, the result of each attempt, and sent ones.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::super::audit::{Act, Action};
use super::super::feed::Origin;
use super::super::ledger::timestamp;
use super::super::sql::with_list_after;
use super::super::{Page, Records, RecordsError};
use super::message_id::message_id;
use super::pump::NOTICES;
use super::{Hook, HookState};

/// Changes that one message accounts for at most: their numbers have to find room in it.
const MOST_CHANGES: i64 = 300;

/// The open changes of one contact that one hook is to learn of: one job of the queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwedKey {
    /// The lane.
    pub hook_id: String,
    /// The row id of the contact.
    pub contact_key: String,
    /// When the next try is due; at once where nothing is said.
    pub due_at_ms: Option<i64>,
}

/// What a hook is to learn of a contact.
#[derive(Debug)]
pub struct Owed {
    /// The hook.
    pub hook: Hook,
    /// Oldest first; of all records of the contact.
    pub changes: Vec<OwedChange>,
}

/// A change, or a notice, that a hook is to learn of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedChange {
    /// Its place in the feed; beyond it, of a notice.
    pub seq: i64,
    /// The place of the change before it that the hook was to learn of.
    pub previous: Option<i64>,
    /// The event for the hook.
    pub event: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact.
    pub contact_id: String,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// The same for the life of the record.
    pub record_id: String,
    /// The producer's id of the record.
    pub clienty_id: Option<String>,
    /// GHL's id of the record.
    pub ghl_id: Option<String>,
    /// The names of the fields that changed.
    pub fields: Vec<String>,
    /// What a notice says beside its ids; none for a change.
    pub notice: Option<Value>,
    /// Who changed it.
    pub origin: Option<Origin>,
    /// The job that the change belongs to.
    pub caused_by: Option<String>,
    /// The API key whose event made the change.
    pub key_id: Option<String>,
    /// When.
    pub changed_at: Timestamp,
    /// Tries that failed.
    pub attempts: i64,
    /// Before which it is not tried again.
    pub next_at_ms: Option<i64>,
}

/// What a try came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Of the answer, where there was one.
    pub status: Option<u16>,
    /// What went wrong, in our words.
    pub error: Option<String>,
    /// How long it took.
    pub took_ms: i64,
}

/// What becomes of changes after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The receiver has taken them.
    Sent,
    /// Nothing of them is left to send.
    Dropped,
    /// They are tried again, which spends a try.
    Again {
        /// When, in ms since 1970.
        at_ms: i64,
    },
    /// They are tried again, and the receiver only has too much to do.
    Held {
        /// When, in ms since 1970.
        at_ms: i64,
    },
    /// All tries are spent.
    GivenUp,
}

/// A delivery as people look at it: one change, and the message that it went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The message's `webhook-id`.
    pub id: String,
    /// Of the change.
    pub sequence: i64,
    /// The event for the hook.
    pub event: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact.
    pub contact_id: String,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// The same for the life of the record.
    pub record_id: String,
    /// `open`, `sent`, `failed` or `dropped`.
    pub state: String,
    /// Tries that failed.
    pub attempts: i64,
    /// The status of the last answer.
    pub status: Option<i64>,
    /// What went wrong at the last try.
    pub error: Option<String>,
    /// How long the last try took.
    pub took_ms: Option<i64>,
    /// When it was last tried.
    pub tried_at: Option<Timestamp>,
    /// Before which it is not tried again.
    pub next_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When the pump came to the change.
    pub created_at: Timestamp,
}

impl Records {
    /// What the hook is to learn of the contact; none where the hook is gone or disabled, or nothing is open.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all below.
    pub async fn pending_to_hook(&self, hook_id: &str, contact_key: &str) -> Result<Option<Owed>, RecordsError> {
        let Some(hook) = self.hook(hook_id).await?.filter(|hook| hook.state == HookState::Active) else {
            return Ok(None);
        };
        let query = "select d.seq, d.previous, d.event, d.location_id, d.contact_id, d.record, d.record_id, d.attempts, d.next_at, \
             d.created_at, c.clienty_id, c.ghl_id, c.fields, c.origin, coalesce(c.caused_by, n.caused_by) as caused_by, \
             coalesce(c.key_id, n.key_id) as key_id, coalesce(c.changed_at, n.at) as changed_at, n.details \
             from hook_deliveries d left join changes c on c.seq = d.seq left join notices n on n.seq = d.seq - $4 \
             where d.hook_id = $1 and d.contact_key = $2 and d.state = 'open' order by d.seq limit $3";
        let query = sqlx::query(query).bind(hook_id).bind(contact_key).bind(MOST_CHANGES).bind(NOTICES);
        let rows = query.fetch_all(&self.pool).await?;
        let changes = rows.iter().map(change_of).collect::<Result<Vec<_>, _>>()?;
        Ok((!changes.is_empty()).then_some(Owed { hook, changes }))
    }

    /// Writes down what a try of the message `message` came to. Returns since when no delivery of the hook has succeeded, in ms since 1970.
    ///
    /// # Errors
    /// See [`Records::pending_to_hook`].
    pub async fn settle_hook(
        &self,
        hook_id: &str,
        seqs: &[i64],
        message: i64,
        tried: &Tried,
        settled: Settled,
    ) -> Result<Option<i64>, RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let (state, spent, next_at) = match settled {
            Settled::Sent => ("sent", 0, None),
            Settled::Dropped => ("dropped", 0, None),
            Settled::Again { at_ms } => ("open", 1, Some(at_ms)),
            Settled::Held { at_ms } => ("open", 0, Some(at_ms)),
            Settled::GivenUp => ("failed", 1, None),
        };
        let update = "update hook_deliveries set state = $1, attempts = attempts + $2, next_at = $3, message = $4, status = $5, \
             error = $6, took_ms = $7, tried_at = $8, ended_at = $9 where hook_id = $10 and state = 'open' and seq in ";
        let query = sqlx::query(with_list_after(update, 10, seqs.len()))
            .bind(state)
            .bind(spent)
            .bind(next_at)
            .bind(message)
            .bind(tried.status.map(i64::from))
            .bind(&tried.error)
            .bind(tried.took_ms)
            .bind(now_ms)
            .bind((state != "open").then_some(now_ms))
            .bind(hook_id);
        let query = seqs.iter().fold(query, |query, seq| query.bind(*seq));
        query.persistent(seqs.len() == 1).execute(write.conn()).await?;
        let failing_since = match settled {
            Settled::Sent => {
                // Most succeed after another that did: then the row is not written.
                let well = "update hooks set failing_since = null, last_success_at = $1 \
                     where id = $2 and (failing_since is not null or last_success_at is null)";
                sqlx::query(well).bind(now_ms).bind(hook_id).execute(write.conn()).await?;
                None
            }
            Settled::Dropped => None,
            Settled::Again { .. } | Settled::Held { .. } | Settled::GivenUp => {
                let ill = "update hooks set failing_since = coalesce(failing_since, $1) where id = $2 returning failing_since";
                let since = sqlx::query_scalar(ill).bind(now_ms).bind(hook_id).fetch_optional(write.conn()).await?;
                since.flatten()
            }
        };
        write.commit().await?;
        Ok(failing_since)
    }

    /// Unsent messages of hooks, after a key: what a queue needs that lost its state.
    ///
    /// # Errors
    /// See [`Records::pending_to_hook`].
    pub async fn open_hook_jobs(&self, after: Option<&OwedKey>, limit: i64) -> Result<Vec<OwedKey>, RecordsError> {
        // The earliest of a contact decides; null, which is at once, is the earliest of all.
        let query = "select d.hook_id, d.contact_key, min(coalesce(d.next_at, 0)) from hook_deliveries d \
             join hooks h on h.id = d.hook_id and h.state = 'active' \
             where d.state = 'open' and (d.hook_id > $1 or (d.hook_id = $1 and d.contact_key > $2)) \
             group by d.hook_id, d.contact_key order by d.hook_id, d.contact_key limit $3";
        let (hook_id, contact_key) = after.map_or(("", ""), |key| (&key.hook_id, &key.contact_key));
        let query = sqlx::query_as(query).bind(hook_id).bind(contact_key).bind(limit);
        let rows: Vec<(String, String, i64)> = query.fetch_all(&self.pool).await?;
        let key = |(hook_id, contact_key, due)| OwedKey { hook_id, contact_key, due_at_ms: (due > 0).then_some(due) };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Deliveries of a hook, newest first.
    ///
    /// # Errors
    /// See [`Records::pending_to_hook`], and [`RecordsError::Cursor`].
    pub async fn list_deliveries(
        &self,
        hook_id: &str,
        state: Option<&str>,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<Delivery>, RecordsError> {
        let before = match cursor {
            None => i64::MAX,
            Some(text) => text.parse().map_err(|_| RecordsError::Cursor)?,
        };
        let query = "select hook_id, seq, message, event, location_id, contact_id, record, record_id, state, attempts, status, error, \
             took_ms, tried_at, next_at, ended_at, created_at from hook_deliveries \
             where hook_id = $1 and seq < $2 and ($3 = '' or state = $3) order by seq desc limit $4";
        let query = sqlx::query(query).bind(hook_id).bind(before).bind(state.unwrap_or_default());
        let mut rows = query.bind(limit.saturating_add(1)).fetch_all(&self.pool).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let items = rows.iter().map(delivery_of).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = items.last().filter(|_| more).map(|delivery| delivery.sequence.to_string());
        Ok(Page { items, next_cursor })
    }

    /// Deliveries that went in the message of that sequence, or are about the change of it.
    ///
    /// # Errors
    /// See [`Records::pending_to_hook`].
    pub async fn deliveries_of_message(&self, hook_id: &str, message: i64) -> Result<Vec<Delivery>, RecordsError> {
        let query = "select hook_id, seq, message, event, location_id, contact_id, record, record_id, state, attempts, status, error, \
             took_ms, tried_at, next_at, ended_at, created_at from hook_deliveries \
             where hook_id = $1 and (message = $2 or seq = $2) order by seq";
        let rows = sqlx::query(query).bind(hook_id).bind(message).fetch_all(&self.pool).await?;
        rows.iter().map(delivery_of).collect()
    }

    /// Opens the changes of a message again, whatever became of it. Returns what to enqueue; nothing where there is no such message.
    ///
    /// # Errors
    /// See [`Records::pending_to_hook`].
    pub async fn resend_to_hook(&self, hook_id: &str, message: i64) -> Result<Option<OwedKey>, RecordsError> {
        let mut write = self.write().await?;
        let open = "update hook_deliveries set state = 'open', attempts = 0, next_at = null, ended_at = null \
             where hook_id = $1 and (message = $2 or seq = $2) returning contact_key";
        let keys: Vec<String> = sqlx::query_scalar(open).bind(hook_id).bind(message).fetch_all(write.conn()).await?;
        if !keys.is_empty() {
            write.act(Act::new(Action::HookResend).on(hook_id).with(json!({"message": message_id(hook_id, message)})));
        }
        write.commit().await?;
        let key = keys.into_iter().next();
        Ok(key.map(|contact_key| OwedKey { hook_id: hook_id.to_owned(), contact_key, due_at_ms: None }))
    }
}

fn change_of(row: &AnyRow) -> Result<OwedChange, RecordsError> {
    let seq: i64 = row.try_get("seq")?;
    let names = |text: String| {
        serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("changes", &seq.to_string(), &error))
    };
    let details: Option<String> = row.try_get("details")?;
    let details = details.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| json!({}));
    // The feed may have forgotten it by now.
    let changed_at: Option<i64> = row.try_get("changed_at")?;
    Ok(OwedChange {
        seq,
        previous: row.try_get("previous")?,
        event: row.try_get("event")?,
        location_id: row.try_get("location_id")?,
        contact_id: row.try_get("contact_id")?,
        record: row.try_get("record")?,
        record_id: row.try_get("record_id")?,
        clienty_id: row.try_get("clienty_id")?,
        ghl_id: row.try_get("ghl_id")?,
        fields: row.try_get::<Option<String>, _>("fields")?.map(names).transpose()?.unwrap_or_default(),
        notice: (seq > NOTICES).then_some(details),
        origin: row.try_get::<Option<String>, _>("origin")?.and_then(|name| Origin::parse(&name)),
        caused_by: row.try_get("caused_by")?,
        key_id: row.try_get("key_id")?,
        changed_at: timestamp(changed_at.map_or_else(|| row.try_get("created_at"), Ok)?),
        attempts: row.try_get("attempts")?,
        next_at_ms: row.try_get("next_at")?,
    })
}

fn delivery_of(row: &AnyRow) -> Result<Delivery, RecordsError> {
    let (hook_id, sequence): (String, i64) = (row.try_get("hook_id")?, row.try_get("seq")?);
    let message: Option<i64> = row.try_get("message")?;
    let moment = |column: &str| -> Result<Option<Timestamp>, RecordsError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(timestamp))
    };
    Ok(Delivery {
        id: message_id(&hook_id, message.unwrap_or(sequence)),
        sequence,
        event: row.try_get("event")?,
        location_id: row.try_get("location_id")?,
        contact_id: row.try_get("contact_id")?,
        record: row.try_get("record")?,
        record_id: row.try_get("record_id")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        status: row.try_get("status")?,
        error: row.try_get("error")?,
        took_ms: row.try_get("took_ms")?,
        tried_at: moment("tried_at")?,
        next_at: moment("next_at")?,
        ended_at: moment("ended_at")?,
        created_at: timestamp(row.try_get("created_at")?),
    })
}
