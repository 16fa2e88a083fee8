//! The client of GHL's API.
//!
//! An operation is data ([`endpoints`]), a typed method names its arguments and its reply (`operations/`), and one door
//! (`call`) does all the rest: permit, headers, limits, metrics, errors. Whatever must hold for every call is therefore
//! written once.
//!
//! ```no_run
//! # async fn example(ghl: &ghl::Client, token: &secrecy::SecretString, permits: &job_engine::Permits)
//! # -> Result<(), ghl::GhlError> {
//! let ghl = ghl.for_run(token, permits);
//! let contact = ghl.get_contact("seD4PfOuKoVMLkEZqohJ").await?;
//! let tasks = ghl.list_tasks(&contact.id).await?;
//! # let _ = tasks;
//! # Ok(())
//! # }
//! ```
//!
//! The trap: nothing in here may send a request twice. The limiter counts permits, so a second request behind one permit
//! breaks the limit, and a create that is sent again is a duplicate. Retries belong to the queue.

#![warn(missing_docs)]

mod api;
mod call;
mod carried;
pub mod catalog;
mod client;
mod dates;
mod endpoint;
pub mod endpoints;
mod error;
pub mod json;
mod lenient;
mod metrics;
pub mod model;
mod operations;
mod plain;
mod refusal;
mod reply;
mod scope;
mod scopes;
mod scrub;
#[cfg(test)]
mod tests;
mod throttle;
pub mod trace;
pub mod webhooks;
mod words;

pub use api::ApiVersion;
pub use carried::Carried;
pub use client::{BuildError, Client, ClientConfig, LONG_LIST, Run};
pub use dates::{WireSecond, WireTime};
pub use endpoint::{Endpoint, InV3, Replay};
pub use error::{Class, GhlError, Subject, UnauthorizedKind};
pub use metrics::GhlMetrics;
pub use operations::Answer;
pub use plain::Plain;
pub use scope::advice as scope_advice;
pub use scopes::Scopes;
pub use scrub::scrub;
pub use words::messages;
