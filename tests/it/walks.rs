//! Walks over all of a location: import, sweeps, comparison.

mod import;
mod sweeps;
mod verify;
