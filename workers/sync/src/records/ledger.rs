//! The queries that operators and the requeuer send to the ledger.

use std::collections::BTreeSet;

use jiff::Timestamp;
use job_engine::Priority;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::decide::sync_status::Progress;
use sync_model::job::{JobKey, JobState};
use uuid::Uuid;

use super::audit::{Act, Action};
use super::feed::{Cause, Origin};
use super::history::Via;
use super::sql::sql;
use super::{Records, RecordsError, activity, flows, refusals, taking_back};

/// One ledger row, as people look at it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// UUID v7.
    pub id: String,
    /// The event's own id, where its source gave one.
    pub event_id: Option<String>,
    /// Who sent the event: `api`, `webhook`, `cli`, …
    pub source: String,
    /// The event's type, as in `contact.selected`.
    pub event_type: String,
    /// What the job is about.
    #[serde(flatten)]
    pub key: JobKey,
    /// Who goes first.
    #[serde(serialize_with = "word")]
    pub priority: Priority,
    /// Where it stands.
    pub state: JobState,
    /// The run that holds the row, or held it last; 0 for none yet.
    pub epoch: i64,
    /// Attempts spent.
    pub attempts: i64,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
    /// The event's data; not part of the answer, as it holds personal data of the event.
    #[serde(skip)]
    pub data: Value,
    /// When the event was accepted.
    pub created_at: Timestamp,
    /// When a scheduled row is to be tried again.
    pub due_at: Option<Timestamp>,
    /// When a run took it last.
    pub started_at: Option<Timestamp>,
    /// When it became done or dead.
    pub finished_at: Option<Timestamp>,
    /// What GHL made of it, for a push that ended.
    pub outcome: Option<Progress>,
    /// The names of the fields that GHL holds otherwise than asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unapplied: Vec<String>,
    /// Who closed it without its work being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded: Option<Discarded>,
}

/// That an operator closed a job without its work being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Discarded {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// An operator's decision about jobs, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Default for Decision {
    fn default() -> Self {
        Self { by: "operator".to_owned(), why: "no reason given".to_owned() }
    }
}

/// An attempt at a job that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// From 1, over the whole life of the job.
    pub attempt: i64,
    /// When the attempt failed.
    pub failed_at: Timestamp,
    /// Its error.
    pub error: String,
}

/// As many rows that are done are counted at most: there may be millions, and a person asks what is left to do.
pub const DONE_COUNTED: i64 = 100_000;

/// The clocks of two machines may be so far apart; a time further ahead was written before the clock was set back.
const CLOCKS_APART_MS: i64 = 5000;

/// A key with open rows, as the requeuer finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJob {
    /// What to enqueue; the cursor of the next page as well.
    pub key: JobKey,
    /// The most urgent of its rows.
    pub priority: Priority,
    /// The most attempts that one of its rows has spent.
    pub attempts: i64,
    /// When the first of its rows is due, in ms since 1970; the past when one of them is waiting.
    pub due_at_ms: i64,
    /// Running when a run that has gone silent holds it, else waiting, else scheduled.
    pub state: JobState,
}

/// Which rows to list; a field that is none takes them all.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// In that state.
    pub state: Option<JobState>,
    /// Of that location.
    pub location_id: Option<String>,
    /// Of that kind.
    pub kind: Option<String>,
    /// Whose last error contains this text.
    pub error: Option<String>,
    /// Accepted at that time or later.
    pub since: Option<Timestamp>,
    /// Older than the row of this id: what follows a page.
    pub before: Option<String>,
}

impl Records {
    /// The ledger row `id`.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all questions below.
    pub async fn job(&self, id: &str) -> Result<Option<LedgerEntry>, RecordsError> {
        let row = sqlx::query(sql!("job")).bind(id).bind(self.scope()).fetch_optional(&self.pool).await?;
        row.as_ref().map(job_of).transpose()
    }

