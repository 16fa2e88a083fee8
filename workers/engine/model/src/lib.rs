//! The queue's protocol as a model: what must hold whatever workers, messages, servers and clocks do.
//!
//! Each Redis Function is one atomic event, so a run of the whole system is a sequence of such events, and the system is small enough to go through all of
//! its states. `shard.rs` and `lane.rs` say what the functions do, in Rust and without their data structures; two use them:
//!
//! - The **search** (`search.rs`) lets everything happen in every order (`world.rs`): pushes, steps, heartbeats, calls that arrive late, workers that die or
//!   stand still, answers that are lost, requests that come late, a state that is lost or comes back older, pauses. It goes through all states of a scene
//!   (`scenes.rs`), nearest first, and reports a shortest path to one that breaks a law. `cargo test` takes small scenes, `make prove` large ones: all states
//!   of three workers, three jobs, two lanes, one death and one loss (`three`), and with their calls (`calls`) the nearest 10^8 of these.
//! - The **replay** (`replay.rs`) reads what the real functions and the real queue in memory have done, line by line (`trace.rs`), and names the first
//!   line that the model does not take. The conformance suite of the engine runs with it.
//!
//! What is looked at, by the laws of docs/ARCHITECTURE.md, and the faults (`rules.rs`) that are put in to see that it is:
//!
//! | law | in every state, or at every event | is missed by |
//! |---|---|---|
//! | 1, 6 | a job that was pushed waits, runs once more, or is the producer's again (`World::is_lawful`); none runs that nobody pushed | `PushDuringTheRunIsDropped`, `RetryPutsOffThePush` |
//! | 2 | calls that come within an interval are no more than the burst, within a day no more than the day's (`World::arrives`) | `RefillAMomentTooEarly`, `DroppedCallCountsAsAnswered`, `TokensOfTheDeadAtOnce`, `DayIsShort` |
//! | 2 | tokens that are out are those of running jobs and of dead workers (`laws::books_are_right`) | `LateSettlementReturnsTokens`, `HalfIsWritten` |
//! | 2 | nothing is claimed while the shard rests, and nobody ends a rest | `ResumeLiftsTheRest`, `LostStateIsUnspent`, `OlderStateIsBelieved` |
//! | 3 | a refusal holds until its end, also one that is reported late, and nothing is claimed meanwhile (`laws::may_become`, `laws::may_claim`) | `ResumeLiftsTheHold`, `ShorterHoldReplacesTheLonger`, `LateRefusalIsDropped` |
//! | 4 | the more urgent goes first, and bulk leaves the last tokens | `ClassesAreMixed`, `BulkTakesTheReserve` |
//! | 5 | epochs rise, also over lost and older state; a job has one holder whose lease lives; who lost it can't settle | `EpochsBeginAnew`, `HeartbeatRevives`, `EndedLeaseIsExtended`, `EpochIsNotCompared` |
//! | 12 | an open circuit lets one job probe, and only that one's success or a person closes it; a pause stops its lane | `HoldEndsTheCircuit`, `CircuitLetsManyProbe`, `PausedLaneIsServed` |
//! | 12 | once nothing fails any more all that is pending, but in paused lanes, runs within a bound (`World::gets_done`) | `ProbeIsNotFollowed`, `ProbeOfTheDeadIsAwaited`, `StarvedLaneIsForgotten` |
//!
//! The replay looks at more: that nothing in the queue's time goes back (law 9), that a claim is no larger than was asked (law 10), that crashes and attempts
//! are counted (law 11), and that a worker is not asked to wait while a job can be claimed (law 12).
//!
//! Left out are the server's clock that is set (the tests of `clock` are for that), other clients of the quota, and the order of jobs within a class: a claim
//! may take any. A function that fails has changed nothing (the tests of `atomic`), so it is no event here.

#![warn(missing_docs)]

pub mod lane;
pub mod laws;
mod pack;
pub mod replay;
pub mod rules;
pub mod scene;
pub mod scenes;
pub mod search;
pub mod shard;
pub mod trace;
pub mod world;

#[cfg(test)]
mod tests;
