//! One function a promise, run over every driver: memory, Redis with one shard, Redis with four.

use std::time::Duration;

use tokio::time::Instant;

use super::{LaneState, Pushed, Queue, Settlement, Step, Stepped, Wait};
use crate::job::{Job, Key, NewJob, Priority};
use crate::limit::{Breaker, Claiming, FirstMeeting, Limit};
use crate::permit::{Lease, Permits};
use crate::verdict::Verdict;

mod arrivals;
mod redis_server;

use redis_server::RedisServer;

const INTERVAL: Duration = Duration::from_millis(400);
const LEASE: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);
const DAILY: u32 = 1000;
const PROBE_AFTER: Duration = Duration::from_millis(150);

fn limit(burst: u16) -> Limit {
    Limit { burst, interval: INTERVAL, call_timeout: TIMEOUT, reserve: 2, daily: DAILY }
}

fn claiming() -> Claiming {
    Claiming { lease: LEASE, turn: 4, batch: 32, breaker: Breaker { failures: 3, probe_after: PROBE_AFTER } }
}

/// A queue under test, with what keeps it alive.
struct Bench {
    queue: Queue,
    redis: Option<RedisServer>,
}

#[derive(Clone, Copy)]
enum Over {
    Memory,
    Redis { shards: usize },
}

impl Bench {
    async fn new(over: Over, burst: u16) -> Self {
        Self::met(over, burst, FirstMeeting::Unspent).await
    }

    async fn met(over: Over, burst: u16, meeting: FirstMeeting) -> Self {
        match over {
            Over::Memory => Self { queue: Queue::memory(1, limit(burst), claiming(), meeting), redis: None },
            Over::Redis { shards } => {
                let redis = RedisServer::start();
                let queue = Queue::redis(&redis.url(), "test", shards, limit(burst), claiming(), meeting).await;
                Self { queue: queue.unwrap(), redis: Some(redis) }
            }
        }
    }

    async fn push(&self, job: NewJob) -> Pushed {
        self.queue.push(&[job]).await.unwrap()[0]
    }

    /// Claims from whatever shard has something, waiting as told while nothing can run yet.
    async fn claim(&self, most: usize) -> Vec<Job> {
        loop {
            let mut shortest = Duration::from_secs(5);
            for shard in 0..self.queue.shards() {
                let stepped = self.step(shard, Step { claim: most, ..Step::default() }).await;
                if !stepped.jobs.is_empty() {
                    return stepped.jobs;
                }
                if let Wait::For(wait) = stepped.wait {
                    shortest = shortest.min(wait);
                }
            }
            assert!(shortest < Duration::from_secs(5), "nothing will ever become runnable");
            tokio::time::sleep(shortest.max(Duration::from_millis(1))).await;
        }
    }

    /// What can be claimed at this instant.
    async fn claim_now(&self, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for shard in 0..self.queue.shards() {
            jobs.extend(self.step(shard, Step { claim: most, ..Step::default() }).await.jobs);
        }
        jobs
    }

    async fn step(&self, shard: usize, step: Step) -> Stepped {
        self.queue.step(shard, &step).await.unwrap()
    }

    /// Whether the settlement was in time.
    async fn settle(&self, job: &Job, verdict: Verdict, used: u32) -> bool {
        self.settle_told(job, verdict, used, None).await
    }

    async fn settle_told(&self, job: &Job, verdict: Verdict, used: u32, remaining: Option<u32>) -> bool {
        let permits = permits(job, used);
        permits.observe(remaining, None);
        let settlement = Settlement { job: job.clone(), verdict, permits };
        let step = Step { settlements: vec![settlement], ..Step::default() };
        self.step(self.queue.shard_of(&job.key.lane), step).await.late.is_empty()
    }
}

/// The permits of a job whose calls have just ended.
fn permits(job: &Job, used: u32) -> Permits {
    let permits = Permits::new(u32::from(job.cost), Lease::begin(Instant::now(), LEASE));
    for _ in 0..used {
        drop(permits.take().unwrap());
    }
    permits
}

