//! A line of a trace, as `trace.rs` of the queue describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::rules::Limits;
use crate::shard::{Envelope, Outcome, Reported};

/// What one call of a function did.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Line {
    /// The function.
    pub call: String,
    /// The shard's prefix.
    pub shard: String,
    /// The life of its state in which the first of its lines was written.
    pub life: String,
    /// Counts the lines of the shard's state.
    pub seq: u64,
    /// The queue's time.
    pub now: u64,
    /// Until when the shard rests.
    pub rest: u64,
    /// Names the life of its state.
    #[serde(deserialize_with = "number")]
    pub born: u64,
    /// The last one that was claimed by, or that is known.
    #[serde(deserialize_with = "number")]
    pub epoch: u64,
    /// How often a clock was found to be set.
    pub steps: u64,
    /// In the order of `trace.lua`.
    limits: [u64; 11],
    /// How lanes stand that were touched.
    pub lanes: BTreeMap<String, Seen>,
    /// `push`.
    pub pushed: Vec<Stored>,
    /// `step`: batches that are over; `alone`: those that it is of.
    pub finished: Vec<String>,
    /// `step`: what runs came to.
    pub settled: Vec<Settled>,
    /// What was due, by its name.
    pub fired: Vec<String>,
    /// What was claimed.
    pub claimed: Vec<Stored>,
    /// How many were wanted.
    pub most: u64,
    /// When to ask again, in ms; 0: at once, -1: when something is pushed.
    pub wait: i64,
    /// The epoch of the claim.
    #[serde(deserialize_with = "number")]
    pub claim: u64,
    /// Whether some lanes had less room than others.
    pub shared: bool,
    /// `heartbeat`.
    pub beats: Vec<Beat>,
    /// `steer`.
    pub lane: String,
    /// `kinds`.
    pub kind: String,
    /// Whether it is a pause or the end of one.
    pub pauses: bool,
    /// `alone`: whether that begins, and of what.
    pub alone: bool,
    /// The job that runs alone.
    pub slot: String,
}

/// A lane as it stands after a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Seen {
    /// Tokens of running jobs.
    pub out: u32,
    /// Tokens that cool, or are back and not looked at yet.
    pub cooling: u32,
    /// By a person.
    pub paused: bool,
    /// Until when the server refuses.
    pub hold: u64,
    /// 0 closed, 1 open, 2 probing.
    pub circuit: u8,
    /// By whom.
    #[serde(deserialize_with = "number")]
    pub probe: u64,
    /// From when on.
    pub probe_at: u64,
}

/// A job that is pushed or claimed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// Lane, NUL, key.
    pub slot: String,
    class: u8,
    cost: u32,
    attempt: u8,
    crashes: u8,
    /// Of a push.
    #[serde(default, deserialize_with = "number")]
    pub delay: u64,
    /// Of a push: 0 waits, 1 one waits already, 2 once more after the run.
    #[serde(default)]
    pub answer: u8,
}

/// A run that is reported about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Settled {
    /// Lane, NUL, key.
    pub slot: String,
    outcome: String,
    /// Of its claim.
    #[serde(deserialize_with = "number")]
    pub epoch: u64,
    /// Calls that it sent.
    pub used: u32,
    remaining: u32,
    #[serde(deserialize_with = "number")]
    delay: u64,
    /// How long ago the last one ended.
    pub since: i64,
    today: u32,
    burst: u32,
    daily: u32,
    /// Whether it was answered that it came too late.
    #[serde(default)]
    pub late: bool,
}

/// A lease that is to hold on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Beat {
    /// Of its claim.
    #[serde(deserialize_with = "number")]
    pub epoch: u64,
    /// Whether it was there.
    pub alive: bool,
}

/// Epochs are above what all readers of JSON take for whole numbers.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is no number")))
}

impl Line {
    /// What the queue is held to.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let [burst, reserve, interval, timeout, lease, failures, probe_after, daily, daily_reserve, day_bin, bin] =
            self.limits;
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Limits {
            burst: small(burst),
            reserve: small(reserve),
            interval,
            timeout,
            lease,
            failures: u8::try_from(failures).unwrap_or(u8::MAX),
            probe_after,
            daily: small(daily),
            daily_reserve: small(daily_reserve),
            day_bin,
            day_bins: 98,
            bin,
        }
    }
}

impl Stored {
    /// What the queue stores of it.
    #[must_use]
    pub fn stored(&self) -> Envelope {
        let Self { class, cost, attempt, crashes, .. } = *self;
        Envelope { class, cost, attempt, crashes }
    }
}

impl Settled {
    /// What it came to; none where that is no word.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        Some(match &self.outcome[..] {
            "D" => Outcome::Done,
            "R" => Outcome::Again(self.delay),
            "F" => Outcome::Failed(self.delay),
            "H" => Outcome::Released,
            "T" => Outcome::Refused(self.delay),
            "B" => Outcome::Broken(self.delay),
            _ => return None,
        })
    }

    /// What the server said.
    #[must_use]
    pub fn reported(&self) -> Reported {
        let Self { remaining, today, burst, daily, .. } = *self;
        let some = |number: u32, none: u32| (number != none).then_some(number);
        Reported {
            remaining: some(remaining, u32::from(u16::MAX)),
            remaining_today: some(today, u32::MAX),
            burst: some(burst, 0),
            daily: some(daily, 0),
        }
    }
}
