//! What the command line promises, asked of the real program.

mod audit;
mod bad_rows;
mod beside;
mod catalog;
mod connecting;
mod demo;
mod doctor;
mod hooks;
mod keys_and_jobs;
mod locations;
mod looking;
mod open_jobs;
mod queue_redis;
mod redis_cluster;
mod remote;
mod restarts;
mod serving;
mod settings;
mod traces;
mod usage;
