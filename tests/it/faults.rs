//! Faults of our own: a full, failing or read-only disk, a database that is lost at any statement, hangs, or is wanted by many at once.
//!
//! What holds for all of them: while it lasts, nothing is answered 202 that is not stored, and `/readyz` says so; when it
//! is over, everything accepted is done, no job is dead, and nothing was restarted.

mod crowd;
mod disk;
mod durable;
mod hanging;
mod lost_connections;
mod second_process;
mod story;
mod unsayable;
