//! What is due: lanes that were parked, scheduled jobs, leases of dead workers and their tokens.

use super::lane::{Circuit, Place};
use super::state::{Batch, Begun, State, millis};
use super::timer::Due;
use crate::job::{Key, SUSPECT};

/// As many as an envelope has room for.
const MOST_CRASHES: u8 = 63;
/// What one step fires, or lines up, at most (law 10); a lease is worth its jobs.
pub(super) const MOST: usize = 64;

impl State {
    /// Fires what was due when the step began, or as much of it as one step may; the rest is the next one's.
    pub(super) fn fire(&mut self, due: Vec<(u64, Due)>, now: u64) {
        let mut fired = 0;
        for (at, due) in due {
            if fired >= MOST {
                return;
            }
            self.timer.take(at, &due);
            if let Some(names) = &mut self.fired {
                names.push(due.reported());
            }
            fired += 1;
            match due {
                Due::Lane(name) => {
                    let lane = self.lane(&name, now);
                    lane.bucket.thaw(now);
                    lane.day.turn(now);
                    self.unpark(&name, now);
                }
                Due::Scheduled(entry) => {
                    let place = self.lane(&entry.key.lane, now).index.get(&entry.key).copied();
                    if place == Some(Place::Scheduled { due: at, class: entry.priority }) {
                        self.enqueue(*entry, false, now);
                    }
                }
                Due::Lease(epoch) => fired += self.expire(epoch, now),
                Due::Tokens { cost, epoch: _, of } => {
                    let lane = self.lane(&of.lane, now);
                    lane.bucket.thaw(now);
                    lane.bucket.out = lane.bucket.out.saturating_sub(u32::from(cost));
                    // It may have sent them all.
                    lane.day.spend(u32::from(cost), now);
                    self.reconsider(&of.lane, now);
                }
                Due::Forget => {
                    let set = self.limit;
                    self.lanes.retain(|_, lane| !lane.is_over(&set, now));
                    self.forgets = false;
                    self.forget_later(now);
                    return;
                }
            }
        }
    }

    /// Gives the jobs of a dead worker to others; how many its lease was for.
    fn expire(&mut self, epoch: u64, now: u64) -> usize {
        let Some(Batch { keys, begun }) = self.batches.remove(&epoch) else { return 0 };
        let jobs = keys.len();
        for key in keys {
            let Some(running) = self.running.remove(&key) else { continue };
            if running.epoch != epoch {
                self.running.insert(key, running);
                continue;
            }
            let mut lost = running.served_again();
            // Nobody knows what it sent, or when the last call arrives: its tokens stay away for time-out and interval.
            let back = now + millis(self.limit.call_timeout + self.limit.interval) + 1;
            let lane = self.lane(&key.lane, now);
            if lane.circuit == Circuit::Probing(epoch) {
                lane.probe_again(now);
            }
            self.timer.add(back, Due::Tokens { cost: lost.cost, epoch, of: key });
            lost.crashes += u8::from(begun.counts(&lost.key, lost.crashes));
            self.enqueue(lost, true, now);
        }
        jobs
    }
}

impl Begun {
    /// Whether the death of its worker counts for a job that outlived so many before. Without a note a suspect stays one: only a death
    /// alone proves it.
    fn counts(&self, key: &Key, crashes: u8) -> bool {
        match self {
            Self::All => crashes < SUSPECT,
            Self::Alone(alone) => alone.as_ref() == Some(key) && crashes < MOST_CRASHES,
        }
    }
}
