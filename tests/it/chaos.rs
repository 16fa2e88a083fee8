//! Everything is killed, stopped, restarted and broken, in an order that a seed draws; and nothing is lost, doubled or sent too fast.
//!
//! `make test` brews one short storm. `make chaos` brews one after another for `CHAOS_MINUTES`, each with a new seed that it prints;
//! `CHAOS_SEED` repeats one. A seed repeats what is done to the system, not how its processes interleave: try a seed that
//! failed a few times before it counts as mended.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::redis::RedisServer;

mod storm;

/// The storm of `make test`.
const USUAL_SEED: u64 = 1;
const SHORT: Duration = Duration::from_secs(12);
const LONG: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_loses_nothing_doubles_nothing_and_never_exceeds_the_limit() {
    let seed = setting("CHAOS_SEED");
    let Some(minutes) = setting("CHAOS_MINUTES") else {
        return storm::rage(RedisServer::start(), seed.unwrap_or(USUAL_SEED), SHORT).await;
    };
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    while Instant::now() < until {
        storm::rage(RedisServer::start(), seed.unwrap_or_else(rand::random), LONG).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_over_tls() {
    let redis = RedisServer::start_secured(&["--save", "", "--appendonly", "no"]);
    storm::rage(redis, setting("CHAOS_SEED").unwrap_or(USUAL_SEED), SHORT).await;
}

#[expect(clippy::disallowed_methods, reason = "how long to brew is the tester's wish, not a setting of the program")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
