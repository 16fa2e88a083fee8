//! What a claim takes: the lane first, then the job (law 4).

use std::collections::HashMap;

use super::lane::{Circuit, Park, Place, Running};
use super::state::{Batch, Begun, State, millis};
use crate::job::{Job, Priority};
use crate::queue::Share;

/// Entries passed over in one step at most, since a more urgent one of their key ran in their place or their kind is paused; lanes visited (law 10).
const MOST_REPLACED: usize = 100;
const MOST_LANES: usize = 100;
/// Turns of lanes with interactive jobs before one of the others has its own, where some of those wait.
const HOT_TURNS: usize = 8;

/// A claim while it is made.
pub(super) struct Claim {
    most: usize,
    pub(super) epoch: u64,
    pub(super) jobs: Vec<Job>,
    replaced: usize,
    /// How many jobs of a lane the worker has room for.
    share: usize,
    rooms: HashMap<String, usize>,
    /// Lanes on rings that were passed over, since the worker has enough of them.
    pub(super) passed_over: Vec<(String, usize)>,
}

impl Claim {
    pub(super) fn new(claim: usize, Share { most, left }: &Share, epoch: u64) -> Self {
        Self {
            most: claim,
            epoch,
            jobs: Vec::new(),
            replaced: 0,
            share: most.unwrap_or(usize::MAX),
            rooms: left.iter().cloned().collect(),
            passed_over: Vec::new(),
        }
    }

    fn left(&self) -> usize {
        self.most - self.jobs.len()
    }
}

impl State {
    pub(super) fn claim(&mut self, claim: &mut Claim, now: u64) {
        let (mut visited, full_turn) = (0, usize::from(self.claiming.turn));
        let turns_before = self.turns;
        while claim.left() > 0 && visited < MOST_LANES && claim.replaced < MOST_REPLACED {
            // No more lanes than are needed if each gives a full turn: what is taken off is visited.
            let (names, ring) = self.off_rings(claim.left().div_ceil(full_turn));
            if names.is_empty() {
                break;
            }
            // Where fewer lanes are runnable than could be served, each has a longer turn.
            let turn = full_turn.max(claim.left().div_ceil(names.len()));
            visited += names.len();
            for name in names {
                self.visit(name, turn.min(claim.left()), ring, claim, now);
            }
        }
        if claim.jobs.is_empty() {
            // Turns that gave nothing are none.
            self.turns = turns_before;
        } else {
            self.epoch = claim.epoch;
            let keys = claim.jobs.iter().map(|job| job.key.clone()).collect();
            self.batches.insert(claim.epoch, Batch { keys, begun: Begun::All });
            self.timer.lease(claim.epoch, now + millis(self.claiming.lease));
        }
    }

    /// Takes lanes off a ring, the one of interactive jobs first but now and then, and shows which.
    fn off_rings(&mut self, wanted: usize) -> (Vec<String>, usize) {
        let others_first = self.turns >= HOT_TURNS;
        for (place, ring) in if others_first { [1, 0] } else { [0, 1] }.into_iter().enumerate() {
            let wanted = if others_first && place == 0 { 1 } else { wanted };
            let names: Vec<_> = (0..wanted).map_while(|_| self.rings[ring].pop_front()).collect();
            if !names.is_empty() {
                self.turns = if ring == 0 { HOT_TURNS.min(self.turns + names.len()) } else { 0 };
                return (names, ring);
            }
        }
        (Vec::new(), 0)
    }

    /// Serves a lane that was taken off a ring.
    fn visit(&mut self, name: String, turn: usize, ring: usize, claim: &mut Claim, now: u64) {
        let lane = self.lane(&name, now);
        lane.in_ring[ring] = false;
        let Some(opens) = lane.opens().filter(|_| !lane.paused && lane.park == Park::No) else { return };
        if opens > now {
            return self.activate(&name, now);
        }
        let room = claim.rooms.get(&name).copied().unwrap_or(claim.share);
        if room == 0 {
            lane.in_ring[ring] = true;
            claim.passed_over.push((name, ring));
            return;
        }
        lane.bucket.thaw(now);
        lane.day.turn(now);
        let is_open = lane.circuit == Circuit::Open;
        let before = claim.jobs.len();
        self.serve(&name, if is_open { 1 } else { turn.min(room) }, ring == 0, claim, now);
        let taken = claim.jobs.len() - before;
        claim.rooms.insert(name.clone(), room - taken);
        if taken > 0 && is_open {
            self.lane(&name, now).circuit = Circuit::Probing(claim.epoch);
        } else {
            self.activate(&name, now);
        }
    }

