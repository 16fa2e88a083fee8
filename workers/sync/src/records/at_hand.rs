//! What a pull knows before its first call. Runs that begin at the same time read it together.

use std::collections::{HashMap, HashSet};

use sqlx::Row;

use super::contacts::{self, ContactRow};
use super::pull::Snapshot;
use super::sql::{look_up_pairs, sql};
use super::webhooks::{self, StoredWebhook};
use super::{Records, RecordsError, Run, erase};

/// What is known of a contact before it is pulled.
#[derive(Debug, Clone, Default)]
pub struct AtHand {
    /// Whether its data was erased: nothing of it is fetched.
    pub is_erased: bool,
    /// The row that is known by the id, whichever of its ids that is.
    pub row: Option<ContactRow>,
    /// The webhooks that led to the run, oldest first.
    pub webhooks: Vec<StoredWebhook>,
    /// The revisions of the contact and of all that hangs on it.
    pub snapshot: Snapshot,
}

/// A contact that is about to be pulled, and the ledger rows among those of its run to which webhooks may have led.
pub(super) type Pulling = (String, String, Vec<String>);

impl Records {
    /// What is known of the contact that `run` pulls; to be asked before its first call.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn at_hand(&self, run: &Run) -> Result<AtHand, RecordsError> {
        let records = self.clone();
        let look = move |pulling| {
            let records = records.clone();
            async move { records.all_at_hand(pulling).await }
        };
        let ids = if run.by_webhook > 0 { run.ids.clone() } else { Vec::new() };
        let pulling = (run.key.location_id.clone(), run.key.record_id.clone(), ids);
        self.lines.pulls.look(pulling, look).await
    }

    async fn all_at_hand(&self, pulling: Vec<Pulling>) -> Result<Vec<AtHand>, RecordsError> {
        let taken_ms = self.clock.now_ms();
        let mut connection = self.often.acquire().await?;
        let pairs: Vec<_> =
            pulling.iter().map(|(location, contact, _)| (location.as_str(), contact.as_str())).collect();
        let erased = erase::erased_among(&mut connection, &pairs).await?;
        // Before the rows: whose webhooks are new has not been reported them yet.
        let ids: Vec<String> = pulling.iter().flat_map(|(.., ids)| ids.clone()).collect();
        let mut reported: HashMap<String, Vec<StoredWebhook>> = HashMap::new();
        for (job_id, webhook) in webhooks::of_jobs(&mut connection, &ids).await? {
            reported.entry(job_id).or_default().push(webhook);
        }
        let mut rows: HashMap<(String, String), ContactRow> = HashMap::new();
        for row in look_up_pairs(&mut connection, sql!("contacts_by_pair"), &pairs, false).await? {
            let row = contacts::row_of(&row)?;
            rows.insert((row.location_id.clone(), row.contact_id.clone()), row);
        }
        let pair = |(location, contact): &(&str, &str)| ((*location).to_owned(), (*contact).to_owned());
        let unknown: Vec<_> = pairs.iter().copied().filter(|one| !rows.contains_key(&pair(one))).collect();
        let mut aliases = HashSet::new();
        for row in look_up_pairs(&mut connection, sql!("aliases_by_pair"), &unknown, true).await? {
            aliases.insert((row.try_get::<String, _>("location_id")?, row.try_get::<String, _>("alias")?));
        }
        let mut entries: HashMap<(String, String), HashMap<String, i64>> = HashMap::new();
        for row in look_up_pairs(&mut connection, sql!("snapshots_by_pair"), &pairs, true).await? {
            let contact = (row.try_get("location_id")?, row.try_get("contact_id")?);
            entries.entry(contact).or_default().insert(row.try_get("row_id")?, row.try_get("revision")?);
        }
        let mut all = Vec::with_capacity(pulling.len());
        for ((.., ids), one) in pulling.iter().zip(&pairs) {
            let contact = pair(one);
            let mut row = rows.get(&contact).cloned();
            let snapshot = Snapshot {
                contact: row.as_ref().map_or(0, |row| row.revision),
                entries: entries.get(&contact).cloned().unwrap_or_default(),
                taken_ms: Some(taken_ms),
            };
            if aliases.contains(&contact) {
                row = contacts::find_by_any_id(&mut connection, one.0, one.1).await?;
            }
            let mut webhooks: Vec<_> = ids.iter().filter_map(|id| reported.get(id)).flatten().cloned().collect();
            webhooks.sort_by_key(|webhook| webhook.received_at);
            all.push(AtHand { is_erased: erased.contains(&contact), row, webhooks, snapshot });
        }
        Ok(all)
    }
}
