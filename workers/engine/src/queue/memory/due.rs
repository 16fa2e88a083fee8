//! What is due: lanes that were parked, scheduled jobs, leases of dead workers and their tokens.

use super::lane::{Park, Place};
use super::state::{Batch, Begun, State, millis};
use super::timer::Due;
use crate::job::{Key, SUSPECT};

/// What one step fires at most (law 10); a lease is worth its jobs.
const MOST: usize = 100;

impl State {
    /// Fires what is due, or as much of it as one step may; the rest is the next one's.
    pub(super) fn fire_due(&mut self, now: u64) {
        let mut fired = 0;
        while fired < MOST
            && let Some((at, due)) = self.timer.pop(now)
        {
            fired += 1 + self.fire(at, due, now);
        }
    }

    /// How many jobs more than one it was worth.
    fn fire(&mut self, at: u64, due: Due, now: u64) -> usize {
        match due {
            Due::Lane(name) => {
                let lane = self.lane(&name, now);
                lane.bucket.thaw(now);
                match lane.park {
                    Park::Held(until) | Park::Broken(until) if until > now => self.timer.wake_lane(&name, until),
                    Park::Broken(_) => {
                        lane.park = Park::Probe;
                        self.activate(&name);
                    }
                    Park::Held(_) | Park::DaySpent(_) | Park::Paced(_) | Park::Tokens | Park::Starved => {
                        self.unpark(&name)
                    }
                    Park::No | Park::Probe | Park::Probing => {}
                }
            }
            Due::Scheduled(entry) => {
                let place = self.lane(&entry.key.lane, now).index.get(&entry.key).copied();
                if place == Some(Place::Scheduled { due: at, class: entry.priority }) {
                    self.enqueue(*entry, false, now);
                }
            }
            Due::Lease(epoch) => return self.expire(epoch, now),
            Due::Tokens { lane, cost } => {
                let (limit, name, cost) = (self.limit, lane, u32::from(cost));
                let lane = self.lane(&name, now);
                lane.bucket.thaw(now);
                lane.bucket.out -= cost;
                // It may have sent them all.
                lane.day.spend(cost, None, &limit, now);
                self.reconsider(&name);
            }
            Due::Forget => {
                self.lanes.retain(|_, lane| !lane.is_over(now));
                self.forgets = false;
                self.forget_later(now);
            }
        }
        0
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
            self.timer.add(back, Due::Tokens { lane: key.lane, cost: lost.cost });
            lost.crashes += u8::from(begun.counts(&lost.key, lost.crashes));
            let name = lost.key.lane.clone();
            self.enqueue(lost, true, now);
            let lane = self.lane(&name, now);
            if lane.park == Park::Probing {
                lane.park = Park::Probe;
                self.activate(&name);
            }
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
            Self::Alone(alone) => alone.as_ref() == Some(key) && crashes < u8::MAX,
        }
    }
}
