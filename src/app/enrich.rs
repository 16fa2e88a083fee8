//! Enrichment: its providers, and the guarded door that hooks use as well.

use outbound::outside::{Door, Rules};
use sync_workers::enrich::Enricher;

use super::{AppError, vault};
use crate::config::Config;
use crate::enrich::providers;
use crate::metrics::Metrics;

/// All that looking contacts up needs.
///
/// # Errors
/// A provider that can't be read, or when TLS can't be set up.
pub fn enricher(config: &Config, metrics: &Metrics) -> Result<Enricher, AppError> {
    let all = providers(&config.enrich)?;
    let rules = Rules { allow_http: config.hooks.allow_http, allow_nets: config.outside.allow_nets.clone() };
    let door = Door::new(rules).map_err(AppError::Door)?;
    Ok(Enricher::new(config.enrich.rules.clone(), &all, door, vault(config).ok(), metrics.enrich.clone()))
}
