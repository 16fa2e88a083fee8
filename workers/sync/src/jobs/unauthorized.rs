//! What an unauthorized call says about the location. One endpoint's refusal must not stop all of a
//! location's jobs, so another call with the same token is made first: the circuit of the location
//! opens only if GHL refuses that one too.

use ghl::model::SearchContacts;
use ghl::{GhlError, UnauthorizedKind, endpoints};

use super::{JobError, JobRun};

/// The error with which the run ends.
pub(super) async fn classify(job: &JobRun<'_>, refused: GhlError) -> JobError {
    let (operation, kind) = match &refused {
        GhlError::Unauthorized { operation, kind, .. } => (*operation, Some(*kind)),
        _ => ("", None),
    };
    if kind == Some(UnauthorizedKind::TokenRejected) {
        match renewed(job).await {
            Ok(true) => return JobError::NeedsMorePermits,
            Ok(false) => {}
            Err(error) => return error,
        }
    }
    match another_call(job, operation).await {
        Ok(Other::Accepted) => match kind {
            // GHL says so of a token of another location as well, which the other call would have shown.
            Some(UnauthorizedKind::LocationAccess) => JobError::ForeignRecord,
            _ => JobError::NotForThisCall(refused),
        },
        Ok(Other::Refused) if kind == Some(UnauthorizedKind::Unexplained) => match renewed(job).await {
            Ok(true) => JobError::NeedsMorePermits,
            Ok(false) => refused.into(),
            Err(error) => error,
        },
        Ok(Other::Refused) => refused.into(),
        Ok(Other::NotAsked) => JobError::Unjudged(refused),
        Err(error) => error,
    }
}

/// What became of another call with the same token.
enum Other {
    /// GHL takes the token.
    Accepted,
    /// GHL refuses it as well.
    Refused,
    /// There was no permit for it.
    NotAsked,
}

/// Calls something else than `operation`.
async fn another_call(job: &JobRun<'_>, operation: &str) -> Result<Other, JobError> {
    if job.permits.left() == 0 {
        return Ok(Other::NotAsked);
    }
    let ghl = job.ghl();
    let lacks = |needed: &[&str]| job.access.scopes.as_ref().is_some_and(|scopes| scopes.lack(needed).is_some());
    let location = &endpoints::GET_LOCATION;
    let answer = if operation == location.operation || lacks(location.scopes) {
        let search = SearchContacts { page_limit: 1, ..SearchContacts::all(job.location()) };
        ghl.search_contacts(&search).await.map(drop)
    } else {
        ghl.get_location(job.location()).await.map(drop)
    };
    match answer {
        // A refusal of what the call holds, or of its scope, comes after the token was read.
        Ok(())
        | Err(
            GhlError::Invalid { .. }
            | GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope | UnauthorizedKind::VersionHeader, .. },
        ) => Ok(Other::Accepted),
        Err(GhlError::Unauthorized { .. } | GhlError::Gone { .. }) => Ok(Other::Refused),
        Err(error) => Err(error.into()),
    }
}

/// Whether a login got a new token, with which the job runs again. It does so once: see [`Oauth::refused`](crate::oauth::Oauth::refused).
async fn renewed(job: &JobRun<'_>) -> Result<bool, JobError> {
    if job.permits.left() == 0 {
        // The refresh may need one, and the next run of the job has it.
        return Err(JobError::NeedsMorePermits);
    }
    let oauth = &job.environment.oauth;
    Ok(oauth.refused(job.location(), job.access.generation, Some(job.permits)).await?.is_some())
}
