//! A run is rows of the database: no crash loses a step, or repeats one.

use std::time::Duration;

use ghl_sandbox::Faults;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use sync_workers::flows::Flow;
use sync_workers::records::{JobState, Knows, NewRun};
use tokio::time::sleep;

use crate::support::api::Api;
use crate::support::cluster::{Cluster, quick};
use crate::support::folder::Folder;
use crate::support::installation::Installation;
use crate::support::wait_until_async;

const RUNS: usize = 20;
const KILLS: usize = 4;
const BETWEEN_KILLS: Duration = Duration::from_millis(1500);

/// Each step shows which run it is of, in what GHL keeps.
fn steps() -> Value {
    json!({"set": {"n": ""}, "step": [
        {"event": "note.created", "data": {"noteText": "note of {set.n}"}},
        {"name": "company", "call": "create-business", "body": {"name": "company of {set.n}"}},
        {"event": "task.created", "data": {"title": "task of {set.n}", "body": "{company.buiseness.id}", "dueDate": "{in 1d}"}},
    ]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_is_lost_or_repeated_while_workers_are_killed_and_the_queue_is_emptied() {
    let mut cluster = Cluster::start(quick(1, 5), &[("GHL_TIMEOUT_MS", "2000")]).await;
    let location = cluster.sandbox.locations()[0].id.clone();
    let contacts = cluster.contacts(&location);
    for _ in 0..2 {
        cluster.start_worker();
    }
    cluster.send(&cluster.selections()).await;
    cluster.until_nothing_is_open().await;
    let flow = Flow::checked("storm", &steps()).unwrap();
    cluster.sandbox.set_faults(Faults {
        cut_after: 100,
        server_error_after: 100,
        cut: 50,
        writes_only: true,
        ..Faults::default()
    });
    let mut runs = Vec::new();
    for n in 0..RUNS {
        let set = json!({"n": format!("<{n}>")}).as_object().unwrap().clone();
        let knows = Knows { set, ..Knows::default() };
        let new =
            NewRun { flow: &flow, location_id: &location, contact_id: Some(&contacts[n % contacts.len()]), knows };
        runs.push(cluster.records.start_flow(new).await.unwrap().unwrap().0);
    }
    for kill in 0..KILLS {
        sleep(BETWEEN_KILLS).await;
        cluster.workers[0].kill();
        cluster.workers.remove(0);
        if kill == 1 {
            cluster.redis.flush_all();
        }
        cluster.start_worker();
    }
    cluster.sandbox.set_faults(Faults::default());
    cluster.until_nothing_is_open().await;

    // A call of which nobody knows what became is never sent again: such runs are dead. All others of the dead go on.
    let unknown =
        |reason: &Option<String>| reason.as_ref().is_some_and(|reason| reason.contains("it is unknown whether"));
    let dead: Vec<_> = cluster
        .jobs(JobState::Dead)
        .await
        .into_iter()
        .filter(|job| !unknown(&job.last_error))
        .map(|job| job.id)
        .collect();
    cluster.records.revive_jobs(&dead).await.unwrap();
    cluster.until_nothing_is_open().await;
    let dead: Vec<_> = cluster.records.dead_flow_runs().await.unwrap();
    assert!(dead.iter().all(|dead| unknown(&dead.reason)), "{dead:?}");
    let state = cluster.sandbox.state(&location).unwrap();
    let times = |list: &str, field: &str, text: String| {
        state[list].as_array().unwrap().iter().filter(|one| one[field].as_str() == Some(&text)).count()
    };
    for (n, id) in runs.iter().enumerate() {
        let is_dead = dead.iter().any(|dead| dead.run == *id);
        let found = [
            times("notes", "body", format!("note of <{n}>")),
            times("businesses", "name", format!("company of <{n}>")),
            times("tasks", "title", format!("task of <{n}>")),
        ];
        let outcome = cluster.records.flow_run(id).await.unwrap().unwrap().outcome;
        match (is_dead, outcome.as_deref()) {
            (false, Some("done")) => assert_eq!(found, [1, 1, 1], "run {n}"),
            (true, None) => assert!(found[0] == 1 && found[1] <= 1 && found[2] == 0, "run {n}: {found:?}"),
            other => panic!("run {n}: {other:?}"),
        }
    }
    println!("{RUNS} runs, {KILLS} kills, {} of an unknown outcome", dead.len());
    cluster.assert_never_over_the_limit();
}

#[tokio::test]
async fn a_wait_outlives_the_process_and_an_edited_file_changes_new_runs_only() {
    let (folder, mut installation) = (Folder::new("flows"), Installation::new(&[]).await);
    let file = folder.path().join("later.toml");
    let write = |text: &str| {
        std::fs::write(
            &file,
            format!("[[step]]\nwait = \"2d\"\n\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"{text}\"\n"),
        )
        .unwrap()
    };
    write("first");
    installation.set("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap());
    let contact = installation.contacts[0].clone();
    let (mut up, api) = installation.serve("up");
    api.pulled(&installation.location, &contact).await;
    let started =
        installation.json(&["flows", "run", "later", "--location", &installation.location, "--contact", &contact]);
    assert_eq!((&started["state"], &started["steps"]), (&json!("waiting"), &json!([])), "{started}");
    up.kill();
    write("second");
    let mut connection = SqliteConnection::connect(&installation.database_url()).await.unwrap();
    for statement in ["update flow_runs set wait_until = 1", "update jobs set due_at = 1 where due_at is not null"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let (mut up, _) = installation.serve("up");
    let notes = async || {
        let state = Api::new(&installation.ghl, "")
            .get(&format!("/_sandbox/locations/{}/state", installation.location))
            .await
            .json();
        let notes: Vec<_> = state["notes"].as_array().unwrap().iter().map(|note| note["body"].clone()).collect();
        notes.into_iter().filter(|body| ["first", "second"].iter().any(|text| body == text)).collect::<Vec<_>>()
    };
    wait_until_async("the run goes on", async || !notes().await.is_empty()).await;
    wait_until_async("the run is done", async || {
        installation.json(&["flows", "list"])["flows"][0]["runs"]["done"] == 1
    })
    .await;
    assert_eq!(notes().await, [json!("first")]);
    up.terminate();
    up.wait();
}
