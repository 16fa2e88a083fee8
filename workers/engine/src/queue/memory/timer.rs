//! What is due when, in memory: lanes that are stopped, scheduled jobs, leases, tokens of dead workers.
//!
//! Each thing has a name, as in Redis, and is planned once. What is due at one instant fires in the order of the names.

use std::collections::{BTreeMap, HashMap};

use super::lane::Entry;
use crate::envelope;
use crate::job::Key;

#[derive(Default)]
pub(super) struct Timer {
    due: BTreeMap<(u64, Vec<u8>), Due>,
    planned: HashMap<Vec<u8>, u64>,
}

/// Something whose time comes.
#[derive(Clone)]
pub(super) enum Due {
    Lane(String),
    Scheduled(Box<Entry>),
    Lease(u64),
    Tokens {
        cost: u8,
        epoch: u64,
        of: Key,
    },
    /// Time to look for lanes to forget.
    Forget,
}

impl Due {
    fn name(&self) -> Vec<u8> {
        match self {
            Self::Lane(lane) => [b"L", lane.as_bytes()].concat(),
            Self::Scheduled(entry) => {
                let lane = entry.key.lane.as_bytes();
                let length = u8::try_from(lane.len()).unwrap_or(u8::MAX);
                [&[b'J', length][..], lane, &entry.stored()].concat()
            }
            Self::Lease(epoch) => lease_name(*epoch),
            Self::Tokens { cost, epoch, of } => [format!("T{cost}:{epoch}:").as_bytes(), &envelope::slot(of)].concat(),
            Self::Forget => b"F0".to_vec(),
        }
    }
}

impl Due {
    /// How a trace calls it.
    pub(super) fn reported(&self) -> Vec<u8> {
        match self {
            Self::Scheduled(entry) => [b"J", &envelope::slot(&entry.key)[..]].concat(),
            due => due.name(),
        }
    }
}

fn lease_name(epoch: u64) -> Vec<u8> {
    format!("B{epoch}").into_bytes()
}

impl Timer {
    /// Plans it for `at`, and no more for when it was planned before.
    pub(super) fn add(&mut self, at: u64, due: Due) {
        let name = due.name();
        if let Some(before) = self.planned.insert(name.clone(), at) {
            self.due.remove(&(before, name.clone()));
        }
        self.due.insert((at, name), due);
    }

    pub(super) fn wake_lane(&mut self, lane: &str, at: u64) {
        self.add(at, Due::Lane(lane.to_owned()));
    }

    pub(super) fn lease(&mut self, epoch: u64, until: u64) {
        self.add(until, Due::Lease(epoch));
    }

    pub(super) fn end_lease(&mut self, epoch: u64) {
        let name = lease_name(epoch);
        if let Some(at) = self.planned.remove(&name) {
            self.due.remove(&(at, name));
        }
    }

    /// The first things that are due by `now`, with their times.
    pub(super) fn first(&self, now: u64, most: usize) -> Vec<(u64, Due)> {
        self.due
            .iter()
            .take_while(|((at, _), _)| *at <= now)
            .take(most)
            .map(|((at, _), due)| (*at, due.clone()))
            .collect()
    }

    /// Takes off what was planned for `at`, unless it is planned for another time by now.
    pub(super) fn take(&mut self, at: u64, due: &Due) {
        let name = due.name();
        if self.planned.get(&name) == Some(&at) {
            self.planned.remove(&name);
            self.due.remove(&(at, name));
        }
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}
