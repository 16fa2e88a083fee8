//! The calls of a lane within the last 24 h.

use std::collections::VecDeque;

use crate::limit::{DAY_BIN, DAY_BINS, Limit};

/// Calls in bins of a quarter of an hour; a bin counts until 24 h after its end, whenever the server's own day turns.
#[derive(Debug, Default)]
pub(super) struct Day {
    bins: VecDeque<(u64, u32)>,
    used: u32,
}

impl Day {
    /// Forgets bins that are 24 h old.
    pub(super) fn turn(&mut self, now: u64) {
        let present = bin_at(now);
        while let Some((_, used)) = self.bins.pop_front_if(|(bin, _)| *bin + DAY_BINS <= present) {
            self.used -= used;
        }
    }

    /// Counts calls that were sent. The server, which counts every client, may know of more (law 3).
    pub(super) fn spend(&mut self, used: u32, remaining: Option<u32>, limit: &Limit, now: u64) {
        self.turn(now);
        let told = remaining.map_or(0, |left| limit.daily.saturating_sub(left));
        let more = used + told.saturating_sub(self.used + used);
        self.used += more;
        match self.bins.back_mut() {
            Some((bin, count)) if *bin == bin_at(now) => *count += more,
            _ if more > 0 => self.bins.push_back((bin_at(now), more)),
            _ => {}
        }
    }

    /// Its calls, by how many bins ago they were sent.
    pub(super) fn bins_ago(&self, now: u64) -> impl Iterator<Item = (u64, u32)> {
        let present = bin_at(now);
        self.bins.iter().map(move |(bin, used)| (present.saturating_sub(*bin), *used))
    }

    /// A day of such calls, the oldest first.
    pub(super) fn of_bins_ago(bins: &[(u64, u32)], now: u64) -> Self {
        let mut day = Self::default();
        for (ago, used) in bins {
            day.bins.push_back((bin_at(now).saturating_sub(*ago), *used));
            day.used += used;
        }
        day.turn(now);
        day
    }

    /// Calls left, with `out` of them granted and not yet counted.
    pub(super) fn left(&self, limit: &Limit, out: u32) -> u32 {
        limit.daily.saturating_sub(self.used + out)
    }

    /// Calls before the present bin, and in it.
    pub(super) fn around_bin(&self, now: u64) -> (u32, u32) {
        let present = self.bins.back().filter(|(bin, _)| *bin == bin_at(now)).map_or(0, |(_, used)| *used);
        (self.used - present, present)
    }

    /// When the next bin begins.
    pub(super) fn next_bin(&self, now: u64) -> u64 {
        (bin_at(now) + 1) * bin_ms()
    }

    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// When the oldest calls no longer count.
    pub(super) fn next_return(&self, now: u64) -> u64 {
        let oldest = self.bins.front().map_or(bin_at(now), |(bin, _)| *bin);
        (oldest + DAY_BINS) * bin_ms()
    }
}

fn bin_at(now: u64) -> u64 {
    now / bin_ms()
}

fn bin_ms() -> u64 {
    u64::try_from(DAY_BIN.as_millis()).unwrap_or(u64::MAX)
}
