//! A record as messages to hooks show it: as in the view of its contact, and alone.

use serde_json::Value;
use sync_model::record::{Appointment, Note, Task};

use super::super::entries::Entry;
use super::super::feed::item;
use super::super::views::{TaskView, contact_of, shown_entry};
use super::super::{ChangeItem, Records, RecordsError, Shown, context};

/// Changes of the feed that are looked through for samples.
const LATELY: i64 = 10_000;

impl Records {
    /// The record as readers see it; none where it is gone. Of a kind that a later release knows nothing is known here.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn shown_record(
        &self,
        location_id: &str,
        record: &str,
        record_id: &str,
    ) -> Result<Option<Value>, RecordsError> {
        match record {
            "contact" => {
                let row = self.contact_row(location_id, record_id).await?.filter(|row| row.is_visible());
                let Some(row) = row else { return Ok(None) };
                let naming = self.naming(location_id).await?;
                json(&contact_of(row, &naming, &[]), record_id).map(Some)
            }
            Task::KIND => {
                let now = self.clock.now();
                let Some(Shown { record: task, deleted_at, record_id, sync, unread }) =
                    self.shown::<Task>(location_id, record_id).await?
                else {
                    return Ok(None);
                };
                let record = TaskView { status: task.status(now), task };
                let shown = Shown { record, deleted_at, record_id, sync, unread };
                json(&shown, &shown.record_id).map(Some)
            }
            Note::KIND => self.shown_json::<Note>(location_id, record_id).await,
            Appointment::KIND => self.shown_json::<Appointment>(location_id, record_id).await,
            _ => Ok(None),
        }
    }

    /// The newest change of each of the records of a kind that changed last, of the locations that the principal sees, newest first.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn newest_changes(
        &self,
        record: &str,
        location_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ChangeItem>, RecordsError> {
        // Of those that changed lately: a location where nothing did has no samples of its own.
        let last = self.last_change().await?.saturating_sub(LATELY);
        let query = "select seq, location_id, contact_id, record, record_id, op, changed_at, clienty_id, ghl_id, origin, fields, sync, \
             caused_by, is_new, key_id from changes \
             where seq > $1 and record = $2 and op = 'stored' and ($3 = '' or location_id = $3) \
             and ($4 is null or location_id in (select location_id from key_sees where key_id = $4)) order by seq desc limit $5";
        let query = sqlx::query(query).bind(last).bind(record).bind(location_id.unwrap_or_default());
        let query = query.bind(self.scope()).bind(LATELY / 10);
        let rows = query.fetch_all(&self.pool).await?;
        let mut newest: Vec<ChangeItem> = Vec::new();
        for change in rows.iter().filter_map(|row| item(row).transpose()) {
            let change = change?;
            if newest.len() < limit && newest.iter().all(|known| known.record_id != change.record_id) {
                newest.push(change);
            }
        }
        Ok(newest)
    }

    async fn shown_json<E: Entry + serde::Serialize>(
        &self,
        location_id: &str,
        record_id: &str,
    ) -> Result<Option<Value>, RecordsError> {
        self.shown::<E>(location_id, record_id).await?.map(|shown| json(&shown, record_id)).transpose()
    }

    async fn shown<E: Entry>(&self, location_id: &str, record_id: &str) -> Result<Option<Shown<E>>, RecordsError> {
        let Some(row) = self.entry::<E>(record_id).await?.filter(|row| !row.deleted) else { return Ok(None) };
        let zone = context::time_zone_of(&mut *self.pool.acquire().await?, location_id).await?;
        Ok(shown_entry(row, &Default::default(), zone.as_deref()))
    }
}

fn json<T: serde::Serialize>(shown: &T, record_id: &str) -> Result<Value, RecordsError> {
    serde_json::to_value(shown).map_err(|error| RecordsError::corrupt("records", record_id, &error))
}
