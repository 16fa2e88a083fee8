//! What a lane learns from a settlement.

use super::{Outcome, Reported};
use crate::lane::{Circuit, Lane};
use crate::rules::{Mutant, Rules};

impl Lane {
    /// What the server said of its limits and its day.
    pub(super) fn receive(&mut self, limits: &crate::rules::Limits, reported: &Reported, at: u64) {
        if (reported.burst.is_some() || reported.daily.is_some()) && at >= self.reported.2 {
            self.reported = (reported.burst.unwrap_or(self.reported.0), reported.daily.unwrap_or(self.reported.1), at);
        }
        if let Some(remaining) = reported.remaining_today
            && at >= self.day.others.1
        {
            let daily = if self.reported.1 > 0 { limits.daily.min(self.reported.1) } else { limits.daily };
            let own: u32 = self.day.bins.iter().map(|(_, used)| used).sum();
            self.day.others = (daily.saturating_sub(remaining).saturating_sub(own), at);
        }
    }

    /// What a outcome says of the lane as a whole.
    pub(super) fn judge(&mut self, rules: &Rules, outcome: Outcome, epoch: u64, answered: u64, now: u64) {
        let limits = &rules.limits;
        let probe = self.circuit == Circuit::Probing(epoch);
        match outcome {
            Outcome::Done => {
                self.failures = 0;
                if probe {
                    (self.circuit, self.probe_at) = (Circuit::Closed, 0);
                }
            }
            Outcome::Failed(_) => {
                self.failures = self.failures.saturating_add(1);
                if probe {
                    self.probe_again(now);
                }
                if probe || (self.circuit == Circuit::Closed && self.failures >= limits.failures) {
                    self.break_off(now + limits.probe_after);
                }
            }
            Outcome::Again(_) | Outcome::Released | Outcome::Refused(_) | Outcome::Broken(_) => {
                if probe && !rules.breaks(Mutant::ProbeIsNotFollowed) {
                    self.probe_again(now);
                }
                match outcome {
                    Outcome::Refused(delay) => self.refuse(rules, answered + delay, now),
                    Outcome::Broken(delay) => self.break_off(answered + delay),
                    _ => {}
                }
            }
        }
    }

    /// What a outcome that came too late says of the lane. It may come twice.
    pub(super) fn judge_late(&mut self, rules: &Rules, outcome: Outcome, answered: u64, now: u64) {
        match outcome {
            Outcome::Refused(delay)
                if answered + delay > now.max(self.hold) && !rules.breaks(Mutant::LateRefusalIsDropped) =>
            {
                self.refuse(rules, answered + delay, now);
            }
            Outcome::Broken(delay) if answered + delay > now && self.circuit == Circuit::Closed => {
                self.break_off(answered + delay);
            }
            _ => {}
        }
    }
}
