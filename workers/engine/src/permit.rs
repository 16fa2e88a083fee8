//! Permits: the right to send one call, minted by a claim and by nothing else.
//!
//! A claim takes a job's tokens from its lane and hands them over as [`Permits`]. Whoever sends a call must
//! [`Permits::take`] one first, so no call can leave that the limiter has not counted (law 2). Permits expire with the
//! lease: a process that was stopped and comes back finds them void, since the queue has long given its tokens on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The calls that one run of a job may send.
#[derive(Debug, Clone)]
pub struct Permits {
    shared: Arc<Shared>,
    call_timeout: Duration,
}

#[derive(Debug)]
struct Shared {
    granted: u32,
    lease: Lease,
    began: Instant,
    calls: Mutex<Calls>,
}

/// What was sent, and what came back.
#[derive(Debug, Default)]
struct Calls {
    used: u32,
    /// Those under way.
    open: u32,
    /// When the last of them will have ended, with or without an answer; in ms since the run began, as is the next.
    open_until: u64,
    /// When the last call ended.
    last_end: u64,
    /// The run is over: no more calls.
    over: bool,
    remaining: Option<u32>,
    daily_remaining: Option<u32>,
    reported: ReportedLimits,
}

/// The limits that a server has reported its own, where it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReportedLimits {
    /// Calls in an interval.
    pub(crate) burst: Option<u16>,
    /// Calls in a day.
    pub(crate) daily: Option<u32>,
}

/// Why a call may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// The job wants more calls than its kind declares as cost: a mistake in the job.
    #[error("the job has used all {granted} calls that its kind declares")]
    Exhausted {
        /// Calls that the claim took tokens for.
        granted: u32,
    },
    /// The lease ran out while the job held it, or its run has ended; another worker may have the job by now.
    #[error("the lease on the job ran out before the call was sent")]
    LeaseLost,
}

impl Permits {
    /// Permits for `granted` calls, void once `lease` has run out. Called by a claim; public for tests of callers.
    #[must_use]
    pub fn new(granted: u32, lease: Lease) -> Self {
        let shared = Shared { granted, lease, began: Instant::now(), calls: Mutex::default() };
        Self { shared: Arc::new(shared), call_timeout: Duration::ZERO }
    }

    /// For calls that may go on for so long: one of which nothing was received counts as answered no earlier than that.
    #[must_use]
    pub fn with_call_timeout(self, call_timeout: Duration) -> Self {
        Self { call_timeout, ..self }
    }

    /// Takes the permit for one call, to be sent at once. To be given to [`Permit::answered`] when the response is there: from then on its token cools
    /// down. One that is dropped is that of a call whose end nobody saw, as where its run was cancelled: it may arrive until its time is out.
    ///
    /// # Errors
    /// [`PermitError`] when all are used, the lease has run out, or the run is over.
    pub fn take(&self) -> Result<Permit, PermitError> {
        let granted = self.shared.granted;
        let mut calls = self.shared.calls();
        if calls.over || self.shared.lease.is_over() {
            return Err(PermitError::LeaseLost);
        }
        if calls.used >= granted {
            return Err(PermitError::Exhausted { granted });
        }
        calls.used += 1;
        calls.open += 1;
        let ends = self.shared.now() + millis(self.call_timeout);
        calls.open_until = calls.open_until.max(ends);
        Ok(Permit { shared: Arc::clone(&self.shared), ends })
    }

    /// Keeps what the server said of its own count: of the interval the lowest answer of the run counts (law 3), of the day the last one, since its day may
    /// have turned.
    pub fn observe(&self, remaining: Option<u32>, daily_remaining: Option<u32>) {
        let mut calls = self.shared.calls();
        calls.remaining = calls.remaining.into_iter().chain(remaining).min();
        calls.daily_remaining = daily_remaining.or(calls.daily_remaining);
    }

    /// Keeps what the server said of its limits for an interval and for a day. Those of the lane are lowered to them, until it says otherwise.
    pub fn observe_limits(&self, burst: Option<u32>, daily: Option<u32>) {
        let mut calls = self.shared.calls();
        // Nobody sells an account that may send no call: that is a mistake.
        let burst = burst.filter(|reported| *reported > 0).map(|reported| u16::try_from(reported).unwrap_or(u16::MAX));
        let ReportedLimits { burst: burst_before, daily: daily_before } = calls.reported;
        calls.reported = ReportedLimits {
            burst: burst.or(burst_before),
            daily: daily.filter(|reported| *reported > 0).or(daily_before),
        };
    }

    /// The run is over: no call may be sent by a part of it that goes on.
    pub(crate) fn close(&self) {
        self.shared.calls().over = true;
    }

