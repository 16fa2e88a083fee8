//! Walks over all of a location: the first import, the sweeps, the comparison of both sides.
//!
//! A walk goes page by page. What a page brought, and where the next one begins, are written in one transaction, so a walk that is
//! killed anywhere goes on where it was: the page that was under way is read again, and no other.
//!
//! A page holds hundreds of contacts, of which nobody knows before it is there; so no snapshot of them can be taken before the
//! call, as a pull does. Its stead is a place in the change feed: whatever the feed tells of a contact after that place moved
//! while the page was on its way, and is left alone.

use std::collections::{HashMap, HashSet};

use job_engine::Priority;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::accept::{NewRow, insert_rows};
use super::job::{JobKey, JobKind};
use super::model::Contact;
use super::pull::Snapshot;
use super::runs::Tx;
use super::sql::{CHUNK, sql, with_list_after};
use super::{Records, RecordsError, erase};

/// What a walk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The first import: everything is stored.
    Import,
    /// Finds contacts and tasks that changed, came or went without an event.
    Sweep,
    /// The same for notes and appointments, spread over time.
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

words!(Purpose: Import "import", Sweep "sweep", Details "details", Verify "verify");
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
    /// Between two batches of details, in ms.
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

impl Walk {
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

/// Where the two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// GHL's id of it, else the one it has here.
    pub record_id: String,
    /// The contact it belongs to.
    pub contact_id: String,
    /// How it differs.
    pub verdict: Verdict,
    /// The fields that do.
    pub fields: Vec<String>,
}

/// How a record differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// GHL has it, the records lack it.
    Missing,
    /// The records have it, GHL lacks it.
    Extra,
    /// Some fields are not the same.
    Different,
}

words!(Verdict: Missing "missing", Extra "extra", Different "different");

/// What is kept of a contact that a page told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// As readers see it, or last saw it.
    pub contact: Contact,
    /// Whether they do.
    pub is_shown: bool,
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