fn job(lane: &str, record: &str, priority: Priority) -> NewJob {
    let key = Key { lane: lane.into(), kind: "kind".into(), record: record.into() };
    NewJob::new(key, priority, 1)
}

fn records(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.key.record.as_str()).collect()
}

macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        mod memory { $(#[tokio::test] async fn $name() { super::$name(super::Over::Memory).await; })+ }
        mod redis_with_one_shard {
            $(#[tokio::test] async fn $name() { super::$name(super::Over::Redis { shards: 1 }).await; })+
        }
        mod redis_with_four_shards {
            $(#[tokio::test] async fn $name() { super::$name(super::Over::Redis { shards: 4 }).await; })+
        }
    };
}

mod scale;

promises! {
    a_pushed_job_is_claimed_as_it_was_pushed,
    equal_pushes_become_one_run,
    any_number_of_pushes_during_a_run_leave_one_more_run,
    a_more_urgent_push_takes_its_waiting_equal_along,
    the_more_urgent_class_goes_first,
    a_lane_with_a_backlog_delays_no_other,
    bulk_never_takes_the_last_tokens,
    no_more_tokens_than_the_burst_are_ever_out,
    unused_tokens_are_free_at_once_and_used_ones_after_the_interval,
    a_retry_waits_for_its_delay_and_counts_its_attempt,
    a_snooze_spends_no_attempt,
    a_throttled_lane_is_held_whole_and_starts_gently,
    a_server_that_counts_more_than_we_do_shrinks_the_bucket,
    a_dead_workers_jobs_run_again_at_the_head_and_count_the_crash,
    a_heartbeat_keeps_the_lease,
    a_zombie_cannot_settle,
    epochs_only_rise,
    a_crashed_workers_tokens_come_back_late,
    a_lost_state_counts_as_spent,
    a_released_job_goes_back_to_the_head,
    a_push_wakes_a_waiting_worker,
    a_key_of_one_lane_is_not_the_same_key_of_another,
    tokens_cool_from_the_response_and_not_from_the_settlement,
    a_paused_lane_rests_until_it_is_resumed,
    a_broken_lane_is_probed_by_one_job_and_opens_when_that_succeeds,
    a_storm_of_failures_breaks_the_lane_off,
    a_probe_whose_worker_dies_is_followed_by_another,
    the_days_calls_are_a_limit_of_their_own,
    bulk_leaves_a_fifth_of_the_day_to_others,
    never_over_the_limit_whatever_the_delays,
}

async fn a_pushed_job_is_claimed_as_it_was_pushed(over: Over) {
    let bench = Bench::new(over, 10).await;
    let mut pushed = job("lane", "record/with/slashes", Priority::Realtime);
    (pushed.attempt, pushed.cost, pushed.payload) = (7, 3, "pay\0load".into());
    assert_eq!(bench.push(pushed.clone()).await, Pushed::Queued);
    let claimed = bench.claim(1).await.remove(0);
    let Job { key, priority, cost, crashes, attempt, waited: _, payload, epoch } = claimed;
    assert_eq!((key, priority, cost, attempt, payload), (pushed.key, pushed.priority, 3, 7, pushed.payload));
    assert_eq!(crashes, 0);
    assert!(epoch > 0);
}

async fn equal_pushes_become_one_run(over: Over) {
    let bench = Bench::new(over, 10).await;
    assert_eq!(bench.push(job("lane", "a", Priority::Bulk)).await, Pushed::Queued);
    assert_eq!(bench.push(job("lane", "a", Priority::Bulk)).await, Pushed::Coalesced);
    assert_eq!(bench.claim_now(10).await.len(), 1);
    assert!(bench.claim_now(10).await.is_empty());
}

async fn any_number_of_pushes_during_a_run_leave_one_more_run(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let running = bench.claim(1).await.remove(0);
    assert_eq!(bench.push(job("lane", "a", Priority::Bulk)).await, Pushed::AfterRunning);
    for _ in 0..5 {
        assert_eq!(bench.push(job("lane", "a", Priority::Realtime)).await, Pushed::Coalesced);
    }
    assert!(bench.claim_now(10).await.is_empty(), "one run at a time per key");
    assert!(bench.settle(&running, Verdict::Done, 1).await);
    let again = bench.claim(10).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].priority, Priority::Realtime, "the most urgent push decides");
    assert!(bench.settle(&again[0], Verdict::Done, 1).await);
    assert!(bench.claim_now(10).await.is_empty());
}

