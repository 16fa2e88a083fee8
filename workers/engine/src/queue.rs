//! The queue: where jobs wait, who may claim them, and what they were worth.
//!
//! A queue has one or more shards; a lane lives on one of them, by the hash of its name. Two drivers keep the same
//! promises and pass the same conformance suite: [`memory`], for everything in one process, and [`redis`], for any number of them.
//! The queue is disposable (law 1): whoever pushes keeps the truth elsewhere and pushes again what was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::envelope::{self, EnvelopeError};
use crate::job::{Job, Key, NewJob};
use crate::limit::{Claiming, ColdStart, Limit};
use crate::outcome::Outcome;
use crate::permit::Permits;

mod lane;
mod memory;
mod open;
mod outage;
mod redis;
mod steer;
mod trace;

pub use lane::{LaneState, LaneView};
pub use memory::Handover;
use outage::Outage;
pub use redis::{Endpoint, Namespace, Tls, Trouble, examine, masters};

/// Redis' functions count in doubles, which are exact as far; epochs are no more than microseconds since 1970.
const MOST_EPOCH: u64 = 1 << 52;

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits, or is scheduled.
    Queued,
    /// A job with its key waits already and will serve this push too.
    Coalesced,
    /// A job with its key is running; it will run once more.
    AfterRunning,
    /// The queue can't hold it, and never will; the other jobs of the push are not held up.
    Unqueueable(EnvelopeError),
}

/// What a worker reports the queue of a run that ended.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) job: Job,
    pub(crate) outcome: Outcome,
    /// What it sent, and what the server said of its own count.
    pub(crate) permits: Permits,
}

/// One exchange with a shard: what ended, and how much more is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    /// Epochs of batches of which every job has been settled.
    pub(crate) finished: Vec<u64>,
    pub(crate) settlements: Vec<Settlement>,
    /// The most jobs to claim.
    pub(crate) claim: usize,
}

/// How much of a worker one lane may take, so that one whose calls hang leaves room for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// The most jobs of a lane in one step; none: as many as there is room for.
    pub(crate) most: Option<usize>,
    /// For lanes of which the worker has many already: how many more.
    pub(crate) left: Vec<(String, usize)>,
}

/// The answer to a [`Step`].
#[derive(Debug)]
pub(crate) struct Stepped {
    pub(crate) jobs: Vec<Job>,
    /// Fences what `jobs` write; names their batch's lease.
    pub(crate) epoch: u64,
    pub(crate) wait: Wait,
    /// Settlements, by position, that came after the lease had gone to another.
    pub(crate) late: Vec<usize>,
    /// No later than the step was taken: leases are counted from here.
    pub(crate) begun: Instant,
}

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// At once: more can be claimed.
    More,
    /// When something is due, or a push wakes.
    For(Duration),
    /// When a push wakes.
    ForPush,
}

/// Why the queue did not do it.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis can't be reached or refused; what was asked may or may not have been done.
    #[error("the queue's Redis did not do it: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// Redis answered something that the functions never answer.
    #[error("the queue's Redis answered {0}")]
    Reply(&'static str),
    /// The job can't be written or the stored one not be read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// That server, or its user, can't keep this queue, and waiting does not help.
    #[error("{0}")]
    Unfit(String),
}

/// A queue of jobs. Clones share it.
#[derive(Clone)]
pub struct Queue {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Vec<Shard>,
    outage: Outage,
    limit: Limit,
    claiming: Claiming,
}

struct Shard {
    driver: Driver,
    /// Names the life of the shard's state; another name means that the state was lost in between. 0: not met yet.
    incarnation: AtomicU64,
    losses: watch::Sender<u64>,
}

enum Driver {
    Memory(Box<memory::MemoryShard>),
    Redis(Box<redis::RedisShard>),
}

impl Driver {
    /// From now on each call leaves a line.
    fn trace(&mut self, trace: &trace::Trace) {
        match self {
            Self::Memory(memory) => memory.trace(trace.clone()),
            Self::Redis(redis) => redis.trace(trace.clone()),
        }
    }
}

