//! A function decides first and writes last: whichever of its commands fails, nothing has changed; and what nobody can read is set aside.

use std::time::Duration;

use super::redis_server::RedisServer;
use super::{Bench, LEASE, Over, claiming, job, limit, permits, records};
use crate::job::{Job, Key, NewJob, Priority};
use crate::limit::ColdStart;
use crate::outcome::Outcome;
use crate::queue::{Driver, Queue, QueueError, Settlement, Step};

/// Commands that a step writes with that forgets no lane.
const WRITES: [&str; 8] = ["hset", "hdel", "zadd", "zrem", "lpop", "del", "lpush", "rpush"];

/// A queue in which one step has something of everything to do, and that step.
async fn busy(queue: &Queue) -> Step {
    let key =
        |lane: &str, kind: &str, record: &str| Key { lane: lane.into(), kind: kind.into(), record: record.into() };
    let new = |lane: &str, kind: &str, record: &str, priority| NewJob::new(key(lane, kind, record), priority, 1);
    for n in 0..6 {
        queue.push(&[new("a", "kind", &n.to_string(), Priority::Realtime)]).await.unwrap();
    }
    queue.pause_kind("rests").await.unwrap();
    queue.push(&[new("b", "rests", "x", Priority::Interactive)]).await.unwrap();
    // One worker dies with these, and its lease and their tokens are due in the end.
    queue.step(0, &Step { claim: 2, ..Step::default() }).await.unwrap();
    tokio::time::sleep(LEASE + Duration::from_millis(5)).await;
    let held = queue.step(0, &Step { claim: 3, ..Step::default() }).await.unwrap();
    assert_eq!(held.jobs.len(), 3);
    // Runs once more, and waits for later.
    queue.push(&[NewJob { key: held.jobs[0].key.clone(), ..job("a", "x", Priority::Interactive) }]).await.unwrap();
    let delay = Duration::from_millis(1);
    queue.push(&[NewJob { delay, ..new("c", "kind", "later", Priority::Bulk) }]).await.unwrap();
    // More than the step takes.
    for n in 0..9 {
        queue.push(&[new("d", "kind", &n.to_string(), Priority::Realtime)]).await.unwrap();
    }
    queue.resume_kind("rests").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let outcomes = [Outcome::Retry { after: Duration::ZERO }, Outcome::Throttled { hold: delay }, Outcome::Done];
    let settle = |(job, outcome)| Settlement { permits: permits(&job, 1), job, outcome };
    let settlements = held.jobs.into_iter().zip(outcomes).map(settle).collect();
    Step { finished: vec![held.epoch], settlements, claim: 5 }
}

async fn open(url: &str) -> Queue {
    Queue::redis(url, "test", 1, limit(20), claiming(), ColdStart::Unspent).await.unwrap()
}

#[tokio::test]
async fn a_step_of_which_one_command_fails_has_changed_nothing() {
    let redis = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let mut queue = open(&redis.url()).await;
    let shards = &mut std::sync::Arc::get_mut(&mut queue.inner).unwrap().shards;
    let Driver::Redis(shard) = &mut shards[0].driver else { unreachable!("it was made so") };
    shard.fail_commands();
    let step = busy(&queue).await;
    let mut failed = 0;
    loop {
        redis.command(&format!("SET fail {}", failed + 1));
        let before = redis.command("DEBUG DIGEST");
        match queue.step(0, &step).await {
            Ok(stepped) => {
                assert!(!stepped.jobs.is_empty() && stepped.late.is_empty());
                assert_ne!(redis.command("DEBUG DIGEST"), before);
                break;
            }
            Err(error) => {
                assert!(error.to_string().contains("as asked"), "{error}");
                assert_eq!(redis.command("DEBUG DIGEST"), before, "after {failed} commands: {error}");
                failed += 1;
            }
        }
    }
    assert!(failed > 15, "only {failed} commands were tried");
}

