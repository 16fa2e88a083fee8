//! A lane in memory, the entries that wait in it, and how it looks from outside.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::bucket::Bucket;
use super::day::Day;
use crate::job::{Job, Key, Priority};
use crate::limit::{DAY_BINS, Limit};
use crate::permit::ReportedLimits;
use crate::queue::{LaneState, LaneView};

#[derive(Default)]
pub(super) struct Lane {
    pub(super) park: Park,
    /// By a person.
    pub(super) paused: bool,
    /// Until when the server refuses.
    pub(super) hold: u64,
    pub(super) circuit: Circuit,
    /// From when on an open circuit is probed.
    pub(super) probe_at: u64,
    /// Failed runs in a row.
    pub(super) failures: u8,
    pub(super) in_ring: [bool; 2],
    /// Whether jobs of a class may wait.
    pub(super) waits: [bool; 3],
    pub(super) bucket: Bucket,
    pub(super) day: Day,
    /// What the server has reported its limits, and when.
    pub(super) reported: ReportedLimits,
    pub(super) reported_at: u64,
    pub(super) queues: [VecDeque<Entry>; 3],
    /// Which waiting or scheduled entry of a key is the true one.
    pub(super) index: HashMap<Key, Place>,
}

/// What keeps a lane from paying for its next job. Apart from that stand a person's pause, the time until which the server refuses, and the circuit.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Park {
    #[default]
    No,
    /// Until tokens come back, at a known time.
    Tokens,
    /// All tokens are out: the next settlement knows more.
    Starved,
    /// The calls of its day are spent, or bulk's share of them, until then.
    DaySpent(u64),
    /// Bulk's share of the present bin of the day is spent, and nothing else waits, until then.
    Paced(u64),
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Circuit {
    #[default]
    Closed,
    /// One job may probe it, from a time on.
    Open,
    /// That job runs, by its epoch.
    Probing(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Waiting(Priority),
    Scheduled { due: u64, class: Priority },
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) priority: Priority,
    pub(super) cost: u8,
    pub(super) crashes: u8,
    pub(super) attempt: u8,
    pub(super) pushed: u64,
    pub(super) payload: Bytes,
}

pub(super) struct Running {
    pub(super) epoch: u64,
    pub(super) returned_at_claim: u64,
    pub(super) entry: Entry,
    pub(super) extra: Option<Entry>,
}

impl Lane {
    /// The limits that are set, or what the server has reported where that is less.
    pub(super) fn limit(&self, set: &Limit) -> Limit {
        set.reported(self.reported.burst, self.reported.daily)
    }

    /// When it can run again as far as only time stops it; none while a probe runs.
    pub(super) fn opens(&self) -> Option<u64> {
        match self.circuit {
            Circuit::Closed => Some(self.hold),
            Circuit::Open => Some(self.hold.max(self.probe_at)),
            Circuit::Probing(_) => None,
        }
    }

    /// Whether it has nothing to do, and none of its calls counts any more.
    pub(super) fn is_over(&self, set: &Limit, now: u64) -> bool {
        let reported_less = self.limit(set) != *set;
        let stopped = self.park != Park::No || self.paused || self.hold > now || self.circuit != Circuit::Closed;
        let idle = !stopped && self.in_ring == [false; 2] && self.index.is_empty();
        // Nobody else knows of limits that a server has reported.
        let limits_are_old = !reported_less || self.reported_at + LIMITS_MS <= now;
        idle && limits_are_old && self.bucket.is_full(now) && self.day.is_over(now)
    }

    pub(super) fn view(&self, name: &str, set: &Limit, rest: u64, now: u64) -> LaneView {
        let limit = self.limit(set);
        let stops = if self.circuit == Circuit::Open { self.hold.max(self.probe_at) } else { self.hold };
        let (state, until) = match (self.circuit, self.park) {
            _ if self.paused => (LaneState::Paused, stops),
            _ if rest > now => (LaneState::Held, rest.max(stops)),
            (Circuit::Open, _) if self.probe_at >= self.hold => (LaneState::Broken, stops),
            _ if self.hold > now => (LaneState::Held, stops),
            (Circuit::Open | Circuit::Probing(_), _) => (LaneState::Broken, stops),
            (_, Park::Tokens | Park::Starved) => (LaneState::WaitsForTokens, now),
            (_, Park::DaySpent(until)) => (LaneState::DaySpent, until),
            (_, Park::Paced(until)) => (LaneState::Paced, until),
            (_, Park::No) => (LaneState::Ready, now),
        };
        let small = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        let free = self.bucket.free(&limit);
        // While the shard rests no token is free: it stands for calls that nobody knows of.
        let (tokens_free, resting) = if rest > now { (0, free) } else { (free, 0) };
        LaneView {
            lane: name.to_owned(),
            state,
            waiting: [0, 1, 2].map(|class: usize| u32::try_from(self.queues[class].len()).unwrap_or(u32::MAX)),
            tokens_out: small(self.bucket.out),
            tokens_cooling: small(self.bucket.cooling() + resting),
            tokens_free: small(tokens_free),
            day_used: self.day.used(),
            held_for: Duration::from_millis(until.saturating_sub(now)),
            limit,
        }
    }
}

/// How long limits are remembered that a server has asked to a lane which is idle.
const LIMITS_MS: u64 = 31 * DAY_BINS * 900_000;

impl Running {
    /// The entry to run once more. It serves the push that came meanwhile too; the more urgent of the two decides its class.
    pub(super) fn served_again(self) -> Entry {
        let Self { epoch: _, returned_at_claim: _, mut entry, extra } = self;
        if let Some(extra) = extra {
            entry.priority = entry.priority.min(extra.priority);
        }
        entry
    }
}

impl Entry {
    /// As Redis keeps it.
    pub(super) fn stored(&self) -> Vec<u8> {
        const STAMPS: u64 = 1 << 40;
        let Self { key, priority, cost, crashes, attempt, pushed, payload } = self;
        let stamp = (pushed % STAMPS).to_be_bytes();
        let key = [key.kind.as_bytes(), b"/", key.record.as_bytes()].concat();
        let length = u8::try_from(key.len()).unwrap_or(u8::MAX);
        let class = (*priority as u8).wrapping_add(crashes.wrapping_mul(4));
        [&stamp[3..], &[class, *cost, *attempt, length], &key, payload].concat()
    }

    pub(super) fn claimed(&self, epoch: u64, now: u64) -> Job {
        let Self { key, priority, cost, crashes, attempt, pushed, payload } = self.clone();
        let waited = Duration::from_millis(now.saturating_sub(pushed));
        Job { key, priority, cost, crashes, attempt, waited, payload, epoch, stored: Bytes::new() }
    }
}
