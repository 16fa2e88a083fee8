//! What the HTTP side promises, asked of the real program.

mod access;
mod changes;
mod conflicts;
mod erasing;
mod events;
mod health;
mod history;
mod keys;
mod openapi;
mod operations;
mod overload;
mod payloads;
mod reading;
mod refusals;
mod schemathesis;
mod shutdown;
mod steering;
mod sync_states;
mod webhooks;
