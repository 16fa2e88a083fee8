//! The lines of a trace, as the functions in Redis write them.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::lane::{Circuit, Lane};
use super::state::{State, millis};
use crate::envelope;
use crate::job::{Job, Key, NewJob};
use crate::limit::{DAY_BIN, Limit};
use crate::outcome::Outcome;
use crate::permit::ReportedLimits;
use crate::queue::trace::Trace;
use crate::queue::{Pushed, Settlement, Share, Step, Stepped, Wait};

/// A trace of one shard.
pub(super) struct Traced {
    trace: Trace,
    shard: String,
    lines: u64,
}

impl Traced {
    pub(super) fn new(trace: Trace) -> Self {
        Self { trace, shard: format!("memory {}", uuid::Uuid::new_v4()), lines: 0 }
    }

    /// Writes what was done, with these lanes.
    fn write(&mut self, state: &State, now: u64, call: &str, mut line: Map<String, Value>, lanes: BTreeSet<String>) {
        self.lines += 1;
        let Limit { burst, interval, call_timeout, reserve, daily } = state.limit;
        let breaker = state.claiming.breaker;
        let times = [interval, call_timeout, state.claiming.lease].map(millis);
        let limits = json!([
            burst,
            reserve,
            times[0],
            times[1],
            times[2],
            breaker.failures,
            millis(breaker.probe_after),
            daily,
            state.limit.daily_reserve(),
            millis(DAY_BIN),
            1
        ]);
        let head = json!({
            "call": call, "seq": self.lines, "shard": self.shard, "now": now, "rest": state.rest, "born": state.born.to_string(),
            "epoch": state.epoch.to_string(), "steps": 0, "limits": limits,
        });
        if let Value::Object(head) = head {
            line.extend(head);
        }
        let seen = lanes.into_iter().filter_map(|name| {
            let lane = seen(state.lanes.get(&name)?);
            Some((name, lane))
        });
        line.insert("lanes".to_owned(), Value::Object(seen.collect()));
        self.trace.take(&Value::Object(line).to_string());
    }

    pub(super) fn pushed(&mut self, state: &State, now: u64, jobs: &[NewJob], answers: &[Pushed]) {
        let pushed = jobs.iter().zip(answers).map(|(job, answer)| {
            let answer = match answer {
                Pushed::Coalesced => 1,
                Pushed::AfterRunning => 2,
                Pushed::Queued | Pushed::Unqueueable(_) => 0,
            };
            let NewJob { key, priority, cost, attempt, delay, payload: _ } = job;
            json!({
                "slot": slot(key), "class": *priority as u8, "cost": cost, "attempt": attempt, "crashes": 0,
                "delay": millis(*delay).to_string(), "answer": answer,
            })
        });
        let line = object([("pushed", pushed.collect())]);
        self.write(state, now, "push", line, lanes(jobs.iter().map(|job| &job.key)));
    }

    pub(super) fn stepped(&mut self, state: &State, now: u64, step: &Step, share: &Share, stepped: &Stepped) {
        let Step { finished, settlements, claim } = step;
        let late: HashSet<_> = stepped.late.iter().collect();
        let settled = settlements.iter().enumerate().map(|(at, one)| settled(one, late.contains(&at))).collect();
        let claimed = stepped.jobs.iter().map(|job| {
            let Job { key, priority, cost, crashes, attempt, .. } = job;
            json!({"slot": slot(key), "class": *priority as u8, "cost": cost, "attempt": attempt, "crashes": crashes})
        });
        let wait = match stepped.wait {
            Wait::More => json!(0),
            Wait::For(wait) => json!(millis(wait)),
            Wait::ForPush => json!(-1),
        };
        let fired = state.fired.iter().flatten().map(|name| Value::String(String::from_utf8_lossy(name).into_owned()));
        let line = object([
            ("finished", finished.iter().map(|epoch| Value::String(epoch.to_string())).collect()),
            ("settled", settled),
            ("fired", fired.collect()),
            ("claimed", claimed.collect()),
            ("most", json!(claim)),
            ("wait", wait),
            ("claim", json!(stepped.epoch.to_string())),
            ("shared", json!(*share != Share::default())),
        ]);
        let keys = settlements.iter().map(|one| &one.job.key).chain(stepped.jobs.iter().map(|job| &job.key));
        self.write(state, now, "step", line, lanes(keys));
    }