    /// Claims up to `most` jobs of a lane, the most urgent class first; interactive ones alone where it is `hot`.
    fn serve(&mut self, name: &str, most: usize, hot: bool, claim: &mut Claim, now: u64) {
        let classes = if hot { &Priority::ALL[..1] } else { &Priority::ALL[..] };
        let mut left = most;
        for class in classes {
            let lane = self.lane(name, now);
            if left > 0 && lane.waits[*class as usize] && lane.park == Park::No {
                left -= self.serve_class(name, *class, left, claim, now);
            }
        }
    }

    /// Claims at most so many of a lane's listed jobs of a class, and parks the lane where the next one is too dear. How many it took off the list.
    fn serve_class(&mut self, name: &str, class: Priority, most: usize, claim: &mut Claim, now: u64) -> usize {
        let set = self.limit;
        let Some(lane) = self.lanes.get_mut(name) else { return 0 };
        let limit = lane.limit(&set);
        let is_bulk = class == Priority::Bulk;
        let (kept, kept_today) = if is_bulk { (limit.reserve, limit.daily_reserve()) } else { (0, 0) };
        let mut off = 0;
        while off < most {
            let Some(lane) = self.lanes.get_mut(name) else { return off };
            let queue = &mut lane.queues[class as usize];
            let Some(head) = queue.front_mut() else { break };
            if lane.index.get(&head.key) != Some(&Place::Waiting(class)) {
                // Replaced by a more urgent entry of the same key.
                queue.pop_front();
                claim.replaced += 1;
                off += 1;
                continue;
            }
            let mut paused = self.kinds.iter_mut().filter(|aside| aside.is_paused);
            if let Some(aside) = paused.find(|aside| aside.kind == head.key.kind) {
                // It stays in the index: a push of its key finds it waiting. Nothing is paid, and what is behind it goes on.
                aside.jobs.extend(queue.pop_front());
                claim.replaced += 1;
                off += 1;
                continue;
            }
            // The limit may have been higher when it was pushed.
            let cost = limit.clamp(head.cost, class);
            let wanted = i64::from(cost);
            let (before, spent) = lane.day.around_bin(now);
            let spent = spent + lane.bucket.out;
            let bulk_left = i64::from(limit.left_to_bulk(before, 0)) - i64::from(spent);
            let park = if wanted > lane.day.left(&limit, lane.bucket.out) - i64::from(kept_today) {
                Some(Park::DaySpent(lane.day.next_return(now)))
            } else if is_bulk && spent > 0 && wanted > bulk_left {
                // One job a bin is always let through, however small the share.
                Some(Park::Paced(lane.day.next_bin(now)))
            } else if wanted > lane.bucket.balance(&limit) - i64::from(kept) {
                Some(Park::Tokens)
            } else {
                None
            };
            match park {
                Some(Park::DaySpent(until) | Park::Paced(until)) => self.timer.wake_lane(name, until),
                Some(_) => {
                    self.park_for_tokens(name);
                    return off;
                }
                None => {}
            }
            if let Some(park) = park {
                lane.park = park;
                return off;
            }
            head.cost = cost;
            let Some(entry) = queue.pop_front() else { return off };
            lane.index.remove(&entry.key);
            lane.bucket.out += u32::from(cost);
            let returned_at_claim = lane.bucket.returned;
            claim.jobs.push(entry.claimed(claim.epoch, now));
            self.running
                .insert(entry.key.clone(), Running { epoch: claim.epoch, returned_at_claim, entry, extra: None });
            off += 1;
        }
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.waits[class as usize] = !lane.queues[class as usize].is_empty();
        }
        off
    }
}