impl Queue {
    /// Whether a queue can hold jobs with this key.
    ///
    /// # Errors
    /// Which part of the key has no room, or can't be reported from what is around it.
    pub fn can_hold(key: &Key) -> Result<(), EnvelopeError> {
        envelope::check(key)
    }

    /// Pushes jobs; what became of each, in their order. Pushing the same again changes nothing. A job that the queue can't hold
    /// ([`Queue::can_hold`]) is answered [`Pushed::Unqueueable`], and the others are pushed.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed, with any part of the jobs pushed.
    pub async fn push(&self, jobs: &[NewJob]) -> Result<Vec<Pushed>, QueueError> {
        let mut by_shard = vec![Vec::new(); self.inner.shards.len()];
        let mut answers = vec![Pushed::Queued; jobs.len()];
        for (position, job) in jobs.iter().enumerate() {
            match Self::can_hold(&job.key) {
                Ok(()) => by_shard[self.shard_of(&job.key.lane)].push((position, job)),
                Err(error) => answers[position] = Pushed::Unqueueable(error),
            }
        }
        for (number, mine) in by_shard.into_iter().enumerate().filter(|(_, mine)| !mine.is_empty()) {
            let shard = &self.inner.shards[number];
            let (positions, mut clamped): (Vec<_>, Vec<_>) =
                mine.into_iter().map(|(position, job)| (position, job.clone())).unzip();
            for job in &mut clamped {
                job.cost = self.inner.limit.clamp(job.cost, job.priority);
            }
            let (incarnation, pushed) = match &shard.driver {
                Driver::Memory(memory) => memory.push(&clamped)?,
                Driver::Redis(redis) => redis.push(&clamped).await?,
            };
            shard.met(incarnation);
            for (position, answer) in positions.into_iter().zip(pushed) {
                answers[position] = answer;
            }
        }
        Ok(answers)
    }

    /// How a lane stands: its tokens, its backlog, why it does not run. None where the queue has never met it, or has forgotten it since
    /// none of its calls counts any more.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed.
    pub async fn lane(&self, lane: &str) -> Result<Option<LaneView>, QueueError> {
        match &self.inner.shards[self.shard_of(lane)].driver {
            Driver::Memory(memory) => Ok(memory.lane(lane)),
            Driver::Redis(redis) => redis.lane(lane).await,
        }
    }

    /// All lanes that the queue knows, in no order. Reads them in small steps; for dashboards, not for decisions.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when the server failed.
    pub async fn lanes(&self) -> Result<Vec<LaneView>, QueueError> {
        let mut lanes = Vec::new();
        for shard in &self.inner.shards {
            match &shard.driver {
                Driver::Memory(memory) => lanes.extend(memory.lanes()),
                Driver::Redis(redis) => lanes.extend(redis.lanes().await?),
            }
        }
        Ok(lanes)
    }

    /// Asks every shard whether it is there.
    ///
    /// # Errors
    /// [`QueueError::Redis`] when one is not.
    pub async fn ping(&self) -> Result<(), QueueError> {
        for shard in &self.inner.shards {
            if let Driver::Redis(redis) = &shard.driver {
                redis.ping().await?;
            }
        }
        Ok(())
    }

    /// Reports every loss of a shard's state, as by FLUSHALL or a failover to an empty server: time to push again what is open.
    #[must_use]
    pub fn losses(&self) -> Vec<watch::Receiver<u64>> {
        self.inner.shards.iter().map(|shard| shard.losses.subscribe()).collect()
    }

    /// How often this process has found the clock of the queue's server to be set, forward or back.
    #[must_use]
    pub fn clock_steps(&self) -> u64 {
        let steps = self.inner.shards.iter().map(|shard| match &shard.driver {
            Driver::Memory(_) => 0,
            Driver::Redis(redis) => redis.clock_steps(),
        });
        steps.sum()
    }

