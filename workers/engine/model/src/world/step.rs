//! One step of the server: it settles what ended, then hands out what may run.

use super::{Owed, Request, World};
use crate::lane::{Circuit, Park};
use crate::laws::{Cause, Stops, Violation, broken, may_become, may_claim};
use crate::rules::{Mutant, Rules};
use crate::shard::{Batch, Envelope, JobId, LaneId, Outcome, Place, Settlement};

impl World {
    /// `step`: the epoch, and the jobs with their tokens. None where a claim has no such choice.
    #[expect(clippy::type_complexity, reason = "an answer that is taken apart at once")]
    pub(super) fn serve(
        &mut self,
        rules: &Rules,
        request: Request,
        choice: u8,
    ) -> Result<Option<(u64, Vec<(JobId, u32)>)>, Violation> {
        if let Some(reported) = request.settle {
            if request.finishes {
                self.shard.finish(reported.epoch);
            }
            self.settle(rules, &reported)?;
        }
        if self.shard.is_due() {
            let before: Vec<_> = self.shard.lanes.iter().map(Stops::from).collect();
            self.shard.fire_due(rules);
            for (before, after) in before.into_iter().zip(&self.shard.lanes) {
                may_become(before, after.into(), Cause::Other, self.now)?;
            }
        }
        if request.claim == 0 || self.shard.rest > self.now {
            return Ok((choice == 0).then_some((0, Vec::new())));
        }
        let choices = self.choices(rules);
        let Some(&(first, pick)) = choices.get(usize::from(choice)) else {
            return Ok((choices.is_empty() && choice == 0).then_some((0, Vec::new())));
        };
        // The server's clock has gone on since the last claim, whatever became of the state.
        let epoch = if rules.breaks(Mutant::EpochsBeginAnew) { self.shard.epoch + 1 } else { self.top + 1 };
        let mut claimed = Vec::new();
        let lanes = self.shard.lanes.len();
        for lane in (first..lanes).chain(0..first) {
            let left = usize::from(request.claim) - claimed.len();
            if left > 0 && self.shard.lanes[lane].listed {
                let pick = if lane == first { pick } else { 0 };
                self.visit(rules, lane, pick, left, epoch, &mut claimed)?;
            }
        }
        if !claimed.is_empty() {
            if epoch <= self.top {
                broken(5, format!("epoch {epoch} is handed out after {}", self.top))?;
            }
            (self.shard.epoch, self.top) = (epoch, epoch);
            let jobs = claimed.iter().map(|(job, _)| *job).collect();
            self.shard.batches.push(Batch { epoch, until: self.now + rules.limits.lease, jobs, alone: None });
        }
        Ok(Some((epoch, claimed)))
    }

    pub(super) fn settle(&mut self, rules: &Rules, reported: &Settlement) -> Result<(), Violation> {
        let (job, now) = (reported.job, self.now);
        let lane = self.shard.jobs[job].lane;
        let (before, place) = (Stops::from(&self.shard.lanes[lane]), self.shard.jobs[job].place);
        let pending = self.pending[job];
        let in_time = self.shard.settle(rules, reported);
        if in_time && pending == Owed::Run && matches!(self.shard.jobs[job].place, Place::Scheduled { .. }) {
            broken(6, format!("job {job} was pushed during its run, and is put off"))?;
        }
        if in_time && !matches!(place, Place::Running(run) if run.epoch == reported.epoch) {
            broken(5, format!("job {job} is settled by claim {}, and is {place:?}", reported.epoch))?;
        }
        let answered = now.saturating_add_signed(-reported.since).min(now);
        let cause = Cause::Settled { outcome: reported.outcome, epoch: reported.epoch, in_time, answered };
        may_become(before, Stops::from(&self.shard.lanes[lane]), cause, now)?;
        if in_time && reported.outcome == Outcome::Done && self.pending[job] == Owed::Served {
            self.pending[job] = Owed::Nothing;
        } else if in_time && self.pending[job] == Owed::Served {
            self.pending[job] = Owed::Run;
        }
        Ok(())
    }

