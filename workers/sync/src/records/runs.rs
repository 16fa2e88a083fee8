//! Runs: how a worker takes the open rows of a key, and how it ends them.
//!
//! A run serves every open row of its key, so ten events that arrive while a contact waits cost one
//! fetch. A row that is accepted during the run has no epoch yet, stays open and gets the next run.
//!
//! Every ending is fenced by the epoch: it must find all rows that the start took, still in the
//! run's hands. A zombie, whose rows a newer run took, finds none and gets
//! [`RecordsError::LostRun`]. What a run writes goes through its [`Tx`], which commits only while
//! the run holds its rows, so a zombie's records are rolled back with its outcome.

use job_engine::Priority;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::query::Query;
use sync_model::clean;
use sync_model::decide::sync_status::Progress;
use sync_model::decide::verify::SyncState;
use sync_model::job::{JobKey, JobKind, JobState};
use uuid::Uuid;

use super::accept::insert_rows;
use super::feed::{Cause, Origin, public_name};
use super::history::Via;
use super::merging::{self, column};
use super::notices::Notice;
use super::sql::sql;
use super::{Needs, Records, RecordsError, Write, erase, flows, refusals};

/// A run that has begun: the open rows of a key, held under an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What it is about.
    pub key: JobKey,
    /// Its fence: rows taken by a run of a higher epoch are lost to it.
    pub epoch: i64,
    /// The ledger rows it serves, at least one.
    pub ids: Vec<String>,
    /// The most attempts that one of them has spent before.
    pub attempts: i64,
    /// When the oldest of them was accepted, in ms since 1970.
    pub created_at_ms: i64,
    /// Those of the rows that are steps of flows, with the ids of their events.
    pub steps: Vec<(String, String)>,
    /// Those of the rows to which webhooks led.
    pub by_webhook: usize,
    /// What reconciliations found that led to its rows: the event, and what is left to ask for.
    pub found: Vec<(String, Needs)>,
}

/// A job that a run leads to; becomes a ledger row as the run is closed, so neither is without the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The kind.
    pub kind: JobKind,
    /// GHL's location id.
    pub location_id: String,
    /// A contact id, or the row id of a task or note.
    pub record_id: String,
    /// Who goes first.
    pub priority: Priority,
}

/// The transaction of a run. Dropped without [`Tx::close_run`], it rolls back.
pub struct Tx {
    pub(super) write: Write,
    pub(super) run: Run,
    /// What GHL made of a push, where this transaction wrote it down.
    outcome: Option<Ended>,
}

/// What GHL made of a run's work.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    outcome: Progress,
    /// The names of the fields that it holds otherwise than asked.
    unapplied: Vec<String>,
}

impl Ended {
    /// Of a run that began to be pending at `since_ms`, whose record was written as `sync` says: over all attempts and runs of it.
    fn of(sync: Option<&SyncState>, since_ms: i64) -> Self {
        let mut unapplied: Vec<String> =
            sync.map(|sync| sync.unapplied_since(since_ms)).into_iter().flatten().map(public_name).collect();
        unapplied.sort();
        unapplied.dedup();
        let outcome = if unapplied.is_empty() { Progress::Applied } else { Progress::PartlyApplied };
        Self { outcome, unapplied }
    }
}

impl Tx {
    pub(super) fn of(write: Write, run: &Run) -> Self {
        Self { write, run: run.clone(), outcome: None }
    }

    /// Closes the run as done, adds the rows of `follow_ups` and commits everything written through this transaction.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when another run has taken over, [`RecordsError::Database`]; nothing is kept then.
    pub async fn close_run(self, follow_ups: &[FollowUp]) -> Result<(), RecordsError> {
        let Self { mut write, run, outcome } = self;
        let outcome = match outcome {
            Some(outcome) => Some(outcome),
            None => ended(&mut write, &run).await?,
        };
        finish(&mut write, &run, JobState::Done, None, outcome).await?;
        flows::ending::done(&mut write, &run).await?;
        let rows: Vec<_> = follow_ups.iter().map(|follow_up| follow_up.row(write.now_ms)).collect();
        insert_rows(&mut write, &rows).await?;
        write.commit().await
    }
}

impl Tx {
    /// Commits what was written through this transaction and leaves the run open: progress that must not be lost with what the
    /// run does next.
    ///
    /// # Errors
    /// See [`Tx::close_run`].
    pub async fn keep_open(self) -> Result<(), RecordsError> {
        let Self { mut write, run, outcome: _ } = self;
        let held = fenced(sql!("hold_run"), &run).execute(write.conn()).await?;
        run.held_all(held.rows_affected())?;
        write.commit().await
    }
}

impl Tx {
    /// GHL did not do what the push asked, and nothing is left to ask for: the record is gone there.
    pub fn refused(&mut self) {
        self.outcome = Some(Ended { outcome: Progress::Refused, unapplied: Vec::new() });
    }

