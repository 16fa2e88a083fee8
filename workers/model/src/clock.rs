//! The one place that reads the wall clock, so that a test can hold it still.
//!
//! Queue time is not here: it belongs to the queue (law 9 of the design: one clock).
//!
//! GHL dates what it makes by a clock of its own. What is to be compared with such a date is written in GHL's time ([`Clock::ghl_now_ms`]): ours may be
//! minutes off, and be set at any moment. Each of GHL's replies shows GHL's time.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The time of day: the system's, or one that a test sets.
#[derive(Clone, Default)]
pub struct Clock {
    fixed_ms: Option<Arc<AtomicI64>>,
    /// Shared by clones, so that each reply of GHL sets the time for all.
    offset: Arc<Mutex<Offset>>,
}

/// How far GHL's clock is ahead of this one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Offset {
    ms: Option<i64>,
    /// An offset that was seen once and is far from the known one: believed once it is seen again.
    doubted_ms: Option<i64>,
}

impl Offset {
    /// Clocks are not a day apart; what says so is no clock.
    const MOST_MS: i64 = 24 * 60 * 60 * 1000;
    /// Farther apart than the delays of replies are two that report different times: one of the clocks was set, or something stands before GHL.
    const STEP_MS: i64 = 5_000;
    /// GHL reports its time to the second.
    const RESOLUTION_MS: i64 = 1_000;
    /// The part that one more reply has in the mean.
    const SHARE: i64 = 8;

    fn receive(&mut self, received_ms: i64) {
        if received_ms.saturating_abs() > Self::MOST_MS {
            return;
        }
        let is_near = |one: i64| (one - received_ms).abs() <= Self::STEP_MS;
        match self.ms {
            Some(known) if is_near(known) => {
                *self = Self { ms: Some(known + (received_ms - known) / Self::SHARE), doubted_ms: None };
            }
            Some(_) if self.doubted_ms.is_none_or(|doubted| !is_near(doubted)) => self.doubted_ms = Some(received_ms),
            _ => *self = Self { ms: Some(received_ms), doubted_ms: None },
        }
    }
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self { fixed_ms: Some(Arc::new(AtomicI64::new(at.as_millisecond()))), ..Self::default() }
    }

    /// Moves a fixed clock to `at`; the system's clock takes no orders and ignores it.
    pub fn set(&self, at: Timestamp) {
        if let Some(fixed) = &self.fixed_ms {
            fixed.store(at.as_millisecond(), Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970-01-01 UTC: the form in which the database keeps times.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now_ms(&self) -> i64 {
        match &self.fixed_ms {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => Timestamp::now().as_millisecond(),
        }
    }

    /// A reply of GHL's that came just now says that it is `at` there, to the second.
    pub fn receive_ghl(&self, at: Timestamp) {
        // On average it was half a second later than the second that has begun.
        let received = at.as_millisecond() + 500 - self.now_ms();
        self.offset.lock().unwrap_or_else(PoisonError::into_inner).receive(received);
    }

    /// Milliseconds since 1970-01-01 UTC by GHL's clock, as far as it is known; else by this one.
    #[must_use]
    pub fn ghl_now_ms(&self) -> i64 {
        self.now_ms().saturating_add(self.ghl_ahead_ms())
    }

    /// How far GHL's clock is ahead of this one, as far as it is known. Where the two agree as closely as GHL reports, ours is the better one: what was
    /// written down at half a second more would be later than GHL's date of what it did because of it.
    #[must_use]
    pub fn ghl_ahead_ms(&self) -> i64 {
        let known = self.offset.lock().unwrap_or_else(PoisonError::into_inner).ms.unwrap_or(0);
        if known.abs() <= Offset::RESOLUTION_MS { 0 } else { known }
    }

    /// Now, to the millisecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.fixed_ms.is_some() { "Clock(fixed)" } else { "Clock(system)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far GHL is taken to be ahead after replies that say so.
    fn after(received: &[i64]) -> Option<i64> {
        let mut offset = Offset::default();
        received.iter().for_each(|ms| offset.receive(*ms));
        offset.ms
    }

    #[test]
    fn ghls_time_is_the_mean_of_what_its_replies_report_and_one_odd_reply_moves_nothing() {
        let hour = 3_600_000;
        for (received, expected) in [
            (vec![], None),
            (vec![-180_000], Some(-180_000)),
            // Delays of replies.
            (vec![0, 800], Some(100)),
            (vec![0, 800, -800, 400], Some(39)),
            // Something before GHL has a clock of its own.
            (vec![0, hour, 0], Some(0)),
            (vec![0, hour, -hour, 0], Some(0)),
            // Ours was set.
            (vec![0, -2 * hour, -2 * hour + 900], Some(-2 * hour + 900)),
            (vec![0, hour, 0, hour, hour], Some(hour)),
            // 1970, or what is no clock.
            (vec![0, -1_700_000_000_000, -1_700_000_000_000], Some(0)),
            (vec![i64::MIN, i64::MAX], None),
        ] {
            assert_eq!(after(&received), expected, "{received:?}");
        }
    }

    #[test]
    fn clocks_that_agree_to_the_second_are_one() {
        let clock = Clock::fixed("2026-03-01T09:00:00.900Z".parse().unwrap());
        for (received, ahead_ms) in [("09:00:00", 0), ("09:00:01", 0), ("09:04:00", 0), ("09:04:00", 239_600)] {
            clock.receive_ghl(format!("2026-03-01T{received}Z").parse().unwrap());
            assert_eq!(clock.ghl_ahead_ms(), ahead_ms, "{received}");
        }
    }

    #[test]
    fn clones_share_what_was_received() {
        let clock = Clock::fixed("2026-03-01T09:03:00Z".parse().unwrap());
        let other = clock.clone();
        assert_eq!(other.ghl_now_ms(), clock.now_ms());
        clock.receive_ghl("2026-03-01T09:00:00Z".parse().unwrap());
        assert_eq!(other.ghl_now_ms(), clock.now_ms() - 180_000 + 500);
        clock.set("2026-03-01T09:04:00Z".parse().unwrap());
        assert_eq!(other.ghl_now_ms(), clock.now_ms() - 180_000 + 500);
    }
}
