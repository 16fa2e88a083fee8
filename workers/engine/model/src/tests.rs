//! No law is broken in any state of the small scenes, and each fault that is put in is found.

use crate::rules::{Mutant, Rules};
use crate::scene::Scene;
use crate::scenes;
use crate::search::{Report, search};

fn look(scene: &Scene, broken: Option<Mutant>) -> Report {
    // More than any small scene has.
    let scene = Scene { most: 1_000_000, ..scene.clone() };
    search(&Rules { broken, ..Rules::new(scene.limits.clone()) }, &scene, |_, _| {})
}

#[test]
fn no_state_of_the_small_scenes_breaks_a_law() {
    for scene in scenes::small() {
        let report = look(&scene, None);
        println!(
            "{:<12} {:>7} states, {:>8} steps, the farthest after {}",
            scene.name, report.states, report.steps, report.depth
        );
        if let Some(found) = report.found {
            panic!("{}:\n{found}", scene.name);
        }
        assert!(report.complete, "{} has more states", scene.name);
    }
}

/// Each with the scene in which it shows.
const MUTANTS: [(Mutant, &str); 26] = [
    (Mutant::RefillAMomentTooEarly, "calls"),
    (Mutant::DroppedCallCountsAsAnswered, "calls"),
    (Mutant::TokensOfTheDeadAtOnce, "calls"),
    (Mutant::EpochIsNotCompared, "calls"),
    (Mutant::LateSettlementReturnsTokens, "calls"),
    (Mutant::ResumeLiftsTheHold, "refusals"),
    (Mutant::ResumeLiftsTheRest, "lost state"),
    (Mutant::ShorterHoldReplacesTheLonger, "refusals"),
    (Mutant::LateRefusalIsDropped, "refusals"),
    (Mutant::HoldEndsTheCircuit, "circuit"),
    (Mutant::ProbeIsNotFollowed, "circuit"),
    (Mutant::ProbeOfTheDeadIsAwaited, "circuit"),
    (Mutant::CircuitLetsManyProbe, "circuit"),
    (Mutant::PushDuringTheRunIsDropped, "pushes"),
    (Mutant::RetryPutsOffThePush, "pushes"),
    (Mutant::StarvedLaneIsForgotten, "calls"),
    (Mutant::LostStateIsUnspent, "lost state"),
    (Mutant::EpochsBeginAnew, "lost state"),
    (Mutant::OlderStateIsBelieved, "older state"),
    (Mutant::HeartbeatRevives, "lost state"),
    (Mutant::EndedLeaseIsExtended, "older state"),
    (Mutant::HalfIsWritten, "calls"),
    (Mutant::PausedLaneIsServed, "refusals"),
    (Mutant::ClassesAreMixed, "classes"),
    (Mutant::BulkTakesTheReserve, "classes"),
    (Mutant::DayIsShort, "day"),
];

#[test]
fn each_fault_that_is_put_in_is_found_by_a_shortest_path() {
    for (mutant, name) in MUTANTS {
        let mut scene = scenes::small().into_iter().find(|scene| scene.name == name).unwrap();
        scene.failures = u8::from(mutant == Mutant::HalfIsWritten);
        let report = look(&scene, Some(mutant));
        match report.found {
            Some(found) => {
                println!("{mutant:?}, {} steps of {name}, {} states:\n{found}\n", found.path.len(), report.states)
            }
            None => panic!("{mutant:?} is not found among {} states of {name}", report.states),
        }
    }
}
