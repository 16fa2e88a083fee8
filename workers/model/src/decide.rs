//! What to do, decided from values alone: no call, no database, no clock.

pub mod absent;
pub mod echo;
pub mod enrichment;
pub mod fields;
pub mod identity;
pub mod last_edits;
pub mod match_lost_create;
pub mod merge;
pub mod names;
pub mod push_appointment;
pub mod push_contact;
pub mod push_note;
pub mod push_task;
pub mod refused;
pub mod rules;
pub mod same;
pub mod span;
pub mod sync_status;
pub mod unanswered;
pub mod verify;
