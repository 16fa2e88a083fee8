//! Memory and Redis do not differ: whatever is done, both answer the same and look the same from outside.
//!
//! `DIFFERENTIAL_SEQUENCES` sets how many random sequences are tried: 1,000 take minutes.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use tokio::time::Instant;

use super::redis_server::RedisServer;
use super::simulated::{Ground, Simulated, always, simulate};
use crate::job::{Job, Key, NewJob, Priority};
use crate::limit::{Breaker, Claiming, Limit};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};
use crate::queue::{LaneState, LaneView, Settlement, Share, Step, Stepped, Wait};

const LANES: [&str; 3] = ["a", "bb", "c"];
const KINDS: [&str; 2] = ["pull", "push"];
/// Random sequences of `make test`.
const SEQUENCES: u32 = 200;

#[derive(Debug, Clone)]
enum Act {
    Push(Vec<NewJob>),
    Step { settle: Vec<ReportedLimits>, finish: Option<Index>, claim: usize, share: Share },
    Heartbeat(Index),
    Alone(Index, bool),
    Steer(usize, bool),
    SteerKind(usize, bool),
    Pass(Duration),
}

/// What is reported about one of the claims that were ever made.
#[derive(Debug, Clone)]
struct ReportedLimits {
    claim: Index,
    outcome: Outcome,
    used: u32,
    /// One more call of which nothing was received.
    unanswered: bool,
    ago: Duration,
    remaining: Option<u32>,
    daily_remaining: Option<u32>,
    burst: Option<u32>,
    daily: Option<u32>,
}

#[test]
fn memory_and_redis_do_not_differ() {
    let ground = Ground::Redis(RedisServer::start());
    always(sequences(), &prop::collection::vec(act(), 1..60), |acts| simulate(both_do(&ground, acts)));
}

/// How many random sequences are tried.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn sequences() -> u32 {
    std::env::var("DIFFERENTIAL_SEQUENCES").ok().and_then(|count| count.parse().ok()).unwrap_or(SEQUENCES)
}

