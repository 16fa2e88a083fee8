//! The queue of the settings: in Redis or in memory.

use std::time::Duration;

use job_engine::{Breaker, Claiming, ColdStart, Endpoint, Handover, Limit, Namespace, Queue, QueueError, Trouble};
use secrecy::ExposeSecret;
use sync_model::clock::Clock;
use sync_workers::records::Records;

use super::AppError;
use crate::config::Config;

/// The part of a location's tokens that imports leave to others: one in so many. Who edits beside an import must find tokens for the
/// edits of several seconds, since what the import has taken comes back only when GHL's interval is over.
const RESERVE: u32 = 5;

/// How long a process waits for Redis before it serves without.
const REACH: Duration = Duration::from_secs(3);

pub(super) async fn reach(queue: &Queue) -> Result<(), QueueError> {
    let silent = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("Redis gave no answer within {REACH:?}"));
    match tokio::time::timeout(REACH, queue.meet()).await {
        Ok(met) => met,
        Err(_) => Err(QueueError::silent(silent())),
    }
}

/// What a person can do about it.
#[must_use]
pub fn remedy(error: &QueueError) -> &'static str {
    match error.trouble() {
        Some(Trouble::UnknownAuthority) => {
            "its certificate is signed by an authority that is not trusted here: name that in REDIS_CA_FILE"
        }
        Some(Trouble::Expired) => "its certificate is over or not yet valid: renew it, and look at the clocks",
        Some(Trouble::WrongHost) => "its certificate is for other hosts: use a name of the certificate in REDIS_URL",
        Some(Trouble::ClientCertificate) => {
            "the server wants a client certificate that it trusts: look at REDIS_CERT_FILE and REDIS_KEY_FILE"
        }
        Some(Trouble::NoTls) => "the server does not speak TLS at this port: use redis://, or its TLS port",
        Some(Trouble::HungUp) => {
            "the server hung up: where it speaks TLS at this port, REDIS_URL begins with rediss://"
        }
        Some(Trouble::Login) => "look at the user and the password in REDIS_URL",
        Some(Trouble::Permission) => "let the user of REDIS_URL run that command: `ACL SETUSER`",
        Some(Trouble::Unreachable) => "is REDIS_URL right, the server up, and, with rediss://, its port one for TLS?",
        // What is unfit says itself what to do.
        None => "nothing else can mend it",
    }
}

/// The Redis of the settings; none where the queue is in memory.
#[must_use]
pub fn endpoint(config: &Config) -> Option<Endpoint> {
    let url = config.redis.url.as_ref()?.expose_secret().to_owned();
    Some(Endpoint { url, tls: config.redis.tls.clone() })
}

/// Whose queue it is, and with what it goes on.
#[derive(Debug, Default)]
pub struct Terms {
    /// The deployment that a queue in Redis must be of; none to look without a claim.
    pub deployment: Option<String>,
    /// Of a queue in memory.
    pub handover: Option<Handover>,
}

/// The queue of the settings, and nothing else. Redis is asked with the first call.
///
/// # Errors
/// If the database that knows of earlier calls does not answer.
pub async fn open_queue(
    config: &Config,
    breaker: Breaker,
    records: &Records,
    clock: &Clock,
    terms: Terms,
) -> Result<Queue, AppError> {
    let ghl = &config.ghl;
    let limit = Limit {
        burst: u16::try_from(ghl.burst_limit).unwrap_or(60_000),
        interval: ghl.burst_interval,
        call_timeout: ghl.timeout,
        daily: ghl.daily_limit,
        reserve: u16::try_from(ghl.burst_limit / RESERVE).unwrap_or(10_000),
    };
    let claiming = Claiming { breaker, ..Claiming::default() };
    // Calls to GHL before this queue had any state may have spent the location's tokens (law 2).
    let quiet = limit.interval + limit.call_timeout + claiming.lease;
    let since = records.last_activity_ms().await?.map(|at| clock.now_ms().saturating_sub(at));
    let recent = since.is_some_and(|since| since < i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX));
    let meeting = if recent { ColdStart::Spent } else { ColdStart::Unspent };
    let shards = usize::from(config.redis.shards);
    let queue = match endpoint(config) {
        Some(endpoint) => {
            let namespace = Namespace { prefix: config.redis.prefix.clone(), deployment: terms.deployment };
            Queue::redis_unmet(&endpoint, &namespace, shards, limit, claiming, meeting)?
        }
        None => match &terms.handover {
            Some(handover) => Queue::memory_after(shards, limit, claiming, meeting, handover),
            None => Queue::memory(shards, limit, claiming, meeting),
        },
    };
    // Fences grow by the store: the queue may have lost its state, or its clock have been set back.
    Ok(queue.above(u64::try_from(records.max_epoch().await?).unwrap_or(0)))
}
