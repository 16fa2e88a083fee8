//! What a claim takes: the lane first, then the job (law 4).

use super::lane::{Park, Place, Running};
use super::state::{Batch, Begun, State, millis};
use crate::job::{Job, Priority};

/// Entries passed over in one step at most, since a more urgent one of their key ran in their place or their kind is paused (law 10).
const MOST_REPLACED: usize = 100;

impl State {
    pub(super) fn claim(&mut self, most: usize, now: u64) -> (u64, Vec<Job>) {
        let (mut jobs, full_turn) = (Vec::new(), usize::from(self.claiming.turn));
        // Above every earlier epoch, also of an earlier life of this process: records are fenced by it.
        let epoch = (now * 1000).max(self.epoch + 1);
        let mut replaced = 0;
        while jobs.len() < most && replaced < MOST_REPLACED {
            let hot = !self.rings[0].is_empty();
            let Some(name) = self.rings[usize::from(!hot)].pop_front() else { break };
            let lane = self.lane(&name, now);
            lane.in_ring[usize::from(!hot)] = false;
            let turn = match lane.park {
                _ if lane.paused => continue,
                Park::No => (most - jobs.len()).min(full_turn),
                Park::Probe => 1,
                _ => continue,
            };
            let (probe, before) = (lane.park == Park::Probe, jobs.len());
            replaced += self.serve(&name, turn, hot, epoch, now, &mut jobs);
            let lane = self.lane(&name, now);
            match lane.park {
                Park::Probe if jobs.len() > before => lane.park = Park::Probing,
                // It could not be paid for.
                Park::Tokens | Park::Starved | Park::DaySpent(_) | Park::Paced(_) if probe => {
                    self.break_off(&name, now + millis(self.limit.interval))
                }
                _ => {}
            }
            self.activate(&name);
        }
        if !jobs.is_empty() {
            self.epoch = epoch;
            let keys = jobs.iter().map(|job| job.key.clone()).collect();
            self.batches.insert(epoch, Batch { keys, begun: Begun::All });
            self.timer.lease(epoch, now + millis(self.claiming.lease));
        }
        (epoch, jobs)
    }

    /// Claims up to `most` jobs of a lane, the most urgent class first; interactive ones alone where `hottest`. Returns how many
    /// replaced entries it passed over.
    fn serve(&mut self, name: &str, most: usize, hottest: bool, epoch: u64, now: u64, jobs: &mut Vec<Job>) -> usize {
        let limit = self.limit;
        let enough = jobs.len() + most;
        let lane = self.lane(name, now);
        lane.bucket.thaw(now);
        lane.day.turn(now);
        let mut replaced = 0;
        while jobs.len() < enough && replaced < MOST_REPLACED {
            let Some(lane) = self.lanes.get_mut(name) else { return replaced };
            let Some(class) = Priority::ALL.into_iter().find(|class| !lane.queues[*class as usize].is_empty()) else {
                return replaced;
            };
            if hottest && class != Priority::Interactive {
                return replaced;
            }
            let (kept, kept_today) = match class {
                Priority::Bulk => (u32::from(limit.reserve), limit.daily_reserve()),
                Priority::Interactive | Priority::Realtime => (0, 0),
            };
            let affordable = lane.bucket.free(&limit).saturating_sub(kept);
            let affordable_today = lane.day.left(&limit, lane.bucket.out).saturating_sub(kept_today);
            let queue = &mut lane.queues[class as usize];
            let Some(head) = queue.front() else { return replaced };
            if lane.index.get(&head.key) != Some(&Place::Waiting(class)) {
                // Replaced by a more urgent entry of the same key.
                queue.pop_front();
                replaced += 1;
                continue;
            }
            if let Some(aside) = self.aside.get_mut(&head.key.kind) {
                // It stays in the index: a push of its key finds it waiting. Nothing is paid, and what is behind it goes on.
                aside.extend(queue.pop_front());
                replaced += 1;
                continue;
            }
            if u32::from(head.cost) > affordable_today {
                let until = lane.day.next_return(now);
                lane.park = Park::DaySpent(until);
                self.timer.wake_lane(name, until);
                return replaced;
            }
            let (before, spent) = lane.day.around_bin(now);
            let spent = spent + lane.bucket.out;
            // One job a bin is always let through, however small the share.
            if class == Priority::Bulk && spent > 0 && u32::from(head.cost) > limit.left_to_bulk(before, spent) {
                let until = lane.day.next_bin(now);
                lane.park = Park::Paced(until);
                self.timer.wake_lane(name, until);
                return replaced;
            }
            if u32::from(head.cost) > affordable {
                self.park_for_tokens(name);
                return replaced;
            }
            let Some(entry) = queue.pop_front() else { return replaced };
            lane.index.remove(&entry.key);
            lane.bucket.out += u32::from(entry.cost);
            let returned_at_claim = lane.bucket.returned;
            jobs.push(entry.claimed(epoch, now));
            self.running.insert(entry.key.clone(), Running { epoch, returned_at_claim, entry, extra: None });
        }
        replaced
    }
}
