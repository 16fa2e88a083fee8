//! Permits: the right to send one call, minted by a claim and by nothing else.
//!
//! A claim takes a job's tokens from its lane and hands them over as [`Permits`]. Whoever sends a call must
//! [`Permits::take`] one first, so no call can leave that the limiter has not counted (law 2). Permits expire with the
//! lease: a process that was stopped and comes back finds them void, since the queue has long given its tokens on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The calls that one run of a job may send.
#[derive(Debug, Clone)]
pub struct Permits {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    granted: u32,
    used: AtomicU32,
    lease: Lease,
    /// When the last call ended, in ms since `began`.
    last_end: AtomicU64,
    began: Instant,
    remaining: AtomicU32,
    daily_remaining: AtomicU32,
}

/// Not yet told by the server.
const UNKNOWN: u32 = u32::MAX;

/// Why a call may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// The job wants more calls than its kind declares as cost: a mistake in the job.
    #[error("the job has used all {granted} calls that its kind declares")]
    Exhausted {
        /// Calls that the claim took tokens for.
        granted: u32,
    },
    /// The lease ran out while the job held it; another worker may have the job by now.
    #[error("the lease on the job ran out before the call was sent")]
    LeaseLost,
}

impl Permits {
    /// Permits for `granted` calls, void once `lease` has run out. Called by a claim; public for tests of callers.
    #[must_use]
    pub fn new(granted: u32, lease: Lease) -> Self {
        let shared = Shared {
            granted,
            used: AtomicU32::new(0),
            lease,
            last_end: AtomicU64::new(0),
            began: Instant::now(),
            remaining: AtomicU32::new(UNKNOWN),
            daily_remaining: AtomicU32::new(UNKNOWN),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes the permit for one call, to be sent at once. To be dropped when the call has ended, with or without a response: from
    /// then on its token cools down.
    ///
    /// # Errors
    /// [`PermitError`] when all are used or the lease has run out.
    pub fn take(&self) -> Result<Permit, PermitError> {
        if self.shared.lease.is_over() {
            return Err(PermitError::LeaseLost);
        }
        let granted = self.shared.granted;
        self.shared
            .used
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| (used < granted).then_some(used + 1))
            .map(|_| Permit { shared: Arc::clone(&self.shared) })
            .map_err(|_| PermitError::Exhausted { granted })
    }

    /// Keeps what the server said of its own count; the lowest answer of the run counts (law 3).
    pub fn observe(&self, remaining: Option<u32>, daily_remaining: Option<u32>) {
        if let Some(left) = remaining {
            self.shared.remaining.fetch_min(left, Ordering::SeqCst);
        }
        if let Some(left) = daily_remaining {
            self.shared.daily_remaining.fetch_min(left, Ordering::SeqCst);
        }
    }

    /// Calls sent so far.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.shared.used.load(Ordering::SeqCst)
    }

    /// Calls that may still be sent.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.shared.granted.saturating_sub(self.used())
    }

    /// How long ago the last call ended: so much of its tokens' cooling is over already. Zero where none was sent.
    #[must_use]
    pub(crate) fn since_last_call(&self) -> Duration {
        if self.used() == 0 {
            return Duration::ZERO;
        }
        self.shared.began.elapsed().saturating_sub(Duration::from_millis(self.shared.last_end.load(Ordering::SeqCst)))
    }

    /// Calls that the claim took tokens for.
    #[must_use]
    pub fn granted(&self) -> u32 {
        self.shared.granted
    }

    /// The lowest count of calls left in the interval that the server told in this run.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        known(&self.shared.remaining)
    }

    /// The lowest count of calls left in the day that the server told in this run.
    #[must_use]
    pub fn daily_remaining(&self) -> Option<u32> {
        known(&self.shared.daily_remaining)
    }
}

/// The permit of one call that is under way.
#[derive(Debug)]
#[must_use = "a permit is kept until the call has ended"]
pub struct Permit {
    shared: Arc<Shared>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Rounded up: a token that came back too early would break the limit.
        let ended = millis(self.shared.began.elapsed()).saturating_add(1);
        self.shared.last_end.fetch_max(ended, Ordering::SeqCst);
    }
}

