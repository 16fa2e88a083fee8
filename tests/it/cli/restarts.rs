//! One process that is stopped, killed or set back in time: what it had begun is found again, and nobody waits for nothing.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::installation::Installation;

fn selected(installation: &Installation, contact: usize) -> Value {
    json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[contact]})
}

/// A location of which nobody knows what was sent rests for 52 s: GHL's interval, the time-out of a call, and a lease.
const RESTS: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_click_after_a_clean_stop_and_an_orphan_after_a_crash_run_at_once() {
    let installation = Installation::new(&[]).await;
    let (mut up, api) = installation.serve("up");
    api.done(&selected(&installation, 0)).await;
    up.terminate();
    assert_eq!(up.wait().code(), Some(0));

    let began = Instant::now();
    let (mut up, api) = installation.serve("up");
    api.done(&selected(&installation, 1)).await;
    assert!(began.elapsed() < RESTS, "after a clean stop: {:?}", began.elapsed());
    let orphan = api.accepted(&selected(&installation, 2)).await[0]["jobId"].as_str().unwrap().to_owned();
    up.kill();

    let began = Instant::now();
    let (_up, api) = installation.serve("up");
    api.job_in_state(&orphan, "done").await;
    api.done(&selected(&installation, 3)).await;
    assert!(began.elapsed() < RESTS, "after a crash: {:?}", began.elapsed());
}

/// Starts `up` and kills it while these jobs run; whether they did.
async fn killed_while_running(installation: &Installation, jobs: &[String]) {
    let (mut up, api) = installation.serve("up");
    for job in jobs {
        api.job_in_state(job, "running").await;
    }
    up.kill();
}

fn hang(installation: &Installation, per_mille: u16) -> impl Future<Output = ()> {
    let url = format!("{}/_sandbox/faults", installation.ghl);
    async move {
        let faults = json!({"hang": per_mille, "hangMs": 600_000});
        let answer = reqwest::Client::new().post(url).json(&faults).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

/// The queue in memory forgets whom it was killed with; the ledger does not (law 11).
#[tokio::test]
async fn a_job_that_kills_its_process_thrice_is_given_up_and_those_beside_it_are_done() {
    let installation = Installation::new(&[("GHL_TIMEOUT_MS", "120000")]).await;
    let (mut up, api) = installation.serve("up");
    // The location's zone and keys are known then.
    api.done(&selected(&installation, 0)).await;
    hang(&installation, 1000).await;
    let mut jobs = Vec::new();
    for contact in 1..4 {
        jobs.push(api.accepted(&selected(&installation, contact)).await[0]["jobId"].as_str().unwrap().to_owned());
    }
    for job in &jobs {
        api.job_in_state(job, "running").await;
    }
    up.kill();
    killed_while_running(&installation, &jobs).await;

    // Twice are enough to run alone: one of them, and no other, runs when it kills for the third time.
    let (mut up, api) = installation.serve("up");
    let running = loop {
        let mut states = Vec::new();
        for job in &jobs {
            states.push(api.get(&format!("/v1/jobs/{job}")).await.json()["state"].as_str().unwrap().to_owned());
        }
        let running: Vec<_> =
            states.iter().enumerate().filter(|(_, state)| *state == "running").map(|(at, _)| at).collect();
        assert!(running.len() < 2, "{states:?}");
        if let [running] = running.as_slice() {
            break *running;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    up.kill();

    hang(&installation, 0).await;
    let (_up, api) = installation.serve("up");
    let killer = api.job_in_state(&jobs[running], "dead").await;
    assert!(killer["lastError"].as_str().unwrap().contains("killed 3 times"), "{killer}");
    for job in jobs.iter().filter(|job| **job != jobs[running]) {
        api.job_in_state(job, "done").await;
    }
    // What a person tries again begins anew.
    installation.json(&["jobs", "retry", &jobs[running]]);
    api.job_in_state(&jobs[running], "done").await;
}

/// As after a crash on a machine whose clock was two hours ahead: the ledger has epochs and times that no clock will say for long.
#[tokio::test]
async fn what_ran_before_the_clock_was_set_back_is_found_again() {
    let installation = Installation::new(&[]).await;
    let (mut up, api) = installation.serve("up");
    let job = api.done(&selected(&installation, 0)).await;
    up.terminate();
    up.wait();
    let ahead = sync_model::clock::Clock::system().now_ms() + 7_200_000;
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&installation.database_url()).await.unwrap();
    let put = "update jobs set state = 'running', finished_at = null, epoch = $1, started_at = $2, created_at = $2 where id = $3";
    let id = job["jobId"].as_str().or(job["id"].as_str()).unwrap();
    let changed = sqlx::query(put).bind(ahead * 1000).bind(ahead).bind(id).execute(&pool).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    pool.close().await;

    let began = Instant::now();
    let (_up, api) = installation.serve("up");
    api.job_in_state(id, "done").await;
    assert!(began.elapsed() < RESTS, "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_else_reads_what_the_program_writes() {
    let installation = Installation::new(&[]).await;
    let data = installation.data_folder();
    // As an earlier version left them.
    for entry in std::fs::read_dir(&data).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let (_up, _) = installation.start_without_umask(&["up"]);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for name in ["clienty.db", "clienty.db-wal", "working.lock", "calls.state"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
}
