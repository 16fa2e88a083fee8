//! What to do, decided from values alone: no call, no database, no clock.

pub mod adopt;
pub mod push_note;
pub mod push_task;
