//! Webhooks: each taken once, kept for as long as GHL may repeat it, with the ledger rows of its
//! jobs.
//!
//! Many are stored in one transaction, since a commit costs the same for one as for a hundred. The
//! database decides which of them are new: the insert returns those that were not there, whichever
//! process was first.
//!
//! The trap is the order: GHL promises none. A deletion may arrive after the contact was fetched
//! again, so it is believed without a call only if nothing newer is known.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use job_engine::Priority;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use sync_model::job::JobKey;

use self::judging::{Action, Judged, judge_all};
use super::accept::{NewRow, insert_rows};
use super::history::Via;
use super::ledger::timestamp;
use super::pull::mark_gone;
use super::runs::Tx;
use super::sql::{CHUNK, Marks, ROWS, sql, take_batch, with_list, with_list_after, with_rows_then};
use super::{Records, RecordsError, Write, flows, order};

mod judging;
mod people;
mod reporting;
mod unreadable;

pub use self::unreadable::UnreadableWebhook;

/// The source of their ledger rows.
pub const WEBHOOK_SOURCE: &str = "webhook";
/// How often a transaction that lost a race starts again.
const MAX_RACES: u8 = 8;

/// A webhook whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// By which a repetition is known.
    pub id: String,
    /// What GHL calls it, as far as that is known.
    pub event_type: &'static str,
    /// GHL's location id.
    pub location_id: Option<String>,
    /// Whether it means anything only for a location that is connected.
    pub needs_connection: bool,
    /// Its time is far from now: it is of an earlier attempt to deliver it, so it says that there was something, and not what is now.
    pub is_late: bool,
    /// As GHL sent it.
    pub body: String,
    /// What it asks for.
    pub work: WebhookWork,
}

/// What a webhook asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookWork {
    /// Nothing here.
    Nothing,
    /// The contact has to be fetched.
    Pull {
        /// GHL's contact id.
        contact_id: String,
    },
    /// The contact of this note has to be fetched; the webhook does not say which that is.
    PullOwner {
        /// GHL's id of the note.
        note_id: String,
    },
    /// The contact of this appointment has to be fetched; the webhook does not say which that is.
    FindAppointment {
        /// GHL's id of the appointment.
        appointment_id: String,
    },
    /// This task has to be found, and stored or taken away; the webhook does not say whose it is.
    FindTask {
        /// GHL's id of the task.
        task_id: String,
    },
    /// GHL deleted the contact.
    ContactGone {
        /// GHL's contact id.
        contact_id: String,
        /// When, where it says.
        at: Option<Timestamp>,
    },
    /// The location has to be looked at again.
    RefreshLocation,
}

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookResult {
    /// Kept, and acted on where it asks for something.
    Accepted,
    /// Taken before.
    Duplicate,
    /// Kept, and looked at again: its time is far from now, or it was taken a day ago or earlier and is sent again.
    Late,
    /// Kept; its location is not connected.
    Refused,
}

impl WebhookResult {
    /// The word in the table. A check there knows the one that late webhooks had before they were looked at.
    fn column(self) -> &'static str {
        match self {
            Self::Late => "stale",
            result => result.as_str(),
        }
    }

    /// The word in answers and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Refused => "refused",
        }
    }
}

/// What became of a webhook, and the job it led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOutcome {
    /// What became of it.
    pub result: WebhookResult,
    /// What to enqueue.
    pub job: Option<JobKey>,
    /// The ledger row of that.
    pub job_id: Option<String>,
}

/// A webhook as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWebhook {
    /// By which a repetition is known.
    pub id: String,
    /// What GHL calls it.
    pub event_type: String,
    /// As GHL sent it.
    pub body: String,
    /// When it was taken.
    pub received_at: Timestamp,
    /// See [`NewWebhook::is_late`]; what it says is not believed.
    pub is_late: bool,
}

/// So old a webhook may be. GHL delivers within seconds, repeats a delivery for three days, and people may have it sent again for thirty.
const ON_TIME: SignedDuration = SignedDuration::from_mins(10);
/// So far ahead of ours GHL's clock may go. What is believed to be of a later time makes echoes of all that comes until then.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// A webhook that is repeated so long after it was stored is more than GHL's own repetition, which ends with our answer: a person repeats it from GHL's
/// log, as the first time did not do what it should.
const RESENT: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a webhook of `at` that came at `now` is late. One without a time is not.
#[must_use]
pub fn is_late(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.map(|at| now.duration_since(at)).is_some_and(|age| age > ON_TIME || -age > AHEAD)
}

