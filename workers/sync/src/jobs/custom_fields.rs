//! The custom fields of locations: producers name them by key, GHL by id.
//!
//! The definitions of a location are asked for when a key or an id is met that they do not have: no webhook reports that one was added. They are
//! kept with the records as well, for readers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_model::record::{Contact, key_of};

use super::{JobError, JobRun, concerns_lane};
use crate::records::ContactRow;

/// Ids by key (`contact.pincode`).
type Ids = Arc<HashMap<String, String>>;

/// The custom fields that this process has met. Clones share them.
#[derive(Clone, Default)]
pub struct CustomFields {
    by_location: Arc<Mutex<HashMap<String, Ids>>>,
    /// When they were asked for an id that was not known, in ms since 1970.
    missed: Arc<Mutex<HashMap<String, i64>>>,
    /// When they were asked because of an id of a location that GHL did not take, in ms since 1970.
    doubted: Arc<Mutex<HashMap<(String, String), i64>>>,
}

/// An id that GHL does not explain, or that the token may not ask about, is not asked about again for so long.
const AGAIN: Duration = Duration::from_secs(60 * 60);

impl CustomFields {
    /// The contact with its custom fields named by id. A key that the location does not have stays, and no call can change it.
    pub(super) async fn resolved(&self, job: &JobRun<'_>, row: ContactRow) -> Result<ContactRow, JobError> {
        let keys = row.unresolved();
        if keys.is_empty() {
            return Ok(row);
        }
        let mut ids = self.known(job.location());
        if keys.iter().any(|key| !ids.contains_key(*key)) {
            ids = self.ask(job).await?;
        }
        let records = &job.environment.records;
        let mut tx = records.begin(&job.run).await?;
        tx.name_custom_fields(&row.row_id, &ids).await?;
        tx.keep_open().await?;
        Ok(records.contact_row(job.location(), &row.row_id).await?.unwrap_or(row))
    }

    /// Learns what the fields of contacts are called, where the run has a call to spare for it: without that they are shown by id alone.
    pub(super) async fn learn(&self, job: &JobRun<'_>, contacts: &[&Contact]) -> Result<(), JobError> {
        let ids: HashSet<&str> =
            contacts.iter().flat_map(|contact| &contact.custom_fields).map(|f| f.id.as_str()).collect();
        if job.permits.left() == 0 || self.are_known(job, &ids).await? || self.missed_lately(job) {
            return Ok(());
        }
        match self.ask(job).await {
            Ok(_) => {}
            Err(JobError::Ghl(error)) if !concerns_lane(&error) => {
                tracing::warn!(ghl.location = job.location(), %error, "custom fields are shown without their keys");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the definitions again, whatever is known of them.
    pub(super) async fn refresh(&self, job: &JobRun<'_>) -> Result<(), JobError> {
        self.ask(job).await.map(drop)
    }

    /// Whether a contact's fields were renamed, since GHL did not take a value under `ids`: a field was deleted there and made again under
    /// the same key. The definitions are asked for once; where they explain nothing, not again for a while.
    pub(super) async fn renamed(&self, job: &JobRun<'_>, row_id: &str, ids: &[&str]) -> Result<bool, JobError> {
        let (location, records) = (job.location(), &job.environment.records);
        if ids.is_empty() || job.permits.left() == 0 || !self.may_doubt(job, ids) {
            return Ok(false);
        }
        let keys = records.custom_field_keys(location).await?;
        let present = self.ask(job).await?;
        let new_id = |old: &str| -> Option<String> {
            let key = keys.get(old)?;
            let id = present.iter().find(|(name, _)| key_of(name) == key_of(key)).map(|(_, id)| id)?;
            (id != old).then(|| id.clone())
        };
        let is_gone = |old: &str| present.values().all(|id| id != old);
        let renamed: HashMap<String, String> =
            ids.iter().filter(|id| is_gone(id)).filter_map(|id| Some(((*id).to_owned(), new_id(id)?))).collect();
        if renamed.is_empty() {
            return Ok(false);
        }
        let mut tx = records.begin(&job.run).await?;
        tx.rename_custom_fields(row_id, &renamed).await?;
        tx.keep_open().await?;
        Ok(true)
    }

    /// Whether one of the ids was not asked about lately; it is then.
    fn may_doubt(&self, job: &JobRun<'_>, ids: &[&str]) -> bool {
        let now_ms = job.environment.clock.now_ms();
        let again = i64::try_from(AGAIN.as_millis()).unwrap_or(i64::MAX);
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        doubted.retain(|_, at| now_ms - *at < again);
        let location = job.location();
        let is_new = ids.iter().any(|id| !doubted.contains_key(&(location.to_owned(), (*id).to_owned())));
        doubted.extend(ids.iter().map(|id| ((location.to_owned(), (*id).to_owned()), now_ms)));
        is_new
    }

    async fn are_known(&self, job: &JobRun<'_>, ids: &HashSet<&str>) -> Result<bool, JobError> {
        let known = self.known(job.location());
        let known: HashSet<&str> = known.values().map(String::as_str).collect();
        if ids.is_subset(&known) {
            return Ok(true);
        }
        let kept = job.environment.records.custom_field_keys(job.location()).await?;
        Ok(ids.iter().all(|id| kept.contains_key(*id)))
    }

    fn missed_lately(&self, job: &JobRun<'_>) -> bool {
        let now_ms = job.environment.clock.now_ms();
        let again = i64::try_from(AGAIN.as_millis()).unwrap_or(i64::MAX);
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = missed.entry(job.location().to_owned()).or_insert(i64::MIN / 2);
        let lately = now_ms - *before < again;
        if !lately {
            *before = now_ms;
        }
        lately
    }

    fn known(&self, location: &str) -> Ids {
        let known = self.by_location.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(location).cloned().unwrap_or_default()
    }

    /// Asks GHL and keeps the answer.
    async fn ask(&self, job: &JobRun<'_>) -> Result<Ids, JobError> {
        let definitions = job.ghl().list_custom_fields(job.location()).await?;
        let types = definitions.iter().filter_map(|one| Some((one.id.clone(), one.data_type.clone()?)));
        let types: Vec<(String, String)> = types.collect();
        let choices = definitions.iter().map(|one| (one.id.clone(), one.name.clone(), one.picklist_options.clone()));
        let choices: Vec<_> = choices.collect();
        let by_key = definitions.into_iter().filter_map(|definition| Some((definition.field_key?, definition.id)));
        let ids: Ids = Arc::new(by_key.collect());
        let kept: Vec<_> = ids.iter().map(|(key, id)| (id.clone(), key.clone())).collect();
        job.environment.records.save_custom_fields(job.location(), &kept).await?;
        job.environment.records.save_field_types(job.location(), &types).await?;
        job.environment.records.save_field_choices(job.location(), &choices).await?;
        let mut known = self.by_location.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(job.location().to_owned(), Arc::clone(&ids));
        Ok(ids)
    }
}
