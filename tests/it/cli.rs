//! What the command line promises, asked of the real program.

mod bad_rows;
mod catalog;
mod connecting;
mod demo;
mod doctor;
mod keys_and_jobs;
mod redis_cluster;
mod serving;
mod settings;
mod traces;
mod usage;
