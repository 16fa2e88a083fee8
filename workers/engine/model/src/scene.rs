//! What is searched: so many workers, jobs and faults. Each scene has what belongs together, so that all of its states can be had.

use crate::rules::Limits;
use crate::shard::{Envelope, JobId, LaneId, Outcome};
use crate::world::Left;

/// Bounds of a search.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Names it.
    pub name: &'static str,
    /// How many there are.
    pub workers: usize,
    /// How many jobs one of them has room for.
    pub room: u8,
    /// Jobs that can be pushed.
    pub jobs: Vec<Pushable>,
    /// In ticks.
    pub limits: Limits,
    /// What runs can come to, beside that they are done.
    pub outcomes: Vec<Outcome>,
    /// How many runs come to something else than done.
    pub troubles: u8,
    /// Workers that die.
    pub crashes: u8,
    /// Answers that are lost, and requests that come late.
    pub losses: u8,
    /// Pauses of a lane by a person.
    pub pauses: u8,
    /// Losses of the whole state.
    pub flushes: u8,
    /// Older states that come back.
    pub rollbacks: u8,
    /// Functions that fail.
    pub failures: u8,
    /// Whether runs send calls.
    pub calls: bool,
    /// Whether workers keep their leases alive.
    pub heartbeats: bool,
    /// Whether a person may resume a lane whose circuit is open.
    pub resumes: bool,
    /// How many states are enough: once so many were seen, no state is gone on from that is a step farther.
    pub most: u64,
    /// In how many ticks all is done, once nothing fails.
    pub patience: u64,
    /// One in so many states is asked whether all gets done; 0: none.
    pub liveness: u64,
    /// By job, the first that is like it.
    pub like: Vec<JobId>,
    /// Whether any two are.
    pub has_like_jobs: bool,
}

/// A job that can be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushable {
    /// Its lane.
    pub lane: LaneId,
    /// What is stored.
    pub stored: Envelope,
    /// How often.
    pub pushes: u8,
    /// After what delays.
    pub delays: Vec<u64>,
}

impl Scene {
    /// So many workers with room for one job each, and jobs of one call that are pushed once.
    #[must_use]
    pub fn new(name: &'static str, workers: usize, lanes: &[LaneId]) -> Self {
        let stored = Envelope { class: 1, cost: 1, attempt: 0, crashes: 0 };
        let jobs = lanes.iter().map(|lane| Pushable { lane: *lane, stored, pushes: 1, delays: vec![0] });
        let limits = Limits {
            burst: 1,
            reserve: 0,
            interval: 1,
            timeout: 1,
            lease: 2,
            failures: 2,
            probe_after: 2,
            daily: u32::MAX,
            daily_reserve: 0,
            day_bin: 1,
            day_bins: 2,
            bin: 1,
        };
        let scene = Self {
            name,
            workers,
            room: 1,
            jobs: jobs.collect(),
            limits,
            outcomes: vec![Outcome::Done],
            troubles: 0,
            crashes: 0,
            losses: 0,
            pauses: 0,
            flushes: 0,
            rollbacks: 0,
            failures: 0,
            calls: true,
            heartbeats: false,
            resumes: false,
            most: u64::MAX,
            patience: 40,
            liveness: 64,
            like: Vec::new(),
            has_like_jobs: false,
        };
        scene.with_like_jobs()
    }

    /// With so many calls in an interval.
    #[must_use]
    pub fn with_burst(mut self, burst: u32) -> Self {
        self.limits.burst = burst;
        self
    }

    /// Like jobs have one number, and stand side by side.
    #[must_use]
    pub fn with_like_jobs(mut self) -> Self {
        let first_like = |job| self.jobs.iter().position(|other| *other == self.jobs[job]).unwrap_or(job);
        self.like = (0..self.jobs.len()).map(first_like).collect();
        self.has_like_jobs = self.like.iter().enumerate().any(|(job, like)| job != *like);
        self
    }

    pub(crate) fn left(&self) -> Left {
        Left {
            pushes: self.jobs.iter().map(|job| job.pushes).collect(),
            crashes: self.crashes,
            losses: self.losses,
            pauses: self.pauses,
            flushes: self.flushes,
            rollbacks: self.rollbacks,
            failures: self.failures,
            troubles: self.troubles,
        }
    }

    /// How long an arrival is remembered.
    pub(crate) fn window(&self) -> u64 {
        self.limits.interval.max((self.limits.day_bins - 2) * self.limits.day_bin)
    }
}
