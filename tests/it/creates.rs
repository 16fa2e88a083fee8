//! Law 7 over real processes: creates of tasks, notes, contacts and appointments while replies are cut after GHL committed, calls hang, errors come after the
//! effect, and a worker is killed every 2 seconds. None is made twice, none is lost.
//!
//! `make test` makes 300; `CREATES=10000 cargo test --test it creates` as many as it says.

use std::time::Duration;

use ghl_sandbox::Faults;
use serde_json::{Value, json};
use sync_workers::records::JobState;
use tokio::time::sleep;

use crate::support::cluster::{Cluster, quick};
use crate::support::entries::assert_created_once;

const USUAL: usize = 300;
const WORKERS: usize = 2;
const BETWEEN_KILLS: Duration = Duration::from_secs(2);
const BATCH: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_are_made_once_each_while_replies_are_lost_and_workers_are_killed() {
    let mut cluster = Cluster::start(quick(1, 5), &[("GHL_TIMEOUT_MS", "2000")]).await;
    let events = events(&cluster, wanted());
    cluster.sandbox.set_faults(Faults {
        cut_after: 120,
        server_error_after: 120,
        hang_after: 20,
        truncate: 20,
        cut: 20,
        hang_ms: 2_500,
        writes_only: true,
        ..Faults::default()
    });
    for _ in 0..WORKERS {
        cluster.start_worker();
    }
    for batch in events.chunks(BATCH) {
        cluster.send(batch).await;
    }
    let mut kills = 0;
    // Under this weather nobody ever gets to the end of a retry without one; it clears for the last tenth.
    while cluster.open().await > i64::try_from(events.len() / 10).unwrap() {
        sleep(BETWEEN_KILLS).await;
        cluster.workers[0].kill();
        cluster.workers.remove(0);
        cluster.start_worker();
        kills += 1;
    }
    let struck = cluster.sandbox.stats().faults;
    cluster.sandbox.set_faults(Faults::default());
    cluster.until_nothing_is_open().await;
    let dead: Vec<_> = cluster.jobs(JobState::Dead).await.into_iter().map(|job| job.id).collect();
    println!("{} creates, {kills} kills, {} given up for a while; {struck:?}", events.len(), dead.len());
    cluster.records.revive_jobs(&dead).await.unwrap();
    // Not until so many are done: reconciliations of a long run are done jobs too.
    cluster.until_nothing_is_open().await;
    assert_eq!(cluster.jobs(JobState::Dead).await.len(), 0);
    assert!(kills > 0 && struck.values().sum::<u64>() > 0, "{kills} kills, {struck:?}");
    assert_created_once(&cluster, &events);
    cluster.assert_never_over_the_limit();
}

/// A quarter each of contacts, and of tasks, notes and appointments of seeded ones. Every other contact has a name alone, which GHL does not keep unique.
fn events(cluster: &Cluster, count: usize) -> Vec<Value> {
    let location = cluster.sandbox.locations()[0].id.clone();
    let owners = cluster.contacts(&location);
    let state = cluster.sandbox.state(&location).unwrap();
    let calendar = state["appointments"][0]["calendarId"].clone();
    let event = |n: usize| {
        let owner = &owners[n % owners.len()];
        let (kind, contact, data) = match n % 4 {
            0 => (
                "task.created",
                Some(owner),
                json!({"clientyTaskId": format!("t{n}"), "title": format!("Call {n}"), "dueDate": "2026-03-01T09:00:00Z"}),
            ),
            1 => (
                "note.created",
                Some(owner),
                json!({"clientyNoteId": format!("n{n}"), "noteText": format!("Note {n}")}),
            ),
            2 => (
                "appointment.created",
                Some(owner),
                json!({
                    "clientyAppointmentId": format!("a{n}"), "calendarId": calendar, "title": format!("Meet {n}"),
                    "startTime": "2026-11-01T06:30:00Z",
                }),
            ),
            _ => {
                let mut data = json!({"clientyContactId": format!("c{n}"), "firstName": format!("Person{n}")});
                if n % 8 == 3 {
                    data["email"] = json!(format!("person{n}@example.com"));
                }
                ("contact.created", None, data)
            }
        };
        json!({"id": format!("e{n}"), "type": kind, "locationId": location, "contactId": contact, "data": data})
    };
    (0..count).map(event).collect()
}

#[expect(clippy::disallowed_methods, reason = "how many to make is the tester's wish, not a setting of the program")]
fn wanted() -> usize {
    std::env::var("CREATES").ok().map_or(USUAL, |count| count.parse().expect("CREATES is a number"))
}
