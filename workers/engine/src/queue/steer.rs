//! Pauses and resumes lanes and kinds of jobs.

use std::collections::BTreeSet;

use super::{Driver, Queue, QueueError, envelope};

impl Queue {
    /// Lets no job of the lane be claimed until it is resumed. What runs goes on.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed.
    pub async fn pause(&self, lane: &str) -> Result<(), QueueError> {
        self.steer(lane, true).await
    }

    /// Ends a pause, and lets a broken lane try again at once. What the server has refused stays refused, and tokens whose calls count stay away.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed.
    pub async fn resume(&self, lane: &str) -> Result<(), QueueError> {
        self.steer(lane, false).await
    }

    async fn steer(&self, lane: &str, pause: bool) -> Result<(), QueueError> {
        match &self.inner.shards[self.shard_of(lane)].driver {
            Driver::Memory(memory) => {
                memory.steer(lane, pause);
                Ok(())
            }
            Driver::Redis(redis) => redis.steer(lane, pause).await,
        }
    }

    /// Lets no job of the kind be claimed, in any lane, until it is resumed. What runs goes on; other kinds are not held up.
    /// Lost with the queue's state, as every pause.
    ///
    /// # Errors
    /// [`QueueError::Envelope`] when that is no kind; [`QueueError::Redis`] when the server failed, with any part of the shards done.
    pub async fn pause_kind(&self, kind: &str) -> Result<(), QueueError> {
        self.steer_kind(kind, true).await
    }

    /// Ends the pause of a kind: its jobs are lined up again, behind those of their lanes that wait.
    ///
    /// # Errors
    /// See [`Queue::pause_kind`].
    pub async fn resume_kind(&self, kind: &str) -> Result<(), QueueError> {
        self.steer_kind(kind, false).await
    }

    async fn steer_kind(&self, kind: &str, pause: bool) -> Result<(), QueueError> {
        envelope::part("kind", kind, '/')?;
        for shard in &self.inner.shards {
            match &shard.driver {
                Driver::Memory(memory) => memory.steer_kind(kind, pause),
                Driver::Redis(redis) => redis.steer_kind(kind, pause).await?,
            }
        }
        Ok(())
    }

    /// The kinds that are paused, in alphabetical order.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed.
    pub async fn paused_kinds(&self) -> Result<BTreeSet<String>, QueueError> {
        let mut kinds = BTreeSet::new();
        for shard in &self.inner.shards {
            match &shard.driver {
                Driver::Memory(memory) => kinds.extend(memory.paused_kinds()),
                Driver::Redis(redis) => kinds.extend(redis.paused_kinds().await?),
            }
        }
        Ok(kinds)
    }
}
