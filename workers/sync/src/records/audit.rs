//! The audit log: what was done, and by whom. The transaction of an action writes its row, so there
//! is no action without its row and no row without its action.
//!
//! A row names ids, fields and numbers, and never a value of a record: it outlives an erasure. Its
//! hash covers the row and the hash of the row before, so to change, remove or insert a row means
//! to rewrite all that follow ([`Records::verify_audit`]).
//!
//! Rows wait in memory until the end of their transaction, as the change feed's entries do, since
//! from the first hash on all other writers of the log wait for the commit. Actions are rare: one
//! row that all of them lock is enough.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ledger::timestamp;
use super::notices::Notice;
use super::sql::sql;
use super::{Actor, Page, Records, RecordsError, Write};

pub use self::action::Action;
pub use self::verify::{AuditFault, AuditReport, FaultKind};

mod action;
mod forget;
pub(super) mod guard;
mod verify;

/// Ids that one row names at most; an act on more has several rows.
const NAMED: usize = 200;
/// A client that follows the audit log reads it again and again, and each read would add one more row.
const READS_NOTED_EVERY_MS: i64 = 60 * 60 * 1000;
/// Part of each hash, so that a later form of it differs from this one.
const FORM: u32 = 1;

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    action: Action,
    actor: Option<Actor>,
    target: Option<String>,
    location_id: Option<String>,
    failed: bool,
    details: Value,
}

impl Act {
    /// By the principal of the records, unless another actor is named.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { action, actor: None, target: None, location_id: None, failed: false, details: json!({}) }
    }

    /// By an actor whose actions a transaction does together with those of others.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// The id of what it is done to.
    #[must_use]
    pub fn on(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// The location that it concerns.
    #[must_use]
    pub fn at(self, location_id: impl Into<String>) -> Self {
        Self { location_id: Some(location_id.into()), ..self }
    }

    /// More about it: ids, names and numbers. Never a value of a record.
    #[must_use]
    pub fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }

    /// It was tried, and nothing came of it.
    #[must_use]
    pub fn failed(self) -> Self {
        Self { failed: true, ..self }
    }

    /// An act on many jobs: rows for each location, each with so many of the ids.
    pub(super) fn on_jobs(action: Action, jobs: &[(String, String)]) -> Vec<Self> {
        let mut sorted: Vec<_> = jobs.iter().collect();
        sorted.sort();
        let of_locations = sorted.chunk_by(|(one, _), (other, _)| one == other);
        let rows = of_locations.flat_map(|jobs| jobs.chunks(NAMED));
        rows.map(|jobs| {
            let ids: Vec<&str> = jobs.iter().map(|(_, id)| id.as_str()).collect();
            let act = Self::new(action).at(&jobs[0].0);
            match ids[..] {
                [one] => act.on(one),
                _ => act.with(json!({ "jobs": ids })),
            }
        })
        .collect()
    }
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// Its place in the chain, from 1 on without a gap.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// `key`, `cli` or `system`.
    pub actor_kind: String,
    /// The id of a key, the name of a user.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// The id of what it was done to.
    pub target: Option<String>,
    /// The location that it concerns.
    pub location_id: Option<String>,
    /// The request that it was done by.
    pub request_id: Option<String>,
    /// `done` or `failed`.
    pub outcome: String,
    /// Ids, names and numbers.
    pub details: Value,
    /// Of the row and of the hash before it.
    pub hash: String,
    /// As it stands in the database, which the hash is of.
    #[serde(skip)]
    raw_details: String,
}

/// Which rows to list; a field that is none takes them all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Not before that time.
    pub since: Option<Timestamp>,
    /// Of that action.
    pub action: Option<String>,
    /// Of that key or user.
    pub actor: Option<String>,
    /// About that location.
    pub location_id: Option<String>,
}

impl Write {
    /// Has an act written with the transaction.
    pub(super) fn act(&mut self, act: Act) {
        self.acts.push(act);
    }
}

/// Writes the acts of a transaction, as the last that it does.
pub(super) async fn append(write: &mut Write) -> Result<(), RecordsError> {
    let acts = std::mem::take(&mut write.acts);
    let Ok(count @ 1..) = i64::try_from(acts.len()) else { return Ok(()) };
    let extend = sqlx::query_as(sql!("extend_audit")).bind(count);
    let (last, mut before): (i64, String) = extend.fetch_one(write.conn()).await?;
    let principal = std::sync::Arc::clone(&write.principal);
    for (seq, act) in (last - count + 1..=last).zip(acts) {
        let Act { action, actor, target, location_id, failed, details } = act;
        // The request is the principal's.
        let request_id = actor.is_none().then(|| principal.request_id.clone()).flatten();
        let actor = actor.as_ref().unwrap_or(&principal.actor);
        let raw_details = details.to_string();
        let mut row = AuditRow {
            seq,
            at: timestamp(write.now_ms),
            actor_kind: actor.kind().to_owned(),
            actor: actor.name().to_owned(),
            action: action.as_str().to_owned(),
            target,
            location_id,
            request_id,
            outcome: if failed { "failed" } else { "done" }.to_owned(),
            details,
            hash: String::new(),
            raw_details,
        };
        row.hash = row.hash_after(&before);
        insert(write, &row).await?;
        write.notice(row.notice());
        before = row.hash;
    }
    sqlx::query(sql!("end_audit")).bind(&before).execute(write.conn()).await?;
    Ok(())
}

