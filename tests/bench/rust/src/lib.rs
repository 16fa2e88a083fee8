//! What the contestants in Rust have in common: the two roles of a contestant and its words to the driver, as `../README.md` reports.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

/// Any error ends a contestant, and with it the run.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BATCH: usize = 1000;
const TICK: Duration = Duration::from_millis(5);

static DONE: AtomicU64 = AtomicU64::new(0);
/// Where each job sends one call to, and the client for it; none where jobs do nothing.
static CALL: LazyLock<Option<(reqwest::Client, String)>> = LazyLock::new(|| {
    let client = reqwest::Client::builder().no_proxy().build().ok()?;
    Some((client, std::env::var("BENCH_CALL").ok()?))
});

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
    pub async fn run(&self) {
        if let Some((client, url)) = &*CALL {
            let answer = client.get(url).send().await.and_then(|reply| reply.error_for_status());
            // It is this machine's own, and gives one answer to everybody.
            answer.expect("the server for calls is there");
        }
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
    pub how: How,
    first: usize,
    jobs: usize,
    lanes: usize,
    seconds: f64,
}

/// The last three are for `scale.py`, which measures this engine alone.
#[derive(Clone, Copy, PartialEq)]
pub enum How {
    /// One by one.
    Single,
    /// 1,000 at a time.
    Batch,
    /// One at a time for an idle worker, with the time of its push.
    Idle,
    /// 1,000 at a time, for one and the same later second.
    Later,
    /// 1,000 at a time, with the least priority.
    Bulk,
    /// As for an idle worker, with the highest priority.
    Click,
}

impl How {
    /// Whether it is one push now and then, and not as many as can be.
    fn waits(self) -> bool {
        matches!(self, Self::Idle | Self::Click)
    }
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
                "idle" => How::Idle,
                "later" => How::Later,
                "bulk" => How::Bulk,
                "click" => How::Click,
                _ => return Err(format!("nothing is pushed {how}").into()),
            };
            let (first, jobs, lanes) = (first.parse()?, jobs.parse()?, lanes.parse()?);
            Ok((url.to_owned(), Role::Push(Plan { how, first, jobs, lanes, seconds: seconds.parse()? })))
        }
        _ => Err("usage: CONTESTANT URL work | CONTESTANT URL push single|batch|idle FIRST JOBS LANES SECONDS".into()),
    }
}

/// Runs a contestant's part. What pushes job by job has one thread: it stands for a request of a server, whose push does not go from one
/// thread to another either, as it would from the main thread of a runtime with several.
pub fn run(role: &Role, part: impl Future<Output = Result>) -> Result {
    let mut runtime = match role {
        Role::Push(plan) if plan.how.waits() => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(part)
}

/// Pushes until the plan's jobs or seconds are used up, and says how many that were.
pub async fn push(plan: &Plan, mut send: impl AsyncFnMut(Vec<Work>) -> Result) -> Result {
    let size = if plan.how.waits() || plan.how == How::Single { 1 } else { BATCH };
    let (began, end) = (Instant::now(), plan.first + plan.jobs);
    let mut next = plan.first;
    while next < end && began.elapsed().as_secs_f64() < plan.seconds {
        let mut sent = 0;
        if plan.how.waits() {
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

/// Shows how many jobs are done. From a thread of its own, so that no job pays for it.
fn report() {
    let mut reported = 0;
    loop {
        std::thread::sleep(TICK);
        let done = DONE.load(Ordering::Relaxed);
        if done != reported {
            println!("done {done}");
            reported = done;
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
