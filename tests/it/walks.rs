//! Walks over all of a location: import, sweeps, comparison.

mod changes;
mod drift;
mod given_up;
mod import;
mod incomplete;
mod odd_pages;
mod shapes;
mod sweeps;
mod triggers;
mod verify;
