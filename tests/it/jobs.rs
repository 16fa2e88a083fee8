//! What the jobs promise, shown on real parts in one process against the sandbox.

mod appointments;
mod clocks;
mod contacts;
mod echoes;
mod explained;
mod failures;
mod heard;
mod interleavings;
mod lost_creates;
mod lost_updates;
mod not_found;
mod older_equals;
mod on_postgres;
mod one_refused_call;
mod own_network;
mod parts;
pub(crate) mod privacy;
mod pulls;
mod pushes;
mod refused;
mod refused_creates;
mod repeated;
mod rules;
mod tasks_told_barely;
mod unanswered;
mod webhooks;
mod zones;
