//! Runs jobs with random delays, time-outs and crashes against a queue, and checks every arrival exactly.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Bench, INTERVAL, LEASE, Priority, TIMEOUT, job};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};
use crate::queue::{Settlement, Step, Wait};

const JOBS: usize = 120;
/// Long enough for a few windows; the checker is exact, so more time only finds more.
const TIME: Duration = Duration::from_secs(3);
/// For a machine that does little in that time.
const PATIENCE: Duration = Duration::from_secs(60);

/// No window of the interval's length, wherever it begins, may see more than `burst` arrivals.
pub(super) async fn check(bench: &Bench, burst: usize) {
    let seed: u64 = rand::random();
    let mut dice = StdRng::seed_from_u64(seed);
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    for n in 0..JOBS {
        let mut dear = job("lane", &n.to_string(), Priority::ALL[n % 3]);
        dear.cost = dice.random_range(1..=4);
        bench.push(dear).await;
    }
    let shard = bench.queue.shard_of("lane");
    let began = Instant::now();
    let mut running = JoinSet::new();
    let is_enough = async || arrivals.lock().await.len() > burst * 2;
    while began.elapsed() < TIME || !is_enough().await && began.elapsed() < PATIENCE {
        let stepped = bench.step(shard, Step { claim: 8, ..Step::default() }).await;
        for job in stepped.jobs {
            let (queue, arrivals) = (bench.queue.clone(), Arc::clone(&arrivals));
            let calls = dice.random_range(0..=u32::from(job.cost));
            // Up to the time-out before it arrives, the rest before the answer.
            let delays: Vec<_> = (0..calls).map(|_| TIMEOUT.mul_f64(dice.random::<f64>())).collect();
            let crashes = dice.random_bool(0.05);
            let permits = Permits::new(u32::from(job.cost), Lease::begin(Instant::now(), LEASE));
            // As writing to the database takes its time.
            let lingers = TIMEOUT.mul_f64(dice.random::<f64>() / 4.0);
            running.spawn(async move {
                for delay in delays {
                    let Ok(permit) = permits.take() else { break };
                    let arrives = delay / 2;
                    sleep(arrives).await;
                    arrivals.lock().await.push(Instant::now());
                    if crashes {
                        return;
                    }
                    sleep(delay - arrives).await;
                    drop(permit);
                }
                sleep(lingers).await;
                let settlement = Settlement { job, outcome: Outcome::Done, permits };
                queue.step(shard, &Step { settlements: vec![settlement], ..Step::default() }).await.unwrap();
            });
        }
        match stepped.wait {
            Wait::More => {}
            Wait::For(wait) => sleep(wait.clamp(Duration::from_millis(1), Duration::from_millis(20))).await,
            Wait::ForPush => sleep(Duration::from_millis(20)).await,
        }
    }
    running.shutdown().await;
    let mut arrivals = std::mem::take(&mut *arrivals.lock().await);
    arrivals.sort();
    assert!(arrivals.len() > burst * 2, "the run reached more than one window");
    for window in arrivals.windows(burst + 1) {
        let span = window[burst] - window[0];
        assert!(span >= INTERVAL, "{} arrivals within {span:?}, seed {seed}", burst + 1);
    }
}
