//! Walks over all of a location: the first import, the sweeps, the comparison of both sides.
//!
//! A walk goes page by page. What a page brought, and where the next one begins, are written in one transaction, so a walk that is
//! killed anywhere goes on where it was: the page that was under way is read again, and no other.
//!
//! A page holds hundreds of contacts, of which nobody knows before it is there; so no snapshot of them can be taken before the
//! call, as a pull does. Its stead is a place in the change feed: whatever the feed tells of a contact after that place moved
//! while the page was on its way, and is left alone.

use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::job::{JobKey, JobKind};
use super::runs::Tx;
use super::sql::sql;
use super::{Records, RecordsError};

pub use self::beside::{Beside, Known};
pub use self::findings::{Finding, Verdict};

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

/// What a walk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The first import: everything is stored.
    Import,
    /// Finds contacts that came or changed without an event, by their dates of change.
    Sweep,
    /// Finds what no date of change tells: contacts that went, and tasks.
    Full,
    /// Finds notes and appointments that came, changed or went.
    Details,
    /// Compares, and stores nothing.
    Verify,
}

/// Where a walk is.
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
    /// Given up.
    Failed,
}

words!(Purpose: Import "import", Sweep "sweep", Full "full", Details "details", Verify "verify");
words!(Phase: Contacts "contacts", Details "details", Rest "rest", Done "done", Failed "failed");

/// A walk, as far as it has got.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Walk {
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
    /// Calls sent by the runs that got on.
    pub calls: i64,
    /// Records that were new, read differently or were gone, with no event that had told.
    pub found: i64,
    /// Contacts that changed before are not read, in ms since 1970; all are where it is none.
    #[serde(skip)]
    pub since_ms: Option<i64>,
    /// What GHL created since then, in ms since 1970, and nobody here has heard of, is news.
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
}

/// A contact's place in the order of (dateUpdated, id).
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    /// When it changed, in ms since 1970.
    pub at_ms: i64,
    /// What makes GHL go on after it, in GHL's words.
    pub place: Value,
}

impl Walk {
    /// Whether what it finds is a trigger.
    #[must_use]
    pub fn triggers(&self) -> bool {
        matches!(self.purpose, Purpose::Sweep | Purpose::Full | Purpose::Details)
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
    /// The walk of that id.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all questions below.
    pub async fn walk(&self, id: &str) -> Result<Option<Walk>, RecordsError> {
        let row = sqlx::query(sql!("walk")).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(walk_of).transpose()
    }

    /// The newest walk of a purpose.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn latest_walk(&self, location_id: &str, purpose: Purpose) -> Result<Option<Walk>, RecordsError> {
        let row = sqlx::query(sql!("latest_walk")).bind(location_id).bind(purpose.as_str());
        row.fetch_optional(&self.pool).await?.as_ref().map(walk_of).transpose()
    }

    /// Contacts that readers see, in the order of their ids, after one.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn shown_contacts(&self, location: &str, after: &str, limit: i64) -> Result<Vec<String>, RecordsError> {
        let ids = sqlx::query_scalar(sql!("shown_contacts")).bind(location).bind(after).bind(limit);
        Ok(ids.fetch_all(&self.pool).await?)
    }

    /// How many contacts readers see.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn count_shown_contacts(&self, location: &str) -> Result<i64, RecordsError> {
        Ok(sqlx::query_scalar(sql!("count_shown_contacts")).bind(location).fetch_one(&self.pool).await?)
    }

    /// Pulls that the walks of a location left behind until `before_ms`, and that are still owed.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn open_pulls(&self, location: &str, before_ms: i64) -> Result<i64, RecordsError> {
        Ok(sqlx::query_scalar(sql!("open_pulls")).bind(location).bind(before_ms).fetch_one(&self.pool).await?)
    }

    /// Contacts that the walk did not meet, or in which it found something, in the order of their ids, after one.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn unseen_contacts(&self, walk: &Walk, after: &str, limit: i64) -> Result<Vec<String>, RecordsError> {
        let ids = sqlx::query_scalar(sql!("unseen_contacts")).bind(&walk.location_id).bind(&walk.id).bind(after);
        Ok(ids.bind(limit).fetch_all(&self.pool).await?)
    }
}

