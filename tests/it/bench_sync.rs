//! `make bench-sync`: what a pulled contact costs, each part of the system by itself, over PostgreSQL with Redis and over SQLite.
//!
//! Contacts are selected, so that each leads to a job of four calls. The events are accepted first, while no worker runs; then one starts, and what
//! counts is how long it takes for all of them, and the processor time of each part. GHL is simulated in the measuring process, which takes a third of
//! the machine itself: rates are of all together, and processor time is what to compare. PostgreSQL writes through to the disk, as it does for users.
//!
//! `BASELINE=path` measures another build of the program in turns with this one.

#![expect(clippy::unwrap_used, reason = "in a benchmark a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "what to measure is the measurer's wish, not a setting of the program")]

use std::time::Duration;

use ghl_sandbox::{Limits, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use sync_workers::records::{JobState, Options, Records};
use tokio::time::{Instant, sleep};

#[expect(dead_code, reason = "shared with benchmarks of latencies")]
mod figures;
#[expect(dead_code, reason = "shared with the tests, which need more of it")]
mod support;

use figures::machine;
use support::api::Api;
use support::folder::Folder;
use support::installation::{MASTER_KEY, document, started_by};
use support::postgres::PostgresServer;
use support::program::{Program, run, this_program, with_settings};
use support::redis::RedisServer;

const LOCATIONS: usize = 20;
const CONTACTS: usize = 250;
const ROUNDS: usize = 3;
/// Events of one request.
const BATCH: usize = 500;
/// Between two looks whether all is done.
const LOOK: Duration = Duration::from_millis(50);

/// Processor time, in seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    took: f64,
    workers: f64,
    database: f64,
    redis: f64,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut builds = vec![("this", this_program().to_owned())];
        builds.extend(std::env::var("BASELINE").map(|path| ("baseline", path)));
        let jobs = LOCATIONS * CONTACTS;
        println!("{jobs} contacts of {LOCATIONS} locations; {}", machine());
        println!(
            "{:<11}{:<10}{:>7} {:>8} {:>10} {:>9} {:>9} {:>9} {:>9}",
            "records", "build", "at once", "jobs/s", "ms a job", "workers", "database", "Redis", "accepted"
        );
        let at_once = std::env::var("AT_ONCE").unwrap_or_else(|_| "64".to_owned());
        for round in 0..ROUNDS {
            // Who goes first changes: the one behind finds a warmer machine.
            builds.rotate_left(round % 2);
            for on_postgres in [true, false] {
                for (name, program) in &builds {
                    let (accepted, spent) = measure(program, on_postgres, &at_once).await;
                    let ms = |seconds: f64| seconds * 1000.0 / jobs as f64;
                    println!(
                        "{:<11}{name:<10}{at_once:>7} {:>8.0} {:>10.3} {:>9.3} {:>9.3} {:>9.3} {accepted:>9.0}",
                        if on_postgres { "PostgreSQL" } else { "SQLite" },
                        jobs as f64 / spent.took,
                        ms(spent.workers + spent.database + spent.redis),
                        ms(spent.workers),
                        ms(spent.database),
                        ms(spent.redis),
                    );
                }
            }
        }
        println!("{}", machine());
    });
}