    /// Which lane a claim comes upon first, and which of its jobs it takes.
    pub(super) fn choices(&self, rules: &Rules) -> Vec<(LaneId, usize)> {
        let lanes = self.shard.lanes.iter().enumerate().filter(|(_, lane)| lane.listed);
        let choices = lanes.flat_map(|(number, lane)| {
            let class = classes(rules).find(|class| lane.waiting[usize::from(*class)] > 0);
            let jobs = class.map_or(1, |class| lane.waiting[usize::from(class)].max(1));
            (0..jobs as usize).map(move |pick| (number, pick))
        });
        choices.collect()
    }

    /// `claim.lua`: serves a lane that was taken off the ring.
    pub(super) fn visit(
        &mut self,
        rules: &Rules,
        number: LaneId,
        pick: usize,
        most: usize,
        epoch: u64,
        claimed: &mut Vec<(JobId, u32)>,
    ) -> Result<(), Violation> {
        let now = self.now;
        let lane = &mut self.shard.lanes[number];
        lane.listed = false;
        if lane.paused && !rules.breaks(Mutant::PausedLaneIsServed) || lane.park != Park::No {
            return Ok(());
        }
        let Some(opens) = lane.opens() else { return Ok(()) };
        if opens > now {
            lane.activate(now);
            return Ok(());
        }
        lane.thaw(now);
        lane.turn_day(rules, now);
        let is_open = lane.circuit == Circuit::Open;
        let most = if is_open && !rules.breaks(Mutant::CircuitLetsManyProbe) { 1 } else { most };
        let mut taken = 0;
        'classes: for class in classes(rules) {
            while taken < most {
                let waits = |place| matches!(place, Place::Waiting(Envelope { class: of, .. }) if of == class);
                let mut jobs = (0..self.shard.jobs.len())
                    .filter(|job| self.shard.jobs[*job].lane == number && waits(self.shard.jobs[*job].place));
                let Some(job) = jobs.nth(if taken == 0 { pick } else { 0 }) else { break };
                let Place::Waiting(stored) = self.shard.jobs[job].place else { break };
                let lane = &mut self.shard.lanes[number];
                let stored = Envelope { cost: lane.clamp(&rules.limits, class, stored.cost), ..stored };
                if let Some(park) = lane.too_dear(rules, class, stored.cost, now) {
                    lane.park(park, &rules.limits, now);
                    break 'classes;
                }
                self.check_claim(rules, job, stored, epoch, is_open && taken > 0)?;
                self.shard.claim(job, stored, epoch);
                self.pending[job] = Owed::Served;
                claimed.push((job, stored.cost));
                taken += 1;
            }
        }
        let lane = &mut self.shard.lanes[number];
        if is_open && taken > 0 {
            lane.circuit = Circuit::Probing(epoch)
        } else {
            lane.activate(now)
        }
        Ok(())
    }

    pub(super) fn check_claim(
        &self,
        rules: &Rules,
        job: JobId,
        stored: Envelope,
        epoch: u64,
        beside_a_probe: bool,
    ) -> Result<(), Violation> {
        may_claim(rules, &self.shard, job, stored, epoch)?;
        let lane = &self.shard.lanes[self.shard.jobs[job].lane];
        if lane.waiting[..usize::from(stored.class)].iter().any(|waits| *waits > 0) {
            return broken(4, format!("job {job} of class {} goes before a more urgent one", stored.class));
        }
        if beside_a_probe {
            return broken(12, format!("job {job} is claimed beside the probe"));
        }
        if self.pending[job] == Owed::Nothing {
            return broken(6, format!("job {job} runs again, and nobody has pushed it"));
        }
        Ok(())
    }
}

/// The order in which a claim serves classes.
fn classes(rules: &Rules) -> impl Iterator<Item = u8> + use<> {
    let turned = rules.breaks(Mutant::ClassesAreMixed);
    (0..3).map(move |class| if turned { 2 - class } else { class })
}
