//! A job as the queue knows it: whose it is, what it is, how urgent, how dear. Never what it is about.

use std::time::Duration;

use bytes::Bytes;

/// How urgent a job is within its lane. A more urgent class always goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// A person waits for it.
    Interactive = 0,
    /// Something happened now, and nobody looks on.
    Realtime = 1,
    /// Imports and reconciliations. Never takes the last tokens of a lane.
    Bulk = 2,
}

impl Priority {
    /// All classes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Realtime, Self::Bulk];

    /// The word used in metrics and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Realtime => "realtime",
            Self::Bulk => "bulk",
        }
    }

    /// The class with this number, 0 being the most urgent.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A job's identity: two pushes with one key become one run (law 6).
///
/// `lane` is the tenant whose quota the job spends, `kind` what is done, `record` what it is done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The tenant. Jobs of one lane share one token bucket and their order.
    pub lane: String,
    /// What is done; no slash in it.
    pub kind: String,
    /// What it is done to.
    pub record: String,
}

/// A job to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its identity.
    pub key: Key,
    /// Its class.
    pub priority: Priority,
    /// The most calls one run sends: that many tokens are taken at the claim.
    pub cost: u8,
    /// Failed runs so far; decides the next backoff.
    pub attempt: u8,
    /// How long it must not run yet.
    pub delay: Duration,
    /// Opaque to the engine, at most 64 KiB. Redis is no place for personal data.
    pub payload: Bytes,
}

impl NewJob {
    /// A job that may run at once and has no payload.
    #[must_use]
    pub fn new(key: Key, priority: Priority, cost: u8) -> Self {
        Self { key, priority, cost, attempt: 0, delay: Duration::ZERO, payload: Bytes::new() }
    }
}

/// A job that outlived so many workers is a suspect: it runs alone, so that its next crash proves something. `shard.lua` says the same.
pub(crate) const SUSPECT: u8 = 2;

/// A job that has been claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identity.
    pub key: Key,
    /// Its class.
    pub priority: Priority,
    /// Tokens taken for it.
    pub cost: u8,
    /// Workers that died while they ran it; from [`SUSPECT`] on, while they ran it alone.
    pub crashes: u8,
    /// Failed runs so far.
    pub attempt: u8,
    /// How long it waited since its first push, in queue time.
    pub waited: Duration,
    /// As pushed.
    pub payload: Bytes,
    /// Rises with every claim in the queue's life: the fence against zombies (law 5).
    pub epoch: u64,
    /// As Redis keeps it, to be handed back with a run that has not ended it; nothing in memory.
    pub(crate) stored: Bytes,
}
