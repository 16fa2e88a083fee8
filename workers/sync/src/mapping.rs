//! Between GHL's records and Clienty's: pure functions, one file a record.
//!
//! Both sides are destructured without `..`, so a field that is added to either does not compile until it is mapped or
//! named as left out.

use ghl::Carried;

use sync_model::decide::absent::Absent;

/// A field without which GHL takes no new record: refused here, since GHL's refusal would cost a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: GHL creates no {record} without it")]
pub struct MissingField {
    /// What was to be created.
    pub record: &'static str,
    /// The field, as producers name it.
    pub field: &'static str,
}

/// The value of a field that is named so in Clienty's record; where the source does not carry it, `absent` says so.
fn take<T>(field: &'static str, carried: Carried<T>, absent: &mut Absent) -> Option<T> {
    if carried.is_absent() {
        absent.add(field);
    }
    carried.value()
}

pub mod appointment;
pub mod contact;
pub mod note;
pub mod task;
#[cfg(test)]
mod tests;
