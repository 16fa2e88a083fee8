//! Tries the orders of what can happen: all of them within small bounds, and others at random.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use rand::prelude::*;

use super::scenes::{SCENES, Scene};
use super::*;

/// What a search came to.
#[derive(Debug, Default)]
struct Found {
    states: u64,
    steps: u64,
    /// Interleavings: ways from the beginning to a quiet end.
    ways: f64,
}

struct Search {
    found: Found,
    /// How many ways lead on from a state.
    known: HashMap<u64, f64>,
    path: Vec<Step>,
    scratch: String,
    until: Option<Instant>,
}

impl Search {
    fn new(until: Option<Instant>) -> Self {
        Self { found: Found::default(), known: HashMap::new(), path: Vec::new(), scratch: String::new(), until }
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }

    /// Two worlds are one if they differ in their times alone, and not in the order of these.
    fn digest(&mut self, world: &World) -> u64 {
        self.scratch.clear();
        let _ = write!(self.scratch, "{world:?}");
        let text = self.scratch.as_str();
        let mut hasher = DefaultHasher::new();
        let mut times: Vec<(usize, usize, i64)> = Vec::new();
        let bytes = text.as_bytes();
        let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut at = 0;
        while at < bytes.len() {
            if !is_digit(at) {
                at += 1;
                continue;
            }
            let mut end = at;
            while is_digit(end) {
                end += 1;
            }
            if end - at >= 10 {
                times.push((at, end, text[at..end].parse().unwrap_or(0)));
            } else if end - at == 4 && bytes.get(end) == Some(&b'-') {
                while bytes.get(end).is_some_and(|byte| *byte != b'Z') {
                    end += 1;
                }
                if let Ok(time) = text[at..=end.min(bytes.len() - 1)].parse::<Timestamp>() {
                    times.push((at, end, time.as_millisecond()));
                }
            }
            at = end;
        }
        let mut order: Vec<i64> = times.iter().map(|(.., time)| *time).collect();
        order.sort_unstable();
        order.dedup();
        let mut from = 0;
        for (at, end, time) in times {
            bytes[from..at].hash(&mut hasher);
            order.binary_search(&time).unwrap_or(0).hash(&mut hasher);
            from = end;
        }
        bytes[from..].hash(&mut hasher);
        hasher.finish()
    }

    fn explore(&mut self, world: &World) -> Result<f64, String> {
        let state = self.digest(world);
        if let Some(ways) = self.known.get(&state) {
            return Ok(*ways);
        }
        if self.is_over() {
            return Ok(0.0);
        }
        if self.path.len() > 80 {
            return Err("(f) it never comes to rest".to_owned());
        }
        self.found.states += 1;
        let mut ways = 0.0;
        if world.is_quiet() {
            world.clone().finish()?;
            ways += 1.0;
        }
        for step in world.enabled() {
            let mut next = world.clone();
            self.path.push(step.clone());
            self.found.steps += 1;
            next.step(&step)?;
            ways += self.explore(&next)?;
            self.path.pop();
        }
        self.known.insert(state, ways);
        Ok(ways)
    }
}

fn began(scene: &Scene, policy: Policy, left: Left) -> World {
    World { alphabet: scene.alphabet, left, ..(scene.start)(policy) }
}

fn reported(scene: &Scene, policy: Policy, path: &[Step], wrong: &str) -> String {
    let mut text = format!("{wrong}\nin {:?}, policy {policy:?}:\n", scene.name);
    for step in path {
        let _ = match step {
            Step::Edit(index) => writeln!(text, "  {:?}", scene.alphabet[*index]),
            step => writeln!(text, "  {step:?}"),
        };
    }
    text
}

/// All orders of `edits` edits and `faults` faults in a scene.
fn all(scene: &Scene, policy: Policy, left: Left, until: Option<Instant>) -> Result<Found, String> {
    let mut search = Search::new(until);
    match search.explore(&began(scene, policy, left)) {
        Ok(ways) => Ok(Found { ways, ..search.found }),
        Err(wrong) => Err(reported(scene, policy, &search.path, &wrong)),
    }
}

/// One order, by chance.
fn one(scene: &Scene, policy: Policy, left: Left, rng: &mut StdRng) -> Outcome {
    let mut world = began(scene, policy, left);
    let mut path = Vec::new();
    let mut go = || -> Outcome {
        for _ in 0..120 {
            let steps = world.enabled();
            let Some(step) = steps.choose(rng) else { break };
            path.push(step.clone());
            world.step(step)?;
        }
        world.clone().finish()
    };
    go().map_err(|wrong| reported(scene, policy, &path, &wrong))
}

#[expect(clippy::disallowed_methods, reason = "a longer search is asked for by the environment, as in other tests")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

const POLICIES: [Policy; 3] = [Policy::Newest, Policy::Ghl, Policy::Clienty];

/// `WORLD_EDITS`, `WORLD_FAULTS`, `WORLD_SCANS`: the bounds; `WORLD_SCENE`: the one scene that is tried.
#[test]
fn all_orders_of_small_worlds_keep_the_laws() {
    let edits = number("WORLD_EDITS").map_or(1, |edits| edits as usize);
    let faults = number("WORLD_FAULTS").map_or(1, |faults| faults as usize);
    let scans = number("WORLD_SCANS").map_or(0, |scans| scans as usize);
    let scene = number("WORLD_SCENE");
    let until = number("WORLD_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut wrong = Vec::new();
    for (index, scene) in SCENES.iter().enumerate().filter(|(index, _)| scene.is_none_or(|one| one == *index as u64)) {
        for policy in POLICIES {
            let began = Instant::now();
            let left = Left { edits: edits.min(scene.edits), faults, scans };
            match all(scene, policy, left, until) {
                Ok(Found { states, steps, ways }) => {
                    println!(
                        "{index} {policy:?}: {states} states, {steps} steps, {ways:.3e} interleavings, {:?}",
                        began.elapsed()
                    );
                }
                Err(found) => {
                    println!("{index} {policy:?}: {found}");
                    wrong.push(found);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the scenes break a law; the first:\n{}", wrong.len(), wrong[0]);
}

/// `WORLDS`: how many; `WORLD_SEED`: where the seeds begin.
#[test]
#[ignore = "some orders of three edits and more still break (b), or the oracle's excuses lack them"]
fn worlds_by_chance_keep_the_laws() {
    let worlds = number("WORLDS").unwrap_or(300);
    let first = number("WORLD_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 40));
    for seed in first..first + worlds {
        let mut rng = StdRng::seed_from_u64(seed);
        let scene = SCENES.choose(&mut rng).unwrap();
        let policy = *POLICIES.choose(&mut rng).unwrap();
        let left =
            Left { edits: rng.random_range(1..=6), faults: rng.random_range(0..=3), scans: rng.random_range(0..=2) };
        if let Err(wrong) = one(scene, policy, left, &mut rng) {
            panic!("WORLD_SEED={seed} WORLDS=1: {wrong}");
        }
    }
}
