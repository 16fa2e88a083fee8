use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::*;
use crate::job::{Key, NewJob, Priority};
use crate::limit::{Claiming, ColdStart, Limit};

/// Plays a script: what the n-th run of a record comes to.
#[derive(Default)]
struct Actor {
    script: HashMap<&'static str, Vec<Act>>,
    runs: Mutex<HashMap<String, usize>>,
    ended: Mutex<Vec<(String, &'static str)>>,
    changed: Notify,
    gate: Option<Semaphore>,
}

#[derive(Clone)]
enum Act {
    Panic,
    WaitForGate,
}

impl Handler for Actor {
    async fn run(&self, job: Job, _: Permits) -> Outcome {
        let record = job.key.record.as_str();
        let run = {
            let mut runs = self.runs.lock().unwrap();
            let count = runs.entry(record.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        self.changed.notify_one();
        match self.script.get(record).and_then(|acts| acts.get(run)).cloned() {
            None => Outcome::Done,
            Some(Act::Panic) => panic!("as the script says"),
            Some(Act::WaitForGate) => {
                self.gate.as_ref().unwrap().acquire().await.unwrap().forget();
                Outcome::Done
            }
        }
    }

    async fn dead_letter(&self, _: Job, _: &str) -> Outcome {
        Outcome::Dead
    }

    fn ended(&self, job: &Job, outcome: &Outcome, _: Duration, _: &Permits) {
        self.ended.lock().unwrap().push((job.key.record.clone(), outcome.as_str()));
        self.changed.notify_one();
    }

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Retry { after: Duration::from_millis(1) }
    }
}

impl Actor {
    fn new(script: &[(&'static str, &[Act])]) -> Arc<Self> {
        let script = script.iter().map(|(record, acts)| (*record, acts.to_vec())).collect();
        Arc::new(Self { script, gate: Some(Semaphore::new(0)), ..Self::default() })
    }

    async fn until(&self, enough: impl Fn(&[(String, &'static str)]) -> bool) {
        while !enough(&self.ended.lock().unwrap()) {
            self.changed.notified().await;
        }
    }

    async fn until_started(&self, record: &str) {
        while !self.runs.lock().unwrap().contains_key(record) {
            self.changed.notified().await;
        }
    }

    fn outcomes(&self, record: &str) -> Vec<&'static str> {
        let ended = self.ended.lock().unwrap();
        ended.iter().filter(|(whose, _)| whose == record).map(|(_, outcome)| *outcome).collect()
    }
}

fn queue(shards: usize) -> Queue {
    let limit = Limit {
        burst: 1000,
        interval: Duration::from_millis(50),
        call_timeout: Duration::from_millis(50),
        reserve: 2,
        daily: 1_000_000,
    };
    Queue::memory(shards, limit, Claiming::default(), ColdStart::Unspent)
}

fn job(record: &str) -> NewJob {
    let key = Key { lane: format!("lane of {record}"), kind: "kind".into(), record: record.into() };
    NewJob::new(key, Priority::Realtime, 1)
}

fn config(concurrency: usize) -> PoolConfig {
    PoolConfig { name: "test".into(), concurrency }
}

#[tokio::test]
async fn every_job_runs_over_all_shards_with_few_slots() {
    let (queue, actor) = (queue(3), Actor::new(&[]));
    let jobs: Vec<_> = (0..500).map(|n| job(&n.to_string())).collect();
    queue.push(&jobs).await.unwrap();
    let pool = Pool::start(&queue, Arc::clone(&actor), &config(4));
    actor.until(|ended| ended.len() == 500).await;
    pool.stop().await;
    assert!(actor.runs.lock().unwrap().values().all(|runs| *runs == 1));
}

#[tokio::test]
async fn a_pushed_job_runs_while_the_pool_is_idle() {
    let (queue, actor) = (queue(1), Actor::new(&[]));
    let pool = Pool::start(&queue, Arc::clone(&actor), &config(4));
    for n in 0..20 {
        queue.push(&[job(&n.to_string())]).await.unwrap();
        actor.until(|ended| ended.len() > n).await;
    }
    pool.stop().await;
}

/// Time is simulated: it passes when nothing is left to do.
#[tokio::test(start_paused = true)]
async fn a_job_that_was_put_off_runs_when_it_is_due_also_with_a_single_slot() {
    for slots in [1, 4] {
        let (queue, actor) = (queue(1), Actor::new(&[]));
        let pool = Pool::start(&queue, Arc::clone(&actor), &config(slots));
        queue.push(&[job("now")]).await.unwrap();
        actor.until(|ended| ended.len() == 1).await;
        // So that it listens.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (began, delay) = (Instant::now(), Duration::from_millis(100));
        queue.push(&[NewJob { delay, ..job("later") }]).await.unwrap();
        actor.until(|ended| ended.len() == 2).await;
        assert!(began.elapsed() < delay * 2, "it ran after {:?}", began.elapsed());
        pool.stop().await;
    }
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_harms_no_other_job() {
    let (queue, actor) = (queue(1), Actor::new(&[("bad", &[Act::Panic])]));
    let pool = Pool::start(&queue, Arc::clone(&actor), &config(4));
    queue.push(&[job("bad"), job("good")]).await.unwrap();
    actor.until(|ended| ended.len() == 3).await;
    pool.stop().await;
    assert_eq!(actor.outcomes("bad"), ["retry", "done"]);
    assert_eq!(actor.outcomes("good"), ["done"]);
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_gives_back_the_rest() {
    let (queue, actor) = (queue(1), Actor::new(&[("slow", &[Act::WaitForGate])]));
    let pool = Pool::start(&queue, Arc::clone(&actor), &config(1));
    queue.push(&[job("slow"), job("next")]).await.unwrap();
    actor.until_started("slow").await;
    let stopping = tokio::spawn(pool.stop());
    actor.gate.as_ref().unwrap().add_permits(1);
    stopping.await.unwrap();
    assert_eq!(actor.outcomes("slow"), ["done"]);
    assert!(actor.outcomes("next").is_empty());
    let again = Pool::start(&queue, Arc::clone(&actor), &config(1));
    actor.until(|ended| ended.iter().any(|(record, _)| record == "next")).await;
    again.stop().await;
}

#[tokio::test]
async fn a_hurried_stop_gives_back_what_runs() {
    let (queue, actor) = (queue(1), Actor::new(&[("slow", &[Act::WaitForGate])]));
    let pool = Pool::start(&queue, Arc::clone(&actor), &config(1));
    queue.push(&[job("slow")]).await.unwrap();
    actor.until_started("slow").await;
    pool.force_stop().now();
    pool.stop().await;
    assert_eq!(actor.outcomes("slow"), ["released"]);
    let again = Pool::start(&queue, Arc::clone(&actor), &config(1));
    actor.until(|ended| ended.len() == 2).await;
    again.stop().await;
    assert_eq!(actor.outcomes("slow"), ["released", "done"]);
}
