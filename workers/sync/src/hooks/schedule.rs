//! When a message that was not taken is sent again: the ten tries that Standard Webhooks shows as an example, over some three days.

use std::time::Duration;

/// After so many hours without one delivery that succeeded, a hook is disabled.
pub(crate) const DISABLED_AFTER: Duration = Duration::from_secs(120 * 3600);
/// How long nothing is sent to a receiver that answers 429 or the like without `Retry-After`.
pub(crate) const HOLD: Duration = Duration::from_secs(30);
/// An endpoint is asked again after so long, whatever it said.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(3600);

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// The tries of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Seconds before the second try, the third, and so on.
    waits: [u64; 9],
    /// Divides them; more than 1 for tests alone.
    haste: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        let waits =
            [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
        Self { waits, haste: 1 }
    }
}

impl Schedule {
    /// The same tries, so many times as fast.
    #[must_use]
    pub fn in_haste(haste: u32) -> Self {
        Self { haste: haste.max(1), ..Self::default() }
    }

    /// How long to wait after so many tries that failed; none when that was the last one. A crowd of messages that failed together comes
    /// back spread: up to a fifth is added.
    pub(crate) fn wait(self, failed: u32) -> Option<Duration> {
        let place = usize::try_from(failed.saturating_sub(1)).ok()?;
        let wait = Duration::from_secs(*self.waits.get(place)?) / self.haste;
        Some(wait.mul_f64(1.0 + rand::random::<f64>() / 5.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_tries_over_some_three_days() {
        let schedule = Schedule::default();
        let waits: Vec<_> = (1..).map_while(|failed| schedule.wait(failed)).collect();
        assert_eq!(waits.len(), 9, "waits between ten tries");
        let all: Duration = waits.iter().sum();
        assert!(all >= Duration::from_secs(75 * HOUR) && all <= Duration::from_secs(92 * HOUR), "{all:?}");
        assert!(waits.is_sorted() && all < DISABLED_AFTER);
    }
}