async fn insert(write: &mut Write, row: &AuditRow) -> Result<(), RecordsError> {
    let AuditRow {
        seq,
        at,
        actor_kind,
        actor,
        action,
        target,
        location_id,
        request_id,
        outcome,
        details: _,
        hash,
        raw_details,
    } = row;
    let insert = sqlx::query(sql!("insert_audit")).bind(seq).bind(at.as_millisecond()).bind(actor_kind).bind(actor);
    let insert = insert.bind(action).bind(target).bind(location_id).bind(request_id).bind(outcome);
    insert.bind(raw_details).bind(hash).execute(write.conn()).await?;
    Ok(())
}

impl AuditRow {
    /// What a hook sends of it, for a program that keeps a copy of the audit.
    fn notice(&self) -> Notice {
        let Self { seq, actor_kind, actor, action, target, location_id, request_id, outcome, details, hash, .. } = self;
        let row = json!({
            "actorKind": actor_kind, "actor": actor, "action": action, "target": target, "requestId": request_id,
            "outcome": outcome, "details": details, "hash": hash,
        });
        let notice = Notice::new(format!("audit.{action}"), "audit", seq.to_string()).with(row);
        match location_id {
            Some(id) => notice.at(id),
            None => notice,
        }
    }

    /// The hash that the row has behind a row of that hash. A list in JSON has one reading, whatever its texts hold.
    fn hash_after(&self, before: &str) -> String {
        let Self { seq, at, actor_kind, actor, action, target, location_id, request_id, outcome, raw_details, .. } =
            self;
        let who = (actor_kind, actor, request_id);
        let what = (action, target, location_id, outcome, raw_details);
        let text = json!([FORM, seq, at.as_millisecond(), who, what, before]).to_string();
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    fn of(row: &AnyRow) -> Result<Self, RecordsError> {
        let raw_details: String = row.try_get("details")?;
        Ok(Self {
            seq: row.try_get("seq")?,
            at: timestamp(row.try_get("at")?),
            actor_kind: row.try_get("actor_kind")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            target: row.try_get("target")?,
            location_id: row.try_get("location_id")?,
            request_id: row.try_get("request_id")?,
            outcome: row.try_get("outcome")?,
            // A row that was tampered with is shown, and found by its hash.
            details: serde_json::from_str(&raw_details).unwrap_or_default(),
            hash: row.try_get("hash")?,
            raw_details,
        })
    }
}

impl Records {
    /// Writes an act that no transaction of the records does, as one on the queue: before it is done, so that none goes without its row.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all below.
    pub async fn note_act(&self, act: Act) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        write.act(act);
        write.commit().await
    }

    /// Rows that the principal sees, newest first. One that does not see every location sees only what concerns its own.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`] for a cursor that is none.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<AuditRow>, RecordsError> {
        let before: i64 = match cursor {
            None => i64::MAX,
            Some(text) => text.parse().ok().filter(|before| *before > 0).ok_or(RecordsError::Cursor)?,
        };
        let AuditFilter { since, action, actor, location_id } = filter;
        let query = sqlx::query(sql!("list_audit")).bind(before).bind(since.map(Timestamp::as_millisecond));
        let query = query.bind(action).bind(actor).bind(location_id).bind(self.scope()).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        let items = rows.iter().map(AuditRow::of).collect::<Result<Vec<_>, _>>()?;
        let is_full = i64::try_from(items.len()).is_ok_and(|count| count >= limit);
        let next_cursor = items.last().filter(|_| is_full).map(|row| row.seq.to_string());
        Ok(Page { items, next_cursor })
    }

    /// Rows behind the place `after`, the oldest first.
    ///
    /// # Errors
    /// See [`Records::note_act`].
    pub async fn page_of_audit(&self, after: i64, limit: i64) -> Result<Vec<AuditRow>, RecordsError> {
        let rows = sqlx::query(sql!("page_of_audit")).bind(after).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(AuditRow::of).collect()
    }

    /// Writes that the principal reads the audit, once an hour.
    ///
    /// # Errors
    /// See [`Records::note_act`].
    pub async fn note_audit_read(&self) -> Result<(), RecordsError> {
        let actor = &self.principal.actor;
        let since = self.clock.now_ms().saturating_sub(READS_NOTED_EVERY_MS);
        let query = sqlx::query_scalar::<_, i64>(sql!("audit_was_read")).bind(Action::AuditRead.as_str());
        let query = query.bind(actor.kind()).bind(actor.name()).bind(since);
        if query.fetch_optional(&self.pool).await?.is_some() {
            return Ok(());
        }
        self.note_act(Act::new(Action::AuditRead)).await
    }
}
