//! What is due when, in memory: parked lanes, scheduled jobs, leases, tokens of dead workers.

use std::collections::{BTreeMap, HashMap};

use super::lane::Entry;

/// What is due when; the key makes entries of one instant fire in the order they were made.
#[derive(Default)]
pub(super) struct Timer {
    /// By time, and in the order in which they were made.
    due: BTreeMap<(u64, u64), Due>,
    lanes: HashMap<String, (u64, u64)>,
    leases: HashMap<u64, (u64, u64)>,
    made: u64,
}

/// Something whose time comes.
pub(super) enum Due {
    Lane(String),
    Scheduled(Box<Entry>),
    Lease(u64),
    Tokens {
        lane: String,
        cost: u8,
    },
    /// Time to look for lanes to forget.
    Forget,
}

impl Timer {
    pub(super) fn add(&mut self, at: u64, due: Due) -> (u64, u64) {
        self.made += 1;
        self.due.insert((at, self.made), due);
        (at, self.made)
    }

    /// Wakes a parked lane at `at`, and at no earlier plan.
    pub(super) fn wake_lane(&mut self, lane: &str, at: u64) {
        let made = self.add(at, Due::Lane(lane.to_owned()));
        if let Some(before) = self.lanes.insert(lane.to_owned(), made) {
            self.due.remove(&before);
        }
    }

    pub(super) fn lease(&mut self, epoch: u64, until: u64) {
        self.end_lease(epoch);
        let made = self.add(until, Due::Lease(epoch));
        self.leases.insert(epoch, made);
    }

    pub(super) fn end_lease(&mut self, epoch: u64) {
        if let Some(made) = self.leases.remove(&epoch) {
            self.due.remove(&made);
        }
    }

    /// The next thing that is due by `now`, with its time.
    pub(super) fn pop(&mut self, now: u64) -> Option<(u64, Due)> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        let ((at, _), due) = first.remove_entry();
        match &due {
            Due::Lane(lane) => drop(self.lanes.remove(lane)),
            Due::Lease(epoch) => drop(self.leases.remove(epoch)),
            Due::Scheduled(_) | Due::Tokens { .. } | Due::Forget => {}
        }
        Some((at, due))
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}
