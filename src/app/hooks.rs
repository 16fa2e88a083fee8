//! Hooks: a queue beside that of GHL's jobs, and the client that sends their messages.

use std::time::Duration;

use job_engine::{Breaker, Claiming, ColdStart, Limit, Namespace, Queue};
use outbound::outside::{Door, Rules};
use sync_model::clock::Clock;
use sync_workers::hooks::{Hooks, Schedule};
use sync_workers::records::Records;

use super::{AppError, endpoint, vault};
use crate::config::Config;
use crate::metrics::Metrics;

/// How patient hooks are.
#[derive(Debug, Clone, Copy)]
pub struct HookTuning {
    /// When a message is sent again.
    pub schedule: Schedule,
    /// When an endpoint counts as down.
    pub breaker: Breaker,
    /// Messages that one endpoint gets within `interval`.
    pub burst: u16,
    /// The length of that window.
    pub interval: Duration,
}

impl Default for HookTuning {
    fn default() -> Self {
        let breaker = Breaker { failures: 20, probe_after: Duration::from_secs(60) };
        Self { schedule: Schedule::default(), breaker, burst: 20, interval: Duration::from_secs(1) }
    }
}

/// One call, at its slowest.
const CALL: Duration = Duration::from_secs(25);
/// A receiver has no limit of a day that is known here.
const DAY: u32 = 1_000_000_000;

/// The hooks without a queue, for a command: the process with the queue finds unsent messages within half a minute.
///
/// # Errors
/// When TLS can't be set up.
pub fn hooks(config: &Config, records: &Records, clock: &Clock, metrics: &Metrics) -> Result<Hooks, AppError> {
    let rules = Rules { allow_http: config.hooks.allow_http, allow_nets: config.outside.allow_nets.clone() };
    Ok(Hooks {
        records: records.clone(),
        door: Door::new(rules).map_err(AppError::Door)?,
        vault: vault(config).ok(),
        queue: None,
        clock: clock.clone(),
        schedule: Schedule::default(),
        metrics: metrics.hooks.clone(),
    })
}

/// The hooks' queue: each receiver is a lane. It is disposable like any queue: the database has its messages.
pub(super) fn queue(config: &Config, tuning: HookTuning, deployment: Option<String>) -> Result<Queue, AppError> {
    let HookTuning { breaker, burst, interval, .. } = tuning;
    let limit = Limit { burst, interval, call_timeout: CALL, reserve: 0, daily: DAY };
    let claiming = Claiming { breaker, ..Claiming::default() };
    let queue = match endpoint(config) {
        None => Queue::memory(1, limit, claiming, ColdStart::Unspent),
        Some(endpoint) => {
            let namespace = Namespace { prefix: format!("{}:hooks", config.redis.prefix), deployment };
            Queue::redis_unmet(&endpoint, &namespace, 1, limit, claiming, ColdStart::Unspent)?
        }
    };
    Ok(queue.called("the queue of hooks"))
}
