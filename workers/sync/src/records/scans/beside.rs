//! What is stored of a page's contacts, beside what the page shows of them.

use std::collections::{HashMap, HashSet};

use sync_model::decide::absent::Unread;
use sync_model::decide::fields::fields;
use sync_model::record::Contact;

use super::super::pull::Snapshot;
use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{ContactRow, RecordsError, erase, page};

/// What is stored of a contact of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The last state agreed with GHL; none of what GHL lost.
    pub base: Option<Contact>,
    /// Whether readers see it.
    pub is_visible: bool,
    /// Fields whose value GHL has not shown yet.
    pub unread: Unread,
}

impl Known {
    /// Whether a fuller source has to be asked after `listed`, of GHL's search, was stored.
    #[must_use]
    pub fn is_incomplete_after(&self, listed: &Contact) -> bool {
        self.is_visible && !listed.unread_after(&self.unread, self.base.as_ref()).is_empty()
    }
}

impl Known {
    /// Whether `listed`, of GHL's search, may be older than what is known: the search shows changes and deletions late.
    #[must_use]
    pub fn may_be_newer_than(&self, listed: &Contact) -> bool {
        match &self.base {
            Some(base) => listed.date_updated < base.date_updated && fields(&listed.completed(base)) != fields(base),
            None => !self.is_visible,
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
    /// When the page was asked for, in ms since 1970. None is now.
    began_ms: Option<i64>,
    /// Those that moved while the page was on its way.
    pub touched: HashSet<String>,
    /// Those whose data was erased.
    pub erased: HashSet<String>,
}

impl Beside {
    /// Beside a page that was asked for then, in ms since 1970.
    #[must_use]
    pub fn of_reading_since(self, began_ms: i64) -> Self {
        Self { began_ms: Some(began_ms), ..self }
    }

    /// The revisions of the contact and of all that hangs on it.
    #[must_use]
    pub fn snapshot_of(&self, contact_id: &str) -> Snapshot {
        let snapshot = self.snapshots.get(contact_id).cloned().unwrap_or_default();
        match self.began_ms {
            Some(began_ms) => snapshot.of_reading_since(began_ms),
            None => snapshot,
        }
    }
}

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
        page::read(&mut self.write, &location_id, contact_ids).await?;
        beside.snapshots = self.write.page.snapshots()?;
        let known = |row: &ContactRow| Known {
            base: row.base.clone(),
            is_visible: row.is_visible(),
            unread: row.unread.clone(),
        };
        beside.known = self.write.page.contacts().map(|row| (row.contact_id.clone(), known(row))).collect();
        Ok(beside)
    }
}
