//! What a settlement makes of its job and of its lane.

use std::time::Duration;

use super::lane::{Circuit, Entry, Lane, Park};
use super::state::{State, millis};
use crate::limit::Limit;
use crate::outcome::Outcome;
use crate::permit::{Permits, ReportedLimits};
use crate::queue::Settlement;

impl State {
    /// Whether the settlement came in time.
    pub(super) fn settle(&mut self, settlement: &Settlement, now: u64) -> bool {
        let Settlement { job, outcome, permits } = settlement;
        let (used, name, interval) = (permits.used(), &job.key.lane, millis(self.limit.interval));
        let (set, breaker, born) = (self.limit, self.claiming.breaker, self.born);
        let ended = now.saturating_add_signed(-permits.since_last_call_ms());
        let answered = ended.min(now);
        let in_time = self.running.get(&job.key).is_some_and(|running| running.epoch == job.epoch);
        let running = if in_time { self.running.remove(&job.key) } else { None };
        let lane = self.lane(name, now);
        lane.bucket.thaw(now);
        lane.day.turn(now);
        let Some(running) = running else {
            // Too late: the job is another's, or this was reported before. What it sent was counted when its lease ended, or when it was reported; where the
            // queue has lost its state meanwhile, its tokens are part of the rest.
            if job.epoch < born {
                lane.day.spend(used, now);
            }
            lane.receive(permits, answered, &set);
            lane.judge_late(outcome, answered, now, &set);
            self.reconsider(name, now);
            return false;
        };
        let cost = u32::from(running.entry.cost);
        lane.day.spend(used, now);
        lane.bucket.out -= cost;
        // Tokens come back one interval after the response, not after the settlement. Times are whole ms, and one that began counts as a whole: a token
        // that came back too early would break the limit.
        lane.bucket.cool(used, ended + 1 + interval);
        lane.receive(permits, answered, &set);
        if let Some(remaining) = permits.remaining() {
            let limit = lane.limit(&set);
            lane.bucket.put_aside_for_others(&limit, remaining, running.returned_at_claim, now + 1 + interval);
        }
        let failures = (breaker.failures, millis(breaker.probe_after));
        lane.judge(outcome, job.epoch, answered, now, &set, failures);
        // What is due by now, as after an answer that was reported late, is free for this step.
        lane.bucket.thaw(now);
        let is_last = running.extra.is_none();
        match outcome {
            Outcome::Done | Outcome::Dead => {
                if let Some(extra) = running.extra {
                    self.enqueue(extra, false, now);
                }
            }
            Outcome::Retry { after } => {
                let mut entry = running.served_again();
                entry.attempt = entry.attempt.saturating_add(1);
                self.put_off(entry, *after, is_last, now);
            }
            Outcome::Snooze { after } => self.put_off(running.served_again(), *after, is_last, now),
            Outcome::Throttled { .. } | Outcome::Broken { .. } | Outcome::Released => {
                self.enqueue(running.served_again(), true, now)
            }
        }
        // A settlement that freed nothing changes nothing for a lane whose next return is known.
        if cost > used || self.lane(name, now).park != Park::Tokens {
            self.reconsider(name, now);
        } else {
            self.activate(name, now);
        }
        true
    }

    /// A push that came during the run waits for nothing, as one that comes now would not.
    fn put_off(&mut self, entry: Entry, after: Duration, is_last: bool, now: u64) {
        match millis(after) {
            after if after > 0 && is_last => self.schedule(entry, now + after, now),
            _ => self.enqueue(entry, false, now),
        }
    }
}

impl Lane {
    /// Takes in what the server said at a time of its limits, and of the calls that its day leaves.
    fn receive(&mut self, permits: &Permits, at: u64, set: &Limit) {
        let ReportedLimits { burst, daily } = permits.reported();
        if (burst.is_some() || daily.is_some()) && at >= self.reported_at {
            self.reported_at = at;
            self.reported =
                ReportedLimits { burst: burst.or(self.reported.burst), daily: daily.or(self.reported.daily) };
        }
        if let Some(remaining) = permits.daily_remaining() {
            let limit = self.limit(set);
            self.day.receive(remaining, at, &limit);
        }
    }

    /// What the outcome says of the lane as a whole, as of the time of its last answer. That of a probe decides on the circuit.
    fn judge(
        &mut self,
        outcome: &Outcome,
        epoch: u64,
        answered: u64,
        now: u64,
        set: &Limit,
        (most_failures, probe_after): (u8, u64),
    ) {
        let is_probe = self.circuit == Circuit::Probing(epoch);
        match outcome {
            Outcome::Done | Outcome::Dead => {
                self.failures = 0;
                if is_probe {
                    (self.circuit, self.probe_at) = (Circuit::Closed, 0);
                }
            }
            Outcome::Retry { .. } => {
                self.failures = self.failures.saturating_add(1);
                if is_probe {
                    self.probe_again(now);
                }
                if is_probe || (self.circuit == Circuit::Closed && self.failures >= most_failures) {
                    self.break_off(now + probe_after);
                }
            }
            // Of what was broken nothing is known yet.
            Outcome::Throttled { .. } | Outcome::Broken { .. } | Outcome::Snooze { .. } | Outcome::Released => {
                if is_probe {
                    self.probe_again(now);
                }
                match outcome {
                    Outcome::Throttled { hold } => self.hold(answered + millis(*hold), now, set),
                    Outcome::Broken { probe_after } => self.break_off(answered + millis(*probe_after)),
                    _ => {}
                }
            }
        }
    }

    /// What a outcome says of the lane that came too late for its job. It may come twice, and changes nothing then.
    fn judge_late(&mut self, outcome: &Outcome, answered: u64, now: u64, set: &Limit) {
        match outcome {
            Outcome::Throttled { hold } => {
                let until = answered + millis(*hold);
                if until > now.max(self.hold) {
                    self.hold(until, now, set);
                }
            }
            Outcome::Broken { probe_after } => {
                let until = answered + millis(*probe_after);
                if until > now && self.circuit == Circuit::Closed {
                    self.break_off(until);
                }
            }
            _ => {}
        }
    }

    /// Opens the circuit until a time, or for longer where it is open already. A probe that is under way is waited for.
    fn break_off(&mut self, until: u64) {
        self.failures = 0;
        if self.circuit == Circuit::Closed {
            (self.circuit, self.probe_at) = (Circuit::Open, until);
        } else {
            self.probe_at = self.probe_at.max(until);
        }
    }

    /// The probe has ended without a word on how things are: another one may probe from a time on.
    pub(super) fn probe_again(&mut self, at: u64) {
        (self.circuit, self.probe_at) = (Circuit::Open, self.probe_at.max(at));
    }

    fn hold(&mut self, until: u64, now: u64, set: &Limit) {
        self.hold = self.hold.max(until);
        let limit = self.limit(set);
        self.bucket.ramp(&limit, self.hold.max(now), millis(set.interval));
    }
}
