//! What the console asks beside the questions of the API: numbers that are counted up to a bound, and lists over all locations.
//!
//! None of these reads a table through: each is bounded by a limit, or goes by an index of what is open or dead.

use jiff::Timestamp;
use sqlx::Row;
use sync_model::job::{JobKey, JobState};

use super::audit::{Act, Action};
use super::conflicts::{KeptConflict, conflict_of};
use super::ledger::{LedgerEntry, job_of, timestamp};
use super::sql::sql;
use super::{Page, Records, RecordsError};

/// Whoever follows a contact looks at it again and again.
const READS_NOTED_EVERY_MS: i64 = 60 * 60 * 1000;

/// A dead letter, without what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Of the job.
    pub id: String,
    /// Of the job.
    pub kind: String,
    /// GHL's location id.
    pub location_id: String,
    /// What its last attempt said.
    pub error: Option<String>,
    /// When it was given up.
    pub died_at: Timestamp,
}

/// A run of a flow, to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRun {
    /// The run.
    pub id: String,
    /// Its flow.
    pub flow: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact that it is about.
    pub contact_id: Option<String>,
    /// The step that is next or under way, from 0.
    pub step: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// Until when the step waits.
    pub waits_until: Option<Timestamp>,
    /// None while it is under way.
    pub outcome: Option<String>,
}

impl Records {
    /// How many jobs that the principal sees are waiting, scheduled, running and dead: of each `most` at most.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all below.
    pub async fn count_jobs_up_to(&self, most: i64) -> Result<Vec<(JobState, i64)>, RecordsError> {
        let query = sqlx::query_as(sql!("count_jobs_up_to")).bind(self.scope()).bind(most);
        let rows: Vec<(String, i64)> = query.fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter_map(|(state, count)| Some((JobState::parse(&state)?, count))).collect())
    }

    /// Dead letters that the principal sees, newest first.
    ///
    /// # Errors
    /// See [`Records::count_jobs_up_to`].
    pub async fn dead_letters(&self, location: Option<&str>, limit: i64) -> Result<Vec<DeadLetter>, RecordsError> {
        let query = sqlx::query_as(sql!("dead_letters")).bind(self.scope()).bind(location).bind(limit);
        let rows: Vec<(String, String, String, Option<String>, i64)> = query.fetch_all(&self.pool).await?;
        let letter = |(id, kind, location_id, error, died_at)| DeadLetter {
            id,
            kind,
            location_id,
            error,
            died_at: timestamp(died_at),
        };
        Ok(rows.into_iter().map(letter).collect())
    }

    /// Conflicts of every location that the principal sees, newest first.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`]; see [`Records::count_jobs_up_to`].
    pub async fn list_conflicts_everywhere(
        &self,
        location: Option<&str>,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<KeptConflict>, RecordsError> {
        let query = sqlx::query(sql!("list_conflicts_everywhere")).bind(self.scope()).bind(location).bind(cursor);
        let rows = query.bind(limit.saturating_add(1)).fetch_all(&self.pool).await?;
        let mut items = rows.iter().map(conflict_of).collect::<Result<Vec<_>, _>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|conflict| conflict.id.clone());
        Ok(Page { items, next_cursor })
    }

    /// The open and dead jobs of these keys, newest first.
    ///
    /// # Errors
    /// See [`Records::count_jobs_up_to`].
    pub async fn jobs_of_keys(&self, keys: &[JobKey]) -> Result<Vec<LedgerEntry>, RecordsError> {
        let mut jobs = Vec::new();
        for JobKey { kind, location_id, record_id } in keys {
            let query = sqlx::query(sql!("jobs_of_key")).bind(kind).bind(location_id).bind(record_id);
            let rows = query.bind(self.scope()).fetch_all(&self.pool).await?;
            jobs.extend(rows.iter().map(job_of).collect::<Result<Vec<_>, _>>()?);
        }
        jobs.sort_by(|one: &LedgerEntry, other| other.id.cmp(&one.id));
        Ok(jobs)
    }

    /// Writes that the principal looked at the data of a person, once an hour.
    ///
    /// # Errors
    /// See [`Records::count_jobs_up_to`].
    pub async fn note_person_read(&self, location: &str, contact: &str) -> Result<(), RecordsError> {
        let actor = &self.principal.actor;
        let since = self.clock.now_ms().saturating_sub(READS_NOTED_EVERY_MS);
        let query = sqlx::query_scalar::<_, i64>(sql!("person_was_read")).bind(Action::PersonRead.as_str());
        let query = query.bind(actor.kind()).bind(actor.name()).bind(contact).bind(location).bind(since);
        if query.fetch_optional(&self.pool).await?.is_some() {
            return Ok(());
        }
        self.note_act(Act::new(Action::PersonRead).on(contact).at(location)).await
    }

    /// Runs of flows that the principal sees, newest first.
    ///
    /// # Errors
    /// See [`Records::count_jobs_up_to`].
    pub async fn flow_run_heads(
        &self,
        flow: Option<&str>,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ListedRun>, RecordsError> {
        let query = sqlx::query(sql!("flow_run_heads")).bind(self.scope()).bind(flow).bind(before).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        let run = |row: &sqlx::any::AnyRow| {
            Ok(ListedRun {
                id: row.try_get("id")?,
                flow: row.try_get("flow")?,
                location_id: row.try_get("location_id")?,
                contact_id: row.try_get("contact_id")?,
                step: row.try_get("step")?,
                started_at: timestamp(row.try_get("started_at")?),
                waits_until: row.try_get::<Option<i64>, _>("wait_until")?.map(timestamp),
                outcome: row.try_get("outcome")?,
            })
        };
        rows.iter().map(run).collect()
    }
}