async fn a_more_urgent_push_takes_its_waiting_equal_along(over: Over) {
    let bench = Bench::new(over, 10).await;
    for record in ["a", "b", "c"] {
        bench.push(job("lane", record, Priority::Bulk)).await;
    }
    assert_eq!(bench.push(job("lane", "c", Priority::Interactive)).await, Pushed::Coalesced);
    assert_eq!(records(&bench.claim(1).await), ["c"]);
    let mut rest = bench.claim(10).await;
    while rest.len() < 2 {
        rest.extend(bench.claim(10).await);
    }
    assert_eq!(records(&rest), ["a", "b"], "the replaced entry does not run a second time");
    assert!(bench.claim_now(10).await.is_empty());
}

async fn the_more_urgent_class_goes_first(over: Over) {
    let bench = Bench::new(over, 20).await;
    bench.push(job("lane", "bulk", Priority::Bulk)).await;
    bench.push(job("lane", "realtime", Priority::Realtime)).await;
    bench.push(job("lane", "interactive", Priority::Interactive)).await;
    let mut order = Vec::new();
    while order.len() < 3 {
        order.extend(bench.claim(1).await.into_iter().map(|job| job.key.record));
    }
    assert_eq!(order, ["interactive", "realtime", "bulk"]);
}

async fn a_lane_with_a_backlog_delays_no_other(over: Over) {
    let bench = Bench::new(over, 1000).await;
    let crowd: Vec<_> = (0..500).map(|n| job("crowded", &n.to_string(), Priority::Bulk)).collect();
    bench.queue.push(&crowd).await.unwrap();
    bench.push(job("quiet", "bulk", Priority::Bulk)).await;
    bench.push(job("other", "click", Priority::Interactive)).await;
    let claimed = bench.claim_now(8).await;
    let position = |lane: &str| claimed.iter().position(|job| job.key.lane == lane);
    assert!(position("other").is_some(), "{:?}", records(&claimed));
    assert!(position("quiet").is_some(), "at most a turn of the crowded lane comes first");
}

async fn bulk_never_takes_the_last_tokens(over: Over) {
    let bench = Bench::new(over, 5).await;
    for n in 0..9 {
        bench.push(job("lane", &n.to_string(), Priority::Bulk)).await;
    }
    assert_eq!(bench.claim_now(9).await.len(), 3, "a reserve of 2 stays");
    assert!(bench.claim_now(9).await.is_empty());
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert_eq!(records(&bench.claim_now(9).await), ["click"], "a click takes from the reserve at once");
}

async fn no_more_tokens_than_the_burst_are_ever_out(over: Over) {
    let bench = Bench::new(over, 10).await;
    for n in 0..8 {
        let mut dear = job("lane", &n.to_string(), Priority::Realtime);
        dear.cost = 4;
        bench.push(dear).await;
    }
    assert_eq!(bench.claim_now(8).await.len(), 2, "8 of 10 tokens; the third job would need 12");
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.tokens_out, lane.tokens_free, lane.state), (8, 2, LaneState::WaitsForTokens));
}

