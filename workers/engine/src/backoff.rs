//! How long to wait before the next attempt.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Exponential backoff with full jitter, and an end.
///
/// The exponential part is backon's. Its own jitter adds up to the delay on top of it; full jitter (Brooker, "Exponential
/// Backoff and Jitter", AWS 2015) draws from zero up to the delay and so spreads a crowd of failures best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay before the second attempt.
    pub first: Duration,
    /// No delay is longer.
    pub most: Duration,
    /// After so many failed attempts a job is dead.
    pub attempts: u8,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), most: Duration::from_secs(600), attempts: 12 }
    }
}

impl Backoff {
    /// The delay after `failed` failed attempts (the one just failed included), or none when no attempt is left.
    #[must_use]
    pub fn delay(&self, failed: u8) -> Option<Duration> {
        self.ceiling(failed).map(|longest| longest.mul_f64(rand::random::<f64>()))
    }

    /// The longest delay after `failed` failed attempts.
    #[must_use]
    pub fn ceiling(&self, failed: u8) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.most)
            .with_max_times(usize::from(self.attempts))
            .build()
            .nth(usize::from(failed.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_its_most_and_attempts_end() {
        let backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_secs(10), attempts: 5 };
        let seconds: Vec<_> = (1..=5).map(|failed| backoff.ceiling(failed).map(|d| d.as_secs())).collect();
        assert_eq!(seconds, [Some(2), Some(4), Some(8), Some(10), None]);
    }

    #[test]
    fn full_jitter_draws_from_the_whole_range() {
        let backoff = Backoff::default();
        let ceiling = backoff.ceiling(3).unwrap();
        let drawn: Vec<_> = (0..400).map(|_| backoff.delay(3).unwrap()).collect();
        assert!(drawn.iter().all(|delay| *delay <= ceiling));
        assert!(drawn.iter().any(|delay| *delay < ceiling / 4));
        assert!(drawn.iter().any(|delay| *delay > ceiling * 3 / 4));
    }
}
