//! GHL's records in GHL's own shapes.
//!
//! Read leniently: replies hold explicit nulls, leave fields out, and send numbers where strings are declared. What
//! clienty-sync does not keep is not declared here; in particular `ssn`, which must never be stored.
//!
//! What is written is strict: a type of its own for each body, so that a field which GHL refuses, or which would do harm,
//! can't be sent.

mod appointment;
mod bulk;
mod contact;
mod contact_write;
mod dnd;
mod location;
mod note;
mod search;
mod task;

pub use appointment::{Appointment, AppointmentFields, EventsOf, NewAppointment, UpdateAppointment};
pub use bulk::{BulkOutcome, BulkTags, TagChange, TagOutcome};
pub use contact::{Contact, CustomField};
pub(super) use contact_write::UpsertNews;
pub use contact_write::{ContactFields, NewContact, SetCustomField, UpdateContact, UpsertContact, Upserted};
pub use dnd::{Channel, Dnd, DndChange, DndSettings, DndStatus};
pub use location::{CustomFieldDefinition, Location, LocationTag};
pub use note::{NewNote, Note, UpdateNote};
pub(super) use search::ListNews;
pub use search::{
    ContactPage, Direction, Filter, FoundContact, ListCursor, ListPage, Listed, SearchAfter, SearchContacts,
    SearchTasks, Sort, TaskPage,
};
pub use task::{CompleteTask, NewTask, Task, UpdateTask};
