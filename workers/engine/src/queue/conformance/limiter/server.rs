//! Servers that count calls exactly, in the three ways that are in use.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limit::Limit;

/// How a server counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counting {
    /// The calls of the last interval.
    Sliding,
    /// Windows side by side.
    Fixed { begins: Duration },
    /// As many tokens as the burst, refilled steadily over the interval.
    Bucket,
}

pub(super) struct Server {
    counting: Counting,
    burst: u64,
    interval: Duration,
    /// Calls that a sliding window still sees.
    admitted: VecDeque<Duration>,
    /// The present window, and its calls.
    window: (u128, u64),
    /// Tokens times µs of the interval, at a time: nothing is rounded.
    level: (u128, Duration),
}

pub(super) struct Answer {
    pub(super) refused: bool,
    pub(super) remaining: u32,
}

impl Server {
    pub(super) fn new(counting: Counting, limit: &Limit) -> Self {
        let (burst, interval) = (u64::from(limit.burst), limit.interval);
        let full = u128::from(burst) * interval.as_micros();
        Self { counting, burst, interval, admitted: VecDeque::new(), window: (0, 0), level: (full, Duration::ZERO) }
    }

    /// A call arrives, no earlier than the one before it. A refused one does not count.
    pub(super) fn arrives(&mut self, at: Duration) -> Answer {
        let left = self.left(at);
        if left > 0 {
            self.admitted.push_back(at);
            self.window.1 += 1;
            self.level.0 = self.level.0.saturating_sub(self.interval.as_micros());
        }
        Answer { refused: left == 0, remaining: u32::try_from(left.saturating_sub(1)).unwrap_or(u32::MAX) }
    }

    fn left(&mut self, at: Duration) -> u64 {
        while self.admitted.pop_front_if(|call| *call + self.interval <= at).is_some() {}
        match self.counting {
            Counting::Sliding => self.burst.saturating_sub(self.admitted.len() as u64),
            Counting::Fixed { begins } => {
                let number = (at + self.interval - begins).as_micros() / self.interval.as_micros();
                if self.window.0 != number {
                    self.window = (number, 0);
                }
                self.burst.saturating_sub(self.window.1)
            }
            Counting::Bucket => {
                let (full, one) = (u128::from(self.burst) * self.interval.as_micros(), self.interval.as_micros());
                let refilled = (at - self.level.1).as_micros() * u128::from(self.burst);
                self.level = ((self.level.0 + refilled).min(full), at);
                u64::try_from(self.level.0 / one).unwrap_or(u64::MAX)
            }
        }
    }
}
