//! Forgetting what is old.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use sync_workers::records::*;
use sync_workers::retention::{self, Keeping};

use crate::support::*;

promises! {
    every_table_has_a_retention_or_a_reason,
    what_is_old_goes_and_what_is_open_stays,
    millions_of_rows_go_in_small_bites_while_events_go_on,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Tables that do not grow with time.
const KEPT: [(&str, &str); 12] = [
    ("api_keys", "as many as were made"),
    ("change_counter", "one row"),
    ("connections", "one a location"),
    ("custom_fields", "those of the locations"),
    ("deployment", "a row a fact"),
    ("installs", "no longer written"),
    ("location_activity", "one a location"),
    ("marks", "a row a mark"),
    ("missing_parts", "at most four of a contact, until they are read or the contact goes"),
    ("processes", "each process that ends or begins removes those that are gone"),
    ("spent_installs", "each install that comes back forgets those that expired"),
    ("tokens", "one a location"),
];

async fn every_table_has_a_retention_or_a_reason(db: Db) {
    let all: BTreeSet<String> = db.text_columns().await.into_iter().map(|column| column.table).collect();
    let forgotten = Old::ALL.iter().flat_map(|old| old.tables()).copied();
    let known: BTreeSet<String> = forgotten.chain(KEPT.map(|(table, _)| table)).map(str::to_owned).collect();
    assert_eq!(all.difference(&known).collect::<Vec<_>>(), [""; 0], "what forgets them?");
}

async fn what_is_old_goes_and_what_is_open_stays(db: Db) {
    let pool = db.pool().await;
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let open = db.records.accept(&[selected(None, "c2")]).await.unwrap().remove(0).job_id;
    let dead = db.pull_run("c3", 1).await;
    db.records.bury_run(&dead, "GHL said 400").await.unwrap();
    for statement in [
        "insert into conflicts (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at)
         select 'f1', 'loc1', 'c1', 'contact', 'c1', 'name', '1', '2', '3', 'ghl', created_at from jobs limit 1",
        "insert into flow_runs (id, flow, location_id, definition, knows, priority, started_at, outcome)
         select 'ended', 'welcome', 'loc1', '{}', '{}', 1, created_at, 'done' from jobs limit 1",
        "insert into flow_runs (id, flow, location_id, definition, knows, priority, started_at)
         select 'open', 'welcome', 'loc1', '{}', '{}', 1, created_at from jobs limit 1",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    for number in 0..3_i64 {
        let walk = db.records.begin_walk(LOC, Purpose::Full, false, 0).await.unwrap().unwrap();
        let end =
            "update walks set phase = 'done', finished_at = started_at, started_at = started_at + $1 where id = $2";
        sqlx::query(end).bind(number).bind(&walk.id).execute(&pool).await.unwrap();
    }
    sqlx::query("update jobs set state = 'done', finished_at = created_at where event_type = 'walk'")
        .execute(&pool)
        .await
        .unwrap();

    let start: Timestamp = NOW.parse().unwrap();
    let left = async |days: u32| {
        db.clock.set(start + DAY * days + Duration::from_millis(5));
        retention::round(&db.records, &db.clock, Keeping::default()).await.unwrap();
        let mut counts = Vec::new();
        for table in ["jobs", "changes", "conflicts", "flow_runs", "walks"] {
            let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
            counts.push(sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await.unwrap());
        }
        counts
    };
    assert_eq!(left(29).await, [6, 2, 1, 2, 3]);
    assert_eq!(left(31).await, [2, 0, 1, 1, 1], "the open and the dead job, the newest reconciliation");
    assert_eq!(left(181).await, [1, 0, 0, 1, 1]);
    assert!(db.records.job(&open).await.unwrap().is_some());
}

/// `LEDGER_ROWS` sets how many; 10,000,000 take some minutes.
async fn millions_of_rows_go_in_small_bites_while_events_go_on(db: Db) {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let rows = std::env::var("LEDGER_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000_i64);
    let pool = db.pool().await;
    sqlx::query(
        "insert into jobs (id, source, event_type, kind, location_id, record_id, priority, state, data, created_at, finished_at)
         with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < $1)
         select '00000000-0000-7000-8000-' || (100000000000 + n), 'api', 'contact.selected', 'pull_contact', 'loc1', 'c' || n, 1, 'done', '{}', n, n from numbers",
    )
    .bind(rows)
    .execute(&pool)
    .await
    .unwrap();
    let (records, clock) = (db.records.clone(), db.clock.clone());
    let forgetting = tokio::spawn(async move { retention::round(&records, &clock, Keeping::default()).await.unwrap() });
    let (mut accepted, mut seen) = (0, BTreeSet::new());
    let every = 1 + rows / 100_000;
    while !forgetting.is_finished() {
        db.records.accept(&[selected(None, &format!("new{accepted}"))]).await.unwrap();
        accepted += 1;
        // Of millions, a count takes longer than many bites.
        if accepted % every == 0 {
            let left: i64 =
                sqlx::query_scalar("select count(*) from jobs where state = 'done'").fetch_one(&pool).await.unwrap();
            seen.insert(left);
        }
    }
    assert_eq!(forgetting.await.unwrap(), u64::try_from(rows).unwrap());
    // No event waits for more than a bite: there is about one for each two of them, and the rows go in many steps.
    assert!(accepted >= rows / 500 / 10, "{accepted} events came in between {} bites", rows / 500);
    assert!(seen.len() > 3, "{seen:?}");
    let left: i64 = sqlx::query_scalar("select count(*) from jobs").fetch_one(&pool).await.unwrap();
    assert_eq!(left, accepted);
}
