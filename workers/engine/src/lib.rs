//! A job engine for work that calls a rate-limited API on behalf of many tenants.
//!
//! It has never heard of the API. It knows *lanes* (tenants), *jobs* with a key, a class and a cost in calls, and *verdicts*.
//!
//! - [`Queue`] keeps jobs in memory or in Redis. A claim picks the lane first, then the job, and takes the tokens of its calls in the same
//!   step, so a worker never waits for a token with a job in its hands.
//! - [`Pool`] runs claimed jobs with a [`Handler`], on apalis.
//! - [`Permits`] are what a claim grants: nothing else lets a call go out.
//! - [`Verdict`] is what became of a run; [`Backoff`] says how long a failed one waits.
//!
//! A job is *waiting*, *scheduled* (not before a time), or *running* under a lease; after its verdict the queue forgets it.

#![warn(missing_docs)]

mod backoff;
mod envelope;
mod job;
mod limit;
mod permit;
mod pool;
mod queue;
mod verdict;

pub use backoff::Backoff;
pub use envelope::EnvelopeError;
pub use job::{Job, Key, NewJob, Priority};
pub use limit::{Breaker, Claiming, FirstMeeting, Limit};
pub use permit::{Lease, Permit, PermitError, Permits};
pub use pool::{Handler, Hurry, MAX_CRASHES, Pool, PoolConfig};
pub use queue::{LaneState, LaneView, Pushed, Queue, QueueError};
pub use verdict::Verdict;
