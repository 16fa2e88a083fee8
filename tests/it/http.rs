//! What the HTTP side promises, asked of the real program.

mod events;
mod health;
mod reading;
mod refusals;
mod shutdown;
mod webhooks;
