//! The workers of clienty-sync: jobs, the GHL client, the records, and the mappings between them.

#![warn(missing_docs)]

pub mod enqueue;
pub mod enrich;
pub mod events;
pub mod flow_guard;
pub mod flows;
pub mod hooks;
pub mod http_steps;
pub mod jobs;
pub mod key_rotation;
pub mod location_watch;
pub mod mapping;
pub mod oauth;
pub mod presence;
pub mod reconcile_scheduler;
pub mod records;
pub mod requeuer;
pub mod retention;
pub mod scripts;
pub mod signing;
pub mod suspects;
pub mod trace;
pub mod vault;
