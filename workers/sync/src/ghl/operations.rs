//! The typed methods: each names its arguments and its reply, and leaves the rest to the one door.

mod appointments;
mod contacts;
mod locations;
mod notes;
mod tasks;
