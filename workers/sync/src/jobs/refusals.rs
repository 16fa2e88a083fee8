//! What a refusal of GHL's is kept as, with the record that it is about.

use super::Task;
use crate::decide::fields::{Fields, Record, fields};
use crate::decide::refused::{Refusal, blamed, refused};
use crate::decide::verify::Unapplied;
use crate::ghl::{GhlError, Subject};

/// The refused fields of `asked`, where GHL refuses their values for good.
pub(super) fn values<R: Record>(
    task: &Task<'_>,
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
    // A create goes whole or not at all.
    let asked = if base.is_some() { &blamed::<R>(asked, &words) } else { asked };
    Some(refused(asked, &base.map(fields).unwrap_or_default(), &told(task, error)))
}

/// GHL's words for it, with the time.
pub(super) fn told(task: &Task<'_>, error: &GhlError) -> Refusal {
    Refusal { at: task.environment.clock.now(), reason: error.to_string() }
}
