//! Ledger rows that no door accepts, as another version or a hand leaves them: they hold nothing else up, are named, and can be closed.

use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection};

use crate::support::installation::{Installation, document};
use crate::support::postgres::PostgresServer;
use crate::support::redis::RedisServer;
use crate::support::wait_until;

/// A row that this version would not write.
struct Bad {
    id: &'static str,
    kind: String,
    location: String,
    record: String,
    data: &'static str,
    /// What the dead letter and `doctor` say of it.
    reason: &'static str,
}

fn bad_rows(location: &str, with_nul: bool) -> Vec<Bad> {
    let of = |id, kind: &str, location: &str, record: &str, reason| {
        let (kind, location, record) = (kind.to_owned(), location.to_owned(), record.to_owned());
        Bad { id, kind, location, record, data: "{}", reason }
    };
    let (long, chinese) = ("x".repeat(300), "中".repeat(82));
    let mut rows = vec![
        of("00000000-0000-7000-8000-000000000001", "pull_contact", location, &long, "at most 255 fit"),
        of("00000000-0000-7000-8000-000000000002", "push_contact", location, &chinese, "at most 255 fit"),
        of("00000000-0000-7000-8000-000000000003", "pull_contact", &long, "c1", "lane of the job"),
        of("00000000-0000-7000-8000-000000000004", "push/contact", location, "c1", "kind of the job"),
        of("00000000-0000-7000-8000-000000000005", "", location, "c1", "kind of the job"),
        of("00000000-0000-7000-8000-000000000006", "pull_contact", location, "", "record of the job"),
        of("00000000-0000-7000-8000-000000000007", "pull_contact", "", "c1", "lane of the job"),
        of("00000000-0000-7000-8000-000000000008", "pull_contact", location, ".\t.", "control character U+0009"),
        of("00000000-0000-7000-8000-000000000009", "pull_contact", "loc\r\n", "c1", "control character U+000D"),
        of("00000000-0000-7000-8000-00000000000a", "push_task", location, "..", "`.` or `..`"),
        of("00000000-0000-7000-8000-00000000000b", "pull_company", location, "c1", "not known to this version"),
        of("00000000-0000-7000-8000-00000000000c", &long, location, "c1", "at most 255 fit"),
    ];
    // PostgreSQL keeps no NUL.
    if with_nul {
        rows.push(of("00000000-0000-7000-8000-00000000000d", "pull_contact", location, "a\0b", "record of the job"));
    }
    let damaged = of("00000000-0000-7000-8000-00000000000e", "call_operation", location, "damaged", "cannot be read");
    rows.push(Bad { data: "{\"operation\":", ..damaged });
    rows
}

async fn insert(url: &str, rows: &[Bad]) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    for Bad { id, kind, location, record, data, reason: _ } in rows {
        sqlx::query(
            "insert into jobs (id, source, event_type, kind, location_id, record_id, priority, data, created_at)
             values ($1, 'api', 'contact.selected', $2, $3, $4, 0, $5, 1)",
        )
        .bind(*id)
        .bind(kind)
        .bind(location)
        .bind(record)
        .bind(*data)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    connection.close().await.unwrap();
}

fn named(installation: &Installation) -> Value {
    let reported = document(&installation.run(&["doctor", "--json"]));
    reported["checks"].as_array().unwrap().iter().find(|check| check["name"] == "ledger").cloned().unwrap()
}

async fn a_bad_row_of_every_kind(installation: &Installation, database_url: &str, with_nul: bool) {
    let rows = bad_rows(&installation.location, with_nul);
    insert(database_url, &rows).await;
    let before = named(installation);
    // The one whose key is right is found out by its run.
    let bad_keys = rows.len() - 1;
    assert_eq!(before["state"], "warning", "{before}");
    assert!(before["found"].as_str().unwrap().starts_with(&format!("{bad_keys} jobs can't be handled")), "{before}");

    let (_program, api) = installation.serve("up");
    let contact = &installation.contacts[0];
    let event = json!({"type": "contact.selected", "locationId": installation.location, "contactId": contact});
    api.done(&event).await;
    for Bad { id, reason, .. } in &rows {
        let job = api.job_in_state(id, "dead").await;
        let error = job["lastError"].as_str().unwrap();
        assert!(error.contains(reason), "{job}");
    }
    // No loop is held up: what comes after them is done as well.
    api.done(&event).await;

    let check = named(installation);
    assert_eq!(check["state"], "warning", "{check}");
    let found = check["found"].as_str().unwrap();
    assert!(
        found.starts_with(&format!("{bad_keys} jobs can't be handled")) && found.contains("00000000-0000-7000"),
        "{check}"
    );
    assert!(check["remedy"].as_str().unwrap().contains("jobs discard"), "{check}");
    let listed = installation.json(&["jobs", "list", "--state", "dead"]);
    assert_eq!(listed["jobs"].as_array().unwrap().len(), rows.len(), "{listed}");
    for Bad { id, .. } in &rows {
        installation.json(&["jobs", "discard", id]);
    }
    assert_eq!(named(installation)["state"], "ok");
    assert_eq!(installation.json(&["jobs", "stats"])["dead"], 0);
}

#[tokio::test]
async fn a_bad_row_of_every_kind_is_set_aside_on_sqlite_and_the_memory_queue() {
    let installation = Installation::new(&[]).await;
    a_bad_row_of_every_kind(&installation, &installation.database_url(), true).await;
}

#[tokio::test]
async fn a_bad_row_of_every_kind_is_set_aside_on_postgres_and_redis() {
    let redis = RedisServer::start_with(&["--appendonly", "yes", "--maxmemory-policy", "noeviction"]);
    let postgres = PostgresServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url()), ("DATABASE_URL", &postgres.url())]).await;
    a_bad_row_of_every_kind(&installation, &postgres.url(), false).await;
}

/// Nobody needs a worker to close such a row.
#[tokio::test]
async fn an_open_row_that_cannot_be_handled_is_discarded_at_once_and_a_good_one_is_not() {
    let installation = Installation::new(&[]).await;
    let rows = bad_rows(&installation.location, true);
    let rows: Vec<_> = rows.into_iter().filter(|row| row.record != "damaged").collect();
    insert(&installation.database_url(), &rows).await;
    for Bad { id, .. } in &rows {
        assert_eq!(installation.json(&["jobs", "discard", "--dry-run", id])["jobs"], json!([id]));
    }
    let stats = installation.json(&["jobs", "stats"]);
    assert_eq!(
        (&stats["waiting"], &stats["dead"]),
        (&json!(rows.len()), &json!(0)),
        "a dry run changes nothing: {stats}"
    );
    for Bad { id, .. } in &rows {
        installation.json(&["jobs", "discard", id]);
    }
    assert_eq!(installation.json(&["jobs", "stats"])["discarded"], rows.len());

    let good = Bad {
        id: "00000000-0000-7000-8000-0000000000ff",
        kind: "pull_contact".to_owned(),
        location: installation.location.clone(),
        record: "c1".to_owned(),
        data: "{}",
        reason: "",
    };
    insert(&installation.database_url(), std::slice::from_ref(&good)).await;
    let refused = installation.run(&["jobs", "discard", good.id]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    wait_until("it still waits", || installation.json(&["jobs", "stats"])["waiting"] == 1, String::new);
}