    /// Whether other processes may have it too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.shards.iter().any(|shard| matches!(shard.driver, Driver::Redis(_)))
    }

    /// The limits of its lanes.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.inner.limit
    }

    /// What its workers know of whether it answers.
    pub(crate) fn outage(&self) -> &Outage {
        &self.inner.outage
    }

    /// How its workers claim.
    #[must_use]
    pub fn claiming(&self) -> Claiming {
        self.inner.claiming
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inner.shards.len()
    }

    #[cfg(test)]
    pub(crate) async fn step(&self, shard: usize, step: &Step) -> Result<Stepped, QueueError> {
        self.step_sharing(shard, step, &Share::default()).await
    }

    /// Takes a step that claims no more of each lane than its share.
    pub(crate) async fn step_sharing(&self, shard: usize, step: &Step, share: &Share) -> Result<Stepped, QueueError> {
        let shard = &self.inner.shards[shard];
        let (incarnation, stepped) = match &shard.driver {
            Driver::Memory(memory) => memory.step(step, share),
            Driver::Redis(redis) => redis.step(step, share).await?,
        };
        shard.met(incarnation);
        Ok(stepped)
    }

    #[cfg(test)]
    pub(crate) async fn listen(&self, shard: usize, step: &Step, most: Duration) -> Result<Stepped, QueueError> {
        self.listen_sharing(shard, step, &Share::default(), most).await
    }

    /// Steps when a push may have made work, or after `most`; one at a time in a shard. May do so for nothing.
    pub(crate) async fn listen_sharing(
        &self,
        shard: usize,
        step: &Step,
        share: &Share,
        most: Duration,
    ) -> Result<Stepped, QueueError> {
        let shard = &self.inner.shards[shard];
        let (incarnation, stepped) = match &shard.driver {
            Driver::Memory(memory) => memory.listen(step, share, most).await,
            Driver::Redis(redis) => redis.listen(step, share, most).await?,
        };
        shard.met(incarnation);
        Ok(stepped)
    }

    /// Lets the step that listens be taken at once, if it has begun to listen.
    pub(crate) async fn unblock(&self, shard: usize) -> Result<(), QueueError> {
        match &self.inner.shards[shard].driver {
            Driver::Memory(memory) => {
                memory.unblock();
                Ok(())
            }
            Driver::Redis(redis) => redis.unblock().await,
        }
    }

    /// Notes that of these batches' jobs this one runs and all others wait, or that they may all run (law 11).
    pub(crate) async fn alone(
        &self,
        shard: usize,
        key: Option<&Key>,
        epochs: &[u64],
        is_alone: bool,
    ) -> Result<(), QueueError> {
        match &self.inner.shards[shard].driver {
            Driver::Memory(memory) => {
                memory.alone(key, epochs, is_alone);
                Ok(())
            }
            Driver::Redis(redis) => redis.alone(key, epochs, is_alone).await,
        }
    }

    /// Extends leases; per epoch whether it was still there.
    pub(crate) async fn heartbeat(&self, shard: usize, epochs: &[u64]) -> Result<Vec<bool>, QueueError> {
        match &self.inner.shards[shard].driver {
            Driver::Memory(memory) => Ok(memory.heartbeat(epochs)),
            Driver::Redis(redis) => redis.heartbeat(epochs).await,
        }
    }

    pub(crate) fn shard_of(&self, lane: &str) -> usize {
        shard_of(lane, self.inner.shards.len())
    }
}

/// FNV-1a: the same shard in every process and version.
fn shard_of(lane: &str, shards: usize) -> usize {
    let hash = lane
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % shards as u64).unwrap_or(0)
}

impl Shard {
    fn met(&self, incarnation: u64) {
        let before = self.incarnation.swap(incarnation, Ordering::SeqCst);
        if before != 0 && before != incarnation {
            tracing::warn!("the queue lost its state; open work has to be pushed again");
            self.losses.send_modify(|count| *count += 1);
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("shards", &self.inner.shards.len()).field("limit", &self.inner.limit).finish()
    }
}

#[cfg(test)]
mod conformance;