impl Tx {
    /// Remembers that the walk has met a contact.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn mark_seen(&mut self, walk: &Walk, contact_id: &str) -> Result<(), RecordsError> {
        self.write.page.see(&walk.id, &walk.location_id, contact_id);
        Ok(())
    }

    /// Writes how far the walk has got.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_walk(&mut self, walk: &Walk) -> Result<(), RecordsError> {
        let now_ms = self.write.now_ms;
        let is_over = matches!(walk.phase, Phase::Done | Phase::Failed);
        sqlx::query(sql!("save_walk"))
            .bind(walk.phase.as_str())
            .bind(walk.cursor.as_ref().map(Value::to_string))
            .bind(i64::from(walk.page_limit))
            .bind(i64::from(walk.tasks_apart))
            .bind(walk.next_at_ms)
            .bind(walk.total)
            .bind(walk.contacts)
            .bind(walk.tasks)
            .bind(walk.notes)
            .bind(walk.appointments)
            .bind(walk.detailed)
            .bind(walk.calls)
            .bind(walk.found)
            .bind(walk.reached.as_ref().map(|reached| reached.at_ms))
            .bind(walk.reached.as_ref().map(|reached| reached.place.to_string()))
            .bind(now_ms)
            .bind(is_over.then_some(now_ms))
            .bind(&walk.id)
            .execute(self.write.conn())
            .await?;
        Ok(())
    }
}

fn corrupt(table: &'static str, row: &str, reason: &str) -> RecordsError {
    RecordsError::Corrupt { table, row: row.to_owned(), reason: reason.to_owned() }
}

fn walk_of(row: &AnyRow) -> Result<Walk, RecordsError> {
    let id: String = row.try_get("id")?;
    let (purpose, phase): (String, String) = (row.try_get("purpose")?, row.try_get("phase")?);
    let json = |name| -> Result<Option<Value>, RecordsError> {
        let text: Option<String> = row.try_get(name)?;
        let parse = |text: String| serde_json::from_str(&text);
        text.map(parse).transpose().map_err(|error| RecordsError::corrupt("walks", &id, &error))
    };
    let (reached, reached_at): (_, Option<i64>) = (json("reached")?, row.try_get("reached_at")?);
    let flag = |name| row.try_get::<i64, _>(name).map(|flag| flag != 0);
    Ok(Walk {
        purpose: Purpose::parse(&purpose).ok_or_else(|| corrupt("walks", &id, "its purpose is not one of ours"))?,
        phase: Phase::parse(&phase).ok_or_else(|| corrupt("walks", &id, "its phase is not one of ours"))?,
        cursor: json("cursor")?,
        reached: reached_at.zip(reached).map(|(at_ms, place)| Reached { at_ms, place }),
        location_id: row.try_get("location_id")?,
        page_limit: u16::try_from(row.try_get::<i64, _>("page_limit")?).unwrap_or(1),
        known_only: flag("known_only")?,
        tasks_apart: flag("tasks_apart")?,
        pause_ms: row.try_get("pause_ms")?,
        next_at_ms: row.try_get("next_at")?,
        total: row.try_get("total")?,
        contacts: row.try_get("contacts")?,
        tasks: row.try_get("tasks")?,
        notes: row.try_get("notes")?,
        appointments: row.try_get("appointments")?,
        detailed: row.try_get("detailed")?,
        calls: row.try_get("calls")?,
        found: row.try_get("found")?,
        since_ms: row.try_get("since_at")?,
        created_after_ms: row.try_get("created_after")?,
        started_at_ms: row.try_get("started_at")?,
        updated_at_ms: row.try_get("updated_at")?,
        finished_at_ms: row.try_get("finished_at")?,
        id,
    })
}
