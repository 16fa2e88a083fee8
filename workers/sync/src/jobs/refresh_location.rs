//! `refresh_location`: the location asked of GHL again, because GHL said that it changed, or that the app is gone from it without saying when;
//! or its custom fields, because an event named one that it is not known to have.

use ghl::{GhlError, UnauthorizedKind};

use super::{Environment, JobError, JobRun, time_zones};
use crate::oauth::TokenError;
use crate::records::{Holder, REFRESHES_FIELDS, Run};

pub(super) async fn run(job: &JobRun<'_>) -> Result<(), JobError> {
    match job.record() {
        REFRESHES_FIELDS => job.environment.fields.refresh(job).await?,
        _ => drop(time_zones::ask(job).await?),
    }
    job.environment.records.begin(&job.run).await?.close_run(&[]).await?;
    Ok(())
}

/// The look failed: where GHL refuses the token, and said that the app was uninstalled, it was. A login that runs out at the same time can't be
/// reported from it, and needs a person as well.
pub(super) async fn failed(environment: &Environment, run: &Run, error: JobError) -> Result<(), JobError> {
    let is_refused = match &error {
        JobError::Token(error) => matches!(error, TokenError::ConnectAgain { .. } | TokenError::NotConnected),
        JobError::Ghl(GhlError::Unauthorized { kind, .. }) => {
            matches!(kind, UnauthorizedKind::TokenRejected | UnauthorizedKind::LocationAccess)
        }
        _ => false,
    };
    let records = &environment.records;
    let webhooks = if is_refused { records.webhooks_of(&run.ids).await? } else { Vec::new() };
    if !webhooks.iter().any(|webhook| webhook.event_type == "AppUninstall") {
        return Err(error);
    }
    let location = Holder::Location(run.key.location_id.clone());
    if !records.uninstall(&location, environment.clock.now()).await? {
        return Err(error);
    }
    tracing::info!(ghl.location = run.key.location_id, "the app was uninstalled: GHL refuses the location's token");
    Ok(records.begin(run).await?.close_run(&[]).await?)
}
