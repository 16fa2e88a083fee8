//! Faults of our own: a full, failing or read-only disk, and a database that is lost at any statement.
//!
//! What holds for all of them: while it lasts, nothing is answered 202 that is not stored, and `/readyz` says so; when it
//! is over, everything accepted is done, no job is dead, and nothing was restarted.

mod disk;
mod durable;
mod lost_connections;
mod story;
