//! Scans as they are stored.

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::super::RecordsError;
use super::super::merging::{self, column};
use super::super::notices::Notice;
use super::super::runs::Tx;
use super::super::sql::sql;
use super::{Phase, Purpose, Reached, Scan};

impl Tx {
    /// Remembers that the scan has met a contact.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn mark_seen(&mut self, scan: &Scan, contact_id: &str) -> Result<(), RecordsError> {
        self.write.page.see(&scan.id, &scan.location_id, contact_id);
        Ok(())
    }

    /// Writes how far the scan has got.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_scan(&mut self, scan: &Scan) -> Result<(), RecordsError> {
        let now_ms = self.write.now_ms;
        let is_over = matches!(scan.phase, Phase::Done | Phase::Failed);
        if scan.purpose == Purpose::Import && scan.phase == Phase::Done && scan.finished_at_ms.is_none() {
            let counts = json!({
                "contacts": scan.contacts, "tasks": scan.tasks, "notes": scan.notes, "appointments": scan.appointments,
                "calls": scan.calls,
            });
            self.write.notice(Notice::new("import.done", "scan", &scan.id).at(&scan.location_id).with(counts));
        }
        sqlx::query(sql!("save_scan"))
            .bind(scan.phase.as_str())
            .bind(scan.cursor.as_ref().map(Value::to_string))
            .bind(i64::from(scan.page_limit))
            .bind(i64::from(scan.tasks_apart))
            .bind(scan.next_at_ms)
            .bind(scan.total)
            .bind(scan.contacts)
            .bind(scan.tasks)
            .bind(scan.notes)
            .bind(scan.appointments)
            .bind(scan.detailed)
            .bind(scan.calls)
            .bind(scan.passed_over)
            .bind(scan.not_shown)
            .bind(scan.found)
            .bind(scan.reached.as_ref().map(|reached| reached.at_ms))
            .bind(scan.reached.as_ref().map(|reached| reached.place.to_string()))
            .bind(now_ms)
            .bind(is_over.then_some(now_ms))
            .bind(column(&scan.uncompared))
            .bind(&scan.id)
            .execute(self.write.conn())
            .await?;
        Ok(())
    }
}

pub(super) fn corrupt(table: &'static str, row: &str, reason: &str) -> RecordsError {
    RecordsError::Corrupt { table, row: row.to_owned(), reason: reason.to_owned() }
}

pub(super) fn scan_of(row: &AnyRow) -> Result<Scan, RecordsError> {
    let id: String = row.try_get("id")?;
    let (purpose, phase): (String, String) = (row.try_get("purpose")?, row.try_get("phase")?);
    let json = |name| -> Result<Option<Value>, RecordsError> {
        let text: Option<String> = row.try_get(name)?;
        let parse = |text: String| serde_json::from_str(&text);
        text.map(parse).transpose().map_err(|error| RecordsError::corrupt("walks", &id, &error))
    };
    let (reached, reached_at): (_, Option<i64>) = (json("reached")?, row.try_get("reached_at")?);
    let flag = |name| row.try_get::<i64, _>(name).map(|flag| flag != 0);
    Ok(Scan {
        purpose: Purpose::parse(&purpose).ok_or_else(|| corrupt("walks", &id, "its purpose is not one of ours"))?,
        phase: Phase::parse(&phase).ok_or_else(|| corrupt("walks", &id, "its phase is not one of ours"))?,
        cursor: json("cursor")?,
        reached: reached_at.zip(reached).map(|(at_ms, place)| Reached { at_ms, place }),
        location_id: row.try_get("location_id")?,
        page_limit: u16::try_from(row.try_get::<i64, _>("page_limit")?).unwrap_or(1),
        known_only: flag("known_only")?,
        tasks_apart: flag("tasks_apart")?,
        pause_ms: row.try_get("pause_ms")?,
        next_at_ms: row.try_get("next_at")?,
        total: row.try_get("total")?,
        contacts: row.try_get("contacts")?,
        tasks: row.try_get("tasks")?,
        notes: row.try_get("notes")?,
        appointments: row.try_get("appointments")?,
        detailed: row.try_get("detailed")?,
        passed_over: row.try_get("passed_over")?,
        not_shown: row.try_get("not_shown")?,
        calls: row.try_get("calls")?,
        found: row.try_get("found")?,
        since_ms: row.try_get("since_at")?,
        created_after_ms: row.try_get("created_after")?,
        started_at_ms: row.try_get("started_at")?,
        updated_at_ms: row.try_get("updated_at")?,
        finished_at_ms: row.try_get("finished_at")?,
        uncompared: merging::read("walks", &id, row.try_get("uncompared")?)?,
        id,
    })
}
