//! Between GHL's records and Clienty's: pure functions, one file a record.
//!
//! Both sides are destructured without `..`, so a field that is added to either does not compile until it is mapped or
//! named as left out.

/// A field without which GHL takes no new record: refused here, since GHL's refusal would cost a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: GHL creates no {record} without it")]
pub struct MissingField {
    /// What was to be created.
    pub record: &'static str,
    /// The field, as producers name it.
    pub field: &'static str,
}

pub mod appointment;
pub mod contact;
pub mod location;
pub mod note;
pub mod task;
