//! `jobs cancel`, `jobs run-now`, and what a discarded job looks like.

use serde_json::{Value, json};

use crate::support::installation::Installation;
use crate::support::redis::RedisServer;

/// A gateway without a worker: what is accepted waits.
async fn waiting(installation: &Installation, api: &crate::support::api::Api, city: &str) -> String {
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let event =
        json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": {"city": city}});
    api.accepted(&event).await[0]["jobId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_with_who_and_why_and_ghl_never_gets_it() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_gateway, api) = installation.serve("gateway");
    let id = waiting(&installation, &api, "Nowhere").await;
    let reported = installation.json(&["jobs", "cancel", &id, "--dry-run"]);
    assert_eq!(reported, json!({"dryRun": true, "jobs": [id]}));
    let reported = installation.json(&["jobs", "cancel", &id, "--reason", "sent by mistake"]);
    assert_eq!(reported, json!({"dryRun": false, "jobs": [id]}));
    let job = api.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!((&job["state"], &job["discarded"]["why"]), (&json!("discarded"), &json!("sent by mistake")), "{job}");
    assert!(job["discarded"]["at"].is_string() && job["discarded"]["by"].is_string() && job["finishedAt"].is_string());
    assert_eq!(installation.json(&["jobs", "stats"])["discarded"], 1);
    let listed = installation.json(&["jobs", "list", "--state", "discarded"]);
    assert_eq!(listed["jobs"][0]["id"], id.as_str());
    assert_eq!(installation.json(&["jobs", "list", "--state", "done"])["jobs"], json!([]));

    let again = installation.run(&["jobs", "cancel", &id]);
    let reported = String::from_utf8(again.stderr).unwrap();
    assert!(
        again.status.code() == Some(1) && reported.contains("is discarded; only a waiting or scheduled job"),
        "{reported}"
    );
    let (_worker, _) = installation.start(&["worker"]);
    let view = api.pulled(&installation.location, &installation.contacts[0]).await;
    assert_ne!(view["contact"]["city"], "Nowhere", "what it would have written is taken back");
    assert_eq!(view["contact"]["sync"]["state"], "applied", "{view}");
}

#[tokio::test]
async fn a_scheduled_job_runs_now() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_gateway, api) = installation.serve("gateway");
    let id = waiting(&installation, &api, "Bonn").await;
    // As after a failure whose next attempt is hours away.
    let hours: i64 = 6 * 60 * 60 * 1000;
    let statement = format!("update jobs set state = 'scheduled', due_at = created_at + {hours} where id = '{id}'");
    let mut connection = sqlx::SqliteConnection::connect(&installation.database_url()).await.unwrap();
    use sqlx::Connection as _;
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(api.get(&format!("/v1/jobs/{id}")).await.json()["state"], "scheduled");
    assert_eq!(installation.json(&["jobs", "run-now", &id]), json!({"dryRun": false, "jobs": [id]}));
    let job = api.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!((&job["state"], &job["dueAt"]), (&json!("waiting"), &Value::Null), "{job}");
    let (_worker, _) = installation.start(&["worker"]);
    assert_eq!(api.job_in_state(&id, "done").await["outcome"], "applied");
    let over = installation.run(&["jobs", "run-now", &id]);
    assert!(over.status.code() == Some(1) && String::from_utf8(over.stderr).unwrap().contains("is done"));
}

#[tokio::test]
async fn attempts_are_numbered_over_the_life_of_the_job_and_a_discarded_one_is_no_done_one() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let data = json!({"clientyNoteId": "n1", "noteText": "For nobody"});
    let event = json!({"type": "note.created", "locationId": installation.location, "contactId": "nobodyAtAll00000000", "data": data});
    let id = api.accepted(&event).await[0]["jobId"].as_str().unwrap().to_owned();
    for attempt in 1..=3 {
        let job = api.job_in_state(&id, "dead").await;
        let numbers: Vec<_> = job["history"].as_array().unwrap().iter().map(|one| one["attempt"].clone()).collect();
        assert_eq!(numbers, (1..=attempt).map(Value::from).collect::<Vec<_>>(), "{job}");
        if attempt < 3 {
            installation.json(&["jobs", "retry", &id]);
            // The queue is in the memory of `up`, which finds the row in its next round; the attempt is what shows that it ran.
            crate::support::wait_until_async("the retry has run", async || {
                let job = api.get(&format!("/v1/jobs/{id}")).await.json();
                job["state"] == "dead" && job["history"].as_array().unwrap().len() > attempt
            })
            .await;
        }
    }
    installation.json(&["jobs", "discard", &id, "--reason", "no such person"]);
    let job = api.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!((&job["state"], &job["discarded"]["why"]), (&json!("discarded"), &json!("no such person")), "{job}");
    let text = String::from_utf8(installation.run(&["jobs", "show", &id]).stdout).unwrap();
    assert!(text.contains("discarded") && text.contains("no such person"), "{text}");
}
