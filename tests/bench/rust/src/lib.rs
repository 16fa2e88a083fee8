//! What the contestants in Rust have in common: the two roles of a contestant and its words to the driver, as `../README.md` tells.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Any error ends a contestant, and with it the run.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BATCH: usize = 1000;
const TICK: Duration = Duration::from_millis(5);

static DONE: AtomicU64 = AtomicU64::new(0);

/// A job that does nothing, with what a real one would carry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    pub lane: String,
    pub record: String,
    /// When it was pushed, in ns since 1970, where the pick-up is measured; else 0.
    pub sent: u64,
}

impl Work {
    /// What running it amounts to.
    pub fn run(&self) {
        if self.sent > 0 {
            println!("late {}", now().saturating_sub(self.sent));
        }
        DONE.fetch_add(1, Ordering::Relaxed);
    }
}

/// What this process is to do.
pub enum Role {
    Work,
    Push(Plan),
}

/// What is to be pushed, and how.
pub struct Plan {
    how: How,
    first: usize,
    jobs: usize,
    lanes: usize,
    seconds: f64,
}

#[derive(PartialEq)]
enum How {
    Single,
    Batch,
    Idle,
}

/// Reads the server's URL and the role from the command line, after `skip` words that are the contestant's own.
pub fn arguments(skip: usize) -> Result<(String, Role)> {
    let words: Vec<_> = std::env::args().skip(1 + skip).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        [url, "work"] => {
            std::thread::spawn(report);
            Ok((url.to_owned(), Role::Work))
        }
        [url, "push", how, first, jobs, lanes, seconds] => {
            let how = match how {
                "single" => How::Single,
                "batch" => How::Batch,
                _ => How::Idle,
            };
            let (first, jobs, lanes) = (first.parse()?, jobs.parse()?, lanes.parse()?);
            Ok((url.to_owned(), Role::Push(Plan { how, first, jobs, lanes, seconds: seconds.parse()? })))
        }
        _ => Err("usage: CONTESTANT URL work | CONTESTANT URL push single|batch|idle FIRST JOBS LANES SECONDS".into()),
    }
}

/// Pushes until the plan's jobs or seconds are used up, and says how many that were.
pub async fn push(plan: &Plan, mut send: impl AsyncFnMut(Vec<Work>) -> Result) -> Result {
    let size = if plan.how == How::Batch { BATCH } else { 1 };
    let (began, end) = (Instant::now(), plan.first + plan.jobs);
    let mut next = plan.first;
    while next < end && began.elapsed().as_secs_f64() < plan.seconds {
        let mut sent = 0;
        if plan.how == How::Idle {
            tokio::time::sleep(Duration::from_millis(10)).await;
            sent = now();
        }
        let until = end.min(next + size);
        let work = |n| Work { lane: format!("location-{}", n % plan.lanes), record: format!("record-{n}"), sent };
        send((next..until).map(work).collect()).await?;
        next = until;
    }
    println!("pushed {} {}", next - plan.first, began.elapsed().as_secs_f64());
    Ok(())
}

/// Tells how many jobs are done. From a thread of its own, so that no job pays for it.
fn report() {
    let mut told = 0;
    loop {
        std::thread::sleep(TICK);
        let done = DONE.load(Ordering::Relaxed);
        if done != told {
            println!("done {done}");
            told = done;
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