/// What a worker, a producer or a person may ask beside a step, in a queue that has something of everything.
async fn asks(queue: &Queue, number: usize, held: &Job) -> Result<(), QueueError> {
    let key = |lane: &str, record: &str| Key { lane: lane.into(), kind: "kind".into(), record: record.into() };
    let delay = Duration::from_millis(1);
    match number {
        0 => {
            let again = NewJob { key: held.key.clone(), ..job("a", "x", Priority::Interactive) };
            let later = NewJob { delay, ..NewJob::new(key("c", "sooner"), Priority::Bulk, 1) };
            let new = NewJob::new(key("new", "y"), Priority::Realtime, 1);
            queue.push(&[again, later, new]).await.map(drop)
        }
        1 => queue.heartbeat(0, &[held.epoch, 7]).await.map(drop),
        2 => queue.pause("a").await,
        3 => queue.resume("a").await,
        4 => queue.pause_kind("kind").await,
        5 => queue.alone(0, Some(&held.key), &[held.epoch], true).await,
        _ => queue.raise_epochs(held.epoch + 1_000_000).await,
    }
}

#[tokio::test]
async fn so_has_every_other_function() {
    let redis = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let mut queue = open(&redis.url()).await;
    let shards = &mut std::sync::Arc::get_mut(&mut queue.inner).unwrap().shards;
    let Driver::Redis(shard) = &mut shards[0].driver else { unreachable!("it was made so") };
    shard.fail_commands();
    let held = busy(&queue).await.settlements.remove(0).job;
    for number in 0..7 {
        let mut failed = 0;
        loop {
            // Met anew, so that it is met in none of the calls that fail.
            redis.command("DEL fail");
            queue.heartbeat(0, &[]).await.unwrap();
            redis.command(&format!("SET fail {}", failed + 1));
            let before = redis.command("DEBUG DIGEST");
            let Err(error) = asks(&queue, number, &held).await else { break };
            assert!(error.to_string().contains("as asked"), "{error}");
            assert_eq!(redis.command("DEBUG DIGEST"), before, "{number}, after {failed} commands: {error}");
            failed += 1;
        }
        assert!(failed > 0, "no command of {number} was tried");
    }
}

/// Each is taken from the user while its connection is open, and given back.
#[tokio::test]
async fn a_step_whose_user_has_lost_a_command_has_changed_nothing() {
    let redis = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let user = |rules: &str| {
        assert_eq!(redis.command(&format!("ACL SETUSER worker reset on >secret ~* +@all {rules}")), "+OK")
    };
    user("");
    let queue = open(&format!("redis://worker:secret@127.0.0.1:{}/", redis.port())).await;
    let step = busy(&queue).await;
    for command in WRITES {
        // Met anew, so that it does not look again in this very call.
        queue.heartbeat(0, &[]).await.unwrap();
        user(&format!("-{command}"));
        let before = redis.command("DEBUG DIGEST");
        let again = Step { settlements: step.settlements.clone(), finished: step.finished.clone(), claim: 5 };
        let error = queue.step(0, &again).await.unwrap_err();
        assert_eq!(redis.command("DEBUG DIGEST"), before, "{command}: {error}");
        let error = queue.step(0, &again).await.unwrap_err();
        assert!(matches!(error, QueueError::Unfit(_)), "then it is found by name: {error}");
        user("");
    }
    assert!(!queue.step(0, &step).await.unwrap().jobs.is_empty());
}

#[tokio::test]
async fn what_nobody_can_read_is_set_aside_and_holds_up_nothing() {
    let bench = Bench::new(Over::Redis { shards: 1 }, 10).await;
    let redis = bench.redis.as_ref().unwrap();
    let prefix = format!("test:{}:{{0}}:", crate::queue::redis::LAYOUT);
    bench.push(job("lane", "before", Priority::Realtime)).await;
    for damaged in ["", "x", "12345678", "12345\u{1}111without-a-slash"] {
        redis.command(&format!("RPUSH {prefix}q1:lane \"{damaged}\""));
    }
    for timer in ["Zfrom-a-newer-version", "J", "Jx", "T", "T5:1:without-a-lane", "?"] {
        redis.command(&format!("ZADD {prefix}timer 1 {timer}"));
    }
    bench.push(job("lane", "after", Priority::Realtime)).await;
    let mut claimed = bench.claim_now(10).await;
    claimed.extend(bench.claim_now(10).await);
    assert_eq!(records(&claimed), ["before", "after"]);
    assert_eq!(bench.queue.lane("lane").await.unwrap().unwrap().tokens_out, 2);
    for job in &claimed {
        assert!(bench.settle(job, Outcome::Done, 0).await);
    }
    assert_eq!(redis.command(&format!("LLEN {prefix}aside")), ":10", "a person can look at it");
    assert!(bench.claim_now(10).await.is_empty());
}
