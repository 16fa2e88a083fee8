//! A trace that reports something that must not happen is rejected: each change of a true one, with the law that it breaks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue_model::replay::{Rejected, Replay};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::simulated::{Ground, Simulated, simulate};
use super::traced::traced;
use super::{claiming, job, limit};
use crate::job::{Job, Priority};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};
use crate::queue::{Settlement, Step};

/// A little of everything, by the queue in memory.
fn a_true_trace() -> Vec<Value> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let taker = Arc::clone(&lines);
    simulate(async {
        let take = move |line: &str| taker.lock().unwrap().push(serde_json::from_str(line).unwrap());
        let world = Simulated::traced(&Ground::Memory, limit(6), claiming(), |queue| traced(queue, take)).await;
        let ms = Duration::from_millis;
        let ran = |job: &Job, outcome| {
            let permits = Permits::new(1, Lease::begin(Instant::now(), ms(1000)));
            permits.take().unwrap().answered();
            Settlement { job: job.clone(), outcome, permits }
        };
        let report = |settlement| Step { settlements: vec![settlement], ..Step::default() };
        let claim = |count| Step { claim: count, ..Step::default() };
        let jobs = ["a", "b", "c", "d"].map(|record| job("lane", record, Priority::Realtime));
        world.queue.push(&jobs).await.unwrap();
        let first = world.step(claim(2)).await.jobs;
        world.queue.push(&jobs[..1]).await.unwrap();
        world.queue.heartbeat(0, &[first[0].epoch]).await.unwrap();
        world.advance(ms(10)).await;
        world.step(report(ran(&first[0], Outcome::Done))).await;
        world.step(report(ran(&first[1], Outcome::Throttled { hold: ms(100) }))).await;
        world.step(claim(4)).await;
        world.advance(ms(420)).await;
        let second = world.step(claim(2)).await.jobs;
        // Its worker dies.
        world.advance(ms(301)).await;
        world.step(claim(0)).await;
        world.step(report(ran(&second[0], Outcome::Done))).await;
        world.queue.heartbeat(0, &[second[0].epoch]).await.unwrap();
        world.advance(ms(601)).await;
        world.queue.pause("lane").await.unwrap();
        world.step(claim(1)).await;
        world.queue.resume("lane").await.unwrap();
        let third = world.step(claim(1)).await.jobs;
        world.step(report(ran(&third[0], Outcome::Broken { probe_after: ms(50) }))).await;
        world.advance(ms(500)).await;
        world.step(claim(3)).await;
        world.step(claim(3)).await;
    });
    std::mem::take(&mut *lines.lock().unwrap())
}

fn replay(lines: &[Value]) -> Result<(u64, u64), Rejected> {
    let mut replay = Replay::default();
    for line in lines {
        replay.read(&line.to_string())?;
    }
    replay.end()
}

/// The line that is so, the `nth` of them.
fn line(lines: &mut [Value], nth: usize, is_so: impl Fn(&Value) -> bool) -> &mut Value {
    lines.iter_mut().filter(|line| is_so(line)).nth(nth).expect("the trace has such a line")
}

fn some(line: &Value, field: &str) -> bool {
    line[field].as_array().is_some_and(|list| !list.is_empty())
}

fn more(value: &mut Value, by: i64) {
    *value = json!(value.as_i64().unwrap() + by);
}

