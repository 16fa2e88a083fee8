//! How scans start, make way for others, and continue.
//!
//! A reconciliation of changed contacts starts after the last contact that was read, by
//! (dateUpdated, id), whichever scan read it. Two things make that place uncertain. GHL's search
//! shows a change seconds late, so a change shortly before a scan may be missing from it although
//! its date is before that place; and GHL's clock is not ours. So the last minutes are read again;
//! reading a record twice changes nothing.

use job_engine::Priority;
use serde_json::Value;
use sync_model::job::JobKey;
use uuid::Uuid;

use super::super::accept::{NewRow, insert_rows};
use super::super::sql::sql;
use super::super::{Records, RecordsError, Write};
use super::{Phase, Purpose, Scan, scan_of};

/// So long before a scan began, GHL's search may have left out what had changed: it lags by seconds, and clocks differ.
const OVERLAP_MS: i64 = 5 * 60 * 1000;
/// Contacts of the first page.
const PAGE: i64 = 500;

/// Where a scan over contacts begins.
#[derive(Default)]
struct Start {
    /// What changed before is not read.
    since_ms: Option<i64>,
    /// The contact after which it goes on, in GHL's words.
    place: Option<Value>,
    /// What GHL created since is news.
    created_after_ms: Option<i64>,
}

impl Records {
    /// Begins a scan and writes the ledger row of its first job. None where another is in progress that it would disturb.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn begin_scan(
        &self,
        location_id: &str,
        purpose: Purpose,
        known_only: bool,
        pause_ms: i64,
    ) -> Result<Option<Scan>, RecordsError> {
        let id = Uuid::now_v7().to_string();
        match self.try_begin_scan(&id, location_id, purpose, known_only, pause_ms).await {
            Err(error) if error.is_race() => {}
            outcome => return outcome.map(Some),
        }
        if self.set_aside_scans(location_id, None).await? == 0 {
            return Ok(None);
        }
        match self.try_begin_scan(&id, location_id, purpose, known_only, pause_ms).await {
            Err(error) if error.is_race() => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Lets scans make way whose job is a dead letter; with them, if an operator starts a scan, slow ones in its way. Returns how
    /// many.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn set_aside_scans(&self, location_id: &str, begun: Option<Purpose>) -> Result<u64, RecordsError> {
        let leisurely = begun.map(|purpose| match purpose {
            Purpose::Details => Purpose::Details,
            Purpose::Import | Purpose::Reconcile | Purpose::Full | Purpose::Verify => Purpose::Full,
        });
        let _gate = self.gate().await?;
        let aside = sqlx::query(sql!("set_aside_scans")).bind(self.clock.now_ms()).bind(location_id);
        let aside = aside.bind(leisurely.map(Purpose::as_str)).execute(&self.pool);
        Ok(aside.await?.rows_affected())
    }

    /// Lets a scan go on whose job is gone, or that made way for another one. False while another one is in its way.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn resume_scan(&self, scan: &Scan) -> Result<bool, RecordsError> {
        match self.try_resume_scan(scan).await {
            Err(error) if error.is_race() => {
                // A scan with a dead job makes way; the caller tries again.
                self.set_aside_scans(&scan.location_id, None).await?;
                Ok(false)
            }
            outcome => outcome.map(|()| true),
        }
    }

    async fn try_resume_scan(&self, scan: &Scan) -> Result<(), RecordsError> {
        let Some(key) = scan.next_job() else { return Ok(()) };
        let mut write = self.write().await?;
        sqlx::query(sql!("reopen_scan")).bind(&scan.id).execute(write.conn()).await?;
        let JobKey { kind, location_id, record_id } = &key;
        let open = sqlx::query_scalar(sql!("count_open")).bind(kind).bind(location_id).bind(record_id);
        let open: i64 = open.fetch_one(write.conn()).await?;
        if open == 0 {
            let now_ms = write.now_ms;
            insert_rows(&mut write, &[job_row(key, now_ms)]).await?;
        }
        write.commit().await
    }

    async fn try_begin_scan(
        &self,
        id: &str,
        location_id: &str,
        purpose: Purpose,
        known_only: bool,
        pause_ms: i64,
    ) -> Result<Scan, RecordsError> {
        let phase = if purpose == Purpose::Details { Phase::Details } else { Phase::Contacts };
        // Who can't search the location's tasks reads them with the notes.
        let tasks_apart = purpose == Purpose::Details && self.reads_tasks_apart(location_id).await?;
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        if purpose == Purpose::Verify {
            sqlx::query(sql!("old_findings")).bind(location_id).execute(write.conn()).await?;
        }
        let Start { since_ms, place, created_after_ms } = start(&mut write, location_id, purpose).await?;
        let place = place.as_ref().map(Value::to_string);
        sqlx::query(sql!("insert_scan"))
            .bind(id)
            .bind(location_id)
            .bind(purpose.as_str())
            .bind(phase.as_str())
            .bind(PAGE)
            .bind(i64::from(known_only))
            .bind(pause_ms)
            .bind(i64::from(tasks_apart))
            .bind(place.clone())
            .bind(since_ms)
            .bind(created_after_ms)
            .bind(place.as_ref().and(since_ms))
            .bind(place)
            .bind(now_ms)
            .execute(write.conn())
            .await?;
        let row = sqlx::query(sql!("scan")).bind(id).fetch_one(write.conn()).await?;
        let scan = scan_of(&row)?;
        if let Some(key) = scan.next_job() {
            insert_rows(&mut write, &[job_row(key, now_ms)]).await?;
        }
        write.commit().await?;
        Ok(scan)
    }

    async fn reads_tasks_apart(&self, location_id: &str) -> Result<bool, RecordsError> {
        let scan = match self.latest_scan(location_id, Purpose::Full).await? {
            None => self.latest_scan(location_id, Purpose::Import).await?,
            full => full,
        };
        Ok(scan.is_some_and(|scan| scan.tasks_apart))
    }

    /// Gives up reconciliations that have not moved since `before_ms`; returns how many.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn fail_scans(&self, before_ms: i64) -> Result<u64, RecordsError> {
        let _gate = self.gate().await?;
        let failed = sqlx::query(sql!("fail_scans")).bind(self.clock.now_ms()).bind(before_ms).execute(&self.pool);
        Ok(failed.await?.rows_affected())
    }
}

