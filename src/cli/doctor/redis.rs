//! The Redis of the queue: whether it keeps its data; of a cluster, every master.

use std::time::Duration;

use job_engine::{Endpoint, Namespace, QueueError, Trouble};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, cmd};
use sync_model::clock::Clock;

use super::hints::remedy;
use super::{Check, State, named};
use crate::app;
use crate::config::Config;

fn unreached(error: &str) -> Check {
    Check::failed("redis", error, remedy(error, "REDIS_URL"))
}

/// Of an outage the server's own words say most, of anything else its kind.
fn unreachable_at(error: &QueueError) -> Check {
    match error.trouble() {
        Some(Trouble::Unreachable) => unreached(&error.to_string()),
        _ => Check::failed("redis", error.to_string(), app::remedy(error)),
    }
}

/// `deployment` is what the database calls this one, where it does.
pub(super) async fn check(config: &Config, deployment: Option<String>) -> Vec<Check> {
    let Some(endpoint) = app::endpoint(config) else {
        let remedy = "fine for `up` and `demo`; set REDIS_URL to run gateway and workers apart";
        return vec![Check::warning("redis", "not set: the queue is in memory", remedy)];
    };
    let masters = match job_engine::masters(&endpoint).await {
        Ok(masters) => masters,
        Err(error) => return vec![unreachable_at(&error)],
    };
    let (mut cluster, mut of_nodes) = (None, Vec::new());
    for (name, client) in &masters {
        let checks = match Facts::ask(client).await {
            Ok(facts) => {
                cluster = cluster.or(facts.cluster_state.clone());
                facts.checks()
            }
            Err(error) => vec![unreached(&error.to_string())],
        };
        of_nodes.push((name.as_str(), checks));
    }
    let fitness = fits(config, &endpoint, deployment).await;
    let Some(state) = cluster else {
        return of_nodes.into_iter().flat_map(|(_, checks)| checks).chain([fitness]).collect();
    };
    let mut checks = vec![of_cluster(&state, masters.len(), usize::from(config.redis.shards))];
    checks.extend(together(of_nodes));
    checks.push(fitness);
    checks
}

/// Whether the user may run what the queue needs, and the queue is this deployment's.
async fn fits(config: &Config, endpoint: &Endpoint, deployment: Option<String>) -> Check {
    const NAME: &str = "redis queue";
    let namespace = Namespace { prefix: config.redis.prefix.clone(), deployment };
    match job_engine::examine(endpoint, &namespace, usize::from(config.redis.shards)).await {
        Ok(()) => Check::ok(NAME, format!("usable with the key prefix {}", namespace.prefix)),
        Err(QueueError::Unfit(reason)) => Check::failed(NAME, reason, "until then nothing that uses the queue starts"),
        Err(error) => Check::failed(NAME, error.to_string(), app::remedy(&error)),
    }
}

fn of_cluster(state: &str, masters: usize, shards: usize) -> Check {
    let found = format!("state {state}, {masters} masters, {shards} shards of the queue");
    if state != "ok" {
        let remedy = "bring back the nodes that are gone, or give their slots to others: `redis-cli --cluster check`";
        return Check::failed("redis cluster", found, remedy);
    }
    if shards < masters {
        let remedy = format!(
            "a shard lives on one node, so some have nothing to do: set CLIENTY_QUEUE_SHARDS to {masters} or more, in every process at once"
        );
        return Check::warning("redis cluster", found, remedy);
    }
    Check::ok("redis cluster", found)
}

/// The checks of many nodes as one of each name: what is worst, and where.
fn together(nodes: Vec<(&str, Vec<Check>)>) -> Vec<Check> {
    let mut by_name: Vec<(State, Vec<String>, Check)> = Vec::new();
    for (node, check) in nodes.into_iter().flat_map(|(node, checks)| checks.into_iter().map(move |check| (node, check)))
    {
        let reported = format!("{} at {node}", check.found);
        match by_name.iter_mut().find(|(_, _, known)| known.name == check.name) {
            Some((state, all, known)) if check.state > *state => {
                (*state, *all, *known) = (check.state, vec![reported], check);
            }
            Some((state, all, _)) if check.state == *state => all.push(reported),
            Some(_) => {}
            None => by_name.push((check.state, vec![reported], check)),
        }
    }
    by_name.into_iter().map(|(_, all, check)| Check { found: named(&all), ..check }).collect()
}

struct Facts {
    version: String,
    eviction: Option<String>,
    appendonly: Option<String>,
    ahead_ms: i64,
    /// One node of a cluster.
    cluster_state: Option<String>,
}

impl Facts {
    async fn ask(client: &Client) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_secs(5)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: String = cmd("INFO").arg("server").query_async(&mut connection).await?;
        let version = line(&info, "redis_version").unwrap_or("unknown").to_owned();
        let eviction = setting(&mut connection, "maxmemory-policy").await;
        let appendonly = setting(&mut connection, "appendonly").await;
        let (seconds, micros): (i64, i64) = cmd("TIME").query_async(&mut connection).await?;
        let ahead_ms = seconds * 1000 + micros / 1000 - Clock::system().now_ms();
        // Who is no node of a cluster answers with an error.
        let cluster = cmd("CLUSTER").arg("INFO").query_async::<String>(&mut connection).await.ok();
        let cluster_state = cluster.and_then(|info| line(&info, "cluster_state").map(str::to_owned));
        Ok(Self { version, eviction, appendonly, ahead_ms, cluster_state })
    }

    fn checks(&self) -> Vec<Check> {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let version = match major {
            Some(7..) => Check::ok("redis version", &*self.version),
            Some(_) => Check::failed("redis version", &*self.version, "use Redis 7 or newer"),
            None => Check::warning("redis version", "unknown", "make sure that it is Redis 7 or newer"),
        };
        let eviction = match self.eviction.as_deref() {
            Some("noeviction") => Check::ok("redis eviction", "noeviction"),
            Some(other) => {
                Check::failed("redis eviction", other, "set `maxmemory-policy noeviction`: Redis would drop jobs")
            }
            None => Check::warning("redis eviction", "unknown", "make sure of `maxmemory-policy noeviction`"),
        };
        let appendonly = match self.appendonly.as_deref() {
            Some("yes") => Check::ok("redis persistence", "append-only file"),
            Some(_) => Check::warning(
                "redis persistence",
                "no append-only file",
                "set `appendonly yes`: nothing accepted is lost without it, but a restart pauses every location",
            ),
            None => Check::warning("redis persistence", "unknown", "make sure of `appendonly yes`"),
        };
        let apart = format!("{} ms apart from this machine", self.ahead_ms.abs());
        let clock = if self.ahead_ms.abs() < 2000 {
            Check::ok("redis clock", apart)
        } else {
            Check::warning("redis clock", apart, "run NTP on both: retries are due at the wrong time")
        };
        vec![version, eviction, appendonly, clock]
    }
}

/// A hosted server may forbid CONFIG; such values are reported as unknown.
async fn setting(connection: &mut MultiplexedConnection, name: &str) -> Option<String> {
    let answer: Option<(String, String)> = cmd("CONFIG").arg("GET").arg(name).query_async(connection).await.ok();
    answer.map(|(_, value)| value)
}

/// What such a text says of a field.
fn line<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
}
