//! Walks over all of a location: import, reconciliations, comparison.

mod changes;
mod drift;
mod given_up;
mod import;
mod incomplete;
mod odd_pages;
mod reconciliations;
mod shapes;
mod triggers;
mod verify;