async fn unused_tokens_are_free_at_once_and_used_ones_after_the_interval(over: Over) {
    let bench = Bench::new(over, 4).await;
    for n in 0..3 {
        let mut dear = job("lane", &n.to_string(), Priority::Realtime);
        dear.cost = 4;
        bench.push(dear).await;
    }
    let first = bench.claim(1).await.remove(0);
    assert!(bench.claim_now(1).await.is_empty());
    assert!(bench.settle(&first, Verdict::Done, 0).await);
    let second = bench.claim_now(1).await;
    assert_eq!(second.len(), 1, "nothing was sent, so nothing cools down");
    let settled = Instant::now();
    assert!(bench.settle(&second[0], Verdict::Done, 1).await);
    assert!(bench.claim_now(1).await.is_empty());
    assert_eq!(bench.claim(1).await.len(), 1);
    assert!(settled.elapsed() >= INTERVAL, "came back after {:?}", settled.elapsed());
}

async fn tokens_cool_from_the_response_and_not_from_the_settlement(over: Over) {
    let bench = Bench::new(over, 1).await;
    for record in ["a", "b"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    let first = bench.claim(1).await.remove(0);
    assert!(bench.claim_now(1).await.is_empty(), "the only token is out");
    let permits = permits(&first, 1);
    tokio::time::sleep(INTERVAL / 2).await;
    let settled = Instant::now();
    let settlement = Settlement { job: first, verdict: Verdict::Done, permits };
    let step = Step { settlements: vec![settlement], ..Step::default() };
    let wait = bench.step(bench.queue.shard_of("lane"), step).await.wait;
    let Wait::For(wait) = wait else { panic!("{wait:?}") };
    assert!(wait <= INTERVAL - INTERVAL / 2 + INTERVAL / 50, "half of the interval is over: {wait:?}");
    bench.claim(1).await;
    assert!(settled.elapsed() + INTERVAL / 2 + Duration::from_millis(5) >= INTERVAL);
}

async fn a_retry_waits_for_its_delay_and_counts_its_attempt(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let failed = bench.claim(1).await.remove(0);
    let began = Instant::now();
    let after = Duration::from_millis(150);
    assert!(bench.settle(&failed, Verdict::Retry { after }, 1).await);
    assert!(bench.claim_now(1).await.is_empty());
    let again = bench.claim(1).await.remove(0);
    assert!(began.elapsed() >= after);
    assert_eq!(again.attempt, 1);
}

async fn a_snooze_spends_no_attempt(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let snoozed = bench.claim(1).await.remove(0);
    assert!(bench.settle(&snoozed, Verdict::Snooze { after: Duration::from_millis(30) }, 0).await);
    assert_eq!(bench.claim(1).await[0].attempt, 0);
}

async fn a_throttled_lane_is_held_whole_and_starts_gently(over: Over) {
    let bench = Bench::new(over, 16).await;
    for n in 0..40 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let refused = bench.claim(1).await.remove(0);
    let (began, hold) = (Instant::now(), Duration::from_millis(200));
    assert!(bench.settle(&refused, Verdict::Throttled { hold }, 1).await);
    assert!(bench.claim_now(10).await.is_empty(), "no other job of the lane runs either");
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert!(bench.claim_now(10).await.is_empty(), "not even an interactive one");
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.state, LaneState::Held);
    assert!(lane.held_for > Duration::ZERO && lane.held_for <= hold);
    let mut first = bench.claim(10).await;
    assert!(began.elapsed() >= hold);
    first.extend(bench.claim_now(10).await);
    assert!(first.len() <= 5, "the refused call's token and a quarter of the others, not {}", first.len());
    let back = first.iter().find(|job| job.key.record == refused.key.record).expect("the job is at the head");
    assert_eq!(back.attempt, 0, "a 429 spends no attempt");
}

async fn a_server_that_counts_more_than_we_do_shrinks_the_bucket(over: Over) {
    let bench = Bench::new(over, 10).await;
    for n in 0..20 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let first = bench.claim(1).await.remove(0);
    assert!(bench.settle_told(&first, Verdict::Done, 1, Some(3)).await);
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.tokens_free, 3, "another client spent 6 of them");
    let mut more = bench.claim_now(10).await;
    more.extend(bench.claim_now(10).await);
    assert_eq!(more.len(), 3);
}

