//! What calls of the functions are made of, and what their answers say.

use std::time::Duration;

use ::redis::Cmd;
use bytes::Bytes;
use tokio::time::Instant;

use super::shard_connection::{Measured, Time};
use crate::envelope;
use crate::job::{Job, Key, NewJob};
use crate::limit::{Breaker, Claiming, DAY_BIN, Limit};
use crate::outcome::Outcome;
use crate::permit::{Permits, ReportedLimits};
use crate::queue::{Pushed, QueueError, Settlement, Share, Step, Stepped, Wait};

/// The limits as `read_limits` reads them; a shard without state counts as used up for `spent`.
pub(super) fn limits(limit: &Limit, claiming: &Claiming, spent: Duration) -> Vec<u8> {
    let Limit { burst, interval, call_timeout, reserve, daily } = *limit;
    let Claiming { lease, turn, batch: _, breaker: Breaker { failures, probe_after } } = *claiming;
    let short = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).to_be_bytes();
    let mut packed = Vec::with_capacity(39);
    packed.extend(burst.to_be_bytes());
    packed.extend(reserve.to_be_bytes());
    packed.extend(turn.to_be_bytes());
    packed.extend([short(interval), short(call_timeout), short(lease), short(spent)].concat());
    packed.push(failures);
    packed.extend(short(probe_after));
    packed.extend([daily.to_be_bytes(), limit.daily_reserve().to_be_bytes(), short(DAY_BIN)].concat());
    packed
}

/// A push of the jobs at these positions, those of one lane side by side.
pub(super) fn push(mut call: Cmd, jobs: &[NewJob], packed: &[Vec<u8>], positions: &[usize]) -> Cmd {
    let delays = positions.iter().map(|&position| millis(jobs[position].delay));
    let delays: Vec<u8> = if delays.clone().all(|delay| delay == 0) {
        Vec::new()
    } else {
        delays.flat_map(|delay| (delay as f64).to_be_bytes()).collect()
    };
    call.arg(delays);
    report(&mut call, positions.iter().map(|&position| &jobs[position].key));
    for &position in positions {
        call.arg(&packed[position]);
    }
    call
}

/// A step; `clock` is what the caller has measured of the queue's time.
pub(super) fn step(mut call: Cmd, step: &Step, share: &Share, clock: Option<Measured>) -> Cmd {
    let Step { finished, settlements, claim } = step;
    let clock =
        clock.map(|Measured { least, steps }| [(least as f64).to_be_bytes(), (steps as f64).to_be_bytes()].concat());
    call.arg(clock.unwrap_or_default()).arg(*claim).arg(shared(share)).arg(finished.len()).arg(finished);
    report(&mut call, settlements.iter().map(|settlement| &settlement.job.key));
    for Settlement { job, outcome, permits } in settlements {
        call.arg(settled(job, outcome, permits));
    }
    call
}

/// How many jobs of a lane there is room for, as the step reads it: of every lane, which has no name here, and of some.
fn shared(share: &Share) -> Vec<u8> {
    let Share { most, left } = share;
    let all = most.map(|most| ("", most));
    let some = left.iter().map(|(lane, left)| (&lane[..], *left));
    all.into_iter().chain(some).flat_map(|(lane, room)| format!("{lane}\0{room}\0").into_bytes()).collect()
}

/// Reports jobs lane by lane, as `reported` reads them, up to where something follows for each job.
fn report<'a>(call: &mut Cmd, keys: impl Iterator<Item = &'a Key>) {
    let keys: Vec<_> = keys.collect();
    // A byte counts them.
    let lanes = keys.chunk_by(|one, next| one.lane == next.lane).flat_map(|lane| lane.chunks(usize::from(u8::MAX)));
    call.arg(lanes.clone().map(|lane| lane.len() as u8).collect::<Vec<_>>());
    for lane in lanes {
        call.arg(&lane[0].lane);
    }
    for key in keys {
        call.arg(envelope::slot(key));
    }
}

