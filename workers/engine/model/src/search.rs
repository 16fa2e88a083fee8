//! Goes through all states that can be reached, nearest first: what it finds to break a law, it has found by a shortest path.
//!
//! Of a state that was seen a fingerprint of 64 bits is kept, and that of the one before it; of those that are yet to be gone on from, the bytes. Among 10^8
//! states the odds that two of them share a fingerprint, and one is passed over, are one in four thousand.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::laws::Violation;
use crate::pack::{pack, unpack};
use crate::rules::Rules;
use crate::scene::Scene;
use crate::world::{Action, World};

/// What a search has seen.
#[derive(Debug)]
pub struct Report {
    /// States, of which no two go on alike.
    pub states: u64,
    /// Steps from one to another.
    pub steps: u64,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// Whether all states were seen.
    pub complete: bool,
    /// A law that does not hold.
    pub found: Option<Found>,
}

/// A shortest way to where a law does not hold.
#[derive(Debug)]
pub struct Found {
    /// The law.
    pub violation: Violation,
    /// The actions, of which the last breaks it; where it is broken by nothing more that happens, the last is none.
    pub path: Vec<Action>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, action) in self.path.iter().enumerate() {
            writeln!(f, "{:>4}  {action:?}", number + 1)?;
        }
        write!(f, "      {}", self.violation)
    }
}

/// Has room for so many states at once as one piece of work.
const PIECE: usize = 4096;
const PARTS: usize = 256;

/// A fingerprint needs no more hashing.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

type Seen = HashMap<u64, u64, BuildHasherDefault<AsItIs>>;

/// States by their fingerprints, each with that of the state before it.
struct Known(Vec<Mutex<Seen>>);

impl Known {
    fn part(&self, print: u64) -> MutexGuard<'_, Seen> {
        self.0[(print >> 56) as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_new(&self, print: u64, before: u64) -> bool {
        let mut part = self.part(print);
        let is_new = !part.contains_key(&print);
        if is_new {
            part.insert(print, before);
        }
        is_new
    }

    fn before(&self, print: u64) -> Option<u64> {
        self.part(print).get(&print).copied()
    }
}

/// States one behind the other.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Piece {
    fn push(&mut self, state: &[u8]) {
        self.bytes.extend(state);
        self.ends.push(self.bytes.len());
    }

    fn states(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.bytes[begin..*end])
    }
}

pub(crate) fn fingerprint(state: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(state);
    hasher.finish()
}

/// Goes through the states of a scene; `report` receives how far it is, and how many states that were.
#[must_use]
pub fn search(rules: &Rules, scene: &Scene, mut report: impl FnMut(usize, u64)) -> Report {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let known = Known((0..PARTS).map(|_| Mutex::default()).collect());
    let first = pack(&World::new(rules, scene), scene);
    let root = fingerprint(&first);
    known.is_new(root, root);
    let mut layer = vec![Piece::default()];
    layer[0].push(&first);
    let (states, steps, mut depth) = (AtomicU64::new(1), AtomicU64::new(0), 0);
    let found = Mutex::new(None::<(u64, Option<Action>, Violation)>);
    let mut complete = true;
    while !layer.is_empty() {
        let at = AtomicUsize::new(0);
        let next = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let (mut actions, mut piece) = (Vec::new(), Piece::default());
                    while let Some(work) = layer.get(at.fetch_add(1, Ordering::Relaxed)) {
                        for state in work.states() {
                            let (world, print) = (unpack(state, scene), fingerprint(state));
                            let found_one = |action, violation| {
                                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                                // Which of them is reported does not hang on who was faster.
                                if found.as_ref().is_none_or(|(other, ..)| print < *other) {
                                    *found = Some((print, action, violation));
                                }
                            };
                            if scene.liveness > 0
                                && print.is_multiple_of(scene.liveness)
                                && let Err(violation) = world.gets_done(rules, scene)
                            {
                                found_one(None, violation);
                            }
                            world.actions(scene, &mut actions);
                            while let Some(action) = actions.pop() {
                                match world.next(rules, scene, action) {
                                    Ok(None) => {}
                                    Ok(Some(next)) => {
                                        actions.extend(action.next_choice());
                                        steps.fetch_add(1, Ordering::Relaxed);
                                        let bytes = pack(&next, scene);
                                        if known.is_new(fingerprint(&bytes), print) {
                                            states.fetch_add(1, Ordering::Relaxed);
                                            piece.push(&bytes);
                                        }
                                    }
                                    Err(violation) => found_one(Some(action), violation),
                                }
                            }
                            if piece.ends.len() >= PIECE {
                                next.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut piece));
                            }
                        }
                    }
                    if !piece.ends.is_empty() {
                        next.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
                    }
                });
            }
        });
        if found.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            break;
        }
        layer = next.into_inner().unwrap_or_else(PoisonError::into_inner);
        depth += usize::from(!layer.is_empty());
        report(depth, states.load(Ordering::Relaxed));
        if states.load(Ordering::Relaxed) > scene.most {
            complete = layer.is_empty();
            break;
        }
    }
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let found = found.map(|(print, last, violation)| {
        let (mut path, world) = path_to(rules, scene, &known, root, print);
        let mut actions = Vec::new();
        world.actions(scene, &mut actions);
        let breaks = |action: Action| Some((action, world.next(rules, scene, action).err()?));
        // By the names that workers and jobs have on this way.
        let as_named =
            actions.iter().flat_map(choices).filter_map(breaks).find(|(_, other)| other.law == violation.law);
        match as_named.filter(|_| last.is_some()) {
            Some((action, violation)) => {
                path.push(action);
                Found { violation, path }
            }
            None => Found { violation, path },
        }
    });
    Report { states: states.into_inner(), steps: steps.into_inner(), depth, complete, found }
}

fn choices(action: &Action) -> impl Iterator<Item = Action> + use<> {
    /// More no scene has.
    const MOST: usize = 8;
    std::iter::successors(Some(*action), |action| action.next_choice()).take(MOST)
}

/// Goes the way once more: with the names that workers and jobs had at its beginning.
fn path_to(rules: &Rules, scene: &Scene, known: &Known, root: u64, to: u64) -> (Vec<Action>, World) {
    let mut fingerprints = vec![to];
    while let Some(before) = fingerprints.last().filter(|print| **print != root).and_then(|print| known.before(*print))
    {
        fingerprints.push(before);
    }
    let (mut world, mut path, mut actions) = (World::new(rules, scene), Vec::new(), Vec::new());
    for print in fingerprints.iter().rev().skip(1) {
        world.actions(scene, &mut actions);
        let next = actions.iter().flat_map(choices).find_map(|action| {
            let next = world.next(rules, scene, action).ok().flatten()?;
            (fingerprint(&pack(&next, scene)) == *print).then_some((action, next))
        });
        let Some((action, next)) = next else { break };
        path.push(action);
        world = next;
    }
    (path, world)
}