    pub(super) fn beaten(&mut self, state: &State, now: u64, epochs: &[u64], alive: &[bool]) {
        let beats = epochs.iter().zip(alive).map(|(epoch, alive)| json!({"epoch": epoch.to_string(), "alive": alive}));
        self.write(state, now, "heartbeat", object([("beats", beats.collect())]), BTreeSet::new());
    }

    pub(super) fn steered(&mut self, state: &State, now: u64, lane: &str, pause: bool) {
        let line = object([("lane", json!(lane)), ("pauses", json!(pause))]);
        self.write(state, now, "steer", line, BTreeSet::from([lane.to_owned()]));
    }

    pub(super) fn steered_kind(&mut self, state: &State, now: u64, kind: &str, pause: bool) {
        self.write(state, now, "kinds", object([("kind", json!(kind)), ("pauses", json!(pause))]), BTreeSet::new());
    }

    pub(super) fn alone(&mut self, state: &State, now: u64, key: Option<&Key>, epochs: &[u64], is_alone: bool) {
        let line = object([
            ("alone", json!(is_alone)),
            ("slot", json!(key.map(slot).unwrap_or_default())),
            ("finished", epochs.iter().map(|epoch| Value::String(epoch.to_string())).collect()),
        ]);
        self.write(state, now, "alone", line, BTreeSet::new());
    }

    pub(super) fn met(&mut self, state: &State, now: u64) {
        self.write(state, now, "meet", object([("promoted", json!(false))]), BTreeSet::new());
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn slot(key: &Key) -> String {
    String::from_utf8_lossy(&envelope::slot(key)).into_owned()
}

fn lanes<'a>(keys: impl Iterator<Item = &'a Key>) -> BTreeSet<String> {
    keys.map(|key| key.lane.clone()).collect()
}

fn settled(Settlement { job, outcome, permits }: &Settlement, late: bool) -> Value {
    let (letter, delay) = match outcome {
        Outcome::Done | Outcome::Dead => ("D", 0),
        Outcome::Retry { after } => ("F", millis(*after)),
        Outcome::Snooze { after } => ("R", millis(*after)),
        Outcome::Throttled { hold } => ("T", millis(*hold)),
        Outcome::Broken { probe_after } => ("B", millis(*probe_after)),
        Outcome::Released => ("H", 0),
    };
    let ReportedLimits { burst, daily } = permits.reported();
    json!({
        "slot": slot(&job.key), "outcome": letter, "epoch": job.epoch.to_string(), "used": permits.used(),
        "remaining": permits.remaining().map_or(u32::from(u16::MAX), |left| left.min(u32::from(u16::MAX) - 1)),
        "delay": delay.to_string(), "since": permits.since_last_call_ms(), "today": permits.daily_remaining().unwrap_or(u32::MAX),
        "burst": burst.unwrap_or_default(), "daily": daily.unwrap_or_default(), "late": late,
    })
}

fn seen(lane: &Lane) -> Value {
    let (circuit, probe) = match lane.circuit {
        Circuit::Closed => (0, 0),
        Circuit::Open => (1, 0),
        Circuit::Probing(probe) => (2, probe),
    };
    json!({
        "out": lane.bucket.out, "cooling": lane.bucket.cooling(), "paused": lane.paused, "hold": lane.hold, "circuit": circuit,
        "probe": probe.to_string(), "probe_at": lane.probe_at,
    })
}
