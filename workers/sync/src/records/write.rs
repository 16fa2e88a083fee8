//! A transaction that writes: its turn, what it gathers until its commit, and the jobs and changes
//! that follow it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::{AnyConnection, AnyPool};
use sync_model::decide::merge::Policies;
use sync_model::decide::rules::TaskRule;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::detected_change::Found;
use super::mappings::in_force::Mappings;
use super::write_check::WriteCheck;
use super::{FollowUp, Principal, Records, RecordsError, accept, audit, feed, notices, page};
use crate::flows::Flow;

/// What follows from commits of this process.
#[derive(Debug, Default)]
pub(super) struct NotEnqueued {
    /// The queue: jobs that are pending.
    pub(super) jobs: Vec<FollowUp>,
    /// Whoever counts: flows of which a run ended, and how.
    pub(super) runs: Vec<(String, String)>,
}

impl Records {
    /// Begins a transaction that writes.
    pub(super) async fn write(&self) -> Result<Write, RecordsError> {
        self.write_over(&self.pool).await
    }

    /// [`Records::write`] over a connection of that pool, or SQLite's one that writes.
    pub(super) async fn write_over(&self, pool: &AnyPool) -> Result<Write, RecordsError> {
        let gate = self.gate().await?;
        let begin = if self.sqlite { "begin immediate" } else { "begin" };
        let mut tx = self.writing(pool).begin_with(begin).await?;
        let now_ms = self.clock.now_ms();
        let flows = self.flows.look(&mut tx, now_ms).await?;
        let mappings = self.mappings.look(&mut tx, now_ms).await?;
        Ok(Write {
            tx,
            principal: Arc::clone(&self.principal),
            acts: Vec::new(),
            notices: Vec::new(),
            changed: Vec::new(),
            begun: Vec::new(),
            cause: feed::Cause::default(),
            found: Vec::new(),
            page: page::Page::default(),
            now_ms,
            occurred_ms: None,
            remember_event_ids: self.remember_event_ids,
            policies: Arc::clone(&self.policies),
            rules: Arc::clone(&self.rules),
            flows,
            mappings,
            pending: Vec::new(),
            ended: Vec::new(),
            settled: (0, 0, 0),
            sqlite: self.sqlite,
            not_enqueued: Arc::clone(&self.not_enqueued),
            writes: Arc::clone(&self.writes),
            _gate: gate,
            _scan: None,
        })
    }

    /// The connections that write where those of `pool` read. Only while [`Records::gate`] is held.
    pub(super) fn writing<'a>(&'a self, pool: &'a AnyPool) -> &'a AnyPool {
        if self.sqlite { &self.writer } else { pool }
    }

    /// The turn of one writer; PostgreSQL has its own and better ones.
    ///
    /// # Errors
    /// [`RecordsError::NoTurn`]: who waits behind a writer that hangs must not wait for as long as that one.
    pub(super) async fn gate(&self) -> Result<Option<OwnedSemaphorePermit>, RecordsError> {
        if !self.sqlite {
            return Ok(None);
        }
        match timeout(self.turn_due, self.gate.clone().acquire_owned()).await {
            // The semaphore is never closed, so there is always a permit.
            Ok(permit) => Ok(permit.ok()),
            Err(_) => Err(RecordsError::NoTurn(self.turn_due)),
        }
    }
}

/// A transaction that writes, and what it will show the change feed. Dropped without a commit, it rolls back.
pub(super) struct Write {
    pub(super) tx: sqlx::Transaction<'static, sqlx::Any>,
    /// Whose transaction it is.
    pub(super) principal: Arc<Principal>,
    /// What it does that the audit has to report.
    pub(super) acts: Vec<audit::Act>,
    /// What it reports of the system, with what the acts say.
    pub(super) notices: Vec<notices::Notice>,
    pub(super) changed: Vec<(feed::Changed, feed::Cause)>,
    /// What another change of the same record may go on with.
    pub(super) begun: Vec<(feed::Changed, feed::Cause)>,
    /// Whose change it is writing now.
    pub(super) cause: feed::Cause,
    /// What it stored that was read in GHL and was not known.
    pub(super) found: Vec<Found>,
    pub(super) page: page::Page,
    pub(super) now_ms: i64,
    /// When what it writes now was said to have occurred, in ms since 1970.
    pub(super) occurred_ms: Option<i64>,
    pub(super) remember_event_ids: Duration,
    pub(super) policies: Arc<Policies>,
    pub(super) rules: Arc<[TaskRule]>,
    pub(super) flows: Arc<[Flow]>,
    pub(super) mappings: Arc<Mappings>,
    /// Jobs that it leads to, whatever else the run that it is part of leads to.
    pub(super) pending: Vec<FollowUp>,
    /// Flows of which it ends a run, and how.
    pub(super) ended: Vec<(String, String)>,
    /// How many of both, and of the notices, belong to parts that are settled.
    pub(super) settled: (usize, usize, usize),
    pub(super) sqlite: bool,
    /// Where both are kept for others once they are committed.
    pub(super) not_enqueued: Arc<Mutex<NotEnqueued>>,
    pub(super) writes: Arc<WriteCheck>,
    // Declared last, so dropped last: the next writer begins after this transaction is on its way out.
    pub(super) _gate: Option<OwnedSemaphorePermit>,
    pub(super) _scan: Option<OwnedSemaphorePermit>,
}

impl Write {
    pub(super) fn conn(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }

    /// When an edit was made that it writes now, in ms since 1970.
    pub(super) fn edited_ms(&self) -> i64 {
        self.occurred_ms.unwrap_or(self.now_ms)
    }

    /// Writes what waits in memory, so that nothing of what was done so far is left to the commit.
    pub(super) async fn settle(&mut self) -> Result<(), RecordsError> {
        page::flush(self).await?;
        let rows: Vec<_> = self.pending[self.settled.0..].iter().map(|follow_up| follow_up.row(self.now_ms)).collect();
        accept::insert_rows(self, &rows).await?;
        // Last, since all writers queue up at the counter.
        feed::append(self).await?;
        audit::append(self).await?;
        self.settled = (self.pending.len(), self.ended.len(), self.notices.len());
        Ok(())
    }

    /// Forgets what was done since it was last settled, for a part that is rolled back alone.
    pub(super) fn abandon(&mut self) {
        self.changed.clear();
        self.begun.clear();
        self.acts.clear();
        self.found.clear();
        self.page = page::Page::default();
        self.pending.truncate(self.settled.0);
        self.ended.truncate(self.settled.1);
        self.notices.truncate(self.settled.2);
    }

    pub(super) async fn commit(mut self) -> Result<(), RecordsError> {
        self.settle().await?;
        notices::append(&mut self).await?;
        self.tx.commit().await?;
        self.writes.note_commit();
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() || !self.ended.is_empty() {
            let mut not_enqueued = self.not_enqueued.lock().unwrap_or_else(PoisonError::into_inner);
            not_enqueued.jobs.extend(pending);
            not_enqueued.runs.append(&mut self.ended);
        }
        Ok(())
    }
}
