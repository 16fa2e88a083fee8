//! Idle workers listen: the step that they have sent is taken when there is work.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Bench, LEASE, Over, job, records};
use crate::job::{NewJob, Priority};
use crate::queue::{Step, Stepped, Wait};

promises! {
    what_is_pushed_is_claimed_by_a_worker_that_listens,
    a_push_for_later_wakes_a_worker_that_would_sleep_longer,
    a_step_that_makes_work_wakes_a_worker_that_listens,
    a_lease_begins_when_a_push_is_claimed,
    who_listens_can_be_hushed,
}

/// A step that listens, once it does so for sure, or has ended.
async fn listens(bench: &Bench, claim: usize) -> JoinHandle<Stepped> {
    let (queue, shard) = (bench.queue.clone(), bench.queue.shard_of("lane"));
    let step = Step { claim, ..Step::default() };
    let listens = tokio::spawn(async move { queue.listen(shard, &step, Duration::from_secs(60)).await.unwrap() });
    if let Some(redis) = &bench.redis {
        while !listens.is_finished() && redis.info("clients", "blocked_clients").unwrap() != "1" {
            tokio::task::yield_now().await;
        }
    } else {
        tokio::task::yield_now().await;
    }
    listens
}

async fn woken(listens: JoinHandle<Stepped>) -> Stepped {
    let woken = tokio::time::timeout(Duration::from_secs(20), listens).await;
    woken.expect("woken long before its own limit").unwrap()
}

async fn what_is_pushed_is_claimed_by_a_worker_that_listens(over: Over) {
    let bench = Bench::new(over, 10).await;
    let listens = listens(&bench, 5).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    assert_eq!(records(&woken(listens).await.jobs), ["a"]);
}

/// It sleeps until what was due first when it last looked: of what is due sooner it has to hear.
async fn a_push_for_later_wakes_a_worker_that_would_sleep_longer(over: Over) {
    let bench = Bench::new(over, 10).await;
    for (record, minutes) in [("a", 10), ("b", 5)] {
        let listens = listens(&bench, 5).await;
        let delay = Duration::from_secs(60 * minutes);
        bench.push(NewJob { delay, ..job("lane", record, Priority::Realtime) }).await;
        let Stepped { jobs, wait: Wait::For(wait), .. } = woken(listens).await else { panic!("it knows when") };
        assert!(jobs.is_empty() && wait <= delay && wait > delay / 2, "due in {wait:?}");
    }
}

/// As where the only slot is kept for what is pushed, and something else becomes due.
async fn a_step_that_makes_work_wakes_a_worker_that_listens(over: Over) {
    let bench = Bench::new(over, 10).await;
    let shard = bench.queue.shard_of("lane");
    for (record, delay) in [("a", 20), ("b", 200), ("c", 2_000), ("d", 20_000)] {
        let delay = Duration::from_millis(delay);
        bench.push(NewJob { delay, ..job("lane", record, Priority::Realtime) }).await;
        // It learns of that push, and listens anew.
        bench.queue.listen(shard, &Step::default(), Duration::from_secs(60)).await.unwrap();
        let listens = listens(&bench, 1).await;
        tokio::time::sleep(delay * 2).await;
        if listens.is_finished() {
            // A busy machine: the job was due before the worker listened, which proves nothing.
            continue;
        }
        assert_eq!(bench.step(shard, Step::default()).await.wait, Wait::More);
        assert_eq!(records(&woken(listens).await.jobs), [record]);
        return;
    }
    panic!("the machine is too slow to listen within 20 s");
}

/// Its worker may have been stopped: the lease is not counted from when it reads what was claimed, nor from when it began to listen.
async fn a_lease_begins_when_a_push_is_claimed(over: Over) {
    let bench = Bench::leased(over, 10).await;
    let shard = bench.queue.shard_of("lane");
    // Workers step before they listen.
    bench.step(shard, Step::default()).await;
    let step = Step { claim: 1, ..Step::default() };
    let mut listens = Box::pin(bench.queue.listen(shard, &step, Duration::from_secs(60)));
    let began = Instant::now();
    assert!(tokio::time::timeout(LEASE * 4, &mut listens).await.is_err(), "nothing is there");
    let pushed = Instant::now();
    bench.push(job("lane", "a", Priority::Realtime)).await;
    tokio::time::sleep(LEASE).await;
    let stepped = listens.await.unwrap();
    assert_eq!(records(&stepped.jobs), ["a"]);
    if bench.redis.is_some() {
        assert!(stepped.begun.elapsed() >= LEASE, "it may not think that its lease holds");
    }
    assert!(stepped.begun - began > (pushed - began) / 2, "it did not begin with the listening");
}

async fn who_listens_can_be_hushed(over: Over) {
    let bench = Bench::new(over, 10).await;
    let listens = listens(&bench, 1).await;
    while !listens.is_finished() {
        bench.queue.unblock(bench.queue.shard_of("lane")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(woken(listens).await.jobs.is_empty());
}
