//! The single parts, for a process or a command that needs one of them alone.

use std::time::Duration;

use secrecy::ExposeSecret;
use sync_model::clock::Clock;

use sync_workers::oauth::{self, AppConfig, Oauth};
use sync_workers::records::{self, Actor, Principal, Records};
use sync_workers::vault::{MasterKeys, Vault};

use super::AppError;
use crate::config::Config;
use crate::flows::Broken;
use crate::metrics::Metrics;

/// Opens the database and brings its schema up to date.
///
/// # Errors
/// When it can't be reached or migrated.
pub async fn open_records(config: &Config, clock: &Clock) -> Result<Records, records::RecordsError> {
    let options = options(config, clock, records::Options::default());
    let records = Records::open(config.database_url().expose_secret(), options).await?;
    records.migrate().await?;
    Ok(records)
}

/// Opens a database that is there and has this program's schema; changes neither. For a command before which a person sits: a database that does
/// not answer is reported soon.
///
/// # Errors
/// When it can't be reached, is not there, or is of another release.
pub async fn open_existing_records(config: &Config, clock: &Clock) -> Result<Records, records::RecordsError> {
    let options = options(config, clock, for_a_person());
    let records = Records::open(config.database_url().expose_secret(), options).await?;
    records.check_schema().await?;
    Ok(records)
}

/// How a database is opened before which a person sits: it must be there, and answer soon.
#[must_use]
pub fn for_a_person() -> records::Options {
    let (connect_timeout, acquire_timeout) = (SOON, SOON);
    records::Options { connect_timeout, acquire_timeout, create: false, ..Default::default() }
}

fn options(config: &Config, clock: &Clock, patience: records::Options) -> records::Options {
    records::Options {
        clock: clock.clone(),
        policies: config.merge.clone(),
        rules: config.rules.clone(),
        flows: config.flows.loaded.clone(),
        broken_flows: config.flows.broken.iter().map(Broken::kept).collect(),
        remember_event_ids: config.keeping.event_ids,
        ..patience
    }
}

/// The person at the command line, as far as the shell says.
#[must_use]
pub fn operator(config: &Config) -> Principal {
    Principal::new(Actor::Cli(config.operator.clone().unwrap_or_else(|| "operator".to_owned())))
}

/// How long a person waits for a database that does not answer.
const SOON: Duration = Duration::from_millis(2_500);

/// The vault over the master keys.
///
/// # Errors
/// [`AppError::NoMasterKey`].
pub fn vault(config: &Config) -> Result<Vault, AppError> {
    let keys = config.secrets.master_keys.iter().map(|key| (key.id.clone(), key.key.expose_secret()));
    MasterKeys::new(keys).map(Vault::new).ok_or(AppError::NoMasterKey)
}

/// The client of GHL's API; it sets GHL's time in the clock.
///
/// # Errors
/// An address that is none.
pub fn client(config: &Config, clock: &Clock, metrics: &Metrics) -> Result<ghl::Client, ghl::BuildError> {
    let config = ghl::ClientConfig {
        base_url: config.ghl.api_url.clone(),
        timeout: config.ghl.timeout,
        long_list: config.ghl.long_list,
    };
    Ok(ghl::Client::new(&config, metrics.ghl.clone())?.reporting(clock))
}

/// The door to tokens; none without a master key.
///
/// # Errors
/// Addresses in the settings that are none.
pub fn open_oauth(
    config: &Config,
    clock: &Clock,
    records: &Records,
    metrics: &Metrics,
    ghl: &ghl::Client,
) -> Result<Option<Oauth>, oauth::AppError> {
    let Ok(vault) = vault(config) else { return Ok(None) };
    let parts = oauth::Parts {
        records: records.clone(),
        vault,
        clock: clock.clone(),
        metrics: metrics.tokens.clone(),
        ghl: ghl.clone(),
        call_timeout: config.ghl.timeout,
    };
    Oauth::new(parts, oauth_app(&config.ghl).as_ref()).map(Some)
}

/// The OAuth app of the settings, where it is set completely.
#[must_use]
pub fn oauth_app(ghl: &crate::config::Ghl) -> Option<AppConfig> {
    Some(AppConfig {
        client_id: ghl.client_id.clone()?,
        client_secret: ghl.client_secret.clone()?,
        redirect_uri: ghl.redirect_uri.clone()?,
        scopes: ghl.scopes.clone(),
        marketplace_url: ghl.marketplace_url.clone(),
        version_id: ghl.app_version_id.clone(),
    })
}
