//! The flows in force: those of files, which a process has from its start, and those of the database, which people change while it runs.
//!
//! A transaction that writes has the flows that are in force as it begins. The database counts changes of flows; once a second whoever begins a
//! transaction reads that one number, and the flows where it has moved. So a change is in force in every process within [`LOOK_MS`] without
//! a loop, a signal or a restart, and at once in the process that made it.
//!
//! A name that a file has is the file's: what the database has under it starts nothing, and is reported.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use sqlx::{AnyConnection, Row};

use super::super::sql::sql;
use super::super::{Records, RecordsError};
use crate::flows::Flow;

/// Between two looks at the number of changes.
const LOOK_MS: i64 = 1_000;
/// Of a process that has not looked yet.
const NEVER: i64 = i64::MIN;

/// A file that holds no flow that can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFlow {
    /// The flow that it would be.
    pub name: String,
    /// What is wrong with it, each with its place.
    pub mistakes: Vec<String>,
}

/// What this process knows of the flows.
#[derive(Debug)]
pub(in crate::records) struct InForce {
    files: RwLock<Arc<[Flow]>>,
    broken: RwLock<Arc<[BrokenFlow]>>,
    all: RwLock<Arc<[Flow]>>,
    /// The number of changes that `all` is of.
    changes: AtomicI64,
    /// When that was last looked for, in ms since 1970.
    looked_at: AtomicI64,
}

impl InForce {
    pub(in crate::records) fn of_files(files: Vec<Flow>, broken: Vec<BrokenFlow>) -> Self {
        let files: Arc<[Flow]> = files.into();
        Self {
            all: RwLock::new(Arc::clone(&files)),
            files: RwLock::new(files),
            broken: RwLock::new(broken.into()),
            changes: AtomicI64::new(NEVER),
            looked_at: AtomicI64::new(NEVER),
        }
    }

    /// As of the last look.
    pub(in crate::records) fn known(&self) -> Arc<[Flow]> {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn broken(&self) -> Arc<[BrokenFlow]> {
        Arc::clone(&self.broken.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn files(&self) -> Arc<[Flow]> {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the next look read all anew.
    pub(super) fn forget(&self) {
        self.changes.store(NEVER, Ordering::Release);
        self.looked_at.store(NEVER, Ordering::Release);
    }

    /// As of now, or of a moment ago.
    pub(in crate::records) async fn look(
        &self,
        connection: &mut AnyConnection,
        now_ms: i64,
    ) -> Result<Arc<[Flow]>, RecordsError> {
        let looked_at = self.looked_at.load(Ordering::Acquire);
        // A clock that was set back makes no process wait.
        if looked_at != NEVER && now_ms.abs_diff(looked_at) < LOOK_MS.unsigned_abs() {
            return Ok(self.known());
        }
        let changes: i64 = sqlx::query_scalar(sql!("flow_changes")).fetch_one(&mut *connection).await?;
        if changes != self.changes.load(Ordering::Acquire) {
            let kept = read(connection).await?;
            let (files, broken) = (self.files(), self.broken());
            let is_own = |flow: &Flow| {
                let mut names = files.iter().map(|file| &file.name).chain(broken.iter().map(|file| &file.name));
                let is_twice = names.any(|name| *name == flow.name);
                if is_twice {
                    tracing::error!(
                        flow = flow.name,
                        "a file has the name of a flow of the database: one name is one flow, and the file's counts"
                    );
                }
                !is_twice
            };
            let all: Arc<[Flow]> = files.iter().cloned().chain(kept.into_iter().filter(is_own)).collect();
            *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
            self.changes.store(changes, Ordering::Release);
            tracing::debug!(changes, "the flows in force were read");
        }
        self.looked_at.store(now_ms, Ordering::Release);
        Ok(self.known())
    }
}

/// Those that the database has enabled. One that this release can't read is left out, loudly: it stops none of the others.
async fn read(connection: &mut AnyConnection) -> Result<Vec<Flow>, RecordsError> {
    let rows = sqlx::query(sql!("enabled_flows")).fetch_all(connection).await?;
    let mut flows = Vec::with_capacity(rows.len());
    for row in rows {
        let (name, version, definition): (String, i64, String) =
            (row.try_get("name")?, row.try_get("version")?, row.try_get("definition")?);
        let definition: Value = serde_json::from_str(&definition).unwrap_or_default();
        match Flow::read(&name, &definition) {
            Ok(flow) => flows.push(Flow { version: Some(version), ..flow }),
            Err(mistakes) => {
                let mistake = mistakes.first().map(|one| format!("{} {}", one.field, one.message)).unwrap_or_default();
                tracing::error!(flow = name, version, mistake, "a flow can't be read, so it starts no run here");
            }
        }
    }
    Ok(flows)
}

impl Records {
    /// The flows in force, those of files among them.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn flows_in_force(&self) -> Result<Arc<[Flow]>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        self.flows.look(&mut connection, self.clock.now_ms()).await
    }

    /// The flows of files that this process knows.
    #[must_use]
    pub fn file_flows(&self) -> Arc<[Flow]> {
        self.flows.files()
    }

    /// The files of flows that this process could not read.
    #[must_use]
    pub fn broken_flows(&self) -> Arc<[BrokenFlow]> {
        self.flows.broken()
    }

    /// From now on these are the flows of files.
    pub fn set_file_flows(&self, files: Vec<Flow>, broken: Vec<BrokenFlow>) {
        *self.flows.files.write().unwrap_or_else(PoisonError::into_inner) = files.into();
        *self.flows.broken.write().unwrap_or_else(PoisonError::into_inner) = broken.into();
        self.flows.forget();
    }
}