impl Records {
    /// Keeps webhooks and writes the ledger rows of their jobs: all or none. Once this returns, no crash loses them.
    ///
    /// # Errors
    /// [`RecordsError::Database`]; nothing was kept then.
    pub async fn accept_webhooks(&self, webhooks: &[NewWebhook]) -> Result<Vec<WebhookOutcome>, RecordsError> {
        let mut races = 0;
        loop {
            match self.try_accept_webhooks(webhooks).await {
                Err(error) if error.is_race() && races < MAX_RACES => races += 1,
                outcome => return outcome,
            }
            order::after_race(races).await;
        }
    }

    async fn try_accept_webhooks(&self, webhooks: &[NewWebhook]) -> Result<Vec<WebhookOutcome>, RecordsError> {
        let mut write = self.write().await?;
        let mut judged = judge_all(&mut write, webhooks).await?;
        // Two processes that insert the same ids in different orders would wait for each other.
        judged.sort_by(|one, other| one.webhook.id.cmp(&other.webhook.id));
        let now_ms = write.now_ms;
        let new = insert(write.conn(), &judged, now_ms).await?;
        let taken_before = WebhookOutcome { result: WebhookResult::Duplicate, job: None, job_id: None };
        let mut outcomes = vec![taken_before; webhooks.len()];
        let mut rows = Vec::new();
        let repeated: Vec<usize> =
            judged.iter().filter(|one| !new.contains(&one.webhook.id)).map(|one| one.index).collect();
        for Judged { index, webhook, result, action, body, job_id, is_connected, .. } in judged {
            if !new.contains(&webhook.id) {
                continue;
            }
            if is_connected && body != "{}" && !write.flows.is_empty() {
                flows::starting::start_by_webhook(&mut write, webhook).await?;
            }
            let job = match (action, job_id.clone()) {
                (Action::Enqueue(key), Some(id)) => {
                    rows.push(row(id, webhook, key.clone(), now_ms));
                    Some(key)
                }
                (Action::MarkGone { location_id, contact_id }, _) => {
                    write.cause.via = Via::Webhook { webhook_id: webhook.id.clone() };
                    mark_gone(&mut write, &location_id, &contact_id).await?;
                    None
                }
                (Action::Nothing | Action::Enqueue(_), _) => None,
            };
            outcomes[index] = WebhookOutcome { result, job, job_id };
        }
        for index in resent(&mut write, webhooks, &repeated).await? {
            // Whatever it says may be undone since: GHL is asked. What it started, it started then.
            let again = [NewWebhook { is_late: true, ..webhooks[index].clone() }];
            let Some(judged) = judge_all(&mut write, &again).await?.pop() else { continue };
            let Judged { webhook, contact_id, result, action, body, job_id, .. } = judged;
            let taken = sqlx::query(sql!("take_resent_webhook"))
                .bind(result.column())
                .bind(body)
                .bind(job_id.as_deref())
                .bind(now_ms)
                .bind(&webhook.id)
                .bind(resent_before(now_ms))
                .bind(contact_id)
                .execute(write.conn())
                .await?;
            if taken.rows_affected() == 0 {
                continue;
            }
            let mut job = None;
            if let (Action::Enqueue(key), Some(id)) = (action, job_id.clone()) {
                rows.push(row(id, webhook, key.clone(), now_ms));
                job = Some(key);
            }
            outcomes[index] = WebhookOutcome { result, job, job_id };
        }
        insert_rows(&mut write, &rows).await?;
        write.commit().await?;
        Ok(outcomes)
    }

    /// The webhooks that led to these ledger rows, oldest first: what they say may spare a run its calls.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn webhooks_of(&self, job_ids: &[String]) -> Result<Vec<StoredWebhook>, RecordsError> {
        let of_jobs = of_jobs(&mut *self.pool.acquire().await?, job_ids).await?;
        let mut found: Vec<_> = of_jobs.into_iter().map(|(_, webhook)| webhook).collect();
        found.sort_by_key(|webhook| webhook.received_at);
        Ok(found)
    }

    /// The webhooks about a contact, or what hangs on it, that no pull has looked at yet.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn unanswered_webhooks(
        &self,
        location_id: &str,
        contact_id: &str,
    ) -> Result<Vec<StoredWebhook>, RecordsError> {
        let query = sqlx::query(sql!("unanswered_webhooks")).bind(location_id).bind(contact_id);
        query.fetch_all(&self.pool).await?.iter().map(stored).collect()
    }
}