/// A settlement as the step reads it.
fn settled(job: &Job, outcome: &Outcome, permits: &Permits) -> Vec<u8> {
    let (letter, delay) = match outcome {
        Outcome::Done | Outcome::Dead => (b'D', Duration::ZERO),
        Outcome::Retry { after } => (b'F', *after),
        Outcome::Snooze { after } => (b'R', *after),
        Outcome::Throttled { hold } => (b'T', *hold),
        Outcome::Broken { probe_after } => (b'B', *probe_after),
        Outcome::Released => (b'H', Duration::ZERO),
    };
    let mut packed = Vec::with_capacity(35);
    packed.push(letter);
    // Microseconds since 1970: exact in a double, the one number that Lua has.
    packed.extend((job.epoch as f64).to_be_bytes());
    packed.extend(u16::try_from(permits.used()).unwrap_or(u16::MAX).to_be_bytes());
    let reported = permits.remaining().map_or(u16::MAX, |left| u16::try_from(left).unwrap_or(u16::MAX - 1));
    packed.extend(reported.to_be_bytes());
    packed.extend((millis(delay) as f64).to_be_bytes());
    packed.extend(i32::try_from(permits.since_last_call_ms()).unwrap_or(i32::MAX).to_be_bytes());
    packed.extend(permits.daily_remaining().unwrap_or(u32::MAX).to_be_bytes());
    let ReportedLimits { burst, daily } = permits.reported();
    packed.extend(burst.unwrap_or_default().to_be_bytes());
    packed.extend(daily.unwrap_or_default().to_be_bytes());
    if letter != b'D' {
        packed.extend(&job.stored);
    }
    packed
}

/// What a push answered: the shard's incarnation, and a digit for each job.
pub(super) fn pushed((born, answers): (Bytes, Bytes)) -> Result<(u64, Vec<Pushed>), QueueError> {
    let answer = |digit: &u8| match digit {
        b'0' => Pushed::Queued,
        b'1' => Pushed::Coalesced,
        _ => Pushed::AfterRunning,
    };
    Ok((number(&born)?, answers.iter().map(answer).collect()))
}

/// What a step answered, the shard's incarnation, and the queue's time; `begun` reports by that an instant before which the step was not taken.
pub(super) fn stepped(reply: Vec<Bytes>, begun: impl FnOnce(Time) -> Instant) -> Result<(u64, Stepped), QueueError> {
    let [incarnation, now, steps, epoch, wait, late, claimed @ ..] = &reply[..] else {
        return Err(QueueError::Reply("a step without its head"));
    };
    let (now, epoch) = (number(now)?, number(epoch)?);
    let wait = match &wait[..] {
        b"-1" => Wait::ForPush,
        b"0" => Wait::More,
        ms => Wait::For(Duration::from_millis(number(ms)?)),
    };
    let late = late.split(|byte| *byte == b',').filter(|text| !text.is_empty());
    let late = late.map(|text| Ok(usize::try_from(number(text)?).unwrap_or(usize::MAX)));
    let late = late.collect::<Result<_, QueueError>>()?;
    let begun = begun(Time { now, steps: number(steps)? });
    Ok((number(incarnation)?, Stepped { jobs: jobs(claimed, now, epoch)?, epoch, wait, late, begun }))
}

/// The claimed jobs, reported lane by lane: its name, the count of its jobs, their stored envelopes.
fn jobs(mut claimed: &[Bytes], now: u64, epoch: u64) -> Result<Vec<Job>, QueueError> {
    let mut jobs = Vec::new();
    while let [lane, count, rest @ ..] = claimed {
        let lane = std::str::from_utf8(lane).map_err(|_| QueueError::Reply("a lane that is not text"))?;
        let count = usize::try_from(number(count)?).unwrap_or(usize::MAX);
        let stored = rest.get(..count).ok_or(QueueError::Reply("a lane with fewer jobs than it says"))?;
        for stored in stored {
            jobs.push(envelope::unpack(lane, stored, now, epoch)?);
        }
        claimed = &rest[count..];
    }
    Ok(jobs)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number(text: &[u8]) -> Result<u64, QueueError> {
    let text = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    text.ok_or(QueueError::Reply("a text where a number belongs"))
}