fn known(value: &AtomicU32) -> Option<u32> {
    Some(value.load(Ordering::SeqCst)).filter(|told| *told != UNKNOWN)
}

/// How long this process may believe that it holds what it claimed, by its own monotonic clock.
///
/// Counted from *before* the claim or heartbeat was sent, so it ends before the queue's own count does, whatever the
/// delay of the reply. A clone sees what another extends.
#[derive(Debug, Clone)]
pub struct Lease {
    origin: Instant,
    until_ms: Arc<AtomicU64>,
}

impl Lease {
    /// A lease of `length` that began at `sent`, the instant before its claim was sent.
    #[must_use]
    pub fn begin(sent: Instant, length: Duration) -> Self {
        Self { origin: sent, until_ms: Arc::new(AtomicU64::new(millis(length))) }
    }

    /// Extends to `length` after `sent`, the instant before the heartbeat was sent.
    pub fn extend(&self, sent: Instant, length: Duration) {
        let until = millis(sent.saturating_duration_since(self.origin) + length);
        let longer = |before: u64| (before != REVOKED && before < until).then_some(until);
        // Nothing to extend is no error: it was revoked, or a later heartbeat was faster.
        let _ = self.until_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, longer);
    }

    /// Ends it now: the queue said that it is gone.
    pub fn revoke(&self) {
        self.until_ms.store(REVOKED, Ordering::SeqCst);
    }

    /// Whether it has run out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        millis(self.origin.elapsed()) >= self.until_ms.load(Ordering::SeqCst)
    }
}

/// An end that no heartbeat moves.
const REVOKED: u64 = 0;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn each_call_needs_a_permit_of_its_own() {
        let permits = Permits::new(2, Lease::begin(Instant::now(), LEASE));
        let (_first, _second) = (permits.take().unwrap(), permits.take().unwrap());
        assert_eq!(permits.take().unwrap_err(), PermitError::Exhausted { granted: 2 });
        assert_eq!((permits.used(), permits.left()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn permits_are_void_once_the_lease_is_over() {
        let lease = Lease::begin(Instant::now(), LEASE);
        let permits = Permits::new(5, lease.clone());
        tokio::time::advance(LEASE / 2).await;
        lease.extend(Instant::now(), LEASE);
        tokio::time::advance(LEASE / 2 + LEASE / 4).await;
        assert!(permits.take().is_ok(), "the heartbeat extended it");
        tokio::time::advance(LEASE / 4).await;
        assert_eq!(permits.take().unwrap_err(), PermitError::LeaseLost);
    }

    #[tokio::test(start_paused = true)]
    async fn a_revoked_lease_cannot_be_extended() {
        let lease = Lease::begin(Instant::now(), LEASE);
        lease.revoke();
        lease.extend(Instant::now(), LEASE);
        assert!(lease.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn cooling_begins_when_the_last_call_has_ended() {
        let permits = Permits::new(2, Lease::begin(Instant::now(), LEASE));
        assert_eq!(permits.since_last_call(), Duration::ZERO);
        let (first, second) = (permits.take().unwrap(), permits.take().unwrap());
        drop(first);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(second);
        tokio::time::advance(Duration::from_secs(2)).await;
        let since = permits.since_last_call();
        assert!(since <= Duration::from_secs(2) && since > Duration::from_millis(1990), "{since:?}");
    }

    #[test]
    fn the_lowest_answer_of_the_server_counts() {
        let permits = Permits::new(1, Lease { origin: Instant::now(), until_ms: Arc::default() });
        assert_eq!((permits.remaining(), permits.daily_remaining()), (None, None));
        permits.observe(Some(7), Some(70));
        permits.observe(Some(9), None);
        assert_eq!((permits.remaining(), permits.daily_remaining()), (Some(7), Some(70)));
    }
}
