//! Scans of a location: the import, reconciliation, and verify. The code calls a scan a scan.
//!
//! A scan proceeds page by page. One transaction writes what a page brought and where the next page
//! begins. So a scan that is killed anywhere continues where it was: it reads the page that was in
//! progress again, and no other.
//!
//! The contacts of a page are not known before the page is there, so no snapshot of them can be
//! taken before the call, as a pull does. A place in the change feed replaces it: a contact that
//! the feed shows as changed after that place changed while the page was on its way, and the page
//! does not overwrite it.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use sync_model::job::{JobKey, JobKind};

use self::rows::scan_of;
use super::sql::sql;
use super::{Records, RecordsError};

pub use self::beside::{Beside, Known};
pub use self::findings::{Difference, Finding};

/// The words for an enum's variants in the table.
macro_rules! words {
    ($type:ident: $($variant:ident $word:literal),*) => {
        impl $type {
            /// The word in the table.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

mod begin;
mod beside;
mod findings;
mod rows;

/// What a scan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The first import: everything is stored.
    Import,
    /// Finds contacts that came or changed without an event, by their dates of change.
    #[serde(rename = "sweep")]
    Reconcile,
    /// Finds what has no date of change: deleted contacts, and tasks.
    Full,
    /// Finds notes and appointments that came, changed or went.
    Details,
    /// Compares, and stores nothing.
    Verify,
}

/// Where a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Contacts by pages, with their tasks.
    Contacts,
    /// The notes and appointments of each contact.
    Details,
    /// What the pages did not show.
    Rest,
    /// At its end.
    Done,
    /// Its job is a dead letter.
    Failed,
}

words!(Purpose: Import "import", Reconcile "sweep", Full "full", Details "details", Verify "verify");
words!(Phase: Contacts "contacts", Details "details", Rest "rest", Done "done", Failed "failed");

/// A scan, as far as it has got.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// UUID v7; the record id of its jobs.
    pub id: String,
    /// GHL's location id.
    pub location_id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is.
    pub phase: Phase,
    /// Where the next run goes on: of contacts GHL's own words, else a contact id. None at the beginning of a phase.
    #[serde(skip)]
    pub cursor: Option<Value>,
    /// Contacts that one page asks for.
    #[serde(skip)]
    pub page_limit: u16,
    /// Whether contacts that are not kept here are passed over.
    #[serde(skip)]
    pub known_only: bool,
    /// Whether tasks are read contact by contact, for want of the scope to search the location's.
    pub tasks_apart: bool,
    /// Between two batches of details, or two full pages of contacts, in ms.
    #[serde(skip)]
    pub pause_ms: i64,
    /// Not before that time goes it on, in ms since 1970.
    #[serde(skip)]
    pub next_at_ms: i64,
    /// Contacts, as GHL counts them.
    pub total: Option<i64>,
    /// Contacts read.
    pub contacts: i64,
    /// Tasks read.
    pub tasks: i64,
    /// Notes read.
    pub notes: i64,
    /// Appointments read.
    pub appointments: i64,
    /// Contacts whose notes and appointments were read.
    pub detailed: i64,
    /// Contacts that GHL's pages showed and that could not be read.
    pub passed_over: i64,
    /// Contacts that GHL counts and that its pages did not show.
    pub not_shown: i64,
    /// Calls sent by the runs that got on.
    pub calls: i64,
    /// Records that were new, different or gone, and that no webhook reported.
    pub found: i64,
    /// Contacts that changed before are not read, in ms since 1970; all are where it is none.
    #[serde(skip)]
    pub since_ms: Option<i64>,
    /// What GHL created since then, in ms since 1970, and is unknown here, is a new contact.
    #[serde(skip)]
    pub created_after_ms: Option<i64>,
    /// The last contact that was read.
    #[serde(skip)]
    pub reached: Option<Reached>,
    /// When it began, in ms since 1970.
    #[serde(skip)]
    pub started_at_ms: i64,
    /// When it got on last, in ms since 1970.
    #[serde(skip)]
    pub updated_at_ms: i64,
    /// When it ended, in ms since 1970.
    #[serde(skip)]
    pub finished_at_ms: Option<i64>,
    /// Fields that a comparison could not compare, since one side does not show them, with the number of contacts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub uncompared: BTreeMap<String, i64>,
}

