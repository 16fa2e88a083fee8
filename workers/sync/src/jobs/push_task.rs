//! `push_task`: makes GHL's task equal to ours, from the present state of the record and with the fewest calls.
//!
//! GHL has no idempotency key, so a create is announced in the record before it is sent (law 7). A run that finds such an announcement knows that
//! a create got lost on its way; it looks whether GHL has the task, and adopts it instead of creating it again.

use std::time::Duration;

use super::{JobError, Task};
use crate::decide::adopt::{self, TaskFingerprint};
use crate::decide::push_task::{TaskPlan, plan};
use crate::ghl::{GhlError, Subject};
use crate::mapping;
use crate::records::{TaskRow, model};

/// What GHL holds after the run.
enum Outcome {
    /// The task, as it is there now.
    Holds(model::Task),
    /// Nothing new was said.
    Unchanged,
    /// No such task.
    Nothing,
    /// Not even the contact.
    ContactGone,
}

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let records = &task.environment.records;
    let outcome = match records.task(task.record()).await? {
        None => None,
        Some(row) => Some((push(task, &row).await?, row)),
    };
    let mut tx = records.begin().await?;
    match outcome {
        None | Some((Outcome::Unchanged, _)) => {}
        Some((Outcome::Holds(held), row)) => tx.task_pushed(&row, &held).await?,
        Some((Outcome::Nothing, row)) => tx.task_removed(&row.row_id).await?,
        Some((Outcome::ContactGone, row)) => tx.mark_contact_gone(&row.location_id, &row.contact_id).await?,
    }
    tx.close_run(&task.run, &[]).await?;
    tx.commit().await?;
    Ok(())
}

async fn push(task: &Task<'_>, row: &TaskRow) -> Result<Outcome, JobError> {
    let (mut base, mut ghl_id) = (row.base.clone(), row.ghl_id.clone());
    if ghl_id.is_none() && let Some(announced) = &row.intent {
        let Some(found) = look_for(task, row, announced).await? else { return create_or_forget(task, row).await };
        ghl_id.clone_from(&found.task_id);
        base = Some(found);
    }
    let (ghl, contact) = (task.ghl(), row.contact_id.as_str());
    let Some(id) = ghl_id else { return create_or_forget(task, row).await };
    let answer = match plan(&row.doc, base.as_ref(), row.deleted) {
        TaskPlan::Nothing | TaskPlan::Create => return Ok(base.map_or(Outcome::Unchanged, Outcome::Holds)),
        TaskPlan::Update(changes) => ghl.update_task(contact, &id, &mapping::task::to_update(changes)).await,
        TaskPlan::Complete => ghl.complete_task(contact, &id, true).await,
        TaskPlan::Delete => {
            return match ghl.delete_task(contact, &id).await {
                Ok(()) | Err(GhlError::Gone { .. }) => Ok(Outcome::Nothing),
                Err(error) => Err(error.into()),
            };
        }
    };
    match answer {
        Ok(held) => Ok(Outcome::Holds(mapping::task::from_ghl(held, contact))),
        // Deleted in GHL while it was edited here: the deletion stands.
        Err(GhlError::Gone { what: Subject::Contact }) => Ok(Outcome::ContactGone),
        Err(GhlError::Gone { .. }) => Ok(Outcome::Nothing),
        Err(error) => Err(error.into()),
    }
}

async fn create_or_forget(task: &Task<'_>, row: &TaskRow) -> Result<Outcome, JobError> {
    if row.deleted {
        return Ok(Outcome::Nothing);
    }
    let records = &task.environment.records;
    let body = mapping::task::to_new(&row.doc)?;
    records.set_task_intent(&task.run, &row.row_id, Some(&row.doc)).await?;
    match task.ghl().create_task(&row.contact_id, &body).await {
        Ok(held) => Ok(Outcome::Holds(mapping::task::from_ghl(held, &row.contact_id))),
        Err(error) => {
            if !error.outcome_unknown() {
                records.set_task_intent(&task.run, &row.row_id, None).await?;
            }
            match error {
                GhlError::Gone { .. } => Ok(Outcome::ContactGone),
                error => Err(error.into()),
            }
        }
    }
}

/// The task that an earlier run announced, where GHL has it.
async fn look_for(task: &Task<'_>, row: &TaskRow, announced: &model::Task) -> Result<Option<model::Task>, JobError> {
    let wait = until_it_cannot_arrive(task, row.intent_at_ms);
    if !wait.is_zero() {
        return Err(JobError::TooEarlyToLook { wait });
    }
    let contact = row.contact_id.as_str();
    let remote = match task.ghl().list_tasks(contact).await {
        Ok(remote) => remote.into_iter().map(|held| mapping::task::from_ghl(held, contact)).collect::<Vec<_>>(),
        Err(GhlError::Gone { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let linked = task.environment.records.linked_task_ids(&row.location_id, contact).await?;
    let found = adopt::lost_task(&TaskFingerprint::of(announced), &remote, &linked).map(str::to_owned);
    Ok(found.and_then(|id| remote.into_iter().find(|held| held.task_id.as_deref() == Some(id.as_str()))))
}

/// How long a create that was announced at `intent_at_ms` may still be under way.
pub(super) fn until_it_cannot_arrive(task: &Task<'_>, intent_at_ms: Option<i64>) -> Duration {
    let Some(announced) = intent_at_ms else { return Duration::ZERO };
    let gone_by = u64::try_from(task.environment.clock.now_ms().saturating_sub(announced)).unwrap_or(0);
    task.environment.call_timeout.saturating_sub(Duration::from_millis(gone_by))
}
