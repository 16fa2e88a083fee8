//! What may happen next in a world.

use super::{Action, Answer, Flight, Owed, Worker, World};
use crate::lane::Circuit;
use crate::scene::Scene;
use crate::shard::Outcome;

impl World {
    /// What can happen next; of the choices of a claim the first.
    pub fn actions(&self, scene: &Scene, actions: &mut Vec<Action>) {
        actions.clear();
        actions.push(Action::Tick);
        for (job, pending) in self.pending.iter().enumerate() {
            if self.left.pushes[job] > 0 || *pending == Owed::Push {
                actions.extend(scene.jobs[job].delays.iter().map(|delay| Action::Push { job, delay: *delay }));
            }
        }
        for (worker, Worker { runs }) in self.workers.iter().enumerate() {
            let room = scene.room - u8::try_from(runs.len()).unwrap_or(u8::MAX);
            for (run, held) in runs.iter().enumerate() {
                match held.call {
                    Some(Flight { arrived: false, .. }) => {
                        actions.extend([Action::Arrives { worker, run }, Action::Drop { worker, run }]);
                    }
                    Some(_) => actions.extend([Action::Answered { worker, run }, Action::Drop { worker, run }]),
                    None => self.settlements(scene, worker, run, room + 1, actions),
                }
                let may_call = scene.calls && held.call.is_none() && held.over.is_none() && held.used < held.cost;
                if may_call && held.until > self.now {
                    actions.push(Action::Call { worker, run });
                }
                if scene.heartbeats && held.over.is_none() && runs[..run].iter().all(|other| other.epoch != held.epoch)
                {
                    actions.push(Action::Heartbeat { worker, run });
                }
            }
            if room > 0 {
                self.steps(worker, None, room, actions);
            }
            if self.left.crashes > 0 && !runs.is_empty() {
                actions.push(Action::Crash { worker });
            }
            if self.left.failures > 0 {
                actions.push(Action::StepFails { worker });
            }
        }
        let unarrived = self.orphans.iter().enumerate().filter(|(_, call)| !call.arrived);
        actions.extend(unarrived.map(|(orphan, _)| Action::OrphanArrives { orphan }));
        for request in 0..self.delayed.len() {
            actions.push(Action::ComesLate { request, choice: 0 });
        }
        for (lane, one) in self.shard.lanes.iter().enumerate() {
            if one.paused || self.left.pauses > 0 {
                actions.push(Action::Steer { lane, pause: !one.paused });
            }
            if scene.resumes && !one.paused && one.circuit != Circuit::Closed {
                actions.push(Action::Steer { lane, pause: false });
            }
        }
        if self.left.flushes > 0 {
            actions.push(Action::Flush);
        }
        if self.left.rollbacks > 0 {
            actions.push(if self.older.is_some() { Action::RollBack } else { Action::Keep });
        }
    }

    fn settlements(&self, scene: &Scene, worker: usize, run: usize, room: u8, actions: &mut Vec<Action>) {
        match self.workers[worker].runs[run].over {
            Some(outcome) => self.steps(worker, Some((run, outcome)), room, actions),
            None => {
                let outcomes = if self.left.troubles > 0 { &scene.outcomes[..] } else { &[Outcome::Done] };
                for outcome in outcomes {
                    self.steps(worker, Some((run, *outcome)), room, actions);
                }
            }
        }
    }

    fn steps(&self, worker: usize, settle: Option<(usize, Outcome)>, room: u8, actions: &mut Vec<Action>) {
        for claim in [0, room] {
            // To ask for nothing is to report something.
            if claim == 0 && settle.is_none() {
                continue;
            }
            actions.push(Action::Step { worker, settle, claim, choice: 0, answer: Answer::Heard });
            if self.left.losses > 0 {
                actions.push(Action::Step { worker, settle, claim, choice: 0, answer: Answer::Lost });
            }
            if self.left.losses > 0 && settle.is_some() {
                actions.push(Action::SendLate { worker, settle, claim });
            }
        }
    }
}

impl Action {
    /// The same with the next choice, where a claim may have several.
    #[must_use]
    pub fn next_choice(self) -> Option<Self> {
        match self {
            Self::Step { worker, settle, claim, choice, answer } if claim > 0 => {
                Some(Self::Step { worker, settle, claim, choice: choice + 1, answer })
            }
            Self::ComesLate { request, choice } => Some(Self::ComesLate { request, choice: choice + 1 }),
            _ => None,
        }
    }
}
