#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod backoff;
mod envelope;
mod job;
mod limit;
mod outcome;
mod permit;
mod pool;
mod queue;

pub use backoff::Backoff;
pub use envelope::EnvelopeError;
pub use job::{Job, Key, NewJob, Priority};
pub use limit::{Breaker, Claiming, ColdStart, Limit};
pub use outcome::Outcome;
pub use permit::{Lease, Permit, PermitError, Permits};
pub use pool::{ForceStop, Handler, MAX_CRASHES, Pool, PoolConfig};
pub use queue::{
    Endpoint, Handover, LaneState, LaneView, Namespace, Pushed, Queue, QueueError, Tls, Trouble, examine, masters,
};
