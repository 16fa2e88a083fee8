//! How work gets in: into the ledger first, then into the queue.
//!
//! The gateway uses it for HTTP, and Rust services can use it without: an event counts as accepted once its ledger row is committed.
//! The queue is told afterwards; where that fails, the sweeper of any worker tells it later (law 1), so it is no error.

use sync_workers::records::{AcceptError, Accepted, Records, RecordsError, Trigger};
use sync_workers::{jobs, sweeper};

use job_engine::Queue;

/// Accepts triggers. Clones share the database and the queue.
#[derive(Debug, Clone)]
pub struct Producer {
    records: Records,
    queue: Queue,
}

/// Why nothing of a batch was accepted.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// An event can't be applied to the records.
    #[error("event {index}: {field} {message}")]
    Refused {
        /// Its position in the batch.
        index: usize,
        /// The field at fault.
        field: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The database failed; the same batch may be sent again.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl Producer {
    /// A producer over an open database and queue.
    #[must_use]
    pub fn new(records: Records, queue: Queue) -> Self {
        Self { records, queue }
    }

    /// Accepts all of `triggers` or none, in one transaction.
    ///
    /// # Errors
    /// [`SendError`]; nothing was stored then.
    pub async fn send(&self, triggers: &[Trigger]) -> Result<Vec<Accepted>, SendError> {
        let accepted = self.records.accept(triggers).await?;
        let work = accepted.iter().zip(triggers).filter(|(accepted, _)| !accepted.duplicate);
        let jobs: Vec<_> = work.map(|(accepted, trigger)| jobs::new_job(&accepted.key, trigger.priority)).collect();
        if let Err(error) = self.queue.push(&jobs).await {
            tracing::warn!(%error, jobs = jobs.len(), "accepted, but the queue was not told; the sweeper will");
        }
        Ok(accepted)
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