async fn a_dead_workers_jobs_run_again_at_the_head_and_count_the_crash(over: Over) {
    let bench = Bench::new(over, 20).await;
    for n in 0..3 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let lost = bench.claim(1).await.remove(0);
    let began = Instant::now();
    let mut rest = bench.claim_now(5).await;
    while !records(&rest).contains(&lost.key.record.as_str()) {
        rest = bench.claim(5).await;
    }
    let again = rest.iter().find(|job| job.key == lost.key).unwrap();
    assert!(began.elapsed() + Duration::from_millis(50) >= LEASE);
    assert_eq!(again.crashes, 1);
    assert!(again.epoch > lost.epoch);
}

async fn a_heartbeat_keeps_the_lease(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let held = bench.claim(1).await.remove(0);
    let shard = bench.queue.shard_of("lane");
    let began = Instant::now();
    while began.elapsed() < LEASE * 3 {
        assert_eq!(bench.queue.heartbeat(shard, &[held.epoch]).await.unwrap(), [true]);
        assert!(bench.claim_now(1).await.is_empty());
        tokio::time::sleep(LEASE / 6).await;
    }
    assert!(bench.settle(&held, Verdict::Done, 1).await);
    let done = Step { finished: vec![held.epoch], ..Step::default() };
    bench.step(shard, done).await;
    assert_eq!(bench.queue.heartbeat(shard, &[held.epoch]).await.unwrap(), [false]);
}

async fn a_zombie_cannot_settle(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let zombie = bench.claim(1).await.remove(0);
    let heir = bench.claim(1).await.remove(0);
    assert_eq!(heir.key, zombie.key);
    assert!(!bench.settle(&zombie, Verdict::Done, 1).await, "its lease is another's");
    assert!(bench.settle(&heir, Verdict::Done, 1).await);
    assert!(!bench.settle(&heir, Verdict::Done, 1).await, "nothing settles twice");
}

async fn epochs_only_rise(over: Over) {
    let mut bench = Bench::new(over, 50).await;
    let mut last = 0;
    for n in 0..5 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
        let claimed = bench.claim(1).await.remove(0);
        assert!(claimed.epoch > last);
        last = claimed.epoch;
    }
    if let Some(redis) = &mut bench.redis {
        redis.flush_all();
        bench.push(job("another lane", "x", Priority::Realtime)).await;
        assert!(bench.claim(1).await[0].epoch > last, "also after the queue lost its state");
    }
}

async fn a_crashed_workers_tokens_come_back_late(over: Over) {
    let bench = Bench::new(over, 1).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let began = Instant::now();
    bench.claim(1).await;
    let again = bench.claim(1).await;
    assert_eq!(again[0].crashes, 1);
    let least = LEASE + TIMEOUT + INTERVAL;
    assert!(began.elapsed() + Duration::from_millis(50) >= least, "its call may still arrive: {:?}", began.elapsed());
}

async fn a_lost_state_counts_as_spent(over: Over) {
    let mut bench = Bench::met(over, 10, FirstMeeting::Spent).await;
    let spent = INTERVAL + TIMEOUT + LEASE;
    let began = Instant::now();
    bench.push(job("lane", "a", Priority::Interactive)).await;
    assert!(bench.claim_now(1).await.is_empty());
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= spent);
    let Some(redis) = &mut bench.redis else { return };
    let losses = bench.queue.losses();
    redis.flush_all();
    let began = Instant::now();
    bench.push(job("lane", "b", Priority::Interactive)).await;
    assert!(losses.iter().any(|loss| loss.has_changed().unwrap()), "the loss is told");
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= spent);
}

#[tokio::test]
async fn a_state_lost_before_the_first_push_counts_as_spent() {
    let mut bench = Bench::new(Over::Redis { shards: 1 }, 10).await;
    // As of a gateway that saw no event yet, while workers spent the quota.
    bench.redis.as_mut().unwrap().flush_all();
    bench.push(job("lane", "a", Priority::Interactive)).await;
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.state, LaneState::Held);
    assert!(bench.claim_now(1).await.is_empty());
}

