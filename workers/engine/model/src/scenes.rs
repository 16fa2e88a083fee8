//! The scenes that are searched: small ones within `make test`, and the large ones of `make prove`. What belongs together is in one scene.

use crate::rules::Limits;
use crate::scene::Scene;
use crate::shard::{Envelope, Outcome};

/// Those of `make test`: all of their states, within seconds each.
#[must_use]
pub fn small() -> Vec<Scene> {
    let two = &[0, 0];
    vec![
        calls(2, two, 1, 1),
        without_calls(refusals(2, two, 1)),
        Scene {
            crashes: 0,
            outcomes: vec![Outcome::Done, Outcome::Failed(0), Outcome::Released],
            ..without_calls(circuit(2, two, 2))
        },
        without_calls(pushes(2)),
        lost_state(2, two),
        without_calls(older_state(2, two)),
        day(2, two),
        without_calls(classes(2)),
    ]
}

/// Those of `make prove`: all of their states, but of the last one, which has all that it takes of memory and time, those within so many steps.
#[must_use]
pub fn large() -> Vec<Scene> {
    let (two, three) = (&[0, 0], &[0, 0, 1]);
    vec![
        refusals(2, two, 1),
        without_calls(circuit(2, two, 2)),
        pushes(2),
        classes(2),
        without_calls(lost_state(2, three)),
        older_state(2, two),
        day(3, two),
        Scene { name: "three", ..without_calls(calls(3, three, 1, 1)) },
        Scene { most: ENOUGH, ..calls(3, three, 1, 1) },
    ]
}

/// States that a search stops behind, where there are so many.
const ENOUGH: u64 = 100_000_000;

/// What is proven of calls is left to other scenes.
fn without_calls(scene: Scene) -> Scene {
    Scene { calls: false, ..scene }
}

/// Workers call, die and stand still; answers and requests are lost or late.
fn calls(workers: usize, lanes: &[usize], crashes: u8, losses: u8) -> Scene {
    Scene { crashes, losses, ..Scene::new("calls", workers, lanes) }
}

/// The server refuses, for longer and shorter, and a person pauses and resumes.
fn refusals(workers: usize, lanes: &[usize], pauses: u8) -> Scene {
    let outcomes = vec![Outcome::Done, Outcome::Refused(2), Outcome::Refused(4)];
    Scene { outcomes, troubles: 2, pauses, ..Scene::new("refusals", workers, lanes) }.with_burst(2)
}

/// Lanes break, are probed and resumed, and who probes may die, be refused or put off.
fn circuit(workers: usize, lanes: &[usize], troubles: u8) -> Scene {
    let outcomes = vec![Outcome::Done, Outcome::Failed(0), Outcome::Refused(1), Outcome::Broken(3), Outcome::Released];
    let mut scene = Scene::new("circuit", workers, lanes).with_burst(2);
    scene.limits.failures = 1;
    Scene { outcomes, troubles, crashes: 1, resumes: true, room: 2, ..scene }
}

/// Jobs are pushed before, during and after their runs, with delays and classes.
fn pushes(workers: usize) -> Scene {
    let mut scene = Scene::new("pushes", workers, &[0, 0]);
    for (job, class) in scene.jobs.iter_mut().zip([0, 1]) {
        (job.pushes, job.delays, job.stored.class) = (2, vec![0, 2], class);
    }
    Scene { outcomes: vec![Outcome::Done, Outcome::Again(2)], troubles: 2, crashes: 1, ..scene }.with_like_jobs()
}

/// The state is lost while workers go on.
fn lost_state(workers: usize, lanes: &[usize]) -> Scene {
    Scene { flushes: 1, pauses: 1, heartbeats: true, ..Scene::new("lost state", workers, lanes) }
}

/// An older state comes back while workers go on.
fn older_state(workers: usize, lanes: &[usize]) -> Scene {
    Scene { rollbacks: 1, heartbeats: true, ..Scene::new("older state", workers, lanes) }
}

/// A day of few calls.
fn day(workers: usize, lanes: &[usize]) -> Scene {
    let scene = Scene::new("day", workers, lanes);
    let limits = Limits { burst: 2, daily: 2, day_bins: 5, ..scene.limits.clone() };
    Scene { limits, crashes: 1, ..scene }
}

/// Jobs of all classes and of several calls.
fn classes(workers: usize) -> Scene {
    let mut scene = Scene::new("classes", workers, &[0, 0, 0]);
    for (job, (class, cost)) in scene.jobs.iter_mut().zip([(0, 1), (1, 2), (2, 1)]) {
        job.stored = Envelope { class, cost, ..job.stored };
    }
    let limits = Limits { burst: 2, reserve: 1, ..scene.limits.clone() };
    Scene { limits, room: 2, ..scene }.with_like_jobs()
}
