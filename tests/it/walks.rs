//! Walks over all of a location: import, sweeps, comparison.

mod drift;
mod import;
mod sweeps;
mod verify;
