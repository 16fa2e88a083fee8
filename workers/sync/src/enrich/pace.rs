//! How fast a provider is called, and whether at all: a window of calls, the rest that it asked for, and a breaker.
//!
//! Each process has its own. A provider that is called too fast all the same says so, and everyone waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Limit;

/// Failures in a row after which a provider is passed over.
const FAILURES: u32 = 5;
/// For so long, and then one call tries.
const OPEN: Duration = Duration::from_secs(60);
/// For so long where it refuses the key: an operator has to act.
const REFUSED: Duration = Duration::from_secs(600);
/// How long a provider rests that asks for it and says no time.
const REST: Duration = Duration::from_secs(60);
/// No rest is longer, whatever it says.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);

/// Whether a provider may be called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may; the call is counted.
    Now,
    /// In a while: its limit is used up.
    In(Duration),
    /// It is passed over: it failed again and again, or refuses its key.
    Broken,
}

/// The pace of one provider. Clones share it.
#[derive(Debug, Clone)]
pub struct Pace {
    limit: Option<Limit>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: VecDeque<Instant>,
    rests_until: Option<Instant>,
    failures: u32,
    open_until: Option<Instant>,
}

impl Pace {
    /// Of a provider with that limit.
    #[must_use]
    pub fn new(limit: Option<Limit>) -> Self {
        Self { limit, state: Arc::default() }
    }

    /// Takes a turn at `now`.
    #[must_use]
    pub fn turn(&self, now: Instant) -> Turn {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open_until.is_some_and(|until| until > now) {
            return Turn::Broken;
        }
        if let Some(rest) =
            state.rests_until.map(|until| until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
        {
            return Turn::In(rest);
        }
        if let Some(Limit { calls, within }) = self.limit {
            while state.calls.front().is_some_and(|at| now.saturating_duration_since(*at) >= within) {
                state.calls.pop_front();
            }
            if let Some(first) =
                state.calls.front().filter(|_| state.calls.len() >= usize::try_from(calls).unwrap_or(0))
            {
                return Turn::In((*first + within).saturating_duration_since(now));
            }
            state.calls.push_back(now);
        }
        if state.open_until.take().is_some() {
            // One call tries; the others go on as before until it is answered.
            state.open_until = Some(now + OPEN);
        }
        Turn::Now
    }

    /// It answered.
    pub fn answered(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.failures, state.open_until) = (0, None);
    }

    /// It wants to be left alone; returns for how long it is.
    #[must_use]
    pub fn throttled(&self, now: Instant, asked: Option<Duration>) -> Duration {
        let rest = asked.unwrap_or(REST).clamp(Duration::from_secs(1), LONGEST_REST);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rests_until = Some(now + rest);
        rest
    }

    /// It failed, or was not reached.
    pub fn failed(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures += 1;
        if state.failures >= FAILURES {
            state.open_until = Some(now + OPEN);
        }
    }

    /// It refuses its key.
    pub fn refused(&self, now: Instant) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open_until = Some(now + REFUSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn no_window_sees_more_calls_than_the_limit() {
        let pace = Pace::new(Some(Limit { calls: 3, within: SECOND * 10 }));
        let begin = Instant::now();
        let turns: Vec<_> = [0, 1, 2, 3, 9, 10, 10, 11].map(|at| pace.turn(begin + SECOND * at)).into();
        let wait = |seconds| Turn::In(SECOND * seconds);
        assert_eq!(turns, [Turn::Now, Turn::Now, Turn::Now, wait(7), wait(1), Turn::Now, wait(1), Turn::Now]);
    }

    #[test]
    fn who_fails_again_and_again_is_passed_over_until_one_call_tries() {
        let pace = Pace::new(None);
        let now = Instant::now();
        for _ in 0..FAILURES {
            assert_eq!(pace.turn(now), Turn::Now);
            pace.failed(now);
        }
        assert_eq!(pace.turn(now), Turn::Broken);
        assert_eq!([pace.turn(now + OPEN), pace.turn(now + OPEN)], [Turn::Now, Turn::Broken]);
        pace.answered();
        assert_eq!(pace.turn(now + OPEN), Turn::Now);
        pace.refused(now);
        assert_eq!(pace.turn(now + OPEN), Turn::Broken);
    }

    #[test]
    fn who_asks_for_a_rest_gets_it() {
        let pace = Pace::new(None);
        let now = Instant::now();
        assert_eq!(pace.throttled(now, Some(SECOND * 7)), SECOND * 7);
        assert_eq!(pace.turn(now + SECOND * 2), Turn::In(SECOND * 5));
        assert_eq!(pace.turn(now + SECOND * 7), Turn::Now);
        assert_eq!(pace.throttled(now, None), REST);
    }
}