async fn a_released_job_goes_back_to_the_head(over: Over) {
    let bench = Bench::new(over, 10).await;
    for record in ["a", "b"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    let given_back = bench.claim(1).await.remove(0);
    assert!(bench.settle(&given_back, Verdict::Released, 0).await);
    let again = bench.claim(1).await.remove(0);
    assert_eq!((again.key.record.as_str(), again.attempt, again.crashes), ("a", 0, 0));
}

async fn a_push_wakes_a_waiting_worker(over: Over) {
    let bench = Bench::new(over, 10).await;
    let shard = bench.queue.shard_of("lane");
    let queue = bench.queue.clone();
    let waiting = tokio::spawn(async move { queue.work_arrived(shard, Duration::from_secs(60)).await });
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let woken = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    woken.expect("woken long before its own limit").unwrap().unwrap();
}

async fn a_key_of_one_lane_is_not_the_same_key_of_another(over: Over) {
    let bench = Bench::new(over, 10).await;
    assert_eq!(bench.push(job("one", "a", Priority::Realtime)).await, Pushed::Queued);
    assert_eq!(bench.push(job("two", "a", Priority::Realtime)).await, Pushed::Queued);
    let mut claimed = bench.claim_now(10).await;
    claimed.extend(bench.claim_now(10).await);
    assert_eq!(claimed.len(), 2);
}

async fn state(bench: &Bench, lane: &str) -> LaneState {
    bench.queue.lane(lane).await.unwrap().unwrap().state
}

async fn a_paused_lane_rests_until_it_is_resumed(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    bench.push(job("other", "b", Priority::Realtime)).await;
    bench.queue.pause("lane").await.unwrap();
    assert_eq!(records(&bench.claim_now(9).await), ["b"], "other lanes go on");
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert!(bench.claim_now(9).await.is_empty());
    assert_eq!(state(&bench, "lane").await, LaneState::Paused);
    bench.queue.resume("lane").await.unwrap();
    assert_eq!(state(&bench, "lane").await, LaneState::Ready);
    let mut claimed = bench.claim(9).await;
    claimed.extend(bench.claim_now(9).await);
    assert_eq!(records(&claimed), ["click", "a"]);
}

async fn a_broken_lane_is_probed_by_one_job_and_opens_when_that_succeeds(over: Over) {
    let bench = Bench::new(over, 20).await;
    for n in 0..6 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let refused = bench.claim(1).await.remove(0);
    assert!(bench.settle(&refused, Verdict::Broken { probe_after: PROBE_AFTER }, 1).await);
    for _ in 0..2 {
        assert_eq!(state(&bench, "lane").await, LaneState::Broken);
        assert!(bench.claim_now(9).await.is_empty());
        let probe = bench.claim(9).await;
        assert_eq!(probe.len(), 1, "one job probes");
        assert_eq!(
            (&probe[0].key, probe[0].attempt),
            (&refused.key, 0),
            "the one that was refused, and no attempt is spent"
        );
        assert!(bench.claim_now(9).await.is_empty(), "the others wait for what it finds");
        assert!(bench.settle(&probe[0], Verdict::Released, 0).await);
        let again = bench.claim_now(9).await;
        assert_eq!(again.len(), 1, "a probe that was given back tells nothing");
        assert!(bench.settle(&again[0], Verdict::Broken { probe_after: PROBE_AFTER }, 1).await);
    }
    let probe = bench.claim(9).await.remove(0);
    assert!(bench.settle(&probe, Verdict::Done, 1).await);
    assert_eq!(state(&bench, "lane").await, LaneState::Ready);
    assert_eq!(bench.claim_now(9).await.len(), 5);
}

async fn a_storm_of_failures_breaks_the_lane_off(over: Over) {
    let bench = Bench::new(over, 50).await;
    for n in 0..9 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let retry = Verdict::Retry { after: Duration::from_secs(60) };
    for done in [Verdict::Retry { after: Duration::from_secs(60) }, Verdict::Done] {
        let job = bench.claim(1).await.remove(0);
        assert!(bench.settle(&job, done, 1).await);
    }
    for _ in 0..3 {
        assert_eq!(state(&bench, "lane").await, LaneState::Ready, "a success in between counts");
        let job = bench.claim(1).await.remove(0);
        assert!(bench.settle(&job, retry.clone(), 1).await);
    }
    assert_eq!(state(&bench, "lane").await, LaneState::Broken);
    let probe = bench.claim(9).await;
    assert_eq!(probe.len(), 1);
    assert!(bench.settle(&probe[0], retry, 1).await);
    assert_eq!(state(&bench, "lane").await, LaneState::Broken, "one failed probe is enough");
    bench.queue.resume("lane").await.unwrap();
    assert_eq!(bench.claim_now(9).await.len(), 3, "a person may know better");
}

async fn a_probe_whose_worker_dies_is_followed_by_another(over: Over) {
    let bench = Bench::new(over, 20).await;
    for n in 0..3 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let refused = bench.claim(1).await.remove(0);
    assert!(bench.settle(&refused, Verdict::Broken { probe_after: PROBE_AFTER }, 1).await);
    assert_eq!(bench.claim(9).await.len(), 1);
    let next = bench.claim(9).await;
    assert_eq!((next.len(), next[0].crashes), (1, 1));
    assert!(bench.settle(&next[0], Verdict::Done, 1).await);
    assert_eq!(bench.claim_now(9).await.len(), 2);
}

/// Spends all but `left` calls of the lane's day, by the server's word.
async fn spend_the_day(bench: &Bench, lane: &str, left: u32) {
    bench.push(job(lane, "spends", Priority::Interactive)).await;
    let spender = bench.claim(1).await.remove(0);
    let permits = permits(&spender, 1);
    permits.observe(None, Some(left));
    let settlement = Settlement { job: spender, verdict: Verdict::Done, permits };
    let step = Step { settlements: vec![settlement], ..Step::default() };
    assert!(bench.step(bench.queue.shard_of(lane), step).await.late.is_empty());
}

async fn the_days_calls_are_a_limit_of_their_own(over: Over) {
    let bench = Bench::new(over, 50).await;
    spend_the_day(&bench, "lane", 2).await;
    for n in 0..5 {
        bench.push(job("lane", &n.to_string(), Priority::Interactive)).await;
    }
    let claimed = bench.claim_now(9).await;
    assert_eq!(claimed.len(), 2, "what is granted counts too");
    assert!(bench.settle(&claimed[0], Verdict::Done, 1).await);
    assert!(bench.claim_now(9).await.is_empty());
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.state, lane.day_used), (LaneState::DaySpent, DAILY - 1));
    assert!(lane.held_for > Duration::from_secs(23 * 3600), "until the calls no longer count: {:?}", lane.held_for);
    assert!(bench.settle(&claimed[1], Verdict::Done, 0).await, "it needed none");
    assert_eq!(bench.claim_now(9).await.len(), 1, "so another may");
}

async fn bulk_leaves_a_fifth_of_the_day_to_others(over: Over) {
    let bench = Bench::new(over, 50).await;
    spend_the_day(&bench, "lane", DAILY / 5 + 1).await;
    for n in 0..5 {
        bench.push(job("lane", &n.to_string(), Priority::Bulk)).await;
    }
    assert_eq!(bench.claim_now(9).await.len(), 1);
    assert_eq!(state(&bench, "lane").await, LaneState::DaySpent);
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert_eq!(records(&bench.claim_now(9).await), ["click"]);
}

async fn never_over_the_limit_whatever_the_delays(over: Over) {
    arrivals::check(&Bench::new(over, 10).await, 10).await;
}
