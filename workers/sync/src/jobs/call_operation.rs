//! `call_operation`: any operation of the catalog, once.
//!
//! The trap is law 7. What a second call would duplicate or do harm with is marked as sent before it is sent. A run that finds the mark
//! does not know whether GHL has carried the call out, and nothing here can look, as a job for tasks or notes can: so it is not sent
//! again, also not where a person retries the dead job; who has looked calls again.

use ghl::GhlError;
use ghl::catalog::{Call, catalog};

use super::{JobError, JobRun};

pub(super) async fn run(job: &JobRun<'_>) -> Result<(), JobError> {
    let records = &job.environment.records;
    let called = records.called(&job.run).await?;
    if called.erased {
        // Nothing of the person is sent any more.
        let mut tx = records.begin(&job.run).await?;
        tx.forget_call().await?;
        return Ok(tx.close_run(&[]).await?);
    }
    let call: Call = serde_json::from_value(called.data).map_err(|_| JobError::UnknownOperation)?;
    let operation = catalog().operation(&call.operation).ok_or(JobError::UnknownOperation)?;
    let form = operation.form(Some(&call.version)).ok_or(JobError::UnknownOperation)?;
    let only_once = !operation.replay.may_repeat();
    let unknown = |reason: String| JobError::OutcomeUnknown { operation: operation.name, reason };
    if only_once {
        if called.sent {
            return Err(unknown("an earlier run sent it and did not live to see the answer, or lost it".to_owned()));
        }
        records.mark_sent(&job.run, true).await?;
    }
    match job.ghl().carry_out(&form.endpoint(operation), &call.ids, &call.query, call.body).await {
        Ok(answer) => {
            let mut tx = records.begin(&job.run).await?;
            tx.store_reply(answer.status, answer.body).await?;
            tx.close_run(&[]).await?;
            Ok(())
        }
        Err(error) if only_once && error.outcome_unknown() => Err(unknown(error.to_string())),
        Err(error) => {
            if only_once {
                records.mark_sent(&job.run, false).await?;
            }
            // For a call by name, "not found" is an answer.
            match error {
                GhlError::NotFound { reason } => Err(GhlError::Invalid { status: 404, messages: vec![reason] }.into()),
                error => Err(error.into()),
            }
        }
    }
}
