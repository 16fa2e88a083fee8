//! The limits of a lane: how many calls may be sent, and how long they count.

use std::collections::VecDeque;
use std::time::Duration;

use crate::job::Priority;

/// A window lease (law 2): a token is taken before a call is sent and comes back one `interval` after its response, so no window of
/// that length, fixed or sliding, can see more than `burst` arrivals, whatever the delays.
///
/// A plain bucket of 100 refilled at 10/s would let 198 calls through in 10 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Calls allowed within one interval; 1 to 65,534.
    pub burst: u16,
    /// The length of the server's window.
    pub interval: Duration,
    /// How long a call may go on: the tokens of a crashed worker stay away for this and one interval more.
    pub call_timeout: Duration,
    /// Tokens that bulk jobs leave to others, so that a click never waits behind an import (law 4).
    pub reserve: u16,
    /// Calls allowed within 24 h. When the server's day turns is not asked: any 24 h count. Bulk jobs leave a fifth of them to others, and
    /// take half of the rest as fast as they can, the other half spread over hours: an import that fits in that half does not wait, and a
    /// larger one neither stands still for the rest of the day nor lets reconciliations do so.
    pub daily: u32,
}

/// Calls are counted in bins of a quarter of an hour, and a bin counts until 24 h after the end of the next one: in that a call may arrive that nobody
/// saw end, as where its run was cancelled.
pub(crate) const DAY_BIN: Duration = Duration::from_secs(900);
/// Bins after which one no longer counts.
pub(crate) const DAY_BINS: u64 = 98;
/// Of what is left to it, beyond the half that it has at once, bulk may spend such a part in each bin: it is spread over six hours and more.
const PACE_BINS: u32 = 24;

impl Limit {
    /// Calls of a day that bulk jobs leave to others.
    pub(crate) fn daily_reserve(&self) -> u32 {
        self.daily / 5
    }

    /// Calls that bulk jobs may still have in the present bin, with `before` calls in the 24 h until it began, and `spent` since then or
    /// granted. `shard.lua` says the same.
    pub(crate) fn left_to_bulk(&self, before: u32, spent: u32) -> u32 {
        let all = self.daily - self.daily_reserve();
        let surplus = all.saturating_sub(before);
        surplus.saturating_sub(all / 2).max(surplus / PACE_BINS).saturating_sub(spent)
    }

    /// These limits, or what a server has reported its own where that is less.
    pub(crate) fn reported(&self, burst: Option<u16>, daily: Option<u32>) -> Self {
        let lower = |own: u16| burst.map_or(own, |reported| own.min(reported.max(1)));
        let burst = lower(self.burst);
        let daily = daily.map_or(self.daily, |reported| self.daily.min(reported.max(1)));
        // Bulk has to get something of the least of them.
        Self { burst, daily, reserve: self.reserve.min(burst.saturating_sub(1)), ..*self }
    }

    /// Over how long the day spreads so many calls of bulk jobs, after `day_used` calls in the last 24 h and if nobody else sends any. To report
    /// a person who waits: in quarters of an hour, and as if all calls before had been sent just now.
    #[must_use]
    pub fn bulk_spread(&self, calls: u32, day_used: u32) -> Duration {
        const LONGEST: u64 = DAY_BINS * 1000;
        let share = self.daily - self.daily_reserve();
        let (mut left, mut before, mut bins) = (calls, day_used, VecDeque::from([day_used]));
        for bin in 0..LONGEST {
            let sent = self.left_to_bulk(before, 0).max(1).min(share.saturating_sub(before));
            if sent >= left {
                return DAY_BIN * u32::try_from(bin).unwrap_or(u32::MAX);
            }
            left -= sent;
            before += sent;
            bins.push_back(sent);
            if bins.len() as u64 > DAY_BINS {
                before -= bins.pop_front().unwrap_or_default();
            }
        }
        DAY_BIN * u32::try_from(LONGEST).unwrap_or(u32::MAX)
    }

    /// The cost at which a job is claimed: no job may ask for more than its class can ever have free.
    #[must_use]
    pub fn clamp(&self, cost: u8, priority: Priority) -> u8 {
        let (kept, kept_today) = match priority {
            Priority::Bulk => (self.reserve.min(self.burst.saturating_sub(1)), self.daily_reserve()),
            Priority::Interactive | Priority::Realtime => (0, 0),
        };
        let most = u32::from(self.burst.saturating_sub(kept)).min(self.daily.saturating_sub(kept_today)).max(1);
        cost.min(u8::try_from(most).unwrap_or(u8::MAX))
    }
}

/// How a worker claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claiming {
    /// How long a claim holds without a heartbeat. A dead worker's jobs run again after it.
    pub lease: Duration,
    /// The most jobs taken from one lane before the next has its turn.
    pub turn: u16,
    /// The most jobs claimed at once.
    pub batch: usize,
    /// When a lane is broken off.
    pub breaker: Breaker,
}

impl Default for Claiming {
    fn default() -> Self {
        Self { lease: Duration::from_secs(12), turn: 4, batch: 64, breaker: Breaker::default() }
    }
}

/// When a lane counts as broken by its failures alone (law 12), so that a storm of them does not bury its jobs one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many failed runs of a lane in a row, without one that succeeded, open it; 1 to 255.
    pub failures: u8,
    /// How long until one job probes whether things are well again.
    pub probe_after: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 20, probe_after: Duration::from_secs(30) }
    }
}

/// What to think of quota when a queue without any state is met for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColdStart {
    /// Nobody has sent a call lately: every lane starts with all its tokens.
    Unspent,
    /// Somebody may have: every lane starts used up. A queue that *loses* its state is always met so.
    Spent,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn bulk_calls_are_spread_by_what_the_day_leaves() {
        let second = Duration::from_secs(1);
        let limit = Limit { burst: 100, interval: second, call_timeout: second, reserve: 2, daily: 200_000 };
        assert_eq!(limit.bulk_spread(80_000, 0), Duration::ZERO, "half of the share is there at once");
        assert_eq!(limit.bulk_spread(40_000, 40_000), Duration::ZERO);
        let spread = limit.bulk_spread(120_000, 0);
        assert!(spread > HOUR * 3 && spread < HOUR * 5, "half of the other half within some hours: {spread:?}");
        let spread = limit.bulk_spread(200_000, 0);
        assert!(spread > HOUR * 24 && spread < HOUR * 30, "what is beyond a day waits for the next: {spread:?}");
        let spread = limit.bulk_spread(1000, 160_000);
        assert!(spread > HOUR * 24 && spread < HOUR * 25, "nothing is left of this one: {spread:?}");
    }
}
