//! What is synced, as values: pure, without a call, a database or a file.
//!
//! It knows nobody: neither GHL's client, nor the records, nor the jobs.

#![warn(missing_docs)]

pub mod clean;
pub mod clock;
pub mod ids;
pub mod job;
pub mod series;
pub mod suggest;
pub mod words;
