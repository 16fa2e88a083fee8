//! The tokens of one lane: a window lease, not a refilled bucket (law 2).

use std::collections::VecDeque;

use crate::limit::Limit;

/// Tokens that are out with running jobs, and those that cool down after a call.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) out: u32,
    cooling: u32,
    /// When how many come back, first in first out: the interval is the same for all.
    bins: VecDeque<(u64, u32)>,
    /// All that ever came back: shows how many did so between a claim and its settlement.
    pub(super) returned: u64,
}

impl Bucket {
    pub(super) fn free(&self, limit: &Limit) -> u32 {
        u32::from(limit.burst).saturating_sub(self.out + self.cooling)
    }

    /// What is missing counts too: more may be away than a server allows that has just reported its limit.
    pub(super) fn balance(&self, limit: &Limit) -> i64 {
        i64::from(limit.burst) - i64::from(self.out) - i64::from(self.cooling)
    }

    pub(super) fn cooling(&self) -> u32 {
        self.cooling
    }

    /// When the next ones come back, where that is known.
    pub(super) fn next_return(&self) -> Option<u64> {
        self.bins.front().map(|(at, _)| *at)
    }

    /// When all of them are back that cool down.
    pub(super) fn last_return(&self) -> Option<u64> {
        self.bins.back().map(|(at, _)| *at)
    }

    /// Whether none is away.
    pub(super) fn is_full(&self, now: u64) -> bool {
        self.out == 0 && self.last_return().is_none_or(|at| at <= now)
    }

    /// Puts `count` tokens aside until `at`, or until the last ones before them come back.
    pub(super) fn cool(&mut self, count: u32, at: u64) {
        if count == 0 {
            return;
        }
        self.cooling += count;
        match self.bins.back_mut() {
            Some((last, bin)) if at <= *last => *bin += count,
            _ => self.bins.push_back((at, count)),
        }
    }

    /// Takes back those whose time has come.
    pub(super) fn thaw(&mut self, now: u64) {
        while let Some((_, count)) = self.bins.pop_front_if(|(at, _)| *at <= now) {
            self.cooling -= count;
            self.returned += u64::from(count);
        }
    }

    /// The server counts every client of the quota: what it counted beyond ours was spent by another (law 3). Tokens that came back
    /// since the claim were still out when the server counted, so they are not another's.
    pub(super) fn put_aside_for_others(&mut self, limit: &Limit, remaining: u32, returned_at_claim: u64, until: u64) {
        let since_claim = u32::try_from(self.returned - returned_at_claim).unwrap_or(u32::MAX);
        let ours = self.out + self.cooling + since_claim;
        let counted = u32::from(limit.burst).saturating_sub(remaining);
        self.cool(counted.saturating_sub(ours).min(self.free(limit)), until);
    }

    /// After a 429: the free tokens come back in four steps over one interval, from `start` and behind those that cool already, so
    /// the lane starts gently.
    pub(super) fn ramp(&mut self, limit: &Limit, start: u64, interval: u64) {
        let start = self.bins.back().map_or(start, |(last, _)| start.max(*last));
        let quarter = self.free(limit).div_ceil(4);
        for step in 0..4 {
            self.cool(quarter.min(self.free(limit)), start + step * interval / 4);
        }
    }
}
