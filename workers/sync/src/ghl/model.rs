//! GHL's records in GHL's own shapes.
//!
//! Read leniently: replies hold explicit nulls, leave fields out, and send numbers where strings are declared. What
//! clienty-sync does not keep is not declared here; in particular `ssn`, which must never be stored.

mod appointment;
mod contact;
mod location;
mod note;
mod task;

pub use appointment::Appointment;
pub use contact::{Contact, CustomField};
pub use location::Location;
pub use note::{NewNote, Note, UpdateNote};
pub use task::{CompleteTask, NewTask, Task, UpdateTask};
