//! What a lane learns from a settlement.

use super::{Told, Verdict};
use crate::lane::{Circuit, Lane};
use crate::rules::{Mutant, Rules};

impl Lane {
    /// What the server said of its limits and its day.
    pub(super) fn hear(&mut self, limits: &crate::rules::Limits, told: &Told, at: u64) {
        if (told.burst.is_some() || told.daily.is_some()) && at >= self.told.2 {
            self.told = (told.burst.unwrap_or(self.told.0), told.daily.unwrap_or(self.told.1), at);
        }
        if let Some(remaining) = told.remaining_today
            && at >= self.day.others.1
        {
            let daily = if self.told.1 > 0 { limits.daily.min(self.told.1) } else { limits.daily };
            let own: u32 = self.day.bins.iter().map(|(_, used)| used).sum();
            self.day.others = (daily.saturating_sub(remaining).saturating_sub(own), at);
        }
    }

    /// What a verdict says of the lane as a whole.
    pub(super) fn judge(&mut self, rules: &Rules, verdict: Verdict, epoch: u64, answered: u64, now: u64) {
        let limits = &rules.limits;
        let probe = self.circuit == Circuit::Probing(epoch);
        match verdict {
            Verdict::Done => {
                self.failures = 0;
                if probe {
                    (self.circuit, self.probe_at) = (Circuit::Closed, 0);
                }
            }
            Verdict::Failed(_) => {
                self.failures = self.failures.saturating_add(1);
                if probe {
                    self.probe_again(now);
                }
                if probe || (self.circuit == Circuit::Closed && self.failures >= limits.failures) {
                    self.break_off(now + limits.probe_after);
                }
            }
            Verdict::Again(_) | Verdict::Released | Verdict::Refused(_) | Verdict::Broken(_) => {
                if probe && !rules.breaks(Mutant::ProbeIsNotFollowed) {
                    self.probe_again(now);
                }
                match verdict {
                    Verdict::Refused(delay) => self.refuse(rules, answered + delay, now),
                    Verdict::Broken(delay) => self.break_off(answered + delay),
                    _ => {}
                }
            }
        }
    }

    /// What a verdict that came too late says of the lane. It may come twice.
    pub(super) fn judge_late(&mut self, rules: &Rules, verdict: Verdict, answered: u64, now: u64) {
        match verdict {
            Verdict::Refused(delay)
                if answered + delay > now.max(self.hold) && !rules.breaks(Mutant::LateRefusalIsDropped) =>
            {
                self.refuse(rules, answered + delay, now);
            }
            Verdict::Broken(delay) if answered + delay > now && self.circuit == Circuit::Closed => {
                self.break_off(answered + delay);
            }
            _ => {}
        }
    }
}