    /// The attempts at the ledger row `id` that failed, the oldest first. They are kept as long as the row.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn failed_attempts(&self, id: &str) -> Result<Vec<FailedAttempt>, RecordsError> {
        let rows: Vec<(i64, i64, String)> =
            sqlx::query_as(sql!("failed_attempts")).bind(id).fetch_all(&self.pool).await?;
        let failed = |(attempt, ms, error)| FailedAttempt { attempt, failed_at: timestamp(ms), error };
        Ok(rows.into_iter().map(failed).collect())
    }

    /// Ledger rows, newest first.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn list_jobs(&self, filter: &JobFilter, limit: i64) -> Result<Vec<LedgerEntry>, RecordsError> {
        let JobFilter { state, location_id, kind, error, since, before } = filter;
        /// The rows of a state, newest first, $7 at most.
        macro_rules! list {
            ($of_state:literal by $age:literal) => {
                concat!(sql!("list_jobs"), $of_state, " order by ", $age, " desc limit $7")
            };
        }
        // A text for each, so that the few rows of a state are found by its index among the many that are done. Open ones are sorted by what no index
        // has: the index of all ids would be read through where few are open.
        let text = match state {
            None => list!("true" by "id"),
            Some(JobState::Waiting) => list!("finished_at is null and state = 'waiting'" by "id || ''"),
            Some(JobState::Scheduled) => list!("finished_at is null and state = 'scheduled'" by "id || ''"),
            Some(JobState::Running) => list!("finished_at is null and state = 'running'" by "id || ''"),
            Some(JobState::Done) => list!("state = 'done' and discarded_at is null" by "id"),
            Some(JobState::Dead) => list!("state = 'dead'" by "id || ''"),
            Some(JobState::Discarded) => list!("discarded_at is not null" by "id || ''"),
        };
        let query = sqlx::query(text).bind(location_id.as_deref()).bind(kind.as_deref()).bind(error.as_deref());
        let query = query.bind(self.scope()).bind(since.map(Timestamp::as_millisecond)).bind(before.as_deref());
        let rows = query.bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(job_of).collect()
    }

    /// How many rows are in each state; of those that are done, [`DONE_COUNTED`] at most.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn job_counts(&self) -> Result<Vec<(JobState, i64)>, RecordsError> {
        let mut counts = self.unfinished_counts().await?;
        let query = sqlx::query_scalar(sql!("count_done_jobs")).bind(DONE_COUNTED);
        let done: i64 = query.fetch_one(&self.pool).await?;
        let discarded: i64 = sqlx::query_scalar(sql!("count_discarded_jobs")).fetch_one(&self.pool).await?;
        for (state, count) in &mut counts {
            match state {
                JobState::Discarded => *count = discarded,
                JobState::Done => *count = done.min(DONE_COUNTED),
                _ => {}
            }
        }
        Ok(counts)
    }

    /// [`Records::job_counts`] without those that are done or discarded, whose counts are 0 here: they only grow in number, and to count them takes
    /// ever longer.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn unfinished_counts(&self) -> Result<Vec<(JobState, i64)>, RecordsError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(sql!("count_unfinished_jobs")).fetch_all(&self.pool).await?;
        let count = |state: JobState| rows.iter().find(|(name, _)| name == state.as_str()).map_or(0, |(_, n)| *n);
        Ok(JobState::ALL.into_iter().map(|state| (state, count(state))).collect())
    }

    /// Since when the longest run has been running, in ms since 1970.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn oldest_running_ms(&self) -> Result<Option<i64>, RecordsError> {
        Ok(sqlx::query_scalar(sql!("oldest_running")).fetch_one(&self.pool).await?)
    }

    /// Since when the open row that waits longest could have run, in ms since 1970, among those of the kinds and locations that count and of
    /// locations that are connected.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn oldest_open_ms(&self, counts: impl Fn(&str, &str) -> bool) -> Result<Option<i64>, RecordsError> {
        let query = sqlx::query_as(sql!("oldest_open")).bind(self.clock.now_ms());
        let rows: Vec<(String, String, i64)> = query.fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter(|(kind, location, _)| counts(kind, location)).map(|(.., since)| since).min())
    }

    /// When the last run began, in ms since 1970, or up to a second after that: no quota was spent by a job later.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn last_activity_ms(&self) -> Result<Option<i64>, RecordsError> {
        Ok(sqlx::query_scalar(sql!("last_activity")).bind(activity::MARK_EVERY_MS).fetch_one(&self.pool).await?)
    }

    /// When the records last show any work, in ms since 1970: what a clock can be compared with.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn newest_sign_ms(&self) -> Result<Option<i64>, RecordsError> {
        Ok(sqlx::query_scalar(sql!("newest_sign")).fetch_one(&self.pool).await?)
    }

    /// The highest epoch that an open row carries; 0 when none does. A queue that lost its state must hand out higher
    /// ones, or [`Records::start_run`] takes its runs for zombies.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn max_epoch(&self) -> Result<i64, RecordsError> {
        let max: Option<i64> = sqlx::query_scalar(sql!("max_epoch")).fetch_one(&self.pool).await?;
        Ok(max.unwrap_or(0))
    }

    /// Keys with open rows, in key order after `after`: accepted at least `older_than_ms` ago, and not held by a run
    /// that started after `running_since_ms`.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn open_jobs(
        &self,
        after: Option<&JobKey>,
        older_than_ms: i64,
        running_since_ms: i64,
        limit: i64,
    ) -> Result<Vec<OpenJob>, RecordsError> {
        let now = self.clock.now_ms();
        let rows = sqlx::query(sql!("open_jobs"))
            .bind(after.map_or("", |key| &key.kind))
            .bind(after.map_or("", |key| &key.location_id))
            .bind(after.map_or("", |key| &key.record_id))
            .bind(now.saturating_sub(older_than_ms))
            .bind(running_since_ms)
            .bind(now + CLOCKS_APART_MS)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(open_job_of).collect()
    }

    /// The ids of the open rows of a key, the oldest first.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn open_rows(&self, key: &JobKey) -> Result<Vec<String>, RecordsError> {
        let JobKey { kind, location_id, record_id } = key;
        let query = sqlx::query_scalar(sql!("open_rows")).bind(kind).bind(location_id).bind(record_id);
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// The newest rows that wait and were accepted since `since_ms`, each with its key; found by their ids, which begin with the time.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn new_jobs(&self, since_ms: i64, limit: i64) -> Result<Vec<OpenJob>, RecordsError> {
        let since = Uuid::from_u128(u128::from(since_ms.unsigned_abs()) << 80).to_string();
        let rows = sqlx::query(sql!("new_jobs")).bind(since).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(open_job_of).collect()
    }

    /// Opens dead rows again, with what GHL refused of them; returns the keys to enqueue. Rows that are not dead stay as they are.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn revive_jobs(&self, ids: &[String]) -> Result<Vec<JobKey>, RecordsError> {
        let mut write = self.write().await?;
        let (mut keys, mut revived_ids) = (Vec::new(), Vec::new());
        for id in ids {
            let revived = sqlx::query(sql!("revive_job")).bind(id).execute(write.conn()).await?;
            if revived.rows_affected() == 1 {
                let row = sqlx::query(sql!("job")).bind(id).bind(self.scope()).fetch_one(write.conn()).await?;
                let key = key_of(&row)?;
                revived_ids.push((key.location_id.clone(), id.clone()));
                keys.push(key);
            }
        }
        write.cause = Cause { origin: Origin::Clienty, job: ids.first().cloned(), key: None, via: Via::Operator };
        for key in &keys {
            refusals::release(&mut write, key).await?;
        }
        write.acts.extend(Act::on_jobs(Action::JobsRetry, &revived_ids));
        write.commit().await?;
        Ok(keys)
    }

    /// Closes dead rows for good: they are discarded and keep their last error, and the runs of flows of which they are steps end. What a record
    /// owes GHL for them is taken back once no other job of it is open or dead. Returns how many were closed.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn discard_jobs(&self, ids: &[String], decision: &Decision) -> Result<u64, RecordsError> {
        Ok(self.close_by_hand(sql!("discard_job"), Action::JobsDiscard, ids, decision).await?.len() as u64)
    }

    /// Closes waiting and scheduled rows without their work being done, as [`Records::discard_jobs`] does dead ones. Returns the ids of those
    /// that were closed: what runs already, or is over, is left alone.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn cancel_jobs(&self, ids: &[String], decision: &Decision) -> Result<Vec<String>, RecordsError> {
        self.close_by_hand(sql!("cancel_job"), Action::JobsCancel, ids, decision).await
    }

    /// Makes waiting and scheduled rows runnable at once; their keys, to enqueue, each with its row's id. What runs already, or is over, is left
    /// alone.
    ///
    /// # Errors
    /// See [`Records::job`].
    pub async fn run_jobs_now(&self, ids: &[String]) -> Result<Vec<(String, JobKey, Priority)>, RecordsError> {
        let mut write = self.write().await?;
        let mut due = Vec::new();
        for id in ids {
            if let Some(row) = sqlx::query(sql!("run_job_now")).bind(id).fetch_optional(write.conn()).await? {
                due.push((id.clone(), key_of(&row)?, priority_of(&row)?));
            }
        }
        let jobs: Vec<_> = due.iter().map(|(id, key, _)| (key.location_id.clone(), id.clone())).collect();
        write.acts.extend(Act::on_jobs(Action::JobsRunNow, &jobs));
        write.commit().await?;
        Ok(due)
    }

    async fn close_by_hand(
        &self,
        statement: &'static str,
        action: Action,
        ids: &[String],
        Decision { by, why }: &Decision,
    ) -> Result<Vec<String>, RecordsError> {
        let mut write = self.write().await?;
        let (mut keys, mut closed) = (Vec::new(), Vec::new());
        let now_ms = write.now_ms;
        for id in ids {
            let query = sqlx::query(statement).bind(id).bind(now_ms).bind(by).bind(why);
            if let Some(row) = query.fetch_optional(write.conn()).await? {
                closed.push(id.clone());
                let key = key_of(&row)?;
                let (source, event_id): (String, Option<String>) = (row.try_get("source")?, row.try_get("event_id")?);
                flows::ending::discarded(&mut write, &key, &source, event_id.as_deref()).await?;
                keys.push(key);
            }
        }
        write.cause = Cause { origin: Origin::Clienty, job: closed.first().cloned(), key: None, via: Via::Operator };
        let jobs: Vec<_> = keys.iter().map(|key| key.location_id.clone()).zip(closed.iter().cloned()).collect();
        write.acts.extend(Act::on_jobs(action, &jobs));
        for key in keys.iter().collect::<BTreeSet<_>>() {
            taking_back::take_back(&mut write, key).await?;
        }
        write.commit().await?;
        Ok(closed)
    }
}

