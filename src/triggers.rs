//! From an outside event to ledger rows: pure translation, no I/O.
//!
//! Each source has its file; all end in [`sync_workers::records::Trigger`], which the ledger accepts.

mod contact;
mod event;
mod fields;
pub mod operation;
pub mod webhook;

pub use event::{SOURCE, translate};
pub use fields::{FieldError, Fields, kind_of};
