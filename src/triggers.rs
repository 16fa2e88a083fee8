//! From an outside event to ledger rows: pure translation, no I/O.
//!
//! Each source has its file; all end in [`sync_workers::events::IncomingEvent`], which the ledger accepts. What producers say is translated in
//! [`sync_workers::events`], since the steps of flows speak the same language.

pub mod webhook;

pub use sync_workers::events::{FieldError, Fields, SOURCE, kind_of, operation, translate, translate_at};