impl Records {
    /// Begins a walk and writes the ledger row of its first job. None where another is under way that it would disturb.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn begin_walk(
        &self,
        location_id: &str,
        purpose: Purpose,
        known_only: bool,
        pause_ms: i64,
    ) -> Result<Option<Walk>, RecordsError> {
        let id = Uuid::now_v7().to_string();
        match self.try_begin_walk(&id, location_id, purpose, known_only, pause_ms).await {
            Err(error) if error.is_write_race() => {}
            outcome => return outcome.map(Some),
        }
        if self.set_aside_walks(location_id).await? == 0 {
            return Ok(None);
        }
        match self.try_begin_walk(&id, location_id, purpose, known_only, pause_ms).await {
            Err(error) if error.is_write_race() => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    async fn set_aside_walks(&self, location_id: &str) -> Result<u64, RecordsError> {
        let _gate = self.gate().await;
        let aside = sqlx::query(sql!("set_aside_walks")).bind(self.clock.now_ms()).bind(location_id);
        Ok(aside.execute(&self.pool).await?.rows_affected())
    }

    /// Lets a walk go on whose job is gone, or that made way for another one. False while another one is in its way.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn resume_walk(&self, walk: &Walk) -> Result<bool, RecordsError> {
        match self.try_resume_walk(walk).await {
            Err(error) if error.is_write_race() => {
                // What was given up makes way; the caller comes again.
                self.set_aside_walks(&walk.location_id).await?;
                Ok(false)
            }
            outcome => outcome.map(|()| true),
        }
    }

    async fn try_resume_walk(&self, walk: &Walk) -> Result<(), RecordsError> {
        let Some(key) = walk.next_job() else { return Ok(()) };
        let mut write = self.write().await?;
        sqlx::query(sql!("reopen_walk")).bind(&walk.id).execute(write.conn()).await?;
        let JobKey { kind, location_id, record_id } = &key;
        let open = sqlx::query_scalar(sql!("count_open")).bind(kind).bind(location_id).bind(record_id);
        let open: i64 = open.fetch_one(write.conn()).await?;
        if open == 0 {
            let now_ms = write.now_ms;
            insert_rows(write.conn(), vec![job_row(key, now_ms)]).await?;
        }
        write.commit().await
    }

    async fn try_begin_walk(
        &self,
        id: &str,
        location_id: &str,
        purpose: Purpose,
        known_only: bool,
        pause_ms: i64,
    ) -> Result<Walk, RecordsError> {
        const PAGE: i64 = 500;
        let phase = if purpose == Purpose::Details { Phase::Details } else { Phase::Contacts };
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        if purpose == Purpose::Verify {
            sqlx::query(sql!("old_findings")).bind(location_id).execute(write.conn()).await?;
        }
        sqlx::query(sql!("insert_walk"))
            .bind(id)
            .bind(location_id)
            .bind(purpose.as_str())
            .bind(phase.as_str())
            .bind(PAGE)
            .bind(i64::from(known_only))
            .bind(pause_ms)
            .bind(now_ms)
            .execute(write.conn())
            .await?;
        let row = sqlx::query(sql!("walk")).bind(id).fetch_one(write.conn()).await?;
        let walk = walk_of(&row)?;
        if let Some(key) = walk.next_job() {
            insert_rows(write.conn(), vec![job_row(key, now_ms)]).await?;
        }
        write.commit().await?;
        Ok(walk)
    }

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

    /// Gives up sweeps that have not moved since `before_ms`; returns how many.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn fail_walks(&self, before_ms: i64) -> Result<u64, RecordsError> {
        let _gate = self.gate().await;
        let failed = sqlx::query(sql!("fail_walks")).bind(self.clock.now_ms()).bind(before_ms).execute(&self.pool);
        Ok(failed.await?.rows_affected())
    }

    /// What a comparison found.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn findings(&self, walk_id: &str) -> Result<Vec<Finding>, RecordsError> {
        let rows: Vec<(String, String, String, String, String)> =
            sqlx::query_as(sql!("list_findings")).bind(walk_id).fetch_all(&self.pool).await?;
        let finding = |(record, record_id, contact_id, verdict, fields): (_, String, _, String, String)| {
            let broken = |reason: &str| corrupt("findings", &record_id, reason);
            let verdict = Verdict::parse(&verdict).ok_or_else(|| broken("its verdict is not one of ours"))?;
            let fields = serde_json::from_str(&fields).map_err(|_| broken("its fields are no list"))?;
            Ok(Finding { record, record_id, contact_id, verdict, fields })
        };
        rows.into_iter().map(finding).collect()
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
            let contacts: Vec<(String, i64, String, Option<i64>)> = contacts.fetch_all(self.write.conn()).await?;
            for (id, revision, doc, deleted_at) in contacts {
                let contact =
                    serde_json::from_str(&doc).map_err(|error| RecordsError::corrupt("contacts", &id, &error))?;
                beside.snapshots.entry(id.clone()).or_default().contact = revision;
                beside.known.insert(id, Known { contact, is_shown: deleted_at.is_none() });
            }
            let entries: Vec<(String, String, i64)> = entries.fetch_all(self.write.conn()).await?;
            for (contact_id, row_id, revision) in entries {
                beside.snapshots.entry(contact_id).or_default().entries.insert(row_id, revision);
            }
        }
        Ok(beside)
    }

    /// Remembers that the walk has met a contact.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn mark_seen(&mut self, walk: &Walk, contact_id: &str) -> Result<(), RecordsError> {
        let (id, location) = (walk.id.clone(), walk.location_id.clone());
        sqlx::query(sql!("mark_seen")).bind(id).bind(location).bind(contact_id).execute(self.write.conn()).await?;
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
            .bind(now_ms)
            .bind(is_over.then_some(now_ms))
            .bind(&walk.id)
            .execute(self.write.conn())
            .await?;
        Ok(())
    }

    /// Replaces what the walk found in a contact, or adds to it.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn keep_findings(
        &mut self,
        walk: &Walk,
        contact_id: &str,
        findings: &[Finding],
        replace: bool,
    ) -> Result<(), RecordsError> {
        if replace {
            sqlx::query(sql!("forget_findings")).bind(&walk.id).bind(contact_id).execute(self.write.conn()).await?;
        }
        for Finding { record, record_id, contact_id, verdict, fields } in findings {
            sqlx::query(sql!("insert_finding"))
                .bind(&walk.id)
                .bind(record)
                .bind(record_id)
                .bind(contact_id)
                .bind(verdict.as_str())
                // A list of texts has no way to fail.
                .bind(serde_json::to_string(fields).unwrap_or_default())
                .execute(self.write.conn())
                .await?;
        }
        Ok(())
    }
}

fn job_row(key: JobKey, now_ms: i64) -> NewRow {
    NewRow {
        id: Uuid::now_v7().to_string(),
        source: "walk".to_owned(),
        event_id: None,
        event_type: "walk".to_owned(),
        key,
        priority: Priority::Bulk,
        data: "{}".to_owned(),
        created_at_ms: now_ms,
    }
}

fn corrupt(table: &'static str, row: &str, reason: &str) -> RecordsError {
    RecordsError::Corrupt { table, row: row.to_owned(), reason: reason.to_owned() }
}

fn walk_of(row: &AnyRow) -> Result<Walk, RecordsError> {
    let id: String = row.try_get("id")?;
    let (purpose, phase): (String, String) = (row.try_get("purpose")?, row.try_get("phase")?);
    let cursor: Option<String> = row.try_get("cursor")?;
    let flag = |name| row.try_get::<i64, _>(name).map(|flag| flag != 0);
    Ok(Walk {
        purpose: Purpose::parse(&purpose).ok_or_else(|| corrupt("walks", &id, "its purpose is not one of ours"))?,
        phase: Phase::parse(&phase).ok_or_else(|| corrupt("walks", &id, "its phase is not one of ours"))?,
        cursor: match cursor {
            None => None,
            Some(text) => {
                Some(serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("walks", &id, &error))?)
            }
        },
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
        started_at_ms: row.try_get("started_at")?,
        updated_at_ms: row.try_get("updated_at")?,
        finished_at_ms: row.try_get("finished_at")?,
        id,
    })
}
