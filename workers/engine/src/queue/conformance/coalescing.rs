//! One run at a time per key, newest last (law 6), as a property: pushes, claims, settlements and lost leases in any order do what a
//! model of one screen says.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::simulated::{Ground, Simulated, always, properties, simulate};
use super::{LEASE, PROBE_AFTER, job, permits};
use crate::job::{Job, NewJob, Priority};
use crate::limit::{Breaker, Claiming, Limit};
use crate::outcome::Outcome;
use crate::queue::{Pushed, Settlement, Step};

properties! {
    pushes_of_one_key_become_one_run_at_a_time: 300, 40;
}

#[derive(Debug, Clone)]
enum Act {
    Push {
        record: u8,
        priority: Priority,
        delay: Duration,
    },
    Claim(usize),
    /// One of the claims that were ever made, also one that is over.
    Settle {
        claim: prop::sample::Index,
        outcome: Outcome,
    },
    Pass(Duration),
}

/// What the queue must know of a key; of one that it knows nothing of, nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Waiting(Priority),
    Scheduled { due: Duration, class: Priority },
    Running { epoch: u64, until: Duration, class: Priority, extra: Option<Priority> },
}

#[derive(Default)]
struct Model {
    places: BTreeMap<String, Place>,
}

impl Model {
    fn push(&mut self, record: &str, priority: Priority, delay: Duration, now: Duration) -> Pushed {
        let (place, answer) = match (self.places.get(record).copied(), now + delay) {
            (None, due) if due > now => (Place::Scheduled { due, class: priority }, Pushed::Queued),
            (None, _) => (Place::Waiting(priority), Pushed::Queued),
            (Some(Place::Waiting(class)), _) => (Place::Waiting(class.min(priority)), Pushed::Coalesced),
            (Some(Place::Scheduled { due, class }), earlier) => {
                let class = class.min(priority);
                let place = Place::Scheduled { due: due.min(earlier), class };
                (if delay.is_zero() { Place::Waiting(class) } else { place }, Pushed::Coalesced)
            }
            (Some(Place::Running { epoch, until, class, extra }), _) => (
                Place::Running {
                    epoch,
                    until,
                    class,
                    extra: Some(extra.map_or(priority, |extra| extra.min(priority))),
                },
                if extra.is_some() { Pushed::Coalesced } else { Pushed::AfterRunning },
            ),
        };
        self.places.insert(record.to_owned(), place);
        answer
    }

    /// Whether the settlement is in time.
    fn settle(&mut self, job: &Job, outcome: &Outcome, now: Duration) -> bool {
        let record = &job.key.record;
        let Some(Place::Running { epoch, class, extra, .. }) = self.places.get(record).copied() else { return false };
        if epoch != job.epoch {
            return false;
        }
        let class = extra.map_or(class, |extra| extra.min(class));
        let next = match outcome {
            Outcome::Done | Outcome::Dead => extra.map(Place::Waiting),
            // A push that came during the run waits for nothing.
            Outcome::Retry { after } | Outcome::Snooze { after } if !after.is_zero() && extra.is_none() => {
                Some(Place::Scheduled { due: now + *after, class })
            }
            _ => Some(Place::Waiting(class)),
        };
        match next {
            Some(next) => drop(self.places.insert(record.clone(), next)),
            None => drop(self.places.remove(record)),
        }
        true
    }

    fn pass(&mut self, now: Duration) {
        for place in self.places.values_mut() {
            *place = match *place {
                Place::Scheduled { due, class } if due <= now => Place::Waiting(class),
                Place::Running { until, class, extra, .. } if until <= now => {
                    Place::Waiting(extra.map_or(class, |extra| extra.min(class)))
                }
                place => place,
            };
        }
    }

    fn waiting(&self) -> usize {
        self.places.values().filter(|place| matches!(place, Place::Waiting(_))).count()
    }