    /// What a push stored of its record is the outcome of the job.
    pub(super) fn outcome_of(&mut self, sync: Option<&SyncState>) {
        self.outcome = Some(Ended::of(sync, self.run.created_at_ms));
    }
}

/// What GHL made of a push that an earlier run wrote down; none for other kinds.
async fn ended(write: &mut Write, run: &Run) -> Result<Option<Ended>, RecordsError> {
    let JobKey { kind, location_id, record_id } = &run.key;
    let (table, query) = match JobKind::parse(kind) {
        Some(JobKind::PushContact) => {
            ("contacts", sqlx::query_scalar(sql!("sync_of_contact")).bind(location_id).bind(record_id))
        }
        Some(JobKind::PushTask | JobKind::PushNote | JobKind::PushAppointment) => {
            ("entries", sqlx::query_scalar(sql!("sync_of_entry")).bind(record_id))
        }
        _ => return Ok(None),
    };
    let sync: Option<Option<String>> = query.fetch_optional(write.conn()).await?;
    let sync: Option<SyncState> = merging::read(table, record_id, sync.flatten())?;
    Ok(Some(Ended::of(sync.as_ref(), run.created_at_ms)))
}

impl FollowUp {
    /// What to enqueue once the run is closed.
    #[must_use]
    pub fn key(&self) -> JobKey {
        JobKey::new(self.kind, self.location_id.clone(), self.record_id.clone())
    }

    pub(super) fn row(&self, now_ms: i64) -> super::accept::NewRow {
        super::accept::NewRow {
            id: Uuid::now_v7().to_string(),
            source: "job".to_owned(),
            event_id: None,
            given_event_id: None,
            event_type: "follow_up".to_owned(),
            key: self.key(),
            contact_id: None,
            priority: self.priority,
            data: "{}".to_owned(),
            created_at_ms: now_ms,
        }
    }
}

impl Records {
    /// Begins the transaction in which `run` writes its records and is closed. On SQLite it holds the one turn to
    /// write: GHL is called before, not meanwhile.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn begin(&self, run: &Run) -> Result<Tx, RecordsError> {
        let is_scan = JobKind::parse(&run.key.kind).is_some_and(JobKind::is_scan);
        // The semaphore is never closed, so there is always a permit.
        let turn = if is_scan { self.scans.clone().acquire_owned().await.ok() } else { None };
        let cause = run.cause();
        let write = Write { _scan: turn, cause, ..self.write().await? };
        Ok(Tx::of(write, run))
    }

    /// The attempt failed: its rows are scheduled for `due_at_ms`.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] or [`RecordsError::Database`], as for all endings.
    pub async fn retry_run(&self, run: &Run, error: &str, due_at_ms: i64) -> Result<(), RecordsError> {
        self.reopen(run, Some(due_at_ms), 1, Some(error)).await
    }

    /// Gives the rows back without an attempt spent: scheduled for `due_at_ms`, or waiting. `reason` is for people.
    ///
    /// # Errors
    /// See [`Records::retry_run`].
    pub async fn release_run(
        &self,
        run: &Run,
        due_at_ms: Option<i64>,
        reason: Option<&str>,
    ) -> Result<(), RecordsError> {
        self.reopen(run, due_at_ms, 0, reason).await
    }

    /// Gives the rows up, with the reason for the person who will look.
    ///
    /// # Errors
    /// See [`Records::retry_run`].
    pub async fn dead_letter_run(&self, run: &Run, reason: &str) -> Result<(), RecordsError> {
        self.dead_letter(run, reason, None).await
    }

    /// As [`Records::dead_letter_run`], where GHL refused what the run asked.
    ///
    /// # Errors
    /// See [`Records::retry_run`].
    pub async fn bury_refused_run(&self, run: &Run, reason: &str) -> Result<(), RecordsError> {
        self.dead_letter(run, reason, Some(Ended { outcome: Progress::Refused, unapplied: Vec::new() })).await
    }

    async fn dead_letter(&self, run: &Run, reason: &str, outcome: Option<Ended>) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let reason = &reported(&mut write, run, reason).await?;
        write.cause = run.cause();
        record_attempts(&mut write, run, reason).await?;
        if outcome.as_ref().is_some_and(|ended| ended.outcome == Progress::Refused) {
            refusals::refuse(&mut write, &run.key, reason).await?;
        }
        finish(&mut write, run, JobState::Dead, Some(reason), outcome).await?;
        for id in &run.ids {
            write.notice(died(&run.key, id));
        }
        flows::ending::given_up(&mut write, run).await?;
        write.commit().await
    }

    /// Gives up the open rows of a key that cannot even begin a run: poison. Rows that a run of an epoch above `epoch`
    /// holds are left alone. Returns how many were buried.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn dead_letter_key(&self, key: &JobKey, epoch: i64, reason: &str) -> Result<u64, RecordsError> {
        let JobKey { kind, location_id, record_id } = key;
        let reason = clean::reason(reason);
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let poison = sqlx::query(sql!("record_poison")).bind(now_ms).bind(&reason);
        let poison = poison.bind(kind).bind(location_id).bind(record_id).bind(epoch);
        poison.execute(write.conn()).await?;
        let dead_letter = sqlx::query_scalar(sql!("dead_letter_key")).bind(now_ms).bind(&reason);
        let dead_letter = dead_letter.bind(kind).bind(location_id).bind(record_id).bind(epoch);
        let dead_lettered: Vec<String> = dead_letter.fetch_all(write.conn()).await?;
        for id in &dead_lettered {
            write.notice(died(key, id));
        }
        write.commit().await?;
        Ok(dead_lettered.len() as u64)
    }

    /// Opens the rows of `run` again.
    async fn reopen(
        &self,
        run: &Run,
        due_at_ms: Option<i64>,
        attempts_spent: i64,
        reason: Option<&str>,
    ) -> Result<(), RecordsError> {
        let state = if due_at_ms.is_some() { JobState::Scheduled } else { JobState::Waiting };
        let mut write = self.write().await?;
        let reason = match reason {
            Some(reason) => Some(reported(&mut write, run, reason).await?),
            None => None,
        };
        if let (1.., Some(error)) = (attempts_spent, &reason) {
            record_attempts(&mut write, run, error).await?;
        }
        let reopened = fenced(sql!("reopen_run"), run)
            .bind(state.as_str())
            .bind(due_at_ms)
            .bind(attempts_spent)
            .bind(reason)
            .execute(write.conn())
            .await?;
        run.held_all(reopened.rows_affected())?;
        write.commit().await
    }
}

