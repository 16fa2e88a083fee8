//! clienty-sync keeps the CRM Clienty and GoHighLevel (GHL) the same.
//!
//! This library is where work comes from ([`gateway`], [`triggers`], [`producer`]) and where people look in ([`cli`], [`metrics`]); the work itself
//! is done in `sync-workers`, on the queue of `job-engine`. Rust services that want to send events without HTTP use [`producer::Producer`].

pub mod app;
mod catalog;
mod causes;
pub mod cli;
pub mod compare;
pub mod config;
pub mod console;
pub mod enrich;
pub mod explain;
pub mod flows;
pub mod gateway;
mod instance_lock;
pub mod locations;
pub mod mapping;
pub mod metrics;
pub mod producer;
pub mod signature;
mod steering;
mod telemetry;
pub mod toml_text;
pub mod triggers;
