//! Retention: every table that grows forgets what is old, in small bites and with a breath after each, so that writers get at least half of
//! the database's time even while millions of rows go.
//!
//! Every process may run it; they only repeat what another has done.
//!
//! The trap is a clock that is wrong: to one that is weeks ahead, all is old. A machine may begin with such a clock and correct it within minutes, so
//! nothing is forgotten in the first hour, nor for an hour after the clock was seen to jump ([`Footing`]).

use std::time::{Duration, Instant};

use sync_model::clock::Clock;
use tokio::time::sleep;

use crate::records::{Old, Place, Records, RecordsError, TOUCHES_KEPT};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(600);
/// Rows that one statement deletes at most: others wait for it.
const BITE: i64 = 500;
/// For so long the clock must have gone at the pace of time before anything is forgotten.
const PROBATION: Duration = Duration::from_secs(60 * 60);
/// A clock that is no further ahead of what the records show last goes on as it did.
const UNBROKEN_MS: i64 = 2 * 24 * 60 * 60 * 1000;
/// So much the clock may differ from the time that has passed.
const JUMP_MS: i64 = 5 * 60 * 1000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Entries of the change feed.
    pub changes: Duration,
    /// What changes took away: the history of records.
    pub history: Duration,
    /// Deleted records, to be seen by readers that ask for them.
    pub deleted: Duration,
    /// Rows of the ledger that are done, and other results of work: runs of flows, imports, reconciliations.
    pub jobs: Duration,
    /// Dead letters.
    pub dead: Duration,
    /// Conflicts, to be looked at and undone.
    pub conflicts: Duration,
    /// The ids by which repeated events are known.
    pub event_ids: Duration,
    /// Webhooks, by which a repetition is recognized.
    pub webhooks: Duration,
    /// Rows of the audit.
    pub audit: Duration,
}

impl Keeping {
    /// Webhooks that can't be read: GHL tries for 3 days, and an operator has to look.
    const UNREADABLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// Deliveries to hooks, to look at and to send again; those that failed for longer.
    const SENT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    const FAILED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    /// Receipts of erasures that were lifted since,.
    const EVIDENCE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    fn of(self, old: Old) -> Duration {
        match old {
            Old::Changes | Old::Notices => self.changes,
            Old::History => self.history,
            Old::Entries | Old::Contacts => self.deleted,
            // An alias leads to what the ledger still has by that id.
            Old::DoneJobs | Old::FlowRuns | Old::Scans => self.jobs,
            Old::Aliases => self.jobs.max(self.dead),
            Old::DeadJobs => self.dead,
            Old::Conflicts => self.conflicts,
            Old::EventIds => self.event_ids,
            Old::Webhooks => self.webhooks,
            Old::UnreadableWebhooks => Self::UNREADABLE,
            Old::Touched => TOUCHES_KEPT,
            Old::Erasures | Old::EnrichSpend => Self::EVIDENCE,
            Old::Audit => self.audit,
            // They know themselves until when they count.
            Old::EnrichAnswers => Duration::ZERO,
            Old::SentDeliveries => Self::SENT,
            Old::FailedDeliveries => Self::FAILED,
        }
    }
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            changes: DAY * 30,
            history: DAY * 30,
            deleted: DAY * 30,
            jobs: DAY * 30,
            dead: DAY * 180,
            conflicts: DAY * 180,
            event_ids: DAY * 30,
            webhooks: DAY * 35,
            audit: DAY * 400,
        }
    }
}

/// Runs until it is aborted.
pub async fn run(records: Records, clock: Clock, keeping: Keeping) {
    let mut retention = Retention::new(records, clock, keeping, Instant::now());
    loop {
        match retention.turn(Instant::now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "retention deleted old rows"),
            Err(error) => tracing::warn!(%error, "a round of retention failed; the next round continues"),
        }
        sleep(ROUND).await;
    }
}

/// Retention of a process.
pub struct Retention {
    records: Records,
    clock: Clock,
    keeping: Keeping,
    footing: Footing,
    /// Whether the clock was compared with the times that the records hold.
    is_compared: bool,
}

/// Since when the wall clock goes as time does.
#[derive(Debug, Clone, Copy)]
struct Footing {
    since: Instant,
    wall_ms: i64,
    /// The clock was right before: nothing has to show that it is.
    is_proven: bool,
}

impl Retention {
    /// Of a process that begins at `now`.
    #[must_use]
    pub fn new(records: Records, clock: Clock, keeping: Keeping, now: Instant) -> Self {
        let footing = Footing { since: now, wall_ms: clock.now_ms(), is_proven: false };
        Self { records, clock, keeping, footing, is_compared: false }
    }

    /// Completes erasures, and does a round if the clock can be trusted; returns how many rows it deleted.
    ///
    /// # Errors
    /// See [`round`].
    pub async fn turn(&mut self, now: Instant) -> Result<u64, RecordsError> {
        let now_ms = self.clock.now_ms();
        if !self.is_compared {
            // Work of an hour ago by this very clock confirms it.
            let newest = self.records.newest_sign_ms().await?;
            self.footing.is_proven = newest.is_none_or(|newest| now_ms.saturating_sub(newest) <= UNBROKEN_MS);
            self.is_compared = true;
        }
        if self.footing.holds(now, now_ms) {
            return round(&self.records, &self.clock, self.keeping).await;
        }
        complete_erasures(&self.records).await?;
        Ok(0)
    }
}

impl Footing {
    /// Whether the clock has gone as time does for long enough. From a jump on, time counts again.
    fn holds(&mut self, now: Instant, wall_ms: i64) -> bool {
        let passed = now.saturating_duration_since(self.since);
        let expected = self.wall_ms.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX));
        let off_ms = wall_ms.saturating_sub(expected);
        if off_ms.abs() > JUMP_MS {
            tracing::warn!(
                off_ms,
                "the clock jumped; retention deletes nothing until the clock has run evenly for an hour"
            );
            *self = Self { since: now, wall_ms, is_proven: false };
            return false;
        }
        self.is_proven || passed >= PROBATION
    }
}

async fn complete_erasures(records: &Records) -> Result<(), RecordsError> {
    while records.complete_erasures(1).await? > 0 {}
    Ok(())
}

/// One round; returns how many rows it deleted.
///
/// # Errors
/// [`RecordsError::Database`].
pub async fn round(records: &Records, clock: &Clock, keeping: Keeping) -> Result<u64, RecordsError> {
    let mut rows = 0;
    complete_erasures(records).await?;
    for old in Old::ALL {
        let kept = i64::try_from(keeping.of(old).as_millis()).unwrap_or(i64::MAX);
        let before_ms = clock.now_ms().saturating_sub(kept);
        let (mut place, mut began) = (Place::default(), Instant::now());
        while let Some(bite) = records.forget(old, before_ms, &mut place, BITE).await? {
            rows += bite;
            sleep(began.elapsed()).await;
            began = Instant::now();
        }
    }
    Ok(rows)
}