/// A contact's place in the order of (dateUpdated, id).
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    /// When it changed, in ms since 1970.
    pub at_ms: i64,
    /// What makes GHL go on after it, in GHL's words.
    pub place: Value,
}

impl Scan {
    /// Whether what it finds is a trigger.
    #[must_use]
    pub fn triggers(&self) -> bool {
        matches!(self.purpose, Purpose::Reconcile | Purpose::Full | Purpose::Details)
    }

    /// The job that goes on with it; none at its end.
    #[must_use]
    pub fn next_job(&self) -> Option<JobKey> {
        let kind = match self.phase {
            Phase::Contacts => JobKind::WalkContacts,
            Phase::Details => JobKind::WalkDetails,
            Phase::Rest => JobKind::WalkRest,
            Phase::Done | Phase::Failed => return None,
        };
        Some(JobKey::new(kind, self.location_id.clone(), self.id.clone()))
    }

    /// Goes over to another phase.
    pub fn enter(&mut self, phase: Phase) {
        (self.phase, self.cursor) = (phase, None);
    }
}

impl Records {
    /// The scan of that id.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all questions below.
    pub async fn scan(&self, id: &str) -> Result<Option<Scan>, RecordsError> {
        let row = sqlx::query(sql!("scan")).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(scan_of).transpose()
    }

    /// The newest scan of a purpose.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn latest_scan(&self, location_id: &str, purpose: Purpose) -> Result<Option<Scan>, RecordsError> {
        let row = sqlx::query(sql!("latest_scan")).bind(location_id).bind(purpose.as_str());
        row.fetch_optional(&self.pool).await?.as_ref().map(scan_of).transpose()
    }

    /// Contacts that readers see, in the order of their ids, after one.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn shown_contacts(&self, location: &str, after: &str, limit: i64) -> Result<Vec<String>, RecordsError> {
        let ids = sqlx::query_scalar(sql!("shown_contacts")).bind(location).bind(after).bind(limit);
        Ok(ids.fetch_all(&self.pool).await?)
    }

    /// Those contacts after one, up to another, that have a field whose value GHL has not shown yet.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn unread_contacts(
        &self,
        location: &str,
        after: &str,
        last: &str,
    ) -> Result<HashSet<String>, RecordsError> {
        let ids = sqlx::query_scalar(sql!("unread_contacts")).bind(location).bind(after).bind(last);
        Ok(ids.fetch_all(&self.pool).await?.into_iter().collect())
    }

    /// How many contacts readers see.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn count_shown_contacts(&self, location: &str) -> Result<i64, RecordsError> {
        Ok(sqlx::query_scalar(sql!("count_shown_contacts")).bind(location).fetch_one(&self.pool).await?)
    }

    /// Pulls that the scans of a location left behind until `before_ms`, and that are still open.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn open_pulls(&self, location: &str, before_ms: i64) -> Result<i64, RecordsError> {
        Ok(sqlx::query_scalar(sql!("open_pulls")).bind(location).bind(before_ms).fetch_one(&self.pool).await?)
    }

    /// Contacts that the scan did not meet, or in which it found something, in the order of their ids, after one.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn unseen_contacts(&self, scan: &Scan, after: &str, limit: i64) -> Result<Vec<String>, RecordsError> {
        let ids = sqlx::query_scalar(sql!("unseen_contacts")).bind(&scan.location_id).bind(&scan.id).bind(after);
        Ok(ids.bind(limit).fetch_all(&self.pool).await?)
    }
}
