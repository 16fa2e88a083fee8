//! The server that a shard lives on: the one of the URL, or, of a cluster, the node that owns the slot of the shard's keys.
//!
//! Nothing is looked up beforehand. A node that does not own the slot answers MOVED, names the owner and has done nothing, so the call goes there; so it
//! does after a fail-over and when a slot was moved. Where the owner is lost, another node of the cluster is asked next, which names the new one. ASK,
//! TRYAGAIN and CLUSTERDOWN are errors as a lost connection is: the caller tries again, and by then the slot has one owner. While a slot is moved
//! no function runs on a half of it: the key that calls declare, the shard's prefix, never exists, so the node that it leaves answers ASK.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, FromRedisValue, RedisError};
use redis::{ServerErrorKind, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use super::RESPONSE_TIMEOUT;
use super::endpoint::Endpoint;
use crate::queue::QueueError;

/// Nodes that report two owners do so until the cluster has agreed, and that takes longer than a few questions.
const HOPS: usize = 4;
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// The server of the URL, and what it reports the other nodes of its cluster.
pub(crate) struct Cluster {
    client: Client,
    /// Those that were reported last, masters and replicas, whichever is asked next being the first; none where the server is no cluster's.
    nodes: Mutex<Vec<ConnectionAddr>>,
}

/// A server that owned the shard when it was last seen.
pub(super) struct Owner {
    client: Client,
    pub(super) connection: ConnectionManager,
    seen: Mutex<Seen>,
}

/// What is known of the server behind a connection; nothing where that is new, or may be.
#[derive(Default)]
struct Seen {
    /// When the shard last looked whether it is the server that its state was written to.
    met: Option<Instant>,
    /// Whether it can keep the queue: looked at once a connection.
    is_fit: bool,
    /// What its clock said last.
    clock: Option<ClockReading>,
}

/// The queue's time, and how often it was found that a clock had been set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) now: u64,
    pub(super) steps: u64,
}

/// A time that was reported between two instants of ours.
#[derive(Debug, Clone, Copy)]
struct ClockReading {
    sent: Instant,
    received: Instant,
    time: Time,
}

/// What two answers prove of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Steady,
    /// Somebody found that it had been set, and all that hangs on it has been mended.
    WasSet,
    /// It was set forward, by at least so much.
    Forward(Duration),
}

/// The least that the queue's time can be, by a clock of ours that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) least: u64,
    pub(super) steps: u64,
}

/// Clocks that nobody sets run apart all the same: by ms that are rounded, and by half a thousandth where one is slewed.
fn drift(over: Duration) -> Duration {
    Duration::from_millis(20) + over / 500
}

pub(super) struct ShardConnection {
    home: Arc<Cluster>,
    owner: watch::Sender<Arc<Owner>>,
}

impl Cluster {
    /// Asks nobody yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Arc<Self>, QueueError> {
        Ok(Arc::new(Self { client: endpoint.client()?, nodes: Mutex::default() }))
    }

    /// Asks this server for the nodes of its cluster.
    async fn learn(&self, asked: &Client, connection: &mut impl ConnectionLike) -> Result<(), QueueError> {
        let Some(ranges) = slots(connection).await? else { return Ok(()) };
        let reported = ranges
            .iter()
            .flat_map(|range| range.iter().skip(2))
            .filter_map(|shard_connection| announced(shard_connection, asked));
        *self.nodes() = distinct(reported.chain([address(&self.client).clone()]));
        Ok(())
    }

    /// Whether the server is a node of a cluster, as far as is known.
    fn is_cluster(&self) -> bool {
        !self.nodes().is_empty()
    }

    /// The node that is asked where this one is lost: each in turn.
    fn next(&self, lost: &ConnectionAddr) -> Option<ConnectionAddr> {
        let mut nodes = self.nodes();
        let at = nodes.iter().position(|shard_connection| shard_connection != lost)?;
        nodes.rotate_left(at + 1);
        nodes.last().cloned()
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<ConnectionAddr>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of that node, with all else as the URL says.
    fn client_of(&self, shard_connection: ConnectionAddr) -> Result<Client, RedisError> {
        Client::open(self.client.get_connection_info().clone().set_addr(shard_connection))
    }
}

