//! How runs begin: each takes the open rows of its key. Those that begin at the same time do so in one statement.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::job::JobKey;

use super::detected_change::{RECONCILE_SOURCE, needs_of};
use super::ledger::key_of;
use super::runs::Run;
use super::sql::{ROWS, sql, take_batch, with_rows_between};
use super::webhooks::WEBHOOK_SOURCE;
use super::{Records, RecordsError};
use crate::flows;

/// A key, and the epoch of the run that wants to begin.
pub(super) type Wanted = (JobKey, i64);

impl Records {
    /// Takes every open row of `key` for a run of `epoch`; none when nothing is pending.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when the open rows are held by a run of the same or a higher epoch;
    /// [`RecordsError::Database`].
    pub async fn start_run(&self, key: &JobKey, epoch: i64) -> Result<Option<Run>, RecordsError> {
        let records = self.clone();
        let look = move |wanted| {
            let records = records.clone();
            async move { records.start_all(wanted).await }
        };
        if let Some(run) = self.lines.starts.look((key.clone(), epoch), look).await? {
            return Ok(Some(run));
        }
        let JobKey { kind, location_id, record_id } = key;
        let query = sqlx::query_scalar(sql!("count_open")).bind(kind).bind(location_id).bind(record_id);
        let open: i64 = query.fetch_one(&self.pool).await?;
        if open == 0 { Ok(None) } else { Err(RecordsError::LostRun(key.clone())) }
    }

    /// The runs that begin, in the order of the keys; none for a key of which no row can be taken.
    async fn start_all(&self, wanted: Vec<Wanted>) -> Result<Vec<Option<Run>>, RecordsError> {
        let now_ms = self.clock.now_ms();
        self.mark_start(now_ms).await?;
        let (head, tail) = match self.sqlite {
            true => (sql!("start_runs"), sql!("start_runs_sqlite")),
            false => (sql!("start_runs"), sql!("start_runs_postgres")),
        };
        let mut runs: HashMap<JobKey, Run> = HashMap::new();
        // Of two that want the same, the one of a lower epoch is a zombie.
        let is_newest = |(key, epoch): &&Wanted| !wanted.iter().any(|(other, newer)| other == key && newer > epoch);
        let newest: Vec<_> = wanted.iter().filter(is_newest).collect();
        let mut left = newest.as_slice();
        let _gate = self.gate().await?;
        while !left.is_empty() {
            let batch = take_batch(&mut left, ROWS);
            let mut query = sqlx::query(with_rows_between(head, 1, batch.len(), 4, tail)).bind(now_ms);
            for (JobKey { kind, location_id, record_id }, epoch) in batch {
                query = query.bind(kind).bind(location_id).bind(record_id).bind(*epoch);
            }
            for row in query.fetch_all(self.writing(&self.often)).await? {
                let key = key_of(&row)?;
                runs.entry(key.clone()).or_insert_with(|| Run::of(key)).add(&row)?;
            }
        }
        // One that is asked for twice begins once: its rows are of one epoch.
        let begun = |(key, epoch): &Wanted| match runs.get(key) {
            Some(run) if run.epoch == *epoch => runs.remove(key),
            _ => None,
        };
        Ok(wanted.iter().map(begun).collect())
    }
}

impl Run {
    /// A run without rows.
    fn of(key: JobKey) -> Self {
        let (ids, steps, found) = (Vec::new(), Vec::new(), Vec::new());
        Self { key, epoch: 0, ids, attempts: 0, created_at_ms: i64::MAX, steps, by_webhook: 0, found }
    }

    fn add(&mut self, row: &AnyRow) -> Result<(), RecordsError> {
        let (id, source): (String, String) = (row.try_get("id")?, row.try_get("source")?);
        let event_id: Option<String> = row.try_get("event_id")?;
        self.steps.extend(event_id.filter(|_| source == flows::SOURCE).map(|event_id| (id.clone(), event_id)));
        self.by_webhook += usize::from(source == WEBHOOK_SOURCE);
        if source == RECONCILE_SOURCE {
            self.found.push((row.try_get("event_type")?, needs_of(&row.try_get::<String, _>("data")?)));
        }
        self.epoch = row.try_get("epoch")?;
        self.attempts = self.attempts.max(row.try_get("attempts")?);
        self.created_at_ms = self.created_at_ms.min(row.try_get("created_at")?);
        // The oldest first, as ids begin with the time.
        let place = self.ids.partition_point(|known| *known < id);
        self.ids.insert(place, id);
        Ok(())
    }
}
