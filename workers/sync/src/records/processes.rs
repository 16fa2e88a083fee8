//! The processes that work over this database: each keeps a row of its own fresh, so that an operator sees who is alive.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ledger::timestamp;
use super::sql::sql;
use super::{Records, RecordsError};

/// Of a process that was not seen for so long nothing is kept, in ms.
const FORGOTTEN_MS: i64 = 24 * 60 * 60 * 1000;

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProcess {
    /// `up`, `gateway`, `worker` or `demo`.
    pub role: String,
    /// Of the program.
    pub version: String,
    /// The machine, as far as it is known.
    pub host: String,
    /// The system's number of it.
    pub pid: u32,
    /// A hash of the flows that it has loaded.
    pub flows: String,
    /// The ids of its master keys, newest first.
    pub master_keys: Vec<String>,
    /// Where its queue is.
    pub queue: String,
}

/// A process that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields of NewProcess, with times")]
pub struct Process {
    pub id: String,
    pub role: String,
    pub version: String,
    pub host: String,
    pub pid: i64,
    pub flows: String,
    pub master_keys: Vec<String>,
    pub queue: String,
    pub started_at: Timestamp,
    pub seen_at: Timestamp,
}

impl Records {
    /// Keeps that the process `id` is alive now.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all below.
    pub async fn see_process(&self, id: &str, process: &NewProcess) -> Result<(), RecordsError> {
        let NewProcess { role, version, host, pid, flows, master_keys, queue } = process;
        let _gate = self.gate().await?;
        sqlx::query(sql!("see_process"))
            .bind(id)
            .bind(role)
            .bind(version)
            .bind(host)
            .bind(i64::from(*pid))
            .bind(flows)
            // A list of texts has no way to fail.
            .bind(serde_json::to_string(master_keys).unwrap_or_default())
            .bind(queue)
            .bind(self.clock.now_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The process `id` ends; those that ended without a word long ago are forgotten with it.
    ///
    /// # Errors
    /// See [`Records::see_process`].
    pub async fn forget_process(&self, id: &str) -> Result<(), RecordsError> {
        let _gate = self.gate().await?;
        let before = self.clock.now_ms().saturating_sub(FORGOTTEN_MS);
        sqlx::query(sql!("forget_process")).bind(id).bind(before).execute(&self.pool).await?;
        Ok(())
    }

    /// The processes that were seen since `since_ms` (ms since 1970).
    ///
    /// # Errors
    /// See [`Records::see_process`].
    pub async fn list_processes(&self, since_ms: i64) -> Result<Vec<Process>, RecordsError> {
        let rows = sqlx::query(sql!("list_processes")).bind(since_ms).fetch_all(&self.pool).await?;
        rows.iter().map(process_of).collect()
    }
}

fn process_of(row: &AnyRow) -> Result<Process, RecordsError> {
    let id: String = row.try_get("id")?;
    let master_keys: String = row.try_get("master_keys")?;
    Ok(Process {
        role: row.try_get("role")?,
        version: row.try_get("version")?,
        host: row.try_get("host")?,
        pid: row.try_get("pid")?,
        flows: row.try_get("flows")?,
        master_keys: serde_json::from_str(&master_keys)
            .map_err(|error| RecordsError::corrupt("processes", &id, &error))?,
        queue: row.try_get("queue")?,
        started_at: timestamp(row.try_get("started_at")?),
        seen_at: timestamp(row.try_get("seen_at")?),
        id,
    })
}
