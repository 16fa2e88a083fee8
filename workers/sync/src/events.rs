//! From a producer's event to ledger rows: pure translation, no I/O.
//!
//! The gateway, a command and a flow's step use the same events. All end in
//! [`IncomingEvent`], which the ledger accepts.

mod contact;
mod event;
pub mod operation;
mod trigger;

pub use event::{ENRICH, KNOWN, SOURCE, STATUSES, translate, translate_at};
pub use sync_model::json_fields::{FieldError, Fields, kind_of};
pub use trigger::{IncomingEvent, NewEvent};
