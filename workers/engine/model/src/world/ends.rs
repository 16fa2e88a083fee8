//! Whether all that was pushed gets done, once nothing goes wrong any more.

use super::{Action, Answer, Owed, World};
use crate::laws::{Violation, broken};
use crate::rules::Rules;
use crate::scene::Scene;
use crate::shard::{JobId, Outcome};

impl World {
    /// Whether all jobs that are pending, but those of paused lanes, run within a bound once nothing fails any more (law 12).
    ///
    /// # Errors
    /// What breaks meanwhile, or what never runs.
    pub fn gets_done(&self, rules: &Rules, scene: &Scene) -> Result<(), Violation> {
        let mut world = self.clone();
        world.delayed.clear();
        for _ in 0..=scene.patience {
            while world.goes_on(rules, scene)? {}
            if world.is_done() {
                return Ok(());
            }
            world.act(rules, scene, Action::Tick)?;
        }
        let stuck: Vec<_> = (0..world.pending.len()).filter(|job| world.is_stuck(*job)).collect();
        broken(12, format!("jobs {stuck:?} are not run within {} ticks though nothing fails", scene.patience))
    }

    fn is_done(&self) -> bool {
        (0..self.pending.len()).all(|job| !self.is_stuck(job))
    }

    fn is_stuck(&self, job: JobId) -> bool {
        self.pending[job] != Owed::Nothing && !self.shard.lanes[self.shard.jobs[job].lane].paused
    }

    /// Everybody does what is next; whether anything changed.
    fn goes_on(&mut self, rules: &Rules, scene: &Scene) -> Result<bool, Violation> {
        let mut went_on = false;
        for job in 0..self.pending.len() {
            if self.pending[job] == Owed::Push {
                went_on |= self.act(rules, scene, Action::Push { job, delay: 0 })?;
            }
        }
        for worker in 0..self.workers.len() {
            while let Some(held) = self.workers[worker].runs.first().copied() {
                if held.call.is_some() {
                    self.drop_call(rules, worker, 0);
                }
                let outcome = held.over.unwrap_or(Outcome::Done);
                let settle = Some((0, outcome));
                let step = Action::Step { worker, settle, claim: 0, choice: 0, answer: Answer::Heard };
                went_on |= self.act(rules, scene, step)?;
            }
            let claim = Action::Step { worker, settle: None, claim: scene.room, choice: 0, answer: Answer::Heard };
            self.act(rules, scene, claim)?;
            went_on |= !self.workers[worker].runs.is_empty();
        }
        Ok(went_on)
    }
}
