//! Forgetting what is old.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use sync_workers::flows::Flow;
use sync_workers::records::*;
use sync_workers::retention::{self, Keeping, Retention};

use crate::support::*;

promises! {
    every_table_has_a_retention_or_a_reason,
    what_is_old_goes_and_what_is_open_stays,
    millions_of_rows_go_in_small_bites_while_events_go_on,
    a_deletion_that_is_pending_is_not_forgotten,
    a_run_of_a_flow_ends_with_the_dead_job_that_it_waits_for,
    a_run_of_a_flow_is_kept_from_its_end_on,
    a_clock_that_is_wrong_forgets_nothing,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Tables that do not grow with time.
const KEPT: [(&str, &str); 29] = [
    ("api_keys", "as many as were made"),
    ("audit_ends", "one row"),
    ("change_counter", "one row"),
    ("connections", "one a location"),
    ("custom_fields", "those of the locations"),
    ("deployment", "a row a fact"),
    ("enrich_keys", "one a provider"),
    ("flow_counter", "one row"),
    ("flow_places", "those of the flows"),
    ("flow_secrets", "as many as people set"),
    ("flow_versions", "as many as people wrote"),
    ("flows", "200 at most"),
    ("hook_places", "those of the hooks"),
    ("hook_pump", "one row"),
    ("hooks", "as many as were made"),
    ("installs", "no longer written"),
    ("key_places", "those of the keys"),
    ("key_secrets", "at most those that open a key now or did at its last rotation"),
    ("key_sees", "a view"),
    ("location_activity", "one a location"),
    ("mapping_counter", "one row"),
    ("mapping_versions", "as many as people wrote"),
    ("mappings", "one a location"),
    ("marks", "a row a mark"),
    ("missing_parts", "at most four of a contact, until they are read or the contact goes"),
    ("notice_counter", "one row"),
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
    db.records.dead_letter_run(&dead, "GHL said 400").await.unwrap();
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
        let scan = db.records.begin_scan(LOC, Purpose::Full, false, 0).await.unwrap().unwrap();
        let end =
            "update walks set phase = 'done', finished_at = started_at, started_at = started_at + $1 where id = $2";
        sqlx::query(end).bind(number).bind(&scan.id).execute(&pool).await.unwrap();
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

/// What keeps a deleted record, as columns of its row.
const PENDING: [(&str, &str); 5] = [
    ("base", "base = '{}'"),
    ("intent", "intent = '{}'"),
    ("asked", "base = '{}', asked = '{}'"),
    ("asked_at", "base = '{}', asked_at = 1"),
    ("looks", "looks = 1"),
];
/// And as its job: state and kind.
const JOBS: [(&str, &str, &str); 3] =
    [("open", "waiting", "push_"), ("retried", "scheduled", "push_"), ("dead", "dead", "push_")];

async fn insert_job(pool: &sqlx::AnyPool, id: &str, kind: &str, state: &str, record_id: &str) {
    sqlx::query(
        "insert into jobs (id, source, event_type, kind, location_id, record_id, priority, state, data, created_at, finished_at)
         values ($1, 'api', 'test', $2, 'loc1', $3, 1, $4, '{}', 1, case when $5 = 1 then 1 end)",
    )
    .bind(id)
    .bind(kind)
    .bind(record_id)
    .bind(state)
    .bind(i64::from(["dead", "done"].contains(&state)))
    .execute(pool)
    .await
    .unwrap();
}

async fn a_deletion_that_is_pending_is_not_forgotten(db: Db) {
    let pool = db.pool().await;
    let run = async |statement: String| sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    let mut kept = BTreeSet::new();
    for (name, set) in PENDING {
        kept.insert(name.to_owned());
        db.pull(1, &pulled(name, &[(&format!("g-{name}"), "Call")])).await;
        run(format!("update contacts set deleted_at = 1, base = null where contact_id = '{name}'")).await;
        run(format!("update entries set deleted = 1, base = null, changed_at = 1 where contact_id = '{name}'")).await;
        run(format!("update contacts set {set} where contact_id = '{name}'")).await;
        run(format!("update entries set {set} where contact_id = '{name}'")).await;
    }
    let with_jobs = JOBS.into_iter().chain([("asked for", "waiting", "pull_"), ("settled", "done", "push_")]);
    for (name, state, kind) in with_jobs.clone() {
        if name != "settled" {
            kept.insert(name.to_owned());
        }
        db.pull(1, &pulled(name, &[(&format!("g-{name}"), "Call")])).await;
        run(format!("update contacts set deleted_at = 1, base = null where contact_id = '{name}'")).await;
        run(format!("update entries set deleted = 1, base = null, changed_at = 1 where contact_id = '{name}'")).await;
        let row: String = sqlx::query_scalar("select row_id from entries where contact_id = $1")
            .bind(name)
            .fetch_one(&pool)
            .await
            .unwrap();
        insert_job(&pool, &format!("contact {name}"), &format!("{kind}contact"), state, name).await;
        insert_job(&pool, &format!("entry {name}"), &format!("{kind}task"), state, &row).await;
    }
    let end = db.clock.now_ms();
    db.forget(Old::Contacts, end).await;
    db.forget(Old::Entries, end).await;
    for table in ["contacts", "entries"] {
        let left = sqlx::AssertSqlSafe(format!("select contact_id from {table}"));
        let left: Vec<String> = sqlx::query_scalar(left).fetch_all(&pool).await.unwrap();
        // A pull is about a contact.
        let expected = kept.iter().filter(|name| table == "contacts" || *name != "asked for").cloned().collect();
        assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), expected, "{table}");
    }
}

