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
use super::{JobError, JobRun, refusals, webhook_diff};
use crate::mapping::contact::from_ghl;
use crate::records::{ContactRow, IsBack, PushStep};

mod change;
pub(crate) mod create;

pub(super) async fn run(job: &JobRun<'_>) -> Result<(), JobError> {
    let Some(row) = row(job).await? else { return close(job).await };
    match row.push_step() {
        PushStep::Refused(reason) => return Err(JobError::Refused { reason }),
        PushStep::Close => return close(job).await,
        PushStep::LookWhetherBack => {
            let is_back = looked_at(job, &row).await?.is_some();
            let mut tx = job.environment.records.begin(&job.run).await?;
            if !is_back && !tx.contact_stays_gone(&row).await? {
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
            return Ok(tx.close_run(&[]).await?);
        }
        PushStep::SettleAnnouncement => {
            let Some(announced) = &row.intent else { return close(job).await };
            return settle_announcement(job, &row, announced).await;
        }
        PushStep::Create => return create(job, &job.environment.fields.resolved(job, row).await?).await,
        PushStep::Delete => {
            job.environment.records.begin_deletion(&job.run).await?;
            return match job.ghl().delete_contact(&row.contact_id).await {
                Ok(()) => gone(job, &row).await,
                Err(error) if is_contact_gone(job, &row.contact_id, &error).await? => gone(job, &row).await,
                Err(error) => Err(refused(job, &row, error, &Fields::new()).await),
            };
        }
        PushStep::Change => {}
    }
    let row = job.environment.fields.resolved(job, row).await?;
    let policies = job.environment.records.policies_of(&row.location_id).await?;
    let looked = if row.looks_first(&policies) || webhook_diff::has_news(job, &row).await? {
        looked_at(job, &row).await?
    } else {
        Some(row.clone())
    };
    match looked {
        Some(row) if !row.is_settled() => change(job, &row).await,
        Some(_) => close(job).await,
        // It became one with another row during the look: GHL has it, and that row has the remaining writes.
        None if self::row(job).await?.is_none() => close(job).await,
        None => gone(job, &row).await,
    }
}

async fn row(job: &JobRun<'_>) -> Result<Option<ContactRow>, JobError> {
    Ok(job.environment.records.contact_row(job.location(), job.record()).await?)
}

async fn close(job: &JobRun<'_>) -> Result<(), JobError> {
    Ok(job.environment.records.begin(&job.run).await?.close_run(&[]).await?)
}

async fn gone(job: &JobRun<'_>, row: &ContactRow) -> Result<(), JobError> {
    let mut tx = job.environment.records.begin(&job.run).await?;
    if row.is_visible() {
        if !tx.contact_is_gone_since(&row.contact_id, job.began_ms).await? {
            tx.look_again().await?;
            tx.keep_open().await?;
            return Err(JobError::NeedsMorePermits);
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
            return Err(JobError::NeedsMorePermits);
        }
    }
    Ok(tx.close_run(&[]).await?)
}

/// The row after it took in what GHL holds; none where GHL has it no more.
async fn looked_at(job: &JobRun<'_>, row: &ContactRow) -> Result<Option<ContactRow>, JobError> {
    let records = &job.environment.records;
    // Asked before the look: what it does not show may still arrive, and would then come after what is sent next.
    let wait = until_it_cannot_arrive(job, row.unanswered.at_ms);
    let began_ms = job.environment.clock.now_ms();
    let theirs = match job.ghl().get_contact(&row.contact_id).await {
        Ok(theirs) => from_ghl(theirs),
        Err(error) if is_contact_gone(job, &row.contact_id, &error).await? => {
            let mut tx = records.begin(&job.run).await?;
            let is_gone = tx.contact_is_gone_since(&row.contact_id, began_ms).await?;
            tx.keep_open().await?;
            return if is_gone { Ok(None) } else { Err(JobError::NeedsMorePermits) };
        }
        Err(error) => return Err(error.into()),
    };
    let base = row.base.as_ref().map(fields).unwrap_or_default();
    if !wait.is_zero() && may_still_arrive(&row.unanswered.asked, &row.pending().fields, &base, &fields(&theirs), &[]) {
        if is_of_another_time(job, row.unanswered.at_ms) {
            records.set_contact_asked(&job.run, &row.unanswered.asked).await?;
        }
        return Err(JobError::MayStillArrive { wait });
    }
    let mut tx = records.begin(&job.run).await?;
    tx.contact_looked(row, &theirs).await?;
    tx.keep_open().await?;
    match self::row(job).await? {
        Some(row) if row.unanswered.needs_look() => Err(JobError::NeedsMorePermits),
        row => Ok(row),
    }
}

/// The right to call once more in this run.
fn one_call<'a>(job: &'a JobRun<'_>) -> Result<Run<'a>, JobError> {
    if job.permits.left() == 0 { Err(JobError::NeedsMorePermits) } else { Ok(job.ghl()) }
}

/// The error, after it was kept with the contact that GHL refuses for good what was `asked`.
async fn refused(job: &JobRun<'_>, row: &ContactRow, error: GhlError, asked: &Fields) -> JobError {
    if let Some(values) = refusals::values(job, &error, asked, row.base.as_ref()) {
        let state = SyncState::refused(refusals::reported(job, &error), values, Vec::new());
        if let Err(error) = keep_refused(job, &state).await {
            return error;
        }
    }
    error.into()
}

async fn keep_refused(job: &JobRun<'_>, state: &SyncState) -> Result<(), JobError> {
    job.environment.metrics.written("contact", state.outcome);
    let mut tx = job.environment.records.begin(&job.run).await?;
    tx.refuse_contact(job.record(), state).await?;
    Ok(tx.keep_open().await?)
}
