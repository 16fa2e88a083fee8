//! What is synced, as values: pure, without a call, a database or a file.
//!
//! It knows nobody: neither GHL's client, nor the records, nor the jobs.

#![warn(missing_docs)]

pub mod change;
pub mod clean;
pub mod clock;
pub mod decide;
pub mod entry;
pub mod field_mapping;
pub mod ids;
pub mod job;
pub mod json_fields;
pub mod money;
pub mod part;
pub mod patch;
pub mod pipes;
pub mod record;
pub mod series;
pub mod suggest;
pub mod time_zone;
pub mod words;
