//! The calls of a lane within the last 24 h.

use std::collections::VecDeque;

use crate::limit::{DAY_BIN, DAY_BINS, Limit};

/// Calls in bins of a quarter of an hour; a bin counts until 24 h after the end of the next one, whenever the server's own day turns.
#[derive(Debug, Default)]
pub(super) struct Day {
    bins: VecDeque<(u64, u32)>,
    used: u32,
    /// Calls of others, by the server's last word, and when that was.
    others: u32,
    others_at: u64,
}

impl Day {
    /// Forgets bins that are 24 h old.
    pub(super) fn turn(&mut self, now: u64) {
        let present = bin_at(now);
        while let Some((_, used)) = self.bins.pop_front_if(|(bin, _)| *bin + DAY_BINS <= present) {
            self.used -= used;
        }
        if bin_at(self.others_at) + DAY_BINS <= present {
            self.others = 0;
        }
    }

    /// Counts calls that were sent.
    pub(super) fn spend(&mut self, used: u32, now: u64) {
        self.turn(now);
        self.used += used;
        match self.bins.back_mut() {
            Some((bin, count)) if *bin == bin_at(now) => *count += used,
            _ if used > 0 => self.bins.push_back((bin_at(now), used)),
            _ => {}
        }
    }

    /// Takes in how many calls its day leaves, by the server's word at a time. It counts every client (law 3), and its day turns when it wants to, so its
    /// last word counts, and an older one no more.
    pub(super) fn receive(&mut self, remaining: u32, at: u64, limit: &Limit) {
        if at >= self.others_at {
            self.others = limit.daily.saturating_sub(remaining).saturating_sub(self.used);
            self.others_at = at;
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
    pub(super) fn left(&self, limit: &Limit, out: u32) -> i64 {
        i64::from(limit.daily) - i64::from(self.used()) - i64::from(out)
    }

    /// Calls before the present bin, and in it.
    pub(super) fn around_bin(&self, now: u64) -> (u32, u32) {
        let present = self.bins.back().filter(|(bin, _)| *bin == bin_at(now)).map_or(0, |(_, used)| *used);
        (self.used() - present, present)
    }

    /// When the next bin begins.
    pub(super) fn next_bin(&self, now: u64) -> u64 {
        (bin_at(now) + 1) * bin_ms()
    }

    /// With those of others.
    pub(super) fn used(&self) -> u32 {
        self.used + self.others
    }

    /// Whether none of its calls counts any more.
    pub(super) fn is_over(&self, now: u64) -> bool {
        let counts = |bin: u64| bin + DAY_BINS > bin_at(now);
        !self.bins.back().is_some_and(|(bin, _)| counts(*bin)) && (self.others == 0 || !counts(bin_at(self.others_at)))
    }

    /// When the first of what counts today counts no longer.
    pub(super) fn next_return(&self, now: u64) -> u64 {
        let oldest = self.bins.front().map_or(bin_at(now), |(bin, _)| *bin);
        let others = if self.others > 0 { bin_at(self.others_at) } else { oldest };
        (oldest.min(others) + DAY_BINS) * bin_ms()
    }
}

fn bin_at(now: u64) -> u64 {
    now / bin_ms()
}

fn bin_ms() -> u64 {
    u64::try_from(DAY_BIN.as_millis()).unwrap_or(u64::MAX)
}
