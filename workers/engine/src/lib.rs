//! A job engine for work that calls a rate-limited API on behalf of many tenants.

#![warn(missing_docs)]

pub mod permit;

pub use permit::{Lease, PermitError, Permits};