/// The time of `ms` since 1970.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn key_of(row: &AnyRow) -> Result<JobKey, RecordsError> {
    Ok(JobKey {
        kind: row.try_get("kind")?,
        location_id: row.try_get("location_id")?,
        record_id: row.try_get("record_id")?,
    })
}

fn priority_of(row: &AnyRow) -> Result<Priority, RecordsError> {
    let number: i64 = row.try_get("priority")?;
    Ok(u8::try_from(number).ok().and_then(Priority::from_number).unwrap_or(Priority::Bulk))
}

fn word<S: serde::Serializer>(priority: &Priority, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(priority.as_str())
}

fn open_job_of(row: &AnyRow) -> Result<OpenJob, RecordsError> {
    let state = match row.try_get::<i64, _>("state_rank")? {
        0 => JobState::Running,
        1 => JobState::Waiting,
        _ => JobState::Scheduled,
    };
    Ok(OpenJob {
        key: key_of(row)?,
        priority: priority_of(row)?,
        attempts: row.try_get("attempts")?,
        due_at_ms: row.try_get("due_at")?,
        state,
    })
}

pub(super) fn job_of(row: &AnyRow) -> Result<LedgerEntry, RecordsError> {
    let id: String = row.try_get("id")?;
    let state: String = row.try_get("state")?;
    let data: String = row.try_get("data")?;
    let Some(state) = JobState::parse(&state) else {
        return Err(RecordsError::Corrupt {
            table: "jobs",
            row: id,
            reason: "its state is not one of ours".to_owned(),
        });
    };
    let discarded_at: Option<i64> = row.try_get("discarded_at")?;
    let word = |column: &str| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    let discarded = match discarded_at {
        Some(at) => Some(Discarded { at: timestamp(at), by: word("discarded_by")?, why: word("discarded_why")? }),
        None => None,
    };
    let state = if discarded.is_some() { JobState::Discarded } else { state };
    let outcome: Option<String> = row.try_get("outcome")?;
    let unapplied: Option<String> = row.try_get("unapplied")?;
    Ok(LedgerEntry {
        outcome: outcome.and_then(|name| Progress::parse(&name)),
        unapplied: unapplied
            .map_or(Ok(Vec::new()), |text| serde_json::from_str(&text))
            .map_err(|error| RecordsError::corrupt("jobs", &id, &error))?,
        discarded,
        event_id: row.try_get("event_id")?,
        source: row.try_get("source")?,
        event_type: row.try_get("event_type")?,
        key: key_of(row)?,
        priority: priority_of(row)?,
        state,
        epoch: row.try_get("epoch")?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
        // One damaged row must not hide the others from a list; a run of it reports the damage.
        data: serde_json::from_str(&data).unwrap_or_default(),
        created_at: timestamp(row.try_get("created_at")?),
        due_at: row.try_get::<Option<i64>, _>("due_at")?.map(timestamp),
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(timestamp),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(timestamp),
        id,
    })
}
