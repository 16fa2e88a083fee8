//! What leaves for others than GHL.
//!
//! Today it is the one door alone. Hooks and enrichment are in `workers/sync` as long as the records are.

#![warn(missing_docs)]

pub mod outside;