async fn both_do(ground: &Ground, acts: Vec<Act>) -> Result<(), TestCaseError> {
    let ms = Duration::from_millis;
    let limit = Limit { burst: 6, interval: ms(150), call_timeout: ms(50), reserve: 2, daily: 60 };
    let breaker = Breaker { failures: 3, probe_after: ms(100) };
    let claiming = Claiming { lease: ms(300), turn: 2, batch: 32, breaker };
    let memory = Simulated::new(&Ground::Memory, limit, claiming).await;
    let redis = Simulated::new(ground, limit, claiming).await;
    // The same run as each of them calls it; when it was claimed.
    let mut claims: Vec<(Job, Job, Instant)> = Vec::new();
    for (number, act) in acts.into_iter().enumerate() {
        let reported = format!("{number}: {act:?}");
        match act {
            Act::Push(mut jobs) => {
                // Redis takes the jobs of one push lane by lane, memory in their order.
                jobs.sort_by(|one, other| one.key.lane.cmp(&other.key.lane));
                let (here, there) = (memory.queue.push(&jobs).await.unwrap(), redis.queue.push(&jobs).await.unwrap());
                prop_assert_eq!(here, there, "{}", reported);
            }
            Act::Step { settle, finish, claim, share } => {
                let settled: Vec<_> = settle.iter().filter(|_| !claims.is_empty()).collect();
                let (here, there): (Vec<_>, Vec<_>) =
                    settled.into_iter().map(|reported| settlements(reported, &claims)).unzip();
                let finished = finish.filter(|_| !claims.is_empty()).map(|claim| claim.get(&claims));
                let finished = |pick: fn(&(Job, Job, Instant)) -> u64| finished.map(pick).into_iter().collect();
                let (ours, theirs) = (finished(|claim| claim.0.epoch), finished(|claim| claim.1.epoch));
                let here = Step { settlements: here, finished: ours, claim };
                let there = Step { settlements: there, finished: theirs, claim };
                let here = memory.queue.step_sharing(0, &here, &share).await.unwrap();
                let there = redis.queue.step_sharing(0, &there, &share).await.unwrap();
                same(&here, &there, &reported)?;
                claims.extend(here.jobs.into_iter().zip(there.jobs).map(|(here, there)| (here, there, Instant::now())));
            }
            Act::Heartbeat(claim) if !claims.is_empty() => {
                let (here, there, _) = claim.get(&claims);
                let here = memory.queue.heartbeat(0, &[here.epoch]).await.unwrap();
                prop_assert_eq!(here, redis.queue.heartbeat(0, &[there.epoch]).await.unwrap(), "{}", reported);
            }
            Act::Alone(claim, is_alone) if !claims.is_empty() => {
                let (here, there, _) = claim.get(&claims);
                memory.queue.alone(0, Some(&here.key), &[here.epoch], is_alone).await.unwrap();
                redis.queue.alone(0, Some(&there.key), &[there.epoch], is_alone).await.unwrap();
            }
            Act::Heartbeat(_) | Act::Alone(..) => {}
            Act::Steer(lane, pause) => {
                for queue in [&memory.queue, &redis.queue] {
                    if pause {
                        queue.pause(LANES[lane]).await.unwrap()
                    } else {
                        queue.resume(LANES[lane]).await.unwrap()
                    }
                }
            }
            Act::SteerKind(kind, pause) => {
                for queue in [&memory.queue, &redis.queue] {
                    let kind = KINDS[kind];
                    if pause { queue.pause_kind(kind).await.unwrap() } else { queue.resume_kind(kind).await.unwrap() }
                }
            }
            Act::Pass(time) => {
                memory.advance(time).await;
                redis.report_time();
            }
        }
        prop_assert_eq!(lanes(&memory).await, lanes(&redis).await, "{}", reported);
        let kinds = (memory.queue.paused_kinds().await.unwrap(), redis.queue.paused_kinds().await.unwrap());
        prop_assert_eq!(kinds.0, kinds.1, "{}", reported);
    }
    Ok(())
}

/// But for lanes that have nothing to do and of which no call counts: Redis forgets them a day after their last one, memory sooner.
async fn lanes(of: &Simulated<'_>) -> Vec<LaneView> {
    let mut lanes = of.queue.lanes().await.unwrap();
    lanes.retain(|lane| {
        let is_away = lane.tokens_out > 0 || lane.tokens_cooling > 0;
        lane.state != LaneState::Ready || lane.waiting != [0; 3] || is_away || lane.day_used > 0
    });
    lanes.sort_by(|one, other| one.lane.cmp(&other.lane));
    lanes
}

/// Epochs are of each queue's own; Redis may want to be asked somewhat earlier than need be.
fn same(here: &Stepped, there: &Stepped, reported: &str) -> Result<(), TestCaseError> {
    let seen = |jobs: &[Job]| {
        let seen = |job: &Job| {
            let Job { key, priority, cost, crashes, attempt, waited, payload, epoch: _, stored: _ } = job.clone();
            (key, priority, cost, crashes, attempt, waited, payload)
        };
        jobs.iter().map(seen).collect::<Vec<_>>()
    };
    prop_assert_eq!(seen(&here.jobs), seen(&there.jobs), "{}", reported);
    prop_assert_eq!(&here.late, &there.late, "{}", reported);
    let is_same = match (here.wait, there.wait) {
        (Wait::For(here), Wait::For(there)) => there <= here,
        (Wait::More, there) => there == Wait::More,
        (Wait::ForPush, there) => there != Wait::More,
        (Wait::For(_), _) => false,
    };
    prop_assert!(is_same, "{:?} and {:?}: {}", here.wait, there.wait, reported);
    Ok(())
}

