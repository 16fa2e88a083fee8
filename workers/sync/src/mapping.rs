//! Between GHL's records and Clienty's: pure functions, one file a record.
//!
//! Both sides are destructured without `..`, so a field that is added to either does not compile until it is mapped or
//! named as left out.

pub mod appointment;
pub mod contact;
pub mod location;
pub mod note;
pub mod task;
