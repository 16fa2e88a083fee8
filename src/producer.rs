//! How work gets in: into the ledger first, then into the queue.
//!
//! The gateway uses it for HTTP, and Rust services can use it without: an event counts as accepted
//! once its ledger row is committed. The queue is filled afterwards; if that fails, the requeuer of
//! any worker enqueues the job later (law 1), so it is no error.

use std::time::Duration;

use job_engine::{NewJob, Priority, Queue};
use sync_workers::events::IncomingEvent;
use sync_workers::jobs;
use sync_workers::records::{AcceptError, Accepted, Actor, JobKey, Principal, ProducerId, Records, RecordsError};
use tokio::time::timeout;

/// How long the answer waits for the queue, which goes on without being waited for.
const PUSH_DUE: Duration = Duration::from_millis(500);

/// Accepts triggers, under a name within which the ids of their events are its own. Clones share the database and the queue.
#[derive(Debug, Clone)]
pub struct Producer {
    records: Records,
    queue: Queue,
    id: ProducerId,
}

impl Producer {
    /// A producer over an open database and queue, by the name of the program that it is part of.
    #[must_use]
    pub fn new(records: Records, queue: Queue, name: &str) -> Self {
        Self { records, queue, id: ProducerId::Program(name.to_owned()) }
    }

    /// The same on behalf of another principal, which limits the locations. The ids of a key's events are its own.
    #[must_use]
    pub fn on_behalf_of(&self, principal: Principal) -> Self {
        let id = match &principal.actor {
            Actor::Key(key) => ProducerId::Key(key.clone()),
            Actor::Cli(_) | Actor::System => self.id.clone(),
        };
        Self { id, records: self.records.on_behalf_of(principal), queue: self.queue.clone() }
    }

    /// Accepts all of `triggers` or none, in one transaction.
    ///
    /// # Errors
    /// [`AcceptError`]; nothing was stored then, but after [`sync_workers::records::RecordsError::NoAnswer`], when that is not known.
    pub async fn send(&self, triggers: &[IncomingEvent]) -> Result<Vec<Accepted>, AcceptError> {
        let accepted = match self.records.accept_from(&self.id, triggers).await {
            Ok(accepted) => accepted,
            Err(error) => {
                // A refusal may lead to a look at what has changed in GHL.
                self.enqueue(self.pending()).await;
                return Err(error);
            }
        };
        let work = accepted.iter().filter(|accepted| !accepted.duplicate);
        let mut jobs: Vec<_> = work.map(|accepted| jobs::new_job(&accepted.key, accepted.priority)).collect();
        // Runs of flows that events have started.
        jobs.extend(self.pending());
        self.enqueue(jobs).await;
        Ok(accepted)
    }

    /// Opens dead jobs again, behind all other jobs of their locations. Other jobs stay as they are.
    ///
    /// # Errors
    /// When the database does not answer; none was made so then.
    pub async fn revive(&self, ids: &[String]) -> Result<Vec<JobKey>, RecordsError> {
        let keys = self.records.revive_jobs(ids).await?;
        self.enqueue(keys.iter().map(|key| jobs::new_job(key, Priority::Bulk)).collect()).await;
        Ok(keys)
    }

    /// Makes waiting and scheduled jobs due at once; the ids of those that are now. What runs already, or is over, is left alone.
    ///
    /// # Errors
    /// When the database does not answer; none was made so then.
    pub async fn run_now(&self, ids: &[String]) -> Result<Vec<String>, RecordsError> {
        let due = self.records.run_jobs_now(ids).await?;
        self.enqueue(due.iter().map(|(_, key, priority)| jobs::new_job(key, *priority)).collect()).await;
        Ok(due.into_iter().map(|(id, ..)| id).collect())
    }

    /// The jobs of what was committed beside the events.
    fn pending(&self) -> Vec<NewJob> {
        let pending = self.records.take_pending();
        pending.iter().map(|follow_up| jobs::new_job(&follow_up.key(), follow_up.priority)).collect()
    }

    /// They are accepted in any case: a queue that does not answer delays no producer.
    async fn enqueue(&self, jobs: Vec<NewJob>) {
        if jobs.is_empty() {
            return;
        }
        let queue = self.queue.clone();
        let pushing = tokio::spawn(async move {
            if let Err(error) = queue.push(&jobs).await {
                tracing::warn!(%error, jobs = jobs.len(), "accepted, but the jobs were not enqueued; the requeuer enqueues them");
            }
        });
        let _ = timeout(PUSH_DUE, pushing).await;
    }

    /// The ledger and the records.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }
}