impl Owner {
    /// Connects with the first call, and gives up after one attempt: another node may be the owner by then.
    fn new(client: Client) -> Result<Self, RedisError> {
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config().set_number_of_retries(0))?;
        Ok(Self { client, connection, seen: Mutex::default() })
    }

    pub(super) fn met(&self) -> Option<Instant> {
        self.seen().met
    }

    pub(super) fn set_met(&self, asked: Instant) {
        let mut seen = self.seen();
        (seen.met, seen.is_fit) = (Some(asked), true);
    }

    pub(super) fn is_fit(&self) -> bool {
        self.seen().is_fit
    }

    /// Takes in what the answer to a call says that was sent at an instant, and what that proves. The call may have been under way all the time since the
    /// answer before.
    pub(super) fn keep_time(&self, sent: Instant, time: Time) -> Kept {
        let received = Instant::now();
        let Some(before) = self.seen().clock.replace(ClockReading { sent, received, time }) else {
            return Kept::Steady;
        };
        if before.time.steps != time.steps {
            return Kept::WasSet;
        }
        let most = received.saturating_duration_since(before.sent);
        let passed = Duration::from_millis(time.now.saturating_sub(before.time.now));
        match passed.checked_sub(most + drift(most)) {
            Some(by) if !by.is_zero() => Kept::Forward(by),
            _ => Kept::Steady,
        }
    }

    /// What a call is reported that is sent now.
    pub(super) fn measured(&self) -> Option<Measured> {
        let ClockReading { received, time, .. } = self.seen().clock?;
        let passed = received.elapsed();
        let least = time.now + super::wire::millis(passed.saturating_sub(drift(passed)));
        Some(Measured { least, steps: time.steps })
    }

    /// The latest instant, of those known, before which the queue's time was not `now`: an answer may lie here long before it is read.
    pub(super) fn before(&self, now: u64) -> Option<Instant> {
        let ClockReading { sent, time, .. } = self.seen().clock?;
        // Both are whole ms, rounded down.
        Some((sent + Duration::from_millis(now.checked_sub(time.now + 1)?)).min(Instant::now()))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of its own, for commands that block.
    pub(super) async fn connect(&self, response_timeout: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(response_timeout));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

impl ShardConnection {
    pub(super) fn new(home: Arc<Cluster>) -> Result<Self, QueueError> {
        let owner = Owner::new(home.client.clone())?;
        Ok(Self { home, owner: watch::Sender::new(Arc::new(owner)) })
    }

    pub(super) fn home(&self) -> &Arc<Cluster> {
        &self.home
    }

    pub(super) fn owner(&self) -> Arc<Owner> {
        Arc::clone(&self.owner.borrow())
    }

    /// Asks the owner, and where it says that another one is, that one.
    pub(super) async fn ask<T, F>(&self, question: impl Fn(Arc<Owner>) -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        let mut hops = 0;
        loop {
            let owner = self.owner();
            let reply = question(Arc::clone(&owner)).await;
            let Err(QueueError::Redis(error)) = &reply else { return reply };
            // Its user may have lost a command, so whether it is fit is looked at again, but where it only sends to another.
            let is_fit = owner.is_fit()
                && matches!(error.kind(), ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask));
            *owner.seen() = Seen { is_fit, ..Seen::default() };
            if !self.look_elsewhere(&owner, error) || hops == HOPS {
                return reply;
            }
            hops += 1;
        }
    }

    /// Learns anew which nodes there are, where it is a cluster or was not asked yet.
    pub(super) async fn learn(&self, owner: &Owner, is_new: bool) -> Result<(), QueueError> {
        if is_new || self.home.is_cluster() {
            self.home.learn(&owner.client, &mut owner.connection.clone()).await?;
        }
        Ok(())
    }

    /// Ends when another node owns the shard.
    pub(super) async fn left(&self, owner: &Arc<Owner>) {
        // The sender is ours, so the wait can't fail.
        let _ = self.owner.subscribe().wait_for(|current| !Arc::ptr_eq(current, owner)).await;
    }

    /// Takes another owner where the error asks for it. Whether the call was refused because of that, and can be sent again.
    fn look_elsewhere(&self, owner: &Arc<Owner>, error: &RedisError) -> bool {
        let moved = moved_to(error, &owner.client);
        let is_moved = moved.is_some();
        let lost = error.is_io_error() || error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown);
        // Such a connection never comes about, even when the login is mended; or it leads to a server that is no master any more, and a new one may lead to
        // the one that is, as behind an address that was given to another. It has to be begun anew.
        let is_refused = matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        );
        self.owner.send_if_modified(|current| {
            if !Arc::ptr_eq(current, owner) {
                // Another call was faster.
                return false;
            }
            if is_refused && let Ok(anew) = Owner::new(owner.client.clone()) {
                *current = Arc::new(anew);
                return true;
            }
            let next = moved.or_else(|| lost.then(|| self.home.next(address(&owner.client)))?);
            let Some(next) = next.filter(|next| next != address(&owner.client)) else { return false };
            tracing::info!(is_lost = lost, "another node of the queue's cluster is asked");
            match self.home.client_of(next).and_then(Owner::new) {
                Ok(next) => *current = Arc::new(next),
                Err(error) => tracing::warn!(%error, "a node of the queue's cluster can't be asked"),
            }
            !Arc::ptr_eq(current, owner)
        });
        is_moved
    }
}

