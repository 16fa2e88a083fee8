//! The laws that a claim, a change of a lane and a state as a whole must keep, each said once, apart from the code that is to keep it.

use crate::lane::{Circuit, Lane};
use crate::rules::Rules;
use crate::shard::{Envelope, JobId, Outcome, Place, Shard};

/// No law's number.
pub const NONE: u8 = 0;

/// A law that does not hold, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// By its number in docs/ARCHITECTURE.md; [`NONE`] where the step is none that the queue may take.
    pub law: u8,
    /// What was seen.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "law {}: {}", self.law, self.what)
    }
}

pub(crate) fn broken(law: u8, what: impl Into<String>) -> Result<(), Violation> {
    Err(Violation { law, what: what.into() })
}

/// What a claim may take: nothing while the shard rests, its lane is paused, held or broken (but one probe), nor what was put off, nor more tokens than
/// are free; the more urgent first, and of bulk not the last tokens.
///
/// # Errors
/// The law that the claim breaks.
pub fn may_claim(rules: &Rules, shard: &Shard, job: JobId, stored: Envelope, epoch: u64) -> Result<(), Violation> {
    let Shard { now, rest, epoch: last, .. } = *shard;
    let (limits, lane, what) =
        (&rules.limits, &shard.lanes[shard.jobs[job].lane], format_args!("job {job} is claimed"));
    if rest > now {
        return broken(2, format!("{what} while the shard rests for {} more", rest - now));
    }
    if epoch <= last {
        return broken(5, format!("{what} with epoch {epoch}, after {last}"));
    }
    let waits = match shard.jobs[job].place {
        Place::Waiting(stored) => stored,
        Place::Scheduled { due, stored } if due <= now => stored,
        place => return broken(6, format!("{what} that does not wait: {place:?}")),
    };
    if waits.class != stored.class {
        return broken(4, format!("{what} as class {}, waiting as {}", stored.class, waits.class));
    }
    if lane.paused {
        return broken(12, format!("{what} of a lane that is paused"));
    }
    if lane.hold > now {
        return broken(3, format!("{what} of a lane that is held for {} more", lane.hold - now));
    }
    match lane.circuit {
        Circuit::Closed => {}
        Circuit::Open if lane.probe_at <= now => {}
        Circuit::Open => {
            return broken(12, format!("{what} while the circuit is open for {} more", lane.probe_at - now));
        }
        Circuit::Probing(probe) => return broken(12, format!("{what} beside the probe {probe}")),
    }
    let due: u32 = lane.cooling.iter().filter(|(at, _)| *at <= now).map(|(_, count)| count).sum();
    let kept = if stored.class == 2 { limits.reserve.min(lane.burst(limits) - 1) } else { 0 };
    let free = lane.free(limits) + i64::from(due) - i64::from(kept);
    if i64::from(stored.cost) > free {
        let law = if i64::from(stored.cost) > free + i64::from(kept) { 2 } else { 4 };
        return broken(law, format!("{what} for {} tokens, {free} are free to its class", stored.cost));
    }
    if i64::from(stored.cost) > lane.day_left(limits) {
        return broken(2, format!("{what} for {} calls, {} of the day are left", stored.cost, lane.day_left(limits)));
    }
    Ok(())
}

/// What happened to a lane, as far as it may end what stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A run of this epoch was settled, in time or not; when its last call ended.
    Settled { outcome: Outcome, epoch: u64, in_time: bool, answered: u64 },
    /// A person paused or resumed it.
    Resumed,
    /// Time, or another lane.
    Other,
}

/// What stops a lane, beside a person and tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stops {
    hold: u64,
    circuit: Circuit,
    probe_at: u64,
}

impl From<&Lane> for Stops {
    fn from(&Lane { hold, circuit, probe_at, .. }: &Lane) -> Self {
        Self { hold, circuit, probe_at }
    }
}

/// Each thing that stops a lane ends by its own cause alone (laws 3 and 12).
pub(crate) fn may_become(before: Stops, after: Stops, cause: Cause, now: u64) -> Result<(), Violation> {
    if before.hold > now && after.hold < before.hold {
        return broken(3, format!("a refusal until {} ends at {}: {cause:?}", before.hold, after.hold));
    }
    let by_probe = matches!(
        (before.circuit, cause),
        (Circuit::Probing(probe), Cause::Settled { outcome: Outcome::Done, epoch, in_time: true, .. }) if probe == epoch
    );
    let may_close = by_probe || cause == Cause::Resumed;
    if before.circuit != Circuit::Closed && after.circuit == Circuit::Closed && !may_close {
        return broken(12, format!("the circuit closes: {cause:?}"));
    }
    if before.circuit != Circuit::Closed && before.probe_at > now && after.probe_at < before.probe_at && !may_close {
        return broken(
            12,
            format!("the circuit is probed at {}, not at {}: {cause:?}", after.probe_at, before.probe_at),
        );
    }
    if let Cause::Settled { outcome, in_time, answered, .. } = cause {
        match outcome {
            Outcome::Refused(delay) if answered + delay > now.max(after.hold) => {
                return broken(3, "a refusal is not kept, though it still holds");
            }
            Outcome::Broken(_) if in_time && after.circuit == Circuit::Closed => {
                return broken(12, "the lane is broken, and its circuit closed");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Taken tokens are those of running jobs and those of dead workers (law 2); who probes, runs (law 12).
pub(crate) fn books_are_right(shard: &Shard) -> Result<(), Violation> {
    for (number, lane) in shard.lanes.iter().enumerate() {
        let runs = || {
            shard.jobs.iter().filter(move |job| job.lane == number).filter_map(|job| match job.place {
                Place::Running(run) => Some(run),
                _ => None,
            })
        };
        let running: u32 = runs().map(|run| run.stored.cost).sum();
        let lost: u32 = lane.lost.iter().map(|lost| lost.cost).sum();
        if lane.out != running + lost {
            return broken(
                2,
                format!("lane {number} has {} tokens out, its jobs {running}, the dead {lost}", lane.out),
            );
        }
        if let Circuit::Probing(probe) = lane.circuit
            && !runs().any(|run| run.epoch == probe)
        {
            return broken(12, format!("lane {number} waits for a probe that does not run"));
        }
    }
    Ok(())
}
