//! Opens a queue: in the memory of this process, or on Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::{
    Claiming, ColdStart, Driver, Endpoint, Handover, Inner, Limit, MOST_EPOCH, Namespace, Outage, Queue, QueueError,
    Shard, memory, redis, shard_of, trace,
};

impl Queue {
    /// A queue in this process, with as many shards as wanted, that forgets everything when it is dropped.
    #[must_use]
    pub fn memory(shards: usize, limit: Limit, claiming: Claiming, meeting: ColdStart) -> Self {
        let drivers = (0..shards.max(1))
            .map(|_| Driver::Memory(Box::new(memory::MemoryShard::new(limit, claiming, meeting))))
            .collect();
        Self::over(drivers, limit, claiming)
    }

    /// [`Queue::memory`] that goes on with the calls that the process before it has left in a file, and leaves its own there. Where the file is not
    /// to be believed it begins by `meeting`.
    #[must_use]
    pub fn memory_after(
        shards: usize,
        limit: Limit,
        claiming: Claiming,
        meeting: ColdStart,
        handover: &Handover,
    ) -> Self {
        Self::memory_by(shards, limit, claiming, meeting, handover, memory::clock())
    }

    pub(super) fn memory_by(
        shards: usize,
        limit: Limit,
        claiming: Claiming,
        meeting: ColdStart,
        handover: &Handover,
        clock: memory::Clock,
    ) -> Self {
        let (left, journal) = memory::Journal::take(handover, &limit, clock);
        let meeting = if left.is_some() { ColdStart::Unspent } else { meeting };
        let (journal, count) = (journal.map(Arc::new), shards.max(1));
        let mut by_shard = vec![HashMap::new(); count];
        for (lane, spent) in left.unwrap_or_default() {
            by_shard[shard_of(&lane, count)].insert(lane, spent);
        }
        let drivers = by_shard.into_iter().map(|left| {
            let shard = memory::MemoryShard::new(limit, claiming, meeting).going_on(left, journal.clone());
            Driver::Memory(Box::new(shard))
        });
        Self::over(drivers.collect(), limit, claiming)
    }

    /// A queue in Redis, which answers. Where the endpoint is any node of a cluster, each shard is spoken to where it lives.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when that is no Redis URL or the server can't be reached, [`QueueError::Unfit`] when it can't keep the queue.
    pub async fn redis(
        endpoint: impl Into<Endpoint>,
        namespace: impl Into<Namespace>,
        shards: usize,
        limit: Limit,
        claiming: Claiming,
        meeting: ColdStart,
    ) -> Result<Self, QueueError> {
        let queue = Self::redis_unmet(&endpoint.into(), &namespace.into(), shards, limit, claiming, meeting)?;
        queue.meet().await?;
        Ok(queue)
    }

    /// A queue in Redis that connects with its first call, and again when it can: for processes that serve without it meanwhile.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when that is no Redis URL, or its certificates are none.
    pub fn redis_unmet(
        endpoint: &Endpoint,
        namespace: &Namespace,
        shards: usize,
        limit: Limit,
        claiming: Claiming,
        meeting: ColdStart,
    ) -> Result<Self, QueueError> {
        let shards = redis::shards(endpoint, namespace, shards.max(1), limit, claiming, meeting)?;
        let drivers = shards.into_iter().map(|shard| Driver::Redis(Box::new(shard))).collect();
        Ok(Self::over(drivers, limit, claiming))
    }

    /// Meets every shard: state that is lost later was there, also for a process that asks for nothing until then.
    ///
    /// # Errors
    /// See [`Queue::redis`]. What was not met now is met with its first call, and counts as used up where it has no state.
    pub async fn meet(&self) -> Result<(), QueueError> {
        let mut met = Ok(());
        for shard in &self.inner.shards {
            let Driver::Redis(redis) = &shard.driver else { continue };
            if met.is_ok() {
                met = redis.heartbeat(&[]).await.map(drop);
            }
            if met.is_err() {
                redis.came_late();
            }
        }
        met
    }

    /// Hands out epochs above this one: the highest that the store of records knows of. A queue that lost its state, or whose clock was set back,
    /// would begin below it, and its runs could not write (law 5).
    #[must_use]
    pub fn above(self, epoch: u64) -> Self {
        for shard in &self.inner.shards {
            match &shard.driver {
                Driver::Memory(memory) => memory.raise_epoch(epoch.min(MOST_EPOCH)),
                Driver::Redis(redis) => redis.know_epoch(epoch.min(MOST_EPOCH)),
            }
        }
        self
    }

    /// [`Queue::above`] for a queue in use, as when a run was refused since the records know a higher epoch.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed; it is raised when that answers again.
    pub async fn raise_epochs(&self, epoch: u64) -> Result<(), QueueError> {
        for shard in &self.inner.shards {
            match &shard.driver {
                Driver::Memory(memory) => memory.raise_epoch(epoch.min(MOST_EPOCH)),
                Driver::Redis(redis) => redis.raise_epoch(epoch.min(MOST_EPOCH)).await?,
            }
        }
        Ok(())
    }

    pub(super) fn over(mut drivers: Vec<Driver>, limit: Limit, claiming: Claiming) -> Self {
        if let Some(trace) = trace::Trace::by_environment() {
            drivers.iter_mut().for_each(|driver| driver.trace(&trace));
        }
        let shard = |driver| Shard { driver, incarnation: AtomicU64::new(0), losses: watch::Sender::new(0) };
        let shards = drivers.into_iter().map(shard).collect();
        Self { inner: Arc::new(Inner { shards, outage: Outage::of("the queue"), limit, claiming }) }
    }

    /// The queue, called so in the log; for the second one of a process. Before it is shared.
    #[must_use]
    pub fn called(mut self, name: &'static str) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.outage = Outage::of(name);
        }
        self
    }
}
