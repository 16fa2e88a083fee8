//! `find_appointment`: the contact of an appointment whose webhook does not name it.
//!
//! GHL is asked for the appointment, and its contact is fetched by a job of its own. The body of the webhook may be about anybody, so it is
//! forgotten when the run is over.

use ghl::GhlError;
use job_engine::Priority;

use super::{JobError, JobRun};
use crate::records::{FollowUp, JobKind};

/// How often GHL is asked for what it does not find.
const LOOKS: i64 = 3;

pub(super) async fn run(job: &JobRun<'_>) -> Result<(), JobError> {
    let contact_id = match job.ghl().get_appointment(job.record()).await {
        Ok(appointment) => appointment.contact_id,
        // Deleted meanwhile; what is known of it here goes with its own contact.
        Err(GhlError::Gone { .. }) => None,
        // It may not show yet, or GHL says so of what is gone.
        Err(GhlError::NotFound { .. }) if job.run.attempts + 1 >= LOOKS => {
            tracing::info!(
                ghl.location = job.location(),
                ghl.appointment = job.record(),
                "an appointment of a webhook was not found; a reconciliation finds it, if it exists"
            );
            None
        }
        Err(error) => return Err(error.into()),
    };
    let pull = |record_id| FollowUp {
        kind: JobKind::PullContact,
        location_id: job.location().to_owned(),
        record_id,
        priority: Priority::Realtime,
    };
    let follow_ups: Vec<_> = contact_id.map(pull).into_iter().collect();
    let mut tx = job.environment.records.begin(&job.run).await?;
    tx.empty_webhooks().await?;
    job.close_with(tx, &follow_ups).await
}
