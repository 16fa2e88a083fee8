//! How PostgreSQL finds the rows of the statements that each job needs, where it plans them once and for all while the tables are empty.

use sqlx::{AssertSqlSafe, Row};

use crate::support::*;

const SETTINGS: &str = "
    set plan_cache_mode = force_generic_plan;
    set jit = off;
    set enable_seqscan = off;
    set enable_hashjoin = off;
    set enable_mergejoin = off;
";

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
