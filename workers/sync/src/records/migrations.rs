//! The migrations, which are compiled into the program.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The migrations, in order. A new one is a new file and a line here.
pub(super) fn all() -> Migrator {
    up_to(i64::MAX)
}

fn up_to(last: i64) -> Migrator {
    let files = [
        (1, "ledger", include_str!("../../migrations/0001_ledger.sql")),
        (2, "records", include_str!("../../migrations/0002_records.sql")),
        (3, "access", include_str!("../../migrations/0003_access.sql")),
        (4, "oauth", include_str!("../../migrations/0004_oauth.sql")),
        (5, "webhooks", include_str!("../../migrations/0005_webhooks.sql")),
        (6, "operations", include_str!("../../migrations/0006_operations.sql")),
        (7, "merging", include_str!("../../migrations/0007_merging.sql")),
        (8, "attempts", include_str!("../../migrations/0008_attempts.sql")),
        (9, "reading", include_str!("../../migrations/0009_reading.sql")),
        (10, "api version", include_str!("../../migrations/0010_api_version.sql")),
        (13, "walks", include_str!("../../migrations/0013_walks.sql")),
        (14, "appointments", include_str!("../../migrations/0014_appointments.sql")),
        (15, "heard", include_str!("../../migrations/0015_heard.sql")),
        (16, "custom fields", include_str!("../../migrations/0016_custom_fields.sql")),
        (17, "triggers", include_str!("../../migrations/0017_triggers.sql")),
        (18, "asked", include_str!("../../migrations/0018_asked.sql")),
        (19, "flows", include_str!("../../migrations/0019_flows.sql")),
        (20, "event ids", include_str!("../../migrations/0020_event_ids.sql")),
        (22, "unread", include_str!("../../migrations/0022_unread.sql")),
        (24, "write checks", include_str!("../../migrations/0024_write_checks.sql")),
        (26, "spent installs", include_str!("../../migrations/0026_spent_installs.sql")),
        (28, "passed over", include_str!("../../migrations/0028_passed_over.sql")),
        (29, "unreadable webhooks", include_str!("../../migrations/0029_unreadable_webhooks.sql")),
        (30, "missing parts", include_str!("../../migrations/0030_missing_parts.sql")),
        (31, "seen", include_str!("../../migrations/0031_seen.sql")),
        (32, "deployment", include_str!("../../migrations/0032_deployment.sql")),
        (34, "said", include_str!("../../migrations/0034_said.sql")),
        (35, "processes", include_str!("../../migrations/0035_processes.sql")),
        (36, "people", include_str!("../../migrations/0036_people.sql")),
        (40, "stranded", include_str!("../../migrations/0040_stranded.sql")),
        (42, "unanswered", include_str!("../../migrations/0042_unanswered.sql")),
        (43, "owing", include_str!("../../migrations/0043_owing.sql")),
        (44, "awaited", include_str!("../../migrations/0044_awaited.sql")),
        (45, "custom field reading", include_str!("../../migrations/0045_custom_field_reading.sql")),
        (46, "last edits", include_str!("../../migrations/0046_last_edits.sql")),
        (50, "kills", include_str!("../../migrations/0050_kills.sql")),
        (51, "fewer_indexes", include_str!("../../migrations/0051_fewer_indexes.sql")),
        (52, "ended runs", include_str!("../../migrations/0052_ended_runs.sql")),
        (53, "traces", include_str!("../../migrations/0053_traces.sql")),
        (54, "field_types", include_str!("../../migrations/0054_field_types.sql")),
        (55, "countries", include_str!("../../migrations/0055_countries.sql")),
        (60, "key roles", include_str!("../../migrations/0060_key_roles.sql")),
        (61, "audit", include_str!("../../migrations/0061_audit.sql")),
        (62, "history", include_str!("../../migrations/0062_history.sql")),
        (65, "hooks", include_str!("../../migrations/0065_hooks.sql")),
        (68, "flows", include_str!("../../migrations/0068_flows.sql")),
        (69, "flow_rates", include_str!("../../migrations/0069_flow_rates.sql")),
        (73, "mappings", include_str!("../../migrations/0073_mappings.sql")),
        (74, "field choices", include_str!("../../migrations/0074_field_choices.sql")),
        (75, "enrichments", include_str!("../../migrations/0075_enrichments.sql")),
        (76, "enrich spend", include_str!("../../migrations/0076_enrich_spend.sql")),
        (77, "enrich cache", include_str!("../../migrations/0077_enrich_cache.sql")),
        (78, "notices", include_str!("../../migrations/0078_notices.sql")),
        (79, "key events", include_str!("../../migrations/0079_key_events.sql")),
        (80, "flow secrets", include_str!("../../migrations/0080_flow_secrets.sql")),
    ];
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    let files = files.into_iter().filter(|(version, ..)| *version <= last);
    Migrator::with_migrations(files.map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Phase, Purpose, Records, ledger};
    use super::*;

    /// The last migration of the last release. To be raised with each release.
    const RELEASED: i64 = 19;

    /// Words of a statement, in lower case and without comments.
    fn statements(text: &str) -> Vec<Vec<String>> {
        let bare: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        let words = |statement: &str| statement.to_lowercase().split_whitespace().map(str::to_owned).collect();
        bare.join("\n").split(';').map(words).filter(|words: &Vec<String>| !words.is_empty()).collect()
    }

    fn is_plain(index: &str) -> bool {
        let all = all();
        let mut made = all.iter().flat_map(|migration| statements(migration.sql.as_str()));
        made.any(|words| words.get(..3).is_some_and(|words| words == ["create", "index", index]))
    }

    /// What a process of the last release would trip over; `tables` are those that it does not know.
    fn narrows(words: &[String], tables: &mut Vec<String>) -> bool {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["create", "table", table, ..] => {
                tables.push(table.to_owned());
                false
            }
            ["create", "index", ..] | ["create", "view", ..] | ["insert", "into", ..] => false,
            // No statement names an index; one that is unique does more than find rows.
            ["drop", "index", index] => !is_plain(index),
            ["create", "unique", "index", _, "on", table, ..] => !tables.iter().any(|known| known == table),
            ["alter", "table", table, "add", "column", ..] => {
                let has = |word: &str| words.contains(&word);
                let is_demanding =
                    (has("not") && !has("default")) || has("unique") || has("check") || has("references");
                is_demanding && !tables.iter().any(|known| known == table)
            }
            _ => true,
        }
    }

    /// Pods of the last release still run while the first of the next one migrates.
    #[test]
    fn what_came_after_the_last_release_only_adds() {
        let all = all();
        let newer = all.iter().filter(|migration| migration.version > RELEASED);
        let mut tables = Vec::new();
        for migration in newer {
            for words in statements(migration.sql.as_str()) {
                let is_narrow = narrows(&words, &mut tables);
                assert!(!is_narrow, "{}: a release later, please: {}", migration.version, words.join(" "));
            }
        }
        assert!(!tables.is_empty(), "it reads no statement");
    }

    #[test]
    fn statements_that_old_processes_would_trip_over_are_found() {
        for text in [
            "alter table jobs drop column kind",
            "alter table jobs rename to work",
            "alter table jobs add column zone text not null",
            "alter table jobs add column zone text unique",
            "create unique index one on jobs (kind) -- a comment",
            "drop table jobs",
            "drop index jobs_event",
            "update jobs set kind = 'x'",
        ] {
            assert!(narrows(&statements(text)[0], &mut Vec::new()), "{text}");
        }
    }

    /// A database of an earlier version with these rows, migrated.
    async fn migrated(version: i64, rows: &[&'static str]) -> (Records, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("clienty-migration-{}", uuid::Uuid::new_v4()));
        let url = format!("sqlite://{}", folder.join("records.db").display());
        let records = Records::open(&url, Options::default()).await.unwrap();
        let mut connection = records.pool.acquire().await.unwrap();
        up_to(version).run(&mut *connection).await.unwrap();
        for statement in rows {
            sqlx::query(*statement).execute(&mut *connection).await.unwrap();
        }
        drop(connection);
        records.migrate().await.unwrap();
        (records, folder)
    }

    #[tokio::test]
    async fn appointments_that_were_only_read_can_be_edited_after_the_migration() {
        let earlier = [
            r#"insert into contacts (location_id, contact_id, row_id, doc, base, search, date_updated, synced_at, changed_at, revision)
               values ('l', 'c', 'c', '{"id":"c"}', '{"id":"c"}', '', 1, 1, 1, 1)"#,
            r#"insert into entries (row_id, kind, location_id, contact_id, ghl_id, doc, revision, changed_at, sync)
               values ('r', 'task', 'l', 'c', 't', '{"title":"Call"}', 3, 1, null)"#,
            r#"insert into appointments values ('l', 'a1', 'c', '{"appointmentId":"a1","contactId":"c","title":"Demo"}', null)"#,
            r#"insert into appointments values ('l', 'a2', 'c', '{"appointmentId":"a2","contactId":"c"}', 5)"#,
        ];
        let (records, folder) = migrated(13, &earlier).await;
        let view = records.view_with_deleted("l", "c").await.unwrap().unwrap();
        assert_eq!(view.tasks[0].record.task.title, "Call");
        let reported: Vec<_> =
            view.appointments.iter().map(|one| (&one.record.appointment_id, one.deleted_at)).collect();
        let ids = ["a1", "a2"].map(|id| Some(id.to_owned()));
        assert_eq!(reported, [(&ids[0], None), (&ids[1], Some(ledger::timestamp(5)))]);
        let row = records.entry::<sync_model::record::Appointment>("l-a1").await.unwrap().unwrap();
        assert!(row.is_settled() && row.doc.title.as_deref() == Some("Demo"));
        records.close().await;
        let _ = std::fs::remove_dir_all(folder);
    }

    #[tokio::test]
    async fn reconciliations_of_before_go_on_as_full_scans_and_the_next_one_begins_after_the_last() {
        let earlier = [
            r#"insert into walks (id, location_id, purpose, phase, page_limit, known_only, pause_ms, contacts, started_at, updated_at, finished_at)
               values ('w1', 'l', 'import', 'done', 500, 0, 0, 7, 1000000, 1500000, 1500000)"#,
            r#"insert into walks (id, location_id, purpose, phase, page_limit, known_only, pause_ms, started_at, updated_at, finished_at)
               values ('w2', 'l', 'sweep', 'done', 500, 0, 0, 3000000, 3000001, 3000001)"#,
            r#"insert into walks (id, location_id, purpose, phase, cursor, page_limit, known_only, pause_ms, started_at, updated_at)
               values ('w3', 'l', 'sweep', 'contacts', '[5,"c"]', 250, 0, 0, 4000000, 4000001)"#,
        ];
        let (records, folder) = migrated(16, &earlier).await;
        let import = records.scan("w1").await.unwrap().unwrap();
        assert_eq!((import.purpose, import.phase, import.contacts), (Purpose::Import, Phase::Done, 7));
        let goes_on = records.scan("w3").await.unwrap().unwrap();
        assert_eq!((goes_on.purpose, goes_on.page_limit), (Purpose::Full, 250));
        assert_eq!(goes_on.cursor, Some(serde_json::json!([5, "c"])));
        let next = records.begin_scan("l", Purpose::Reconcile, false, 0).await.unwrap().unwrap();
        assert_eq!((next.since_ms, next.created_after_ms), (Some(2_700_000), Some(2_700_000)));
        records.close().await;
        let _ = std::fs::remove_dir_all(folder);
    }
}
