//! A queue in memory goes on with the calls that the process before it has sent: no location rests for nothing, and none sends too many (law 2).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::simulated::simulate;
use super::{Bench, INTERVAL, TIMEOUT, claiming, job, limit, permits};
use crate::job::{Job, Priority};
use crate::limit::{ColdStart, Limit};
use crate::outcome::Outcome;
use crate::queue::memory::{Clock, Journal, Uptime};
use crate::queue::{Handover, LaneState, LaneView, Queue, Settlement, Step};

/// The data folder of a machine, and the processes that follow each other there.
struct Machine {
    folder: PathBuf,
    boot: Arc<Mutex<String>>,
    began: Instant,
    processes: usize,
    limit: Limit,
}

impl Machine {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("job-engine-calls-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let boot = Arc::new(Mutex::new("boot".to_owned()));
        Self { folder, boot, began: Instant::now(), processes: 0, limit: limit(10) }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("calls.state")
    }

    /// The next process, which the store of records knows as the one after the last.
    fn start(&mut self) -> Bench {
        self.processes += 1;
        let before = (self.processes > 1).then(|| (self.processes - 1).to_string());
        self.start_after(before.as_deref())
    }

    fn start_after(&self, before: Option<&str>) -> Bench {
        let (boot, began) = (Arc::clone(&self.boot), self.began);
        let clock: Clock = Arc::new(move || {
            let up = Duration::from_secs(100) + began.elapsed();
            // As coarse as the system's own.
            Some(Uptime { boot: boot.lock().unwrap().clone(), ms: up.as_millis() as u64 / 10 * 10 })
        });
        let (before, own) = (before.map(str::to_owned), self.processes.to_string());
        let handover = Handover { file: self.file(), before, own };
        let queue = Queue::memory_by(2, self.limit, claiming(), ColdStart::Spent, &handover, clock);
        Bench { queue, redis: None }
    }

