//! What a settlement makes of its job and of its lane.

use std::time::Duration;

use super::lane::{Entry, Park};
use super::state::{State, millis};
use crate::queue::Settlement;
use crate::verdict::Verdict;

impl State {
    /// Whether the settlement came in time.
    pub(super) fn settle(&mut self, settlement: &Settlement, now: u64) -> bool {
        let Settlement { job, verdict, permits } = settlement;
        let used = permits.used();
        // Times are whole ms, and one that began counts as a whole: a token that came back too early would break the limit.
        let until = now + millis(self.limit.interval) + 1;
        // Tokens come back one interval after the response, not after the settlement.
        let back = until.saturating_sub(millis(permits.since_last_call()));
        let limit = self.limit;
        let lane = self.lane(&job.key.lane, now);
        lane.bucket.thaw(now);
        lane.day.spend(used, permits.daily_remaining(), &limit, now);
        let Some(running) = self.running.remove(&job.key) else {
            self.lane(&job.key.lane, now).bucket.cool(used, back);
            return false;
        };
        if running.epoch != job.epoch {
            // Too late: the job is another's. The calls it sent are counted all the same.
            self.running.insert(job.key.clone(), running);
            self.lane(&job.key.lane, now).bucket.cool(used, back);
            return false;
        }
        let returned_at_claim = running.returned_at_claim;
        let lane = self.lane(&job.key.lane, now);
        lane.bucket.out -= u32::from(running.entry.cost);
        lane.bucket.cool(used, back);
        if let Some(remaining) = permits.remaining() {
            lane.bucket.put_aside_for_others(&limit, remaining, returned_at_claim, until);
        }
        self.judge(&job.key.lane, verdict, now);
        match verdict {
            Verdict::Done | Verdict::Dead => {
                if let Some(extra) = running.extra {
                    self.enqueue(extra, false, now);
                }
            }
            Verdict::Retry { after } => {
                let mut entry = running.served_again();
                entry.attempt = entry.attempt.saturating_add(1);
                self.schedule_or_enqueue(entry, *after, now);
            }
            Verdict::Snooze { after } => self.schedule_or_enqueue(running.served_again(), *after, now),
            Verdict::Throttled { .. } | Verdict::Broken { .. } | Verdict::Released => {
                self.enqueue(running.served_again(), true, now)
            }
        }
        self.reconsider(&job.key.lane);
        true
    }

    /// What the verdict says of the lane as a whole.
    fn judge(&mut self, name: &str, verdict: &Verdict, now: u64) {
        let breaker = self.claiming.breaker;
        let lane = self.lane(name, now);
        let probing = lane.park == Park::Probing;
        match verdict {
            Verdict::Throttled { hold } => self.hold(name, now + millis(*hold)),
            Verdict::Broken { probe_after } => self.break_off(name, now + millis(*probe_after)),
            Verdict::Retry { .. } => {
                lane.failures = lane.failures.saturating_add(1);
                if probing || lane.failures >= breaker.failures {
                    self.break_off(name, now + millis(breaker.probe_after));
                }
            }
            Verdict::Done | Verdict::Dead => {
                lane.failures = 0;
                if probing {
                    self.unpark(name);
                }
            }
            // Given back or put off: nothing is known yet.
            Verdict::Snooze { .. } | Verdict::Released if probing => lane.park = Park::Probe,
            Verdict::Snooze { .. } | Verdict::Released => {}
        }
    }

    /// Opens the lane's breaker.
    pub(super) fn break_off(&mut self, name: &str, until: u64) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        (lane.park, lane.failures) = (Park::Broken(until), 0);
        self.timer.wake_lane(name, until);
    }

    fn hold(&mut self, name: &str, until: u64) {
        let (limit, interval) = (self.limit, millis(self.limit.interval));
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let until = match lane.park {
            Park::Held(before) => before.max(until),
            _ => until,
        };
        lane.park = Park::Held(until);
        lane.bucket.ramp(&limit, until, interval);
        self.timer.wake_lane(name, until);
    }

    fn schedule_or_enqueue(&mut self, entry: Entry, after: Duration, now: u64) {
        match millis(after) {
            0 => self.enqueue(entry, false, now),
            after => self.schedule(entry, now + after, now),
        }
    }
}
