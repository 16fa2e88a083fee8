//! What is kept of a page's contacts, beside what the page tells of them.

use std::collections::{HashMap, HashSet};

use super::super::model::Contact;
use super::super::pull::Snapshot;
use super::super::runs::Tx;
use super::super::sql::{CHUNK, sql, with_list_after};
use super::super::{RecordsError, erase};
use crate::decide::fields::fields;

/// What is kept of a contact that a page told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// As readers see it, or last saw it.
    pub contact: Contact,
    /// The last state agreed with GHL; none of what GHL lost.
    pub base: Option<Contact>,
    /// Whether readers see it.
    pub is_shown: bool,
}

impl Known {
    /// Whether `listed`, of GHL's search, may be older than what is known: the search shows changes and deletions late.
    #[must_use]
    pub fn may_be_newer_than(&self, listed: &Contact) -> bool {
        match &self.base {
            Some(base) => listed.date_updated < base.date_updated && fields(listed) != fields(base),
            None => !self.is_shown,
        }
    }
}

/// A page's contacts beside what is kept of them.
#[derive(Debug, Default)]
pub struct Beside {
    /// What is kept, by contact id.
    pub known: HashMap<String, Known>,
    /// The revisions as they are now.
    pub snapshots: HashMap<String, Snapshot>,
    /// Those that moved while the page was on its way.
    pub touched: HashSet<String>,
    /// Those whose data was erased.
    pub erased: HashSet<String>,
}

/// Of `known_contacts.sql`.
type KnownRow = (String, i64, String, Option<String>, Option<i64>);

impl Tx {
    /// What is kept of the contacts, and which of them moved since the feed's place `since`.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn beside(&mut self, contact_ids: &[&str], since: i64) -> Result<Beside, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let mut beside = Beside::default();
        let touched: Vec<String> = sqlx::query_scalar(sql!("touched_since"))
            .bind(since)
            .bind(&location_id)
            .fetch_all(self.write.conn())
            .await?;
        beside.touched.extend(touched);
        let pairs: Vec<_> = contact_ids.iter().map(|id| (location_id.as_str(), *id)).collect();
        let erased = erase::erased_among(self.write.conn(), &pairs).await?;
        beside.erased.extend(erased.into_iter().map(|(_, contact)| contact));
        for chunk in contact_ids.chunks(CHUNK) {
            let mut contacts = sqlx::query_as(with_list_after(sql!("known_contacts"), 1, chunk.len()))
                .persistent(false)
                .bind(&location_id);
            let mut entries = sqlx::query_as(with_list_after(sql!("known_entries"), 1, chunk.len()))
                .persistent(false)
                .bind(&location_id);
            for id in chunk {
                (contacts, entries) = (contacts.bind(*id), entries.bind(*id));
            }
            let contacts: Vec<KnownRow> = contacts.fetch_all(self.write.conn()).await?;
            for (id, revision, doc, base, deleted_at) in contacts {
                let read = |text: String| {
                    serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("contacts", &id, &error))
                };
                let (contact, base) = (read(doc)?, base.map(read).transpose()?);
                beside.snapshots.entry(id.clone()).or_default().contact = revision;
                beside.known.insert(id, Known { contact, base, is_shown: deleted_at.is_none() });
            }
            let entries: Vec<(String, String, i64)> = entries.fetch_all(self.write.conn()).await?;
            for (contact_id, row_id, revision) in entries {
                beside.snapshots.entry(contact_id).or_default().entries.insert(row_id, revision);
            }
        }
        Ok(beside)
    }
}