fn settlements(reported: &ReportedLimits, claims: &[(Job, Job, Instant)]) -> (Settlement, Settlement) {
    let (here, there, _) = reported.claim.get(claims);
    let permits = || {
        let permits = Permits::new(u32::from(here.cost), Lease::begin(Instant::now(), Duration::from_secs(60)))
            .with_call_timeout(reported.ago);
        for _ in 0..reported.used.min(u32::from(here.cost)) {
            permits.take().unwrap().answered();
        }
        if reported.unanswered {
            drop(permits.take());
        }
        permits.observe(reported.remaining, reported.daily_remaining);
        permits.observe_limits(reported.burst, reported.daily);
        permits
    };
    let settlement = |job: &Job| Settlement { job: job.clone(), outcome: reported.outcome.clone(), permits: permits() };
    (settlement(here), settlement(there))
}

fn act() -> impl Strategy<Value = Act> {
    let share = (prop::option::weighted(0.2, 1..4_usize), prop::collection::vec((0..3_usize, 0..3_usize), 0..2));
    let share = share.prop_map(|(most, left)| Share {
        most,
        left: left.into_iter().map(|(lane, left)| (LANES[lane].to_owned(), left)).collect(),
    });
    let step =
        (prop::collection::vec(reported(), 0..4), prop::option::weighted(0.2, any::<Index>()), 0..6_usize, share);
    let step = step.prop_map(|(settle, finish, claim, share)| Act::Step { settle, finish, claim, share });
    let pass = prop_oneof![8 => 1..260_u64, 2 => 260..5000_u64, 1 => 5000..1_500_000_u64];
    prop_oneof![
        6 => prop::collection::vec(new_job(), 1..6).prop_map(Act::Push),
        8 => step,
        1 => any::<Index>().prop_map(Act::Heartbeat),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(claim, is_alone)| Act::Alone(claim, is_alone)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(lane, pause)| Act::Steer(lane, pause)),
        1 => (0..2_usize, any::<bool>()).prop_map(|(kind, pause)| Act::SteerKind(kind, pause)),
        4 => pass.prop_map(|ms| Act::Pass(Duration::from_millis(ms))),
    ]
}

fn time(most: u64) -> impl Strategy<Value = Duration> {
    prop_oneof![1 => Just(0), 2 => 1..most].prop_map(Duration::from_millis)
}

fn new_job() -> impl Strategy<Value = NewJob> {
    let priority = prop::sample::select(Priority::ALL.to_vec());
    (0..3_usize, 0..2_usize, 0..4_u8, priority, 0..9_u8, prop_oneof![3 => Just(Duration::ZERO), 1 => time(300)])
        .prop_map(|(lane, kind, record, priority, cost, delay)| {
            let key = Key { lane: LANES[lane].into(), kind: KINDS[kind].into(), record: record.to_string() };
            NewJob { delay, ..NewJob::new(key, priority, cost) }
        })
}

fn reported() -> impl Strategy<Value = ReportedLimits> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Done),
        2 => time(200).prop_map(|after| Outcome::Retry { after }),
        1 => time(200).prop_map(|after| Outcome::Snooze { after }),
        1 => time(400).prop_map(|hold| Outcome::Throttled { hold }),
        1 => time(200).prop_map(|probe_after| Outcome::Broken { probe_after }),
        1 => Just(Outcome::Released),
    ];
    let left = |most: u32| prop::option::weighted(0.2, 0..most);
    let limits = (prop::option::weighted(0.1, 1..9_u32), prop::option::weighted(0.1, 1..90_u32));
    (any::<Index>(), outcome, 0..4_u32, any::<bool>(), time(50), left(8), left(70), limits).prop_map(
        |(claim, outcome, used, unanswered, ago, remaining, daily_remaining, (burst, daily))| ReportedLimits {
            claim,
            outcome,
            used,
            unanswered,
            ago,
            remaining,
            daily_remaining,
            burst,
            daily,
        },
    )
}
