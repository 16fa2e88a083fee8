//! `push_contact`: creates, updates, tags or deletes a contact in GHL, from its present state and with the fewest calls.
//!
//! A run takes one step after the other, and writes down what it has reached before its permits run out.

use ghl::{GhlError, Run};
use sync_model::decide::fields::{Fields, fields};
use sync_model::decide::verify::SyncState;

use self::change::change;
use self::create::{create, settle_announcement};
use super::presence::is_contact_gone;
use super::straggler::{is_of_another_time, may_still_arrive, until_it_cannot_arrive};
use super::{JobError, Task, refusals, told};
use crate::mapping::contact::from_ghl;
use crate::records::{ContactRow, IsBack, PushStep};

mod change;
pub(crate) mod create;

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let Some(row) = row(task).await? else { return close(task).await };
    match row.push_step() {
        PushStep::Refused(reason) => return Err(JobError::Refused { reason }),
        PushStep::Close => return close(task).await,
        PushStep::LookWhetherBack => {
            let is_back = looked_at(task, &row).await?.is_some();
            let mut tx = task.environment.records.begin(&task.run).await?;
            if !is_back && !tx.contact_stays_gone(&row).await? {
                tx.keep_open().await?;
                return Err(JobError::OneMoreRun);
            }
            return Ok(tx.close_run(&[]).await?);
        }
        PushStep::SettleAnnouncement => {
            let Some(announced) = &row.intent else { return close(task).await };
            return settle_announcement(task, &row, announced).await;
        }
        PushStep::Create => return create(task, &task.environment.fields.resolved(task, row).await?).await,
        PushStep::Delete => {
            task.environment.records.begin_deletion(&task.run).await?;
            return match task.ghl().delete_contact(&row.contact_id).await {
                Ok(()) => gone(task, &row).await,
                Err(error) if is_contact_gone(task, &row.contact_id, &error).await? => gone(task, &row).await,
                Err(error) => Err(refused(task, &row, error, &Fields::new()).await),
            };
        }
        PushStep::Change => {}
    }
    let row = task.environment.fields.resolved(task, row).await?;
    let policies = task.environment.records.policies_of(&row.location_id).await?;
    let looked = if row.looks_first(&policies) || told::has_news(task, &row).await? {
        looked_at(task, &row).await?
    } else {
        Some(row.clone())
    };
    match looked {
        Some(row) if !row.is_settled() => change(task, &row).await,
        Some(_) => close(task).await,
        // It became one with another row during the look: GHL has it, and that row has the remaining writes.
        None if self::row(task).await?.is_none() => close(task).await,
        None => gone(task, &row).await,
    }
}

async fn row(task: &Task<'_>) -> Result<Option<ContactRow>, JobError> {
    Ok(task.environment.records.contact_row(task.location(), task.record()).await?)
}

async fn close(task: &Task<'_>) -> Result<(), JobError> {
    Ok(task.environment.records.begin(&task.run).await?.close_run(&[]).await?)
}

async fn gone(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let mut tx = task.environment.records.begin(&task.run).await?;
    if row.is_shown() {
        if !tx.contact_is_gone_since(&row.contact_id, task.began_ms).await? {
            tx.look_again().await?;
            tx.keep_open().await?;
            return Err(JobError::OneMoreRun);
        }
        tx.refused();
        return Ok(tx.close_run(&[]).await?);
    }
    match tx.contact_is_back(&row.row_id).await? {
        IsBack::Yes => {}
        IsBack::No => tx.mark_contact_gone(&row.contact_id).await?,
        IsBack::Perhaps => {
            tx.mark_contact_gone(&row.contact_id).await?;
            tx.look_again().await?;
            tx.keep_open().await?;
            return Err(JobError::OneMoreRun);
        }
    }
    Ok(tx.close_run(&[]).await?)
}

/// The row after it took in what GHL holds; none where GHL has it no more.
async fn looked_at(task: &Task<'_>, row: &ContactRow) -> Result<Option<ContactRow>, JobError> {
    let records = &task.environment.records;
    // Asked before the look: what it does not show may still arrive, and would then come after what is sent next.
    let wait = until_it_cannot_arrive(task, row.unanswered.at_ms);
    let began_ms = task.environment.clock.now_ms();
    let theirs = match task.ghl().get_contact(&row.contact_id).await {
        Ok(theirs) => from_ghl(theirs),
        Err(error) if is_contact_gone(task, &row.contact_id, &error).await? => {
            let mut tx = records.begin(&task.run).await?;
            let is_gone = tx.contact_is_gone_since(&row.contact_id, began_ms).await?;
            tx.keep_open().await?;
            return if is_gone { Ok(None) } else { Err(JobError::OneMoreRun) };
        }
        Err(error) => return Err(error.into()),
    };
    let base = row.base.as_ref().map(fields).unwrap_or_default();
    if !wait.is_zero() && may_still_arrive(&row.unanswered.asked, &row.owed().fields, &base, &fields(&theirs), &[]) {
        if is_of_another_time(task, row.unanswered.at_ms) {
            records.set_contact_asked(&task.run, &row.unanswered.asked).await?;
        }
        return Err(JobError::MayStillArrive { wait });
    }
    let mut tx = records.begin(&task.run).await?;
    tx.contact_looked(row, &theirs).await?;
    tx.keep_open().await?;
    match self::row(task).await? {
        Some(row) if row.unanswered.needs_look() => Err(JobError::OneMoreRun),
        row => Ok(row),
    }
}

/// The right to call once more in this run.
fn one_call<'a>(task: &'a Task<'_>) -> Result<Run<'a>, JobError> {
    if task.permits.left() == 0 { Err(JobError::OneMoreRun) } else { Ok(task.ghl()) }
}

/// The error, after it was kept with the contact that GHL refuses for good what was `asked`.
async fn refused(task: &Task<'_>, row: &ContactRow, error: GhlError, asked: &Fields) -> JobError {
    if let Some(values) = refusals::values(task, &error, asked, row.base.as_ref()) {
        let state = SyncState::refused(refusals::told(task, &error), values, Vec::new());
        if let Err(error) = keep_refused(task, &state).await {
            return error;
        }
    }
    error.into()
}

async fn keep_refused(task: &Task<'_>, state: &SyncState) -> Result<(), JobError> {
    task.environment.metrics.written("contact", state.outcome);
    let mut tx = task.environment.records.begin(&task.run).await?;
    tx.refuse_contact(task.record(), state).await?;
    Ok(tx.keep_open().await?)
}
