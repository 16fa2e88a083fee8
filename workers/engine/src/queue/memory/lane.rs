//! A lane in memory, the entries that wait in it, and how it looks from outside.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::bucket::Bucket;
use super::day::Day;
use crate::job::{Job, Key, Priority};
use crate::limit::Limit;
use crate::queue::{LaneState, LaneView};

#[derive(Default)]
pub(super) struct Lane {
    pub(super) park: Park,
    /// By a person.
    pub(super) paused: bool,
    /// Failed runs in a row.
    pub(super) failures: u8,
    pub(super) in_ring: [bool; 2],
    pub(super) bucket: Bucket,
    pub(super) day: Day,
    pub(super) queues: [VecDeque<Entry>; 3],
    /// Which waiting or scheduled entry of a key is the true one.
    pub(super) index: HashMap<Key, Place>,
}

/// Why a lane is in no ring, or in one for a single job.
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
    /// Until then, whatever happens.
    Held(u64),
    /// Its breaker is open until then.
    Broken(u64),
    /// One job may probe it.
    Probe,
    /// That job runs.
    Probing,
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
    /// Whether it has nothing to do, and none of its calls counts any more.
    pub(super) fn is_over(&mut self, now: u64) -> bool {
        self.bucket.thaw(now);
        self.day.turn(now);
        let idle = self.park == Park::No && !self.paused && self.in_ring == [false; 2] && self.index.is_empty();
        idle && self.bucket.out + self.bucket.cooling() + self.day.used() == 0
    }

    pub(super) fn view(&self, name: &str, limit: &Limit, now: u64) -> LaneView {
        let (state, held_until) = match self.park {
            Park::Held(until) | Park::Broken(until) if self.paused => (LaneState::Paused, until),
            _ if self.paused => (LaneState::Paused, now),
            Park::Broken(until) => (LaneState::Broken, until),
            Park::Probe | Park::Probing => (LaneState::Broken, now),
            Park::DaySpent(until) => (LaneState::DaySpent, until),
            Park::Paced(until) => (LaneState::Paced, until),
            Park::No => (LaneState::Ready, now),
            Park::Tokens | Park::Starved => (LaneState::WaitsForTokens, now),
            Park::Held(until) => (LaneState::Held, until),
        };
        let small = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        LaneView {
            lane: name.to_owned(),
            state,
            waiting: [0, 1, 2].map(|class: usize| u32::try_from(self.queues[class].len()).unwrap_or(u32::MAX)),
            tokens_out: small(self.bucket.out),
            tokens_cooling: small(self.bucket.cooling()),
            tokens_free: small(self.bucket.free(limit)),
            day_used: self.day.used(),
            held_for: Duration::from_millis(held_until.saturating_sub(now)),
        }
    }
}

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
    pub(super) fn claimed(&self, epoch: u64, now: u64) -> Job {
        let Self { key, priority, cost, crashes, attempt, pushed, payload } = self.clone();
        let waited = Duration::from_millis(now.saturating_sub(pushed));
        Job { key, priority, cost, crashes, attempt, waited, payload, epoch, stored: Bytes::new() }
    }
}
