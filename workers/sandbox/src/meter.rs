//! The rate limit of one location, and the exact record of what arrived.
//!
//! Two questions are kept apart. *Is this call refused?* is asked of the calls admitted so far, under the chosen
//! [`Window`]: a refused call uses nothing up. *Did the client keep to the limit?* is asked of all arrivals, under both
//! readings, because GHL does not say which is its own.
//!
//! Times are microseconds of a monotonic clock since the sandbox's start; the caller passes them in order.

use std::collections::BTreeMap;

use super::config::{Limits, Window};
use super::stats::LocationStats;

const DAY_US: u64 = 86_400_000_000;

/// Counts the calls of one location.
pub(super) struct Meter {
    limits: Limits,
    interval_us: u64,
    /// Every arrival since the start, refused ones too.
    arrivals: Vec<u64>,
    /// The arrivals that were not refused.
    admitted: Vec<u64>,
    /// Arrivals before this index were reported before the last reset.
    reset_at: usize,
    over_fixed: u64,
    over_sliding: u64,
    throttled: u64,
    /// Calls by method and route, such as `GET /contacts/{contactId}`.
    operations: BTreeMap<String, u64>,
}

/// What the meter says to one arrival; the numbers are those of the reply's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    pub(super) admitted: bool,
    pub(super) remaining: u32,
    pub(super) daily_remaining: u32,
    /// Until the next day begins.
    pub(super) day_left_ms: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            interval_us: u64::try_from(limits.interval.as_micros()).unwrap_or(u64::MAX).max(1),
            arrivals: Vec::new(),
            admitted: Vec::new(),
            reset_at: 0,
            over_fixed: 0,
            over_sliding: 0,
            throttled: 0,
            operations: BTreeMap::new(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts an arrival at `at_us` and says whether it may go on.
    pub(super) fn arrive(&mut self, at_us: u64, operation: String) -> Admission {
        let burst = self.limits.burst;
        let (fixed, sliding) = self.windows(&self.arrivals, at_us);
        self.over_fixed += u64::from(fixed >= burst);
        self.over_sliding += u64::from(sliding >= burst);
        self.arrivals.push(at_us);
        *self.operations.entry(operation).or_default() += 1;

        let (fixed, sliding) = self.windows(&self.admitted, at_us);
        let used = match self.limits.window {
            Window::Fixed => fixed,
            Window::Sliding => sliding,
            Window::Both => fixed.max(sliding),
        };
        let used_today = count_from(&self.admitted, at_us - at_us % DAY_US);
        let admitted = used < burst && used_today < self.limits.daily;
        if admitted {
            self.admitted.push(at_us);
        } else {
            self.throttled += 1;
        }
        let taken = u32::from(admitted);
        Admission {
            admitted,
            remaining: burst.saturating_sub(used + taken),
            daily_remaining: self.limits.daily.saturating_sub(used_today + taken),
            day_left_ms: (DAY_US - at_us % DAY_US).div_ceil(1000),
        }
    }

    /// How many of `calls` share a window with an arrival at `at_us`: (fixed, sliding).
    ///
    /// A sliding window is half open: of two arrivals exactly one interval apart, only one is in it.
    fn windows(&self, calls: &[u64], at_us: u64) -> (u32, u32) {
        let fixed = count_from(calls, at_us - at_us % self.interval_us);
        let sliding = match at_us.checked_sub(self.interval_us) {
            Some(out) => count_from(calls, out + 1),
            None => count_from(calls, 0),
        };
        (fixed, sliding)
    }

    pub(super) fn stats(&self) -> LocationStats {
        let arrivals = &self.arrivals[self.reset_at..];
        LocationStats {
            calls: arrivals.len() as u64,
            throttled: self.throttled,
            over_fixed: self.over_fixed,
            over_sliding: self.over_sliding,
            first_arrival_micros: arrivals.first().copied(),
            last_arrival_micros: arrivals.last().copied(),
            operations: self.operations.clone(),
            arrivals_micros: arrivals.to_vec(),
        }
    }

    /// Starts the report anew. The limit itself forgets nothing: calls before the reset still fill their windows.
    pub(super) fn reset_stats(&mut self) {
        self.reset_at = self.arrivals.len();
        self.over_fixed = 0;
        self.over_sliding = 0;
        self.throttled = 0;
        self.operations.clear();
    }
}

/// How many of `calls`, which are in order, came at `from_us` or later.
fn count_from(calls: &[u64], from_us: u64) -> u32 {
    let count = calls.len() - calls.partition_point(|call| *call < from_us);
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn meter(burst: u32, daily: u32, window: Window) -> Meter {
        Meter::new(Limits { burst, daily, window, interval: Duration::from_secs(10) })
    }

    fn arrive(meter: &mut Meter, at_us: u64) -> bool {
        meter.arrive(at_us, "GET /x".to_owned()).admitted
    }

    #[test]
    fn a_fixed_window_lets_twice_the_burst_through_around_its_edge_and_a_sliding_one_does_not() {
        for (window, admitted) in [(Window::Fixed, 4), (Window::Sliding, 2), (Window::Both, 2)] {
            let mut meter = meter(2, 100, window);
            let times = [9 * SECOND, 9 * SECOND, 11 * SECOND, 11 * SECOND];
            assert_eq!(times.into_iter().filter(|at| arrive(&mut meter, *at)).count(), admitted, "{window:?}");
            let stats = meter.stats();
            assert_eq!((stats.over_fixed, stats.over_sliding), (0, 2), "{window:?}");
        }
    }

    #[test]
    fn an_arrival_exactly_one_interval_later_is_in_a_new_window() {
        let mut meter = meter(1, 100, Window::Sliding);
        assert!(arrive(&mut meter, 5 * SECOND));
        assert!(!arrive(&mut meter, 15 * SECOND - 1));
        assert!(arrive(&mut meter, 15 * SECOND));
    }

    #[test]
    fn a_refused_call_uses_nothing_up_but_is_counted_as_a_violation() {
        let mut meter = meter(1, 100, Window::Sliding);
        assert!(arrive(&mut meter, 0));
        assert!(!arrive(&mut meter, 6 * SECOND));
        assert!(arrive(&mut meter, 10 * SECOND), "the refused call at 6 s is not in the way");
        assert_eq!(meter.stats().throttled, 1);
        assert_eq!(meter.stats().over_sliding, 2, "two arrivals came less than an interval after another");
    }

    #[test]
    fn the_daily_limit_ends_with_the_day() {
        let mut meter = meter(10, 2, Window::Both);
        assert!(arrive(&mut meter, 0));
        let second = meter.arrive(60 * SECOND, "GET /x".to_owned());
        assert_eq!(second, Admission { admitted: true, remaining: 9, daily_remaining: 0, day_left_ms: 86_340_000 });
        assert!(!arrive(&mut meter, DAY_US - 1));
        assert!(arrive(&mut meter, DAY_US));
    }

    #[test]
    fn a_reset_clears_the_report_and_not_the_limit() {
        let mut meter = meter(1, 100, Window::Both);
        assert!(arrive(&mut meter, SECOND));
        meter.reset_stats();
        assert_eq!(meter.stats(), LocationStats::default());
        assert!(!arrive(&mut meter, 2 * SECOND));
        assert_eq!(meter.stats().arrivals_micros, [2 * SECOND]);
    }
}