    /// A machine whose first process has three calls that count, and two under way.
    async fn with_calls() -> Self {
        let mut machine = Self::new();
        let bench = machine.start();
        assert!(push_and_claim(&bench, "lane", 5).await.is_empty(), "nobody knows what was before");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let jobs = bench.claim_now(5).await;
        assert_eq!(jobs.len(), 5);
        for job in &jobs[..3] {
            assert!(bench.settle(job, Outcome::Done, 1).await);
        }
        machine
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn push_and_claim(bench: &Bench, lane: &str, count: usize) -> Vec<Job> {
    for n in 0..count {
        bench.push(job(lane, &format!("{n}-{}", uuid::Uuid::new_v4()), Priority::Realtime)).await;
    }
    bench.claim_now(count).await
}

async fn view(bench: &Bench) -> LaneView {
    bench.queue.lane("lane").await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn calls_that_count_are_gone_on_with_and_all_other_tokens_are_free_at_once() {
    let mut machine = Machine::with_calls().await;
    let bench = machine.start();
    let lane = view(&bench).await;
    assert_eq!(
        (lane.tokens_out, lane.tokens_cooling, lane.tokens_free),
        (2, 3, 5),
        "two may have left in the last moment"
    );
    assert_eq!(lane.day_used, 3);
    assert_eq!(push_and_claim(&bench, "lane", 9).await.len(), 5, "an orphan and a click run at once");
    assert_eq!(push_and_claim(&bench, "another lane", 10).await.len(), 10);
    // Those of the process that died stay away for as long as one of their calls may be under way and count.
    let out = async || {
        bench.claim_now(0).await;
        view(&bench).await.tokens_out
    };
    tokio::time::sleep(TIMEOUT + INTERVAL - Duration::from_millis(5)).await;
    assert_eq!(out().await, 2 + 5);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(out().await, 5);
}

#[tokio::test(start_paused = true)]
async fn after_a_clean_stop_nobody_waits() {
    let mut machine = Machine::new();
    let bench = machine.start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for job in push_and_claim(&bench, "lane", 4).await {
        assert!(bench.settle(&job, Outcome::Done, 1).await);
    }
    let bench = machine.start();
    let lane = view(&bench).await;
    assert_eq!((lane.state, lane.tokens_out, lane.tokens_cooling), (LaneState::Ready, 0, 4));
    tokio::time::sleep(INTERVAL * 2).await;
    let bench = machine.start();
    assert_eq!(push_and_claim(&bench, "lane", 10).await.len(), 10, "all are back");
}

#[tokio::test(start_paused = true)]
async fn a_location_that_the_server_reported_to_wait_waits_on() {
    let mut machine = Machine::new();
    let bench = machine.start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reported = push_and_claim(&bench, "lane", 1).await.remove(0);
    bench.settle(&reported, Outcome::Throttled { hold: Duration::from_secs(60) }, 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let bench = machine.start();
    let lane = view(&bench).await;
    assert!(lane.state == LaneState::Held && lane.held_for > Duration::from_secs(39), "{lane:?}");
}

/// Each of these is a way in which somebody else may have sent calls since, or in which time is not what it seems.
#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_believed_begins_used_up() {
    let rests = async |bench: Bench| {
        bench.push(job("lane", "a", Priority::Interactive)).await;
        assert!(bench.claim_now(1).await.is_empty());
        view(&bench).await.state == LaneState::Held
    };
    let machine = Machine::with_calls().await;
    assert!(rests(machine.start_after(None)).await, "the store knows of nobody");
    let machine = Machine::with_calls().await;
    assert!(rests(machine.start_after(Some("another"))).await, "another process had the limiter since");
    let mut machine = Machine::with_calls().await;
    machine.start();
    assert!(rests(machine.start_after(Some("1"))).await, "it was used before");
    let mut machine = Machine::with_calls().await;
    *machine.boot.lock().unwrap() = "later".into();
    assert!(rests(machine.start()).await, "the machine was started anew, and may not have written all");
    let mut machine = Machine::with_calls().await;
    machine.began += Duration::from_secs(1);
    assert!(rests(machine.start()).await, "it is of later than now");
    let mut machine = Machine::with_calls().await;
    machine.limit.interval += Duration::from_secs(1);
    assert!(rests(machine.start()).await, "calls count for longer than they did");
    let mut machine = Machine::with_calls().await;
    let bytes = std::fs::read(machine.file()).unwrap();
    std::fs::rename(machine.file(), machine.folder.join("aside")).unwrap();
    std::fs::write(machine.file(), bytes).unwrap();
    assert!(rests(machine.start()).await, "a copy that was put back may be an old one");
    let mut machine = Machine::with_calls().await;
    std::fs::remove_file(machine.file()).unwrap();
    assert!(rests(machine.start()).await, "it is gone");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_cut_is_read_as_far_as_it_goes() {
    let whole = Machine::with_calls().await;
    let length = std::fs::metadata(whole.file()).unwrap().len();
    let mut known = Vec::new();
    for cut in (0..=length).rev() {
        std::fs::OpenOptions::new().write(true).open(whole.file()).unwrap().set_len(cut).unwrap();
        let clock: Clock = Arc::new(|| Some(Uptime { boot: "boot".into(), ms: 200_000 }));
        let handover = Handover { file: whole.file(), before: Some("1".into()), own: "1".into() };
        let lanes = Journal::look(&handover, &whole.limit, &clock().unwrap());
        known.push(lanes.map(|lanes| lanes.get("lane").map(|spent| spent.out)));
    }
    assert_eq!(known.first(), Some(&Some(Some(2))));
    assert_eq!(known.last(), Some(&None), "without its head it is nothing");
    assert!(known.contains(&Some(None)) || known.contains(&Some(Some(5))), "{known:?}");
}

/// Crashes at any moment, calls that arrive at any moment until their time-out: the server sees no more than its limit in any window.
#[test]
fn no_restart_lets_a_call_too_many_through() {
    for seed in 1..=40_u64 {
        let arrivals = simulate(restarts(seed));
        let burst = usize::from(limit(10).burst);
        for window in arrivals.windows(burst + 1) {
            assert!(window[burst] - window[0] >= INTERVAL, "seed {seed}: {window:?}");
        }
        assert!(arrivals.len() > 150, "seed {seed}: {}", arrivals.len());
    }
}

async fn restarts(seed: u64) -> Vec<Duration> {
    const TICK: Duration = Duration::from_millis(7);
    let mut random = seed;
    let mut below = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % most
    };
    let mut machine = Machine::new();
    let (began, mut bench) = (Instant::now(), machine.start());
    // When each arrives, of which process it is.
    let mut in_flight: Vec<(Instant, usize, Job)> = Vec::new();
    let mut arrivals = Vec::new();
    while began.elapsed() < Duration::from_secs(25) {
        tokio::time::sleep(TICK).await;
        let (arrived, still): (Vec<_>, Vec<_>) = in_flight.into_iter().partition(|(at, ..)| *at <= Instant::now());
        in_flight = still;
        for (at, process, job) in arrived {
            arrivals.push(at - began);
            if process == machine.processes {
                let settlement = Settlement { permits: permits(&job, 1), job, outcome: Outcome::Done };
                let shard = bench.queue.shard_of(&settlement.job.key.lane);
                bench.step(shard, Step { settlements: vec![settlement], ..Step::default() }).await;
            }
        }
        if below(120) == 0 {
            bench = machine.start();
        }
        let asked = below(4) as usize;
        for job in push_and_claim(&bench, "lane", asked).await {
            let at = Instant::now() + Duration::from_millis(below(TIMEOUT.as_millis() as u64));
            in_flight.push((at, machine.processes, job));
        }
    }
    arrivals.sort();
    arrivals
}
