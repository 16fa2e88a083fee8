//! The typed methods: each names its arguments and its reply, and leaves the rest to the one door.

mod any;
mod appointments;
mod bulk;
mod calendars;
mod campaigns;
mod contact_lists;
mod contacts;
mod followers;
mod locations;
mod notes;
mod pages;
mod tags;
mod tasks;
mod workflows;

pub use any::Answer;
