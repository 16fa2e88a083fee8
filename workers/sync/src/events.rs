//! From what a producer says to ledger rows: pure translation, no I/O.
//!
//! Whoever speaks for a producer uses the same words: the gateway, a command, the step of a flow. All of it ends in
//! [`crate::records::Trigger`], which the ledger accepts.

mod contact;
mod event;
mod fields;
pub mod operation;

pub use event::{KNOWN, SOURCE, STATUSES, translate, translate_at};
pub use fields::{FieldError, Fields, kind_of};
