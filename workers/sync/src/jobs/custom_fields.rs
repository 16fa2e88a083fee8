//! The custom fields of locations: producers name them by key, GHL by id.
//!
//! The definitions of a location are asked for when a key is met that they do not have: no event tells that one was added.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{JobError, Task};
use crate::records::ContactRow;

/// Ids by key (`contact.pincode`).
type Ids = Arc<HashMap<String, String>>;

/// The custom fields that this process has met. Clones share them.
#[derive(Clone, Default)]
pub struct CustomFields {
    by_location: Arc<Mutex<HashMap<String, Ids>>>,
}

impl CustomFields {
    /// The contact with its custom fields named by id. A key that the location does not have stays, and no call can change it.
    pub(super) async fn resolved(&self, task: &Task<'_>, row: ContactRow) -> Result<ContactRow, JobError> {
        let keys = row.unresolved();
        if keys.is_empty() {
            return Ok(row);
        }
        let mut ids = self.known(task.location());
        if keys.iter().any(|key| !ids.contains_key(*key)) {
            ids = self.ask(task).await?;
        }
        let records = &task.environment.records;
        let mut tx = records.begin(&task.run).await?;
        tx.name_custom_fields(&row.row_id, &ids).await?;
        tx.keep_open().await?;
        Ok(records.contact_row(task.location(), &row.row_id).await?.unwrap_or(row))
    }

    fn known(&self, location: &str) -> Ids {
        let known = self.by_location.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(location).cloned().unwrap_or_default()
    }

    async fn ask(&self, task: &Task<'_>) -> Result<Ids, JobError> {
        let definitions = task.ghl().list_custom_fields(task.location()).await?;
        let by_key = definitions.into_iter().filter_map(|definition| Some((definition.field_key?, definition.id)));
        let ids: Ids = Arc::new(by_key.collect());
        let mut known = self.by_location.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(task.location().to_owned(), Arc::clone(&ids));
        Ok(ids)
    }
}