    fn claim(&mut self, job: &Job, now: Duration) -> Result<(), TestCaseError> {
        let waits = self.places.get(&job.key.record).copied();
        prop_assert_eq!(waits, Some(Place::Waiting(job.priority)), "{} is claimed", job.key.record);
        let running = Place::Running { epoch: job.epoch, until: now + LEASE, class: job.priority, extra: None };
        self.places.insert(job.key.record.clone(), running);
        let first = self.places.values().all(|place| !matches!(place, Place::Waiting(class) if *class < job.priority));
        prop_assert!(first, "a more urgent one than {} waits", job.key.record);
        Ok(())
    }
}

fn pushes_of_one_key_become_one_run_at_a_time(ground: &Ground, cases: u32) {
    always(cases, &prop::collection::vec(act(), 1..80), |acts| simulate(follows_the_model(ground, acts)));
}

async fn follows_the_model(ground: &Ground, acts: Vec<Act>) -> Result<(), TestCaseError> {
    let ms = Duration::from_millis;
    let limit = Limit { burst: 60_000, interval: ms(1), call_timeout: ms(1), reserve: 0, daily: u32::MAX };
    let breaker = Breaker { failures: 255, probe_after: PROBE_AFTER };
    let queue = Simulated::new(ground, limit, Claiming { lease: LEASE, turn: 2, batch: 32, breaker }).await;
    let (mut model, mut claims, mut last_epoch) = (Model::default(), Vec::<Job>::new(), 0);
    // In the end time passes until nothing runs, and all that is left is claimed.
    let end = [Act::Pass(LEASE * 4), Act::Claim(usize::MAX)];
    for act in acts.into_iter().chain(end) {
        let now = queue.now();
        match act {
            Act::Push { record, priority, delay } => {
                let record = record.to_string();
                let new = NewJob { delay, ..job("lane", &record, priority) };
                let pushed = queue.queue.push(&[new]).await.unwrap()[0];
                prop_assert_eq!(pushed, model.push(&record, priority, delay, now));
            }
            Act::Claim(most) => {
                let expected = model.waiting().min(most);
                let claimed =
                    queue.step(Step { claim: expected + usize::from(most > expected), ..Step::default() }).await;
                prop_assert_eq!(claimed.jobs.len(), expected);
                for job in claimed.jobs {
                    prop_assert!(job.epoch >= last_epoch, "the fence falls");
                    last_epoch = job.epoch;
                    model.claim(&job, now)?;
                    claims.push(job);
                }
            }
            Act::Settle { claim, outcome } => {
                if claims.is_empty() {
                    continue;
                }
                let job = claim.get(&claims).clone();
                let in_time = model.settle(&job, &outcome, now);
                let settlements = vec![Settlement { permits: permits(&job, 0), job, outcome }];
                let late = queue.step(Step { settlements, ..Step::default() }).await.late;
                prop_assert_eq!(late.is_empty(), in_time);
            }
            Act::Pass(time) => {
                queue.advance(time).await;
                queue.step(Step::default()).await;
                model.pass(queue.now());
            }
        }
    }
    Ok(())
}

fn act() -> impl Strategy<Value = Act> {
    let priority = prop::sample::select(Priority::ALL.to_vec());
    let time = |most: u64| prop_oneof![Just(0), 1..most].prop_map(Duration::from_millis);
    let outcome = prop_oneof![
        4 => Just(Outcome::Done),
        1 => Just(Outcome::Dead),
        2 => time(200).prop_map(|after| Outcome::Retry { after }),
        1 => time(200).prop_map(|after| Outcome::Snooze { after }),
        1 => Just(Outcome::Released),
    ];
    prop_oneof![
        5 => (0..4_u8, priority, time(300)).prop_map(|(record, priority, delay)| Act::Push { record, priority, delay }),
        3 => (1..4_usize).prop_map(Act::Claim),
        3 => (any::<prop::sample::Index>(), outcome).prop_map(|(claim, outcome)| Act::Settle { claim, outcome }),
        2 => (1..250_u64).prop_map(|ms| Act::Pass(Duration::from_millis(ms))),
    ]
}