impl Tx {
    /// Keeps nothing but the ids and types of the webhooks that led to the run: where they do not report whom they speak, nobody could
    /// find them when that person's data is to be erased.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn empty_webhooks(&mut self) -> Result<(), RecordsError> {
        for chunk in self.run.ids.chunks(CHUNK) {
            let mut query = sqlx::query(with_list(sql!("empty_webhooks_of_jobs"), chunk.len())).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            query.execute(self.write.conn()).await?;
        }
        Ok(())
    }
}

/// Those of the `repeated` webhooks that a person has sent again from GHL's log.
async fn resent(write: &mut Write, webhooks: &[NewWebhook], repeated: &[usize]) -> Result<Vec<usize>, RecordsError> {
    let mut resent = Vec::new();
    let before = resent_before(write.now_ms);
    for chunk in repeated.chunks(CHUNK) {
        let text = with_list_after(sql!("resent_webhooks"), 1, chunk.len());
        let mut query = sqlx::query_scalar(text).persistent(false).bind(before);
        for index in chunk {
            query = query.bind(&webhooks[*index].id);
        }
        let old: HashSet<String> = query.fetch_all(write.conn()).await?.into_iter().collect();
        resent.extend(chunk.iter().copied().filter(|index| old.contains(&webhooks[*index].id)));
    }
    Ok(resent)
}

fn resent_before(now_ms: i64) -> i64 {
    now_ms.saturating_sub(i64::try_from(RESENT.as_millis()).unwrap_or(i64::MAX))
}

pub(super) fn stored(row: &AnyRow) -> Result<StoredWebhook, RecordsError> {
    Ok(StoredWebhook {
        id: row.try_get("id")?,
        event_type: row.try_get("type")?,
        body: row.try_get("body")?,
        received_at: timestamp(row.try_get("received_at")?),
        is_late: row.try_get::<String, _>("result")? == WebhookResult::Late.column(),
    })
}

/// The webhooks that led to these ledger rows, each with its row.
pub(super) async fn of_jobs(
    connection: &mut AnyConnection,
    job_ids: &[String],
) -> Result<Vec<(String, StoredWebhook)>, RecordsError> {
    let (mut left, mut found) = (job_ids, Vec::new());
    while !left.is_empty() {
        let batch = take_batch(&mut left, ROWS);
        let query = sqlx::query(with_list(sql!("webhooks_of_jobs"), batch.len()));
        let query = batch.into_iter().fold(query, |query, id| query.bind(id));
        for row in query.fetch_all(&mut *connection).await? {
            found.push((row.try_get("job_id")?, stored(&row)?));
        }
    }
    Ok(found)
}

/// Inserts those that are new, and returns their ids.
async fn insert(
    connection: &mut AnyConnection,
    judged: &[Judged<'_>],
    now_ms: i64,
) -> Result<HashSet<String>, RecordsError> {
    let marks = Marks::of(connection);
    let mut new = HashSet::new();
    for chunk in judged.chunks(CHUNK) {
        let text =
            with_rows_then(marks, sql!("insert_webhooks"), chunk.len(), 8, "on conflict (id) do nothing returning id");
        let mut query = sqlx::query_scalar(text).persistent(chunk.len() == 1);
        for Judged { webhook, contact_id, result, body, job_id, .. } in chunk {
            query = query
                .bind(&webhook.id)
                .bind(webhook.event_type)
                .bind(webhook.location_id.as_deref())
                .bind(contact_id.as_deref())
                .bind(result.column())
                .bind(*body)
                .bind(job_id.as_deref())
                .bind(now_ms);
        }
        new.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(new)
}

fn row(id: String, webhook: &NewWebhook, key: JobKey, now_ms: i64) -> NewRow {
    NewRow {
        id,
        source: WEBHOOK_SOURCE.to_owned(),
        // GHL's id stands in the table of webhooks, which forgets it after a time; the ledger never does.
        event_id: None,
        given_event_id: None,
        event_type: webhook.event_type.to_owned(),
        key,
        contact_id: None,
        priority: Priority::Realtime,
        data: "{}".to_owned(),
        created_at_ms: now_ms,
    }
}
