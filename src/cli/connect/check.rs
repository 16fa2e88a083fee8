//! Checks with GHL whether a token opens a location, before it is stored or when an operator asks.

use std::time::Duration;

use anyhow::{Context as _, bail};
use ghl::model::SearchContacts;
use ghl::{ApiVersion, GhlError, UnauthorizedKind};
use job_engine::{Lease, Permits};
use secrecy::SecretString;
use sync_model::clock::Clock;

use tokio::time::Instant;

use crate::app::client;
use crate::config::Config;
use crate::metrics::Metrics;

/// Calls of one question. They are taken from the location's calls without asking the queue: a command of an operator is rare.
const CALLS: u32 = 2;
/// How long the answers may take together.
const PATIENCE: Duration = Duration::from_secs(60);

/// What GHL reports about the location.
#[derive(Debug, Default)]
pub(in crate::cli) struct Seen {
    pub(in crate::cli) name: Option<String>,
    /// A known IANA name.
    pub(in crate::cli) time_zone: Option<String>,
}

/// Whether the token is one of the location, and may read contacts.
pub(in crate::cli) async fn ask(
    config: &Config,
    location: &str,
    token: &SecretString,
    api: ApiVersion,
) -> anyhow::Result<Seen> {
    let clock = Clock::system();
    let metrics = Metrics::new(clock.clone())?;
    let ghl = client(config, &clock, &metrics)?;
    let permits = Permits::new(CALLS, Lease::begin(Instant::now(), PATIENCE));
    let run = ghl.for_run(token, &permits).with_api(api);
    let seen = match run.get_location(location).await {
        Ok(found) => {
            let is_known = |name: &String| sync_model::time_zone::zone(name).is_ok();
            Seen { name: found.name, time_zone: found.timezone.filter(is_known) }
        }
        // Without the scope to see the location, reading contacts shows whether the token belongs to it.
        Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) => Seen::default(),
        Err(error) => return Err(refusal(error, location, config)),
    };
    let one = SearchContacts { page_limit: 1, ..SearchContacts::all(location) };
    match run.search_contacts(&one).await {
        Ok(_) => Ok(seen),
        Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) => bail!(
            "the token may not read contacts of {location}: give the Private Integration the scope contacts.readonly in GHL. Nothing was stored"
        ),
        Err(error) => Err(refusal(error, location, config)),
    }
}

fn refusal(error: GhlError, location: &str, config: &Config) -> anyhow::Error {
    let what = match &error {
        GhlError::Unauthorized { kind: UnauthorizedKind::LocationAccess, .. } | GhlError::Gone { .. } => {
            format!("the token is not one of location {location}, or there is no such location")
        }
        GhlError::Unauthorized { .. } => "GHL does not accept the token".to_owned(),
        GhlError::Invalid { .. } | GhlError::Unsendable { .. } => {
            format!("GHL has no location {location} for this token")
        }
        _ => format!(
            "can't check the token with GHL at {} (`--unchecked` stores it without a check)",
            config.ghl.api_url
        ),
    };
    Err::<(), _>(error)
        .with_context(|| format!("{what}; nothing was stored"))
        .err()
        .unwrap_or_else(|| anyhow::anyhow!(what))
}
