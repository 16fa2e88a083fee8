//! How the databases find the rows of the statements that each job needs. PostgreSQL plans them once and for all, maybe while the tables are
//! empty; SQLite, which keeps no statistics, plans each by the indexes that there are.

use sqlx::{AssertSqlSafe, Row};

use crate::support::*;

const SETTINGS: &str = "
    set plan_cache_mode = force_generic_plan;
    set jit = off;
    set enable_seqscan = off;
    set enable_hashjoin = off;
    set enable_mergejoin = off;
";

/// Tables that grow with use.
const LARGE: [&str; 10] = [
    "jobs",
    "contacts",
    "entries",
    "changes",
    "webhooks",
    "event_ids",
    "conflicts",
    "hook_deliveries",
    "flow_runs",
    "notices",
];

/// What looks through one of them: in a bite, at intervals, once for a person, or by an index that holds few of its rows.
const THROUGH: [(&str, &str); 23] = [
    ("count_done_jobs", "SCAN jobs"),
    ("count_flow_runs", "flow_runs_outcome"),
    ("count_jobs_up_to", "jobs_"),
    ("count_kills", "jobs_open"),
    ("count_unfinished_jobs", "jobs_"),
    ("dead_letters", "jobs_dead"),
    ("end_stranded_runs", "SCAN flow_runs"),
    ("erase_event_ids", "SCAN event_ids"),
    ("feed_horizon", "sqlite_autoindex_changes_1"),
    ("flow_run_heads", "sqlite_autoindex_flow_runs_1"),
    ("forget_contacts", "SCAN contacts"),
    ("forget_dead_jobs", "jobs_dead"),
    ("forget_entries", "SCAN entries"),
    ("forget_orphaned_deliveries", "hook_deliveries_open"),
    ("history_end", "sqlite_autoindex_changes_1"),
    ("last_activity", "sqlite_autoindex_jobs_1"),
    ("list_conflicts_everywhere", "sqlite_autoindex_conflicts_1"),
    ("list_flow_runs", "sqlite_autoindex_flow_runs_1"),
    ("list_flow_runs", "jobs_dead"),
    ("newest_sign", "sqlite_autoindex_changes_1"),
    ("oldest_open", "jobs_open"),
    ("running_keys", "jobs_open"),
    ("suspects", "jobs_open"),
];

/// A statement's text with ten rows of placeholders, and the types of one row.
fn with_rows(head: &str, before: &[&str], row: &[&str], tail: &str) -> (String, String) {
    let mark = |row_number: usize, column: usize| format!("${}", before.len() + row_number * row.len() + column + 1);
    let group =
        |number| format!("({})", (0..row.len()).map(|column| mark(number, column)).collect::<Vec<_>>().join(", "));
    let rows: Vec<String> = (0..10).map(group).collect();
    let types = before.iter().chain(std::iter::repeat_n(row, 10).flatten()).copied().collect::<Vec<_>>().join(", ");
    (format!("{head}{}{tail}", rows.join(", ")), types)
}

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../src/records/sql/", $name, ".sql"))
    };
}