/// The servers that a queue at this endpoint lives on, by their addresses: the masters of its cluster, or that server alone.
///
/// # Errors
/// [`QueueError::Redis`] when that is no Redis URL or the server can't be reached.
pub async fn masters(endpoint: &Endpoint) -> Result<Vec<(String, Client)>, QueueError> {
    let home = Cluster::new(endpoint)?;
    let ranges = slots(&mut connect(&home.client).await?).await?.unwrap_or_default();
    let mut masters = distinct(ranges.iter().filter_map(|range| announced(range.get(2)?, &home.client)));
    if masters.is_empty() {
        masters.push(address(&home.client).clone());
    }
    let named = masters
        .into_iter()
        .map(|shard_connection| Ok((shard_connection.to_string(), home.client_of(shard_connection)?)));
    named.collect()
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECTION_TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Ranges of slots: first, last, the master that owns them, its replicas. None where the server is no node of a cluster, or nobody may ask: then
/// MOVED alone reports.
async fn slots(connection: &mut impl ConnectionLike) -> Result<Option<Vec<Vec<Value>>>, RedisError> {
    match redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await {
        Err(error) if !error.is_io_error() => Ok(None),
        ranges => ranges.map(Some),
    }
}

fn distinct(nodes: impl Iterator<Item = ConnectionAddr>) -> Vec<ConnectionAddr> {
    let mut distinct = Vec::new();
    for shard_connection in nodes {
        if !distinct.contains(&shard_connection) {
            distinct.push(shard_connection);
        }
    }
    distinct
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_max_delay(Duration::from_secs(1))
}

fn address(client: &Client) -> &ConnectionAddr {
    client.get_connection_info().addr()
}

/// Where the server says that the slot is now; of a pipeline the first that says so counts.
fn moved_to(error: &RedisError, asked: &Client) -> Option<ConnectionAddr> {
    let errors = error.clone().into_server_errors()?;
    let (_, moved) = errors.iter().find(|(_, error)| error.kind() == Some(ServerErrorKind::Moved))?;
    let (host, port) = moved.details()?.split_ascii_whitespace().nth(1)?.rsplit_once(':')?;
    at(asked, host, port.parse().ok()?)
}

/// Where a node of CLUSTER SLOTS says that it is: host, port, and more.
fn announced(shard_connection: &Value, asked: &Client) -> Option<ConnectionAddr> {
    let Value::Array(parts) = shard_connection else { return None };
    let [host, port, ..] = &parts[..] else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.unwrap_or_default();
    at(asked, &host, u16::from_redis_value_ref(port).ok()?)
}

/// That address as the server that was asked is reached, which also is meant where no host is reported. "?" is one that does not know its own.
fn at(asked: &Client, host: &str, port: u16) -> Option<ConnectionAddr> {
    let host_or = |own: &String| if host.is_empty() { own.clone() } else { host.to_owned() };
    match address(asked) {
        _ if host == "?" => None,
        ConnectionAddr::Tcp(own, _) => Some(ConnectionAddr::Tcp(host_or(own), port)),
        ConnectionAddr::TcpTls { host: own, port: _, insecure, tls_params } => Some(ConnectionAddr::TcpTls {
            host: host_or(own),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        }),
        _ => None,
    }
}
