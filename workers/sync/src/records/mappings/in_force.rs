//! The mappings in force in this process.
//!
//! The database counts changes of mappings; once a second whoever reads or writes contacts reads that one number, and the mappings where it has
//! moved. So a change is in force in every process within [`LOOK_MS`], without a signal or a restart, and at once in the process that made it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use sqlx::AnyConnection;
use sync_model::field_mapping::{EVERYWHERE, Mapping};

use super::super::RecordsError;
use super::super::sql::sql;

/// Between two looks at the number of changes.
const LOOK_MS: i64 = 1_000;
/// Of a process that has not looked yet.
const NEVER: i64 = i64::MIN;

/// The mappings as of a look.
#[derive(Debug, Default)]
pub(in crate::records) struct Mappings {
    by_location: HashMap<String, Arc<Mapping>>,
    none: Arc<Mapping>,
}

impl Mappings {
    /// The location's own, or that of all locations; the empty one where there is neither.
    pub(in crate::records) fn of(&self, location_id: &str) -> Arc<Mapping> {
        let own = self.by_location.get(location_id).or_else(|| self.by_location.get(EVERYWHERE));
        Arc::clone(own.unwrap_or(&self.none))
    }
}

/// What this process knows of the mappings.
#[derive(Debug)]
pub(in crate::records) struct MappingsInForce {
    all: RwLock<Arc<Mappings>>,
    /// The number of changes that `all` is of.
    changes: AtomicI64,
    /// When that was last looked for, in ms since 1970.
    looked_at: AtomicI64,
}

impl Default for MappingsInForce {
    fn default() -> Self {
        Self { all: RwLock::default(), changes: AtomicI64::new(NEVER), looked_at: AtomicI64::new(NEVER) }
    }
}

impl MappingsInForce {
    fn known(&self) -> Arc<Mappings> {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
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
    ) -> Result<Arc<Mappings>, RecordsError> {
        let looked_at = self.looked_at.load(Ordering::Acquire);
        // A clock that was set back makes no process wait.
        if looked_at != NEVER && now_ms.abs_diff(looked_at) < LOOK_MS.unsigned_abs() {
            return Ok(self.known());
        }
        let changes: i64 = sqlx::query_scalar(sql!("mapping_changes")).fetch_one(&mut *connection).await?;
        if changes != self.changes.load(Ordering::Acquire) {
            let all = Arc::new(read(connection).await?);
            *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
            self.changes.store(changes, Ordering::Release);
            tracing::debug!(changes, "the mappings in force were read");
        }
        self.looked_at.store(now_ms, Ordering::Release);
        Ok(self.known())
    }
}

/// All of the database. One that this release can't read maps nothing, loudly: it stops none of the others.
async fn read(connection: &mut AnyConnection) -> Result<Mappings, RecordsError> {
    let rows: Vec<(String, i64, String)> = sqlx::query_as(sql!("mappings_in_force")).fetch_all(connection).await?;
    let mapping = |(location_id, version, definition): (String, i64, String)| {
        let definition: Value = serde_json::from_str(&definition).unwrap_or_default();
        let mapping = Mapping::read(&definition).unwrap_or_else(|mistakes| {
            let mistake = mistakes.first().map(|one| format!("{} {}", one.field, one.message)).unwrap_or_default();
            tracing::error!(
                ghl.location = location_id,
                version,
                mistake,
                "a mapping can't be read, so no field of the location is mapped here; write it anew"
            );
            Mapping::default()
        });
        (location_id, Arc::new(mapping))
    };
    Ok(Mappings { by_location: rows.into_iter().map(mapping).collect(), none: Arc::default() })
}