#[tokio::test]
async fn each_row_is_found_by_a_whole_key_though_the_plan_is_of_when_there_were_none() {
    let db = Db::postgres().await;
    let mut connection = sqlx::PgPool::connect(&db.url).await.unwrap().acquire().await.unwrap().detach();
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await.unwrap();
    let pair = ["text", "text"];
    for ((text, types), keys) in [
        (
            with_rows(
                text!("start_runs"),
                &["bigint"],
                &["text", "text", "text", "bigint"],
                text!("start_runs_postgres"),
            ),
            &[
                "((kind = \"*VALUES*\".column1) AND (location_id = \"*VALUES*\".column2) AND (record_id = \"*VALUES*\".column3))",
                "(id = ANY (",
            ][..],
        ),
        (
            with_rows(text!("close_runs"), &["bigint"], &["text", "bigint"], ") returning id"),
            &["(id = \"*VALUES*\".column1)"],
        ),
        (
            with_rows(text!("entries_by_pair"), &[], &pair, ")"),
            &["((location_id = \"*VALUES*\".column1) AND (contact_id = \"*VALUES*\".column2))"],
        ),
        (
            with_rows(text!("snapshots_by_pair"), &[], &pair, ")"),
            &["((location_id = \"*VALUES*\".column1) AND (contact_id = \"*VALUES*\".column2))"],
        ),
        (
            with_rows(text!("missing_parts_by_pair"), &[], &pair, ")"),
            &["((location_id = \"*VALUES*\".column1) AND (contact_id = \"*VALUES*\".column2))"],
        ),
        (
            with_rows(text!("aliases_by_pair"), &[], &pair, ")"),
            &["((location_id = \"*VALUES*\".column1) AND (alias = \"*VALUES*\".column2))"],
        ),
    ] {
        let arguments = vec!["null"; types.split(", ").count()].join(", ");
        let prepare = format!("prepare hot ({types}) as {text}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut connection).await.unwrap();
        let explain = AssertSqlSafe(format!("explain (costs off) execute hot ({arguments})"));
        let plan = sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        sqlx::raw_sql("deallocate hot").execute(&mut connection).await.unwrap();
        let scans = plan.iter().filter(|line| line.contains("Scan using") || line.contains("Index Scan on")).count();
        let by_key = |line: &&String| keys.iter().any(|key| line.contains(&format!("Index Cond: {key}")));
        assert_eq!(plan.iter().filter(by_key).count(), scans, "{}", plan.join("\n"));
        assert!(scans > 0 && !plan.iter().any(|line| line.contains("Seq Scan")), "{}", plan.join("\n"));
    }
}

/// The statement as SQLite would go about it, a line a step; none for a text that is only a part of a statement.
async fn steps(connection: &mut sqlx::SqliteConnection, text: &str) -> Option<Vec<String>> {
    let explain = AssertSqlSafe(format!("explain query plan {text}"));
    let rows = sqlx::raw_sql(explain).fetch_all(connection).await.ok()?;
    Some(rows.iter().map(|row| row.get("detail")).collect())
}

#[tokio::test]
async fn sqlite_looks_through_no_table_that_grows() {
    let db = Db::sqlite().await;
    let mut connection = sqlx::SqlitePool::connect(&db.url).await.unwrap().acquire().await.unwrap().detach();
    let (pair, run) = (["text", "text"], ["text", "text", "text", "bigint"]);
    let mut statements: Vec<(String, String)> = [
        ("start_runs", with_rows(text!("start_runs"), &["bigint"], &run, text!("start_runs_sqlite"))),
        ("close_runs", with_rows(text!("close_runs"), &["bigint"], &["text", "bigint"], ") returning id")),
        ("entries_by_pair", with_rows(text!("entries_by_pair"), &[], &pair, ")")),
        ("snapshots_by_pair", with_rows(text!("snapshots_by_pair"), &[], &pair, ")")),
        ("missing_parts_by_pair", with_rows(text!("missing_parts_by_pair"), &[], &pair, ")")),
        ("aliases_by_pair", with_rows(text!("aliases_by_pair"), &[], &pair, ")")),
    ]
    .map(|(name, (text, _))| (name.to_owned(), text))
    .into();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/records/sql");
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        statements.push((name, std::fs::read_to_string(&file).unwrap()));
    }
    let (mut planned, mut wrong) = (0, Vec::new());
    for (name, text) in statements {
        let Some(steps) = steps(&mut connection, &text).await else { continue };
        planned += 1;
        let is_known = |step: &str| THROUGH.iter().any(|(known, how)| *known == name && step.contains(how));
        let scans = steps.into_iter().filter(|step| {
            step.strip_prefix("SCAN ").is_some_and(|of| LARGE.contains(&of.split(' ').next().unwrap_or_default()))
        });
        wrong.extend(scans.filter(|step| !is_known(step)).map(|step| format!("{name}: {step}")));
    }
    assert!(planned > 200, "{planned} were planned");
    assert_eq!(wrong, Vec::<String>::new());
}
