//! What a refusal of GHL's is kept as, with the record that it is about.

use ghl::{GhlError, Subject};
use sync_model::decide::fields::{Fields, Record, fields};
use sync_model::decide::refused::{Refusal, blamed, left_out_of_create, refused};
use sync_model::decide::verify::Unapplied;

use super::JobRun;

/// The refused fields of `asked`, where GHL refuses their values for good.
pub(super) fn values<R: Record>(
    job: &JobRun<'_>,
    error: &GhlError,
    asked: &Fields,
    base: Option<&R>,
) -> Option<Vec<Unapplied>> {
    let words: Vec<&str> = match error {
        GhlError::Invalid { messages, .. } => messages.iter().map(String::as_str).collect(),
        GhlError::Duplicate { matching_field, .. } => matching_field.iter().map(String::as_str).collect(),
        // What a create hangs on does not exist. A location that is missing is no matter of values.
        GhlError::Gone { what } if base.is_none() && *what != Subject::Location => Vec::new(),
        _ => return None,
    };
    let asked = match base {
        Some(_) => blamed::<R>(asked, &words),
        None => left_out_of_create::<R>(asked, &words).unwrap_or_else(|| asked.clone()),
    };
    Some(refused(&asked, &base.map(fields).unwrap_or_default(), &reported(job, error)))
}

/// Whether GHL objects to a part of `asked`, and the rest may be created without it.
pub(super) fn is_part<R: Record>(error: &GhlError, asked: &Fields, base: Option<&R>) -> bool {
    let GhlError::Invalid { messages, .. } = error else { return false };
    let words: Vec<&str> = messages.iter().map(String::as_str).collect();
    base.is_none() && left_out_of_create::<R>(asked, &words).is_some()
}

/// GHL's words for it, with the time.
pub(super) fn reported(job: &JobRun<'_>, error: &GhlError) -> Refusal {
    Refusal { at: job.environment.clock.now(), reason: error.to_string() }
}