async fn a_run_of_a_flow_ends_with_the_dead_job_that_it_waits_for(db: Db) {
    let pool = db.pool().await;
    let id = |number: usize| format!("00000000-0000-7000-8000-00000000000{number}");
    for number in 0..6 {
        let started = if number == 5 { db.clock.now_ms() } else { 1 };
        sqlx::query(
            "insert into flow_runs (id, flow, location_id, definition, knows, priority, started_at, step)
             values ($1, 'welcome', 'loc1', '{}', '{\"event\":\"Secret\"}', 1, $2, 3)",
        )
        .bind(id(number))
        .bind(started)
        .execute(&pool)
        .await
        .unwrap();
    }
    // The job of 2 was forgotten by an earlier release.
    insert_job(&pool, "j0", "flow_step", "dead", &id(0)).await;
    insert_job(&pool, "j1", "call_operation", "dead", "r").await;
    insert_job(&pool, "j3", "flow_step", "waiting", &id(3)).await;
    insert_job(&pool, "j4", "call_operation", "scheduled", "s").await;
    for (job, run) in [("j1", 1), ("j4", 4)] {
        let step = sqlx::query("update jobs set source = 'flow', event_id = $1 where id = $2");
        step.bind(format!("{}.3", id(run))).bind(job).execute(&pool).await.unwrap();
    }
    db.forget(Old::DeadJobs, db.clock.now_ms()).await;
    let runs: Vec<(String, Option<i64>, String)> =
        sqlx::query_as("select coalesce(outcome, 'under way'), ended_at, knows from flow_runs order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let now = Some(db.clock.now_ms());
    for (number, (outcome, ended_at, knows)) in runs.iter().enumerate() {
        let expected =
            if number < 3 { ("discarded", now, "{}") } else { ("under way", None, "{\"event\":\"Secret\"}") };
        assert_eq!((outcome.as_str(), *ended_at, knows.as_str()), expected, "run {number}");
    }
    assert_eq!(db.forget(Old::DeadJobs, db.clock.now_ms()).await, 0);
}

async fn a_run_of_a_flow_is_kept_from_its_end_on(db: Db) {
    let flow = Flow::read("wait", &json!({"step": [{"wait": "45d"}]})).unwrap();
    let new = NewRun { flow: &flow, location_id: LOC, contact_id: None, knows: Knows::default() };
    let (id, key) = db.records.start_flow(new).await.unwrap().unwrap();
    let start: Timestamp = NOW.parse().unwrap();
    db.clock.set(start + DAY * 45);
    let run = db.records.start_run(&key, 1).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    let at = tx.flow_run().await.unwrap().unwrap();
    tx.save_flow_run(&FlowRun { outcome: Some("done".to_owned()), ..at }).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let mut kept = Vec::new();
    for days in [46, 74, 76] {
        db.clock.set(start + DAY * days);
        retention::round(&db.records, &db.clock, Keeping::default()).await.unwrap();
        kept.push(db.records.flow_run(&id).await.unwrap().is_some());
    }
    assert_eq!(kept, [true, true, false]);
    // Of a run that an earlier release ended, only its beginning is known.
    let old = "insert into flow_runs (id, flow, location_id, definition, knows, priority, started_at, outcome)
         values ('old', 'welcome', 'loc1', '{}', '{}', 1, 1, 'done')";
    sqlx::query(old).execute(&db.pool().await).await.unwrap();
    assert_eq!(db.forget(Old::FlowRuns, 2).await, 1);
}

async fn a_clock_that_is_wrong_forgets_nothing(db: Db) {
    let run = db.pull_run("c1", 1).await;
    db.records.begin(&run).await.unwrap().close_run(&[]).await.unwrap();
    let right: Timestamp = NOW.parse().unwrap();
    let (boot, minute) = (Instant::now(), Duration::from_secs(60));
    let mut forgotten = Vec::new();
    // Weeks ahead at the start, until it is set right in the 50th minute, and goes on.
    let ahead = DAY * 60;
    db.clock.set(right + ahead);
    let mut retention = Retention::new(db.records.clone(), db.clock.clone(), Keeping::default(), boot);
    for (minutes, off) in [
        (0, ahead),
        (49, ahead),
        (50, Duration::ZERO),
        (70, Duration::ZERO),
        (109, Duration::ZERO),
        (111, Duration::ZERO),
    ] {
        db.clock.set(right + minute * minutes + off);
        forgotten.push(retention.turn(boot + minute * minutes).await.unwrap());
    }
    assert_eq!(forgotten, [0; 6], "the job is an hour old");
    // It jumps ahead while the process runs; on the next day it is set right.
    for (minutes, off) in [(120, ahead), (130, ahead), (175, ahead), (176, Duration::ZERO)] {
        db.clock.set(right + minute * minutes + off);
        assert_eq!(retention.turn(boot + minute * minutes).await.unwrap(), 0, "{minutes}");
    }
    // Time passes as it should: what is old goes.
    let later = DAY * 31;
    db.clock.set(right + later);
    assert!(retention.turn(boot + later).await.unwrap() > 0);
}