/// What is changed, the law that it breaks (0: it is no trace), and how.
type Change = (&'static str, u8, fn(&mut Vec<Value>));

const CHANGES: [Change; 20] = [
    ("an epoch is lowered", 5, |lines| {
        let before = line(lines, 0, |line| some(line, "claimed"))["claim"].clone();
        line(lines, 1, |line| some(line, "claimed"))["claim"] = before;
    }),
    ("an epoch is below the time", 5, |lines| line(lines, 0, |line| some(line, "claimed"))["claim"] = json!("7")),
    ("the tokens of the dead come back twice", 2, |lines| {
        let fired = &mut line(lines, 0, fires_tokens)["fired"];
        let again = fired.as_array().unwrap().iter().find(|name| name.as_str().unwrap().starts_with('T')).cloned();
        fired.as_array_mut().unwrap().push(again.unwrap());
    }),
    ("the tokens of the dead come back too early", 2, |lines| {
        let names = line(lines, 0, fires_tokens)["fired"].clone();
        let early = names.as_array().unwrap().iter().find(|name| name.as_str().unwrap().starts_with('T')).cloned();
        line(lines, 0, fires_a_lease)["fired"].as_array_mut().unwrap().push(early.unwrap());
    }),
    ("the tokens of the dead stay away", 12, |lines| {
        let fired = &mut line(lines, 0, fires_tokens)["fired"];
        fired.as_array_mut().unwrap().retain(|name| !name.as_str().unwrap().starts_with('T'));
    }),
    ("a token is back too early", 2, |lines| {
        more(&mut line(lines, 0, |line| some(line, "settled"))["lanes"]["lane"]["cooling"], -1)
    }),
    ("a token is not taken", 2, |lines| {
        line(lines, 0, |line| some(line, "claimed"))["lanes"]["lane"]["out"] = json!(1);
    }),
    ("a zombie settles", 5, |lines| line(lines, 0, is_late)["settled"][0]["late"] = json!(false)),
    ("a settlement in time is refused", 5, |lines| {
        line(lines, 0, |line| some(line, "settled"))["settled"][0]["late"] = json!(true);
    }),
    ("a lease ends too early", 5, |lines| {
        let epoch = line(lines, 0, |line| some(line, "claimed"))["claim"].as_str().unwrap().to_owned();
        line(lines, 0, |line| some(line, "settled"))["fired"] = json!([format!("B{epoch}")]);
    }),
    ("a lease does not end", 5, |lines| line(lines, 0, fires_a_lease)["fired"] = json!([])),
    ("a dead worker's heartbeat is answered", 5, |lines| {
        line(lines, 0, |line| some(line, "beats") && line["beats"][0]["alive"] == json!(false))["beats"][0]["alive"] =
            json!(true);
    }),
    ("a job is claimed twice", 6, |lines| {
        let claimed = &mut line(lines, 0, |line| some(line, "claimed"))["claimed"];
        claimed[1] = claimed[0].clone();
    }),
    ("a push during the run is dropped", 6, |lines| {
        line(lines, 1, |line| line["call"] == "push")["pushed"][0]["answer"] = json!(1);
    }),
    ("a refusal is forgotten", 3, |lines| {
        line(lines, 0, |line| some(line, "settled") && line["settled"][0]["outcome"] == "T")["lanes"]["lane"]["hold"] =
            json!(0);
    }),
    ("an answer is said to have come later", 2, |lines| {
        more(
            &mut line(lines, 0, |line| some(line, "settled") && line["settled"][0]["outcome"] == "T")["settled"][0]["since"],
            -400,
        );
    }),
    ("a lane runs though it is paused", 12, |lines| {
        let resume = lines.iter().position(|line| line["call"] == "steer" && line["pauses"] == json!(false)).unwrap();
        lines.remove(resume);
        for line in &mut lines[resume..] {
            more(&mut line["seq"], -1);
        }
    }),
    ("an open circuit is not probed by one", 12, |lines| {
        line(lines, 0, |line| line["lanes"]["lane"]["circuit"] == json!(2))["lanes"]["lane"]["circuit"] = json!(0);
    }),
    ("the queue's time goes back", 9, |lines| more(&mut line(lines, 6, |_| true)["now"], -5000)),
    ("a line is missing", 0, |lines| drop(lines.remove(5))),
];

fn fires_tokens(line: &Value) -> bool {
    some(line, "fired") && line["fired"].as_array().unwrap().iter().any(|name| name.as_str().unwrap().starts_with('T'))
}

fn fires_a_lease(line: &Value) -> bool {
    some(line, "fired") && line["fired"].as_array().unwrap().iter().any(|name| name.as_str().unwrap().starts_with('B'))
}

fn is_late(line: &Value) -> bool {
    some(line, "settled") && line["settled"][0]["late"] == json!(true)
}

#[test]
fn each_change_of_a_true_trace_is_rejected() {
    let lines = a_true_trace();
    assert_eq!(replay(&lines), Ok((lines.len() as u64, 0)));
    let mut taken = Vec::new();
    for (what, law, change) in CHANGES {
        let mut changed = lines.clone();
        change(&mut changed);
        match replay(&changed) {
            Err(Rejected { violation, .. }) if violation.law == law => println!("{what}: {violation}"),
            other => taken.push((what, other.map_err(|rejected| rejected.violation))),
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
}