/// The beginning of a scan; a race where another one has to end first.
async fn start(write: &mut Write, location_id: &str, purpose: Purpose) -> Result<Start, RecordsError> {
    if !matches!(purpose, Purpose::Reconcile | Purpose::Full) {
        return Ok(Start::default());
    }
    let (importing, imported_at, connected_at): (i64, Option<i64>, Option<i64>) =
        sqlx::query_as(sql!("imported")).bind(location_id).fetch_one(write.conn()).await?;
    if purpose == Purpose::Reconcile && importing > 0 {
        return Err(RecordsError::Raced);
    }
    let reached: Option<(i64, Option<i64>, Option<String>)> =
        sqlx::query_as(sql!("reached")).bind(location_id).bind(OVERLAP_MS).fetch_optional(write.conn()).await?;
    let connected_ms = connected_at.unwrap_or(write.now_ms);
    let (since_ms, place) = match reached {
        Some((since, Some(at), Some(place))) if at == since => (since, serde_json::from_str(&place).ok()),
        Some((since, ..)) => (since, None),
        // What is known here was read since then.
        None => (connected_ms - OVERLAP_MS, None),
    };
    let created_after_ms = Some(since_ms.max(imported_at.unwrap_or(connected_ms)));
    Ok(match purpose {
        Purpose::Reconcile => Start { since_ms: Some(since_ms), place, created_after_ms },
        _ => Start { created_after_ms, ..Start::default() },
    })
}

fn job_row(key: JobKey, now_ms: i64) -> NewRow {
    NewRow {
        id: Uuid::now_v7().to_string(),
        source: "walk".to_owned(),
        event_id: None,
        given_event_id: None,
        event_type: "walk".to_owned(),
        key,
        contact_id: None,
        priority: Priority::Bulk,
        data: "{}".to_owned(),
        created_at_ms: now_ms,
    }
}
