//! Who may call GHL for a location: OAuth logins of locations and agencies, and Private Integration
//! Tokens.
//!
//! [`Oauth::for_location`] is the one way to a token: it returns a valid one, and refreshes it if
//! needed. A run asks for the token right before it uses it, and keeps it no longer than the run.
//!
//! A refresh token works **once**. So a refresh writes a pending row first
//! ([`Records::begin_refresh`], of which one at a time succeeds, whatever the number of processes),
//! then sends the call, then seals and stores the new pair, and only then uses it. Others that wait
//! meanwhile read the row again. A process that dies between GHL's answer and the store leaves a
//! pending row; after its lease the next process tries the old refresh token once. If GHL refuses
//! it, the login is `lost`: the customer has to connect again, and no process retries.
//!
//! Law 2 and these calls: `/oauth/token` carries the app's own secret and no location's token, so
//! in our reading it does not count against a location. To be safe under the other reading too, a
//! refresh inside a run spends one of the run's permits. The renewal, which has none, refreshes a
//! pair once, and no sooner than a quarter of its life before the end. Calls with an agency's token
//! are spaced by a row of the database, at most two a second over all processes.
//!
//! [`Records::begin_refresh`]: crate::records::Records::begin_refresh

mod app;
#[cfg(test)]
mod captured;
mod cause;
mod events;
mod install;
mod locations;
mod metrics;
mod refresh;
mod renewal;
mod reply;
mod state;
mod tokens;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use sync_model::clock::Clock;

use crate::records::Records;
use crate::vault::Vault;

pub use self::app::{AppConfig, AppError};
pub use self::cause::Cause;
pub use self::events::{AppEvent, Noted};
pub use self::install::{Begun, InstallError, Installed};
pub use self::metrics::TokenMetrics;
pub use self::state::StateError;
pub use self::tokens::{Access, TokenError};

use self::app::App;

/// After the call's timeout, a holder of a lease has so much time to store what it got before it counts as dead.
const STORE_TIME: Duration = Duration::from_secs(2);

/// The door to all tokens. Clones share it.
#[derive(Clone)]
pub struct Oauth {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    vault: Vault,
    clock: Clock,
    metrics: TokenMetrics,
    /// None where the settings name no OAuth app: Private Integration Tokens alone.
    app: Option<App>,
    /// How long a refresh may take before its holder counts as dead.
    lease: Duration,
    /// One caller of this process at a time asks the database who refreshes; the others wait here, for nothing.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Running refreshes of this process: it may not end before they are stored.
    busy: watch::Sender<usize>,
}

/// What the door stands on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where tokens are kept.
    pub records: Records,
    /// Seals them.
    pub vault: Vault,
    /// The time of day.
    pub clock: Clock,
    /// What is counted.
    pub metrics: TokenMetrics,
    /// Calls GHL.
    pub ghl: ghl::Client,
    /// How long one call may take.
    pub call_timeout: Duration,
}

impl Oauth {
    /// The door over `parts`, for the OAuth app of the settings, if there is one.
    ///
    /// # Errors
    /// [`AppError`] where an address of the app is none.
    pub fn new(parts: Parts, app: Option<&AppConfig>) -> Result<Self, AppError> {
        let Parts { records, vault, clock, metrics, ghl, call_timeout } = parts;
        let app = app.map(|config| App::new(config, ghl)).transpose()?;
        let lease = call_timeout + STORE_TIME;
        let (turns, busy) = (Mutex::default(), watch::Sender::new(0));
        Ok(Self { inner: Arc::new(Inner { records, vault, clock, metrics, app, lease, turns, busy }) })
    }

    /// Waits until no refresh runs in this process: what GHL has answered must be stored before it ends.
    pub async fn idle(&self) {
        // The sender lives as long as this value.
        let _ = self.inner.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }
}

impl fmt::Debug for Oauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oauth").field("has_app", &self.inner.app.is_some()).finish_non_exhaustive()
    }
}