/// Events accepted a second, and what their jobs cost.
async fn measure(program: &str, on_postgres: bool, at_once: &str) -> (f64, Spent) {
    let limits = Limits { burst: 10_000, daily: 10_000_000, ..Limits::default() };
    let config = SandboxConfig { locations: LOCATIONS, contacts: CONTACTS, limits, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.unwrap();
    let folder = Folder::new("bench-sync");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let servers = on_postgres
        .then(|| (RedisServer::start(), PostgresServer::start_with(&["max_wal_size=4GB", "checkpoint_timeout=1h"])));
    let mut settings = vec![
        ("CLIENTY_DATA_DIR", file("data")),
        ("CLIENTY_LISTEN", "127.0.0.1:0".to_owned()),
        ("CLIENTY_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
        ("CLIENTY_MASTER_KEYS", MASTER_KEY.to_owned()),
        ("CLIENTY_WORKER_CONCURRENCY", at_once.to_owned()),
        ("GHL_API_URL", sandbox.url()),
        ("GHL_BURST_LIMIT", limits.burst.to_string()),
        ("GHL_DAILY_LIMIT", limits.daily.to_string()),
        ("RUST_LOG", "error".to_owned()),
    ];
    if let Some((redis, postgres)) = &servers {
        settings.extend([("REDIS_URL", redis.url()), ("DATABASE_URL", postgres.url())]);
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let command = |arguments: &[&str]| with_settings(program, &[arguments, &["--json"]].concat(), &settings);
    let reported = |arguments: &[&str]| document(&run(command(arguments)));
    reported(&["migrate"]);
    for location in sandbox.locations() {
        std::fs::write(file("token"), &location.token).unwrap();
        let of = ["connect", "--location", &location.id, "--time-zone", "UTC", "--unchecked", "--pit-file"];
        reported(&[&of[..], &[&file("token")]].concat());
    }
    let key = reported(&["keys", "create", "--name", "bench"])["key"].as_str().unwrap().to_owned();

    // Over SQLite the one process does it all, from the first event on.
    let (first, before) = (if on_postgres { "gateway" } else { "up" }, Instant::now());
    let (front, reported) = started_by("", &command(&[first]), first, &folder);
    let api = Api::new(reported["url"].as_str().unwrap(), &key);
    let mut events = Vec::new();
    for location in sandbox.locations() {
        let state = sandbox.state(&location.id).unwrap();
        let ids = state["contacts"].as_array().unwrap().iter().map(|contact| contact["id"].clone());
        events.extend(ids.map(|id| json!({"type": "contact.selected", "locationId": location.id, "contactId": id})));
    }
    // Neighbors of a batch are of different locations, as they are where many are busy.
    let events: Vec<Value> = (0..CONTACTS).flat_map(|c| events.iter().skip(c).step_by(CONTACTS)).cloned().collect();
    let began = Instant::now();
    for batch in events.chunks(BATCH) {
        api.accepted(&batch.to_vec().into()).await;
    }
    let accepted = events.len() as f64 / began.elapsed().as_secs_f64();
    let url = servers.as_ref().map_or_else(|| format!("sqlite://{}/clienty.db", file("data")), |(_, it)| it.url());
    let records = Records::open(&url, Options::default()).await.unwrap();
    let spent_by = |program: &Program| Spent {
        took: 0.0,
        workers: processor(program.id()),
        database: servers.as_ref().map_or(0.0, |(_, postgres)| processor(postgres.process.id())),
        redis: servers.as_ref().map_or(0.0, |(redis, _)| processor(redis.process.id())),
    };
    let (worker, was, began) = if on_postgres {
        let began = Instant::now();
        let (worker, _) = started_by("", &command(&["worker"]), "worker", &folder);
        let was = Spent { workers: 0.0, ..spent_by(&worker) };
        (worker, was, began)
    } else {
        (front, Spent::default(), before)
    };
    let is_open = |(state, count): &(JobState, i64)| !state.is_over() && *count > 0;
    while records.unfinished_counts().await.unwrap().iter().any(is_open) {
        sleep(LOOK).await;
    }
    let (is, took) = (spent_by(&worker), began.elapsed().as_secs_f64());
    let dead = records.unfinished_counts().await.unwrap().into_iter().find(|(state, _)| *state == JobState::Dead);
    assert_eq!(dead.map(|(_, count)| count), Some(0), "jobs were given up");
    records.close().await;
    let (workers, database, redis) = (is.workers - was.workers, is.database - was.database, is.redis - was.redis);
    (accepted, Spent { took, workers, database, redis })
}

/// Processor time of a process and its children, the dead ones too, in seconds.
fn processor(id: u32) -> f64 {
    let stat = |id: &str| -> Option<(String, f64, f64)> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |from: usize| words[from..from + 2].iter().filter_map(|word| word.parse::<f64>().ok()).sum::<f64>();
        Some((words[1].to_owned(), ticks(11) / 100.0, ticks(13) / 100.0))
    };
    let id = id.to_string();
    let own = stat(&id).map_or(0.0, |(_, own, of_dead)| own + of_dead);
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| stat(entry.ok()?.file_name().to_str()?));
    own + all.filter(|(parent, ..)| *parent == id).map(|(_, own, _)| own).sum::<f64>()
}
