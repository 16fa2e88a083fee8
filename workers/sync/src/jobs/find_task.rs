//! `find_task`: a task whose webhook does not name its contact, as GHL was seen to send them.
//!
//! A known task is read by its contact, with one call. A new one is searched by its title, mostly
//! with one call as well, and stored. Only if its contact is unknown too is the whole contact
//! fetched. A deleted task costs no call, nor does the webhook of a task that was created here.
//!
//! Traps: a title is not unique, so the id decides and the search may need several pages; the
//! search may lag behind the webhook. Reconciliation finds what neither way finds. The title may be
//! personal data, and it is not known whose: it is dropped when the run is over.

use ghl::model::{SearchTasks, Task as GhlTask};
use ghl::{GhlError, Subject, UnauthorizedKind};
use job_engine::Priority;
use serde_json::Value;
use sync_model::record::Task as OurTask;

use super::{JobError, JobRun, webhook_diff};
use crate::mapping;
use crate::records::{EntryRow, FollowUp, JobKind, Snapshot, StoredWebhook, Tx};

/// Pages that one run turns: so many hundred tasks may have the same title.
pub(super) const PAGES: u8 = 5;
/// Tasks of a page. What GHL gives at most is not documented; this it gives.
pub(super) const PAGE: u32 = 100;
/// How often a task is looked for.
const LOOKS: i64 = 3;
const SCOPE: &str = "locations/tasks.readonly";

/// What the webhooks of a run say of the task.
#[derive(Default)]
struct Reported {
    /// It is gone.
    deleted: bool,
    /// That was said in time.
    is_believed: bool,
    /// It is new.
    is_new: bool,
    /// It is no longer as it was made.
    changed: bool,
    title: Option<String>,
}

impl Reported {
    fn by(webhooks: &[StoredWebhook]) -> Self {
        let mut said = Self { changed: webhooks.is_empty(), ..Self::default() };
        for webhook in webhooks {
            let deletes = webhook.event_type == "TaskDelete";
            said.deleted |= deletes;
            said.is_new |= webhook_diff::made(webhook, "").is_some();
            said.is_believed |= deletes && webhook_diff::is_believed(webhook);
            said.changed |= webhook.event_type != "TaskCreate";
            let body: Value = serde_json::from_str(&webhook.body).unwrap_or_default();
            let title = body.get("title").and_then(Value::as_str).filter(|title| !title.trim().is_empty());
            said.title = title.map(str::to_owned).or(said.title);
        }
        said
    }
}

pub(super) async fn run(task: &JobRun<'_>) -> Result<(), JobError> {
    let records = &task.environment.records;
    let said = Reported::by(&records.webhooks_of(&task.run.ids).await?);
    let known = records.entry_of_ghl::<OurTask>(task.location(), task.record()).await?;
    match known {
        None if said.deleted => close(task, &[]).await,
        Some(row) if said.is_believed => forget(task, &row, &snapshot_of(task, &row).await?).await,
        // It was here before GHL reported it.
        Some(_) if !said.changed => close(task, &[]).await,
        Some(row) => read(task, &row).await,
        None => find(task, said).await,
    }
}

/// A task that is not known here.
async fn find(task: &JobRun<'_>, said: Reported) -> Result<(), JobError> {
    let began_ms = task.environment.clock.now_ms();
    match search(task, said.title).await? {
        Some(found) => keep(task, found, said.is_new, began_ms).await,
        None if task.run.attempts + 1 < LOOKS => Err(JobError::NotShownYet),
        None => {
            tracing::info!(
                ghl.location = task.location(),
                ghl.task = task.record(),
                "a task of a webhook was not found; a reconciliation finds it, if it exists"
            );
            close(task, &[]).await
        }
    }
}

/// A task that is known here, as GHL has it now.
async fn read(task: &JobRun<'_>, row: &EntryRow<OurTask>) -> Result<(), JobError> {
    let snapshot = snapshot_of(task, row).await?;
    let theirs = match task.ghl().get_task(&row.contact_id, task.record()).await {
        Err(GhlError::Gone { what: Subject::Task | Subject::Contact }) => return forget(task, row, &snapshot).await,
        theirs => mapping::task::from_ghl(theirs?, &row.contact_id),
    };
    let mut tx = task.environment.records.begin(&task.run).await?;
    tx.store_entry(&row.contact_id, &theirs, &snapshot).await?;
    close_with(task, tx, &[]).await
}

async fn forget(task: &JobRun<'_>, row: &EntryRow<OurTask>, snapshot: &Snapshot) -> Result<(), JobError> {
    let mut tx = task.environment.records.begin(&task.run).await?;
    tx.remove_entry(row, snapshot).await?;
    close_with(task, tx, &[]).await
}

/// A new task, found in GHL.
async fn keep(task: &JobRun<'_>, found: GhlTask, is_new: bool, began_ms: i64) -> Result<(), JobError> {
    let records = &task.environment.records;
    let Some(contact_id) = found.contact_id.clone() else { return close(task, &[]).await };
    let location = task.location();
    if records.erasure(location, &contact_id).await?.is_some() {
        return close(task, &[]).await;
    }
    if !records.find_contact(location, &contact_id).await?.is_some_and(|row| row.is_visible()) {
        let pull = FollowUp {
            kind: JobKind::PullContact,
            location_id: location.to_owned(),
            record_id: contact_id,
            priority: Priority::Realtime,
        };
        return close(task, &[pull]).await;
    }
    let theirs = mapping::task::from_ghl(found, &contact_id);
    let mut tx = records.begin(&task.run).await?;
    // It was not here before the search: whatever is here by now is newer.
    let snapshot = Snapshot::default().of_reading_since(began_ms);
    tx.store_entry(&contact_id, &theirs, &snapshot).await?;
    if is_new {
        tx.reported_created(&theirs).await?;
    }
    close_with(task, tx, &[]).await
}

/// The task, if one of the pages shows it.
async fn search(task: &JobRun<'_>, title: Option<String>) -> Result<Option<GhlTask>, JobError> {
    let mut search = SearchTasks { query: title, limit: PAGE, ..SearchTasks::default() };
    while task.permits.left() > 0 {
        let page = match task.ghl().search_tasks(task.location(), &search).await {
            Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) => {
                let mut tx = task.environment.records.begin(&task.run).await?;
                tx.empty_webhooks().await?;
                tx.keep_open().await?;
                return Err(JobError::CannotSearchTasks { scope: SCOPE });
            }
            Err(GhlError::TooLong { .. }) if search.limit > 1 => {
                search.limit /= 2;
                continue;
            }
            page => page?,
        };
        if let Some(found) = page.tasks.into_iter().find(|found| found.id == task.record()) {
            return Ok(Some(found));
        }
        match page.next {
            Some(skip) => search.skip = skip,
            None => break,
        }
    }
    Ok(None)
}

async fn snapshot_of(task: &JobRun<'_>, row: &EntryRow<OurTask>) -> Result<Snapshot, JobError> {
    Ok(task.environment.records.snapshot(task.location(), &row.contact_id).await?)
}

async fn close(task: &JobRun<'_>, follow_ups: &[FollowUp]) -> Result<(), JobError> {
    close_with(task, task.environment.records.begin(&task.run).await?, follow_ups).await
}

async fn close_with(task: &JobRun<'_>, mut tx: Tx, follow_ups: &[FollowUp]) -> Result<(), JobError> {
    tx.empty_webhooks().await?;
    task.close_with(tx, follow_ups).await
}