impl Run {
    /// Whose change it is what the run stores of GHL.
    pub(super) fn cause(&self) -> Cause {
        let via = match JobKind::parse(&self.key.kind) {
            Some(JobKind::PushContact | JobKind::PushTask | JobKind::PushNote | JobKind::PushAppointment) => Via::Reply,
            Some(kind) if kind.is_scan() => Via::List,
            _ => Via::Look,
        };
        Cause { origin: Origin::Ghl, job: self.ids.first().cloned(), key: None, via }
    }

    /// Whether an ending found all rows that the start took.
    pub(super) fn held_all(&self, found: u64) -> Result<(), RecordsError> {
        match u64::try_from(self.ids.len()) == Ok(found) {
            true => Ok(()),
            false => Err(RecordsError::LostRun(self.key.clone())),
        }
    }
}

/// Only an operator decides about it now.
fn died(key: &JobKey, id: &str) -> Notice {
    Notice::new("job.died", "job", id).at(&key.location_id).with(json!({ "kind": key.kind }))
}

async fn finish(
    write: &mut Write,
    run: &Run,
    state: JobState,
    reason: Option<&str>,
    ended: Option<Ended>,
) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let (outcome, unapplied) = ended.map(|ended| (ended.outcome, ended.unapplied)).unzip();
    let finished = fenced(sql!("finish_run"), run)
        .bind(state.as_str())
        .bind(now_ms)
        .bind(reason)
        .bind(outcome.map(Progress::as_str))
        .bind(column(&unapplied.unwrap_or_default()))
        .execute(write.conn())
        .await?;
    run.held_all(finished.rows_affected())
}

/// The reason as it is kept: GHL's words may hold data of a person, and are none for one whose data was erased while the run was in progress.
async fn reported(write: &mut Write, run: &Run, reason: &str) -> Result<String, RecordsError> {
    const ERASED: &str = "the data of its contact was erased meanwhile";
    let about = contacts_of(write, run).await?;
    let is_erased = erase::is_named_erased(write.conn(), &run.key.location_id, &Value::Null, &about).await?;
    Ok(if is_erased { ERASED.to_owned() } else { clean::reason(reason) })
}

/// Whom the rows that the run holds are about.
pub(super) async fn contacts_of(write: &mut Write, run: &Run) -> Result<Vec<String>, RecordsError> {
    let rows = fenced(sql!("contacts_of_run"), run).fetch_all(write.conn()).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// While the run still holds its rows: keeps what its attempt came to.
async fn record_attempts(write: &mut Write, run: &Run, error: &str) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    fenced(sql!("record_attempts"), run).bind(now_ms).bind(error).execute(write.conn()).await?;
    Ok(())
}

/// A statement whose first four placeholders are the run's fence.
pub(super) fn fenced<'q>(text: &'static str, run: &'q Run) -> Query<'q, sqlx::Any, sqlx::any::AnyArguments> {
    let Run { key: JobKey { kind, location_id, record_id }, epoch, .. } = run;
    sqlx::query(text).bind(kind).bind(location_id).bind(record_id).bind(*epoch)
}
