//! Tests of the whole system, against a real redis-server and a real PostgreSQL that they start themselves.
//!
//! A missing server fails the run: a test that skips itself proves nothing. `make test` installs what is missing.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod browser;
mod chaos;
mod cli;
mod console;
mod creates;
mod docs;
mod enrich;
mod faults;
mod flows;
mod hooks;
mod http;
mod identity;
mod ids;
mod jobs;
mod kubernetes;
mod leases;
mod mapping;
mod oauth;
mod official_client;
mod outages;
mod prometheus;
mod scans;
mod servers;
mod support;
mod system;
mod typed_client;
