//! A change that a reconciliation found and no webhook reported. It is a trigger as an event is,
//! with its own row in the ledger.
//!
//! The page that shows a change also holds it, so mostly the row is done when it is written, in the
//! transaction that stores the change. If a page leaves something to ask for, the row is open, and
//! names it.

use job_engine::Priority;
use serde::{Deserialize, Serialize};
use sync_model::job::{JobKey, JobKind, JobState};
use uuid::Uuid;

use super::runs::Tx;
use super::sql::{CHUNK, Marks, ROWS, sql, with_list, with_rows};
use super::{Records, RecordsError};

/// The source of their ledger rows, also in metrics.
pub const RECONCILE_SOURCE: &str = "sweep";

/// The parts of a contact that have to be asked for, a call each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the parts of the view")]
pub struct Needs {
    pub contact: bool,
    pub tasks: bool,
    pub notes: bool,
    pub appointments: bool,
}

impl Needs {
    /// The whole contact.
    pub const ALL: Self = Self { contact: true, tasks: true, notes: true, appointments: true };
    /// Nothing.
    pub const NONE: Self = Self { contact: false, tasks: false, notes: false, appointments: false };

    /// How many calls that takes.
    #[must_use]
    pub fn calls(self) -> u32 {
        let Self { contact, tasks, notes, appointments } = self;
        [contact, tasks, notes, appointments].into_iter().map(u32::from).sum()
    }

    /// What one or the other wants.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            contact: self.contact | other.contact,
            tasks: self.tasks | other.tasks,
            notes: self.notes | other.notes,
            appointments: self.appointments | other.appointments,
        }
    }
}

/// In the place of an event: nothing was found, but the page could not show, as what is known here is newer.
const LOOK: &str = "follow_up";

/// A record that is new, reads differently or is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What GHL would have called the event. Of changed tasks it has none; that is `TaskUpdate` here.
    pub event: &'static str,
    /// The contact that it is about.
    pub contact_id: String,
    /// What is left to ask for.
    pub needs: Needs,
}

impl Found {
    /// What a page could not show.
    #[must_use]
    pub fn look(contact_id: String, needs: Needs) -> Self {
        Self { event: LOOK, contact_id, needs }
    }

    /// Whether it is a trigger.
    #[must_use]
    pub fn triggers(&self) -> bool {
        self.event != LOOK
    }

    /// What nothing is left to ask for.
    #[must_use]
    pub fn stored(event: &'static str, contact_id: &str) -> Self {
        Self { event, contact_id: contact_id.to_owned(), needs: Needs::NONE }
    }
}

impl Tx {
    /// What this transaction has found so far by storing what was read, the oldest first; none of it is in the ledger yet.
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.write.found)
    }

    /// Writes what was found to the ledger; returns the keys of the rows that are open.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn keep_found(&mut self, found: &[Found]) -> Result<Vec<JobKey>, RecordsError> {
        let (now_ms, location_id) = (self.write.now_ms, self.run.key.location_id.clone());
        let marks = Marks::of(self.write.conn());
        let mut open = Vec::new();
        for chunk in found.chunks(ROWS) {
            let text = with_rows(marks, sql!("insert_found"), chunk.len(), 11);
            let mut insert = sqlx::query(text).persistent(chunk.len() == ROWS);
            for Found { event, contact_id, needs } in chunk {
                let key = JobKey::new(JobKind::PullContact, &location_id, contact_id);
                let is_done = *needs == Needs::NONE;
                insert = insert
                    .bind(Uuid::now_v7().to_string())
                    .bind(RECONCILE_SOURCE)
                    .bind(*event)
                    .bind(JobKind::PullContact.as_str())
                    .bind(location_id.clone())
                    .bind(contact_id.clone())
                    .bind(i64::from(Priority::Bulk as u8))
                    .bind(if is_done { JobState::Done.as_str() } else { JobState::Waiting.as_str() })
                    // A struct of flags has no way to fail.
                    .bind(serde_json::to_string(needs).unwrap_or_default())
                    .bind(now_ms)
                    .bind(is_done.then_some(now_ms));
                if !is_done {
                    open.push(key);
                }
            }
            insert.execute(self.write.conn()).await?;
        }
        Ok(open)
    }
}

impl Records {
    /// Whether somebody asked for what these ledger rows say, other than GHL, a reconciliation or a run of ours.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_asked_by_people(&self, job_ids: &[String]) -> Result<bool, RecordsError> {
        for chunk in job_ids.chunks(CHUNK) {
            let mut query = sqlx::query_scalar(with_list(sql!("count_asked_by_people"), chunk.len())).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            let asked: i64 = query.fetch_one(&self.pool).await?;
            if asked > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What is left to ask for, as a row of the ledger keeps it.
pub(super) fn needs_of(data: &str) -> Needs {
    serde_json::from_str(data).unwrap_or(Needs::ALL)
}
