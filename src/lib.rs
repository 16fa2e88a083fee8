//! `clienty-sync`: where work comes from (the gateway, triggers, commands) and where people look in.

pub mod config;
pub mod telemetry;