    /// Calls sent so far.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.shared.calls().used
    }

    /// Calls that may still be sent.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.shared.granted.saturating_sub(self.used())
    }

    /// How many ms ago the last call ended: so much of its tokens' cooling is over already. Less than 0 where one may go on for so long. Zero where none
    /// was sent.
    #[must_use]
    pub(crate) fn since_last_call_ms(&self) -> i64 {
        let now = self.shared.now();
        let calls = self.shared.calls();
        if calls.used == 0 {
            return 0;
        }
        let end = if calls.open > 0 { calls.last_end.max(calls.open_until) } else { calls.last_end };
        i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(end).unwrap_or(i64::MAX)
    }

    /// Calls that the claim took tokens for.
    #[must_use]
    pub fn granted(&self) -> u32 {
        self.shared.granted
    }

    /// The lowest count of calls left in the interval that the server reported in this run.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        self.shared.calls().remaining
    }

    /// The last count of calls left in the day that the server reported in this run.
    #[must_use]
    pub fn daily_remaining(&self) -> Option<u32> {
        self.shared.calls().daily_remaining
    }

    pub(crate) fn reported(&self) -> ReportedLimits {
        self.shared.calls().reported
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In ms since the run began.
    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }

    fn ended(&self, at: u64) {
        let mut calls = self.calls();
        calls.open -= 1;
        calls.last_end = calls.last_end.max(at);
    }
}

/// The permit of one call that is under way.
#[derive(Debug)]
#[must_use = "a permit is kept until the call has ended"]
pub struct Permit {
    shared: Arc<Shared>,
    /// When its call will have ended where nothing is known of it, in ms since the run began.
    ends: u64,
}

impl Permit {
    /// The server has answered, or was never reached: its count of this call began no later than now.
    pub fn answered(mut self) {
        self.ends = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Rounded up: a token that came back too early would break the limit.
        let now = self.shared.now() + 1;
        self.shared.ended(now.max(self.ends + u64::from(self.ends > 0)));
    }
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

    /// Extends to `length` after `sent`, the instant before the heartbeat was sent. One that is over stays so: an older state of the queue may say that it
    /// lives, which does not know that the job is another's by now.
    pub fn extend(&self, sent: Instant, length: Duration) {
        let until = millis(sent.saturating_duration_since(self.origin) + length);
        let now = millis(self.origin.elapsed());
        let longer = |before: u64| (now < before && before < until).then_some(until);
        // Nothing to extend is no error: it is over, was revoked, or a later heartbeat was faster.
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

/// An end that is past.
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

    /// The queue may have lost what has become of the job since.
    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_over_is_not_extended() {
        let lease = Lease::begin(Instant::now(), LEASE);
        tokio::time::advance(LEASE).await;
        lease.extend(Instant::now(), LEASE);
        assert!(lease.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn cooling_begins_when_the_last_call_was_answered() {
        let permits = Permits::new(2, Lease::begin(Instant::now(), LEASE)).with_call_timeout(LEASE * 3);
        assert_eq!(permits.since_last_call_ms(), 0);
        let (first, second) = (permits.take().unwrap(), permits.take().unwrap());
        first.answered();
        tokio::time::advance(Duration::from_secs(1)).await;
        second.answered();
        tokio::time::advance(Duration::from_secs(2)).await;
        let since = permits.since_last_call_ms();
        assert!((1990..=2000).contains(&since), "{since:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_which_nothing_was_received_counts_until_its_time_is_out() {
        let timeout = Duration::from_secs(30);
        for is_dropped in [true, false] {
            let permits = Permits::new(2, Lease::begin(Instant::now(), LEASE)).with_call_timeout(timeout);
            permits.take().unwrap().answered();
            tokio::time::advance(Duration::from_secs(1)).await;
            let call = permits.take().unwrap();
            let kept = (!is_dropped).then_some(call);
            tokio::time::advance(Duration::from_secs(2)).await;
            let since = permits.since_last_call_ms();
            assert!((-28_001..=-28_000).contains(&since), "dropped: {is_dropped}, {since}");
            drop(kept);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_is_sent_once_the_run_is_over() {
        let permits = Permits::new(2, Lease::begin(Instant::now(), LEASE));
        let part_that_goes_on = permits.clone();
        permits.close();
        assert_eq!(part_that_goes_on.take().unwrap_err(), PermitError::LeaseLost);
        assert_eq!(permits.used(), 0);
    }

    #[test]
    fn the_lowest_answer_of_the_server_counts() {
        let permits = Permits::new(1, Lease { origin: Instant::now(), until_ms: Arc::default() });
        assert_eq!((permits.remaining(), permits.daily_remaining()), (None, None));
        permits.observe(Some(7), Some(70));
        permits.observe(Some(9), None);
        assert_eq!((permits.remaining(), permits.daily_remaining()), (Some(7), Some(70)));
        permits.observe(None, Some(900));
        assert_eq!(permits.daily_remaining(), Some(900), "its day has turned");
    }

    #[test]
    fn a_limit_that_makes_no_sense_is_not_taken_in() {
        let permits = Permits::new(1, Lease { origin: Instant::now(), until_ms: Arc::default() });
        permits.observe_limits(Some(0), Some(0));
        assert_eq!(permits.reported(), ReportedLimits::default());
        permits.observe_limits(Some(10), None);
        permits.observe_limits(None, Some(500));
        permits.observe_limits(Some(70_000), None);
        assert_eq!(permits.reported(), ReportedLimits { burst: Some(u16::MAX), daily: Some(500) });
    }
}
