//! `rediss://`: certificates of an authority of one's own, those that must not count, and a client that shows who it is.

use std::path::{Path, PathBuf};

use redis::cmd;

use super::authority::{Authority, Counts};
use super::redis_cluster::{RedisCluster, secured_url};
use super::redis_server::{RedisServer, free_port};
use super::{Bench, claiming, job, limit};
use crate::job::Priority;
use crate::limit::ColdStart;
use crate::outcome::Outcome;
use crate::queue::{Endpoint, Queue, QueueError, Step, Tls, Trouble, masters};

const HERE: &str = "IP:127.0.0.1";

/// A server that speaks TLS at a port of its own.
struct Secured {
    _server: RedisServer,
    plain: u16,
    port: u16,
}

fn start(authority: &Authority, (certificate, key): (PathBuf, PathBuf), clients: &str) -> Secured {
    let port = free_port();
    let path = |path: PathBuf| path.display().to_string();
    let server = RedisServer::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path(certificate),
        "--tls-key-file",
        &path(key),
        "--tls-ca-cert-file",
        &path(authority.certificate()),
        "--tls-auth-clients",
        clients,
    ]);
    Secured { plain: server.port(), _server: server, port }
}

impl Secured {
    fn endpoint(&self, tls: Tls) -> Endpoint {
        Endpoint { url: format!("rediss://127.0.0.1:{}/", self.port), tls }
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

fn trusting(authority: &Authority) -> Tls {
    Tls { ca: Some(read(&authority.certificate())), client: None }
}

fn showing(authority: &Authority, (certificate, key): &(PathBuf, PathBuf)) -> Tls {
    Tls { client: Some((read(certificate), read(key))), ..trusting(authority) }
}

async fn open(endpoint: Endpoint) -> Result<Queue, QueueError> {
    Queue::redis(endpoint, "test", 1, limit(50), claiming(), ColdStart::Unspent).await
}

/// Pushes, listens, runs and settles.
async fn works(queue: Queue) {
    let bench = Bench { queue, redis: None };
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let step = Step { claim: 1, ..Step::default() };
    let received = bench.queue.listen(0, &step, std::time::Duration::from_secs(5)).await.unwrap();
    assert!(bench.settle(&received.jobs[0], Outcome::Done, 1).await);
}

async fn trouble(endpoint: Endpoint) -> Option<Trouble> {
    let refused = open(endpoint).await.unwrap_err();
    assert!(!refused.is_passing() || refused.trouble() == Some(Trouble::HungUp), "{refused:?}");
    assert!(refused.trouble().is_some(), "{refused:?}");
    refused.trouble()
}

#[tokio::test]
async fn a_server_with_a_certificate_of_an_own_authority_is_used() {
    let authority = Authority::new();
    let server = start(&authority, authority.sign("server", HERE, Counts::Now), "no");
    works(open(server.endpoint(trusting(&authority))).await.unwrap()).await;
    assert_eq!(masters(&server.endpoint(trusting(&authority))).await.unwrap().len(), 1);
}

#[tokio::test]
async fn certificates_that_must_not_count_are_refused_each_with_its_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = start(&authority, authority.sign("server", HERE, Counts::Now), "no");
    assert_eq!(trouble(good.endpoint(trusting(&other))).await, Some(Trouble::UnknownAuthority));
    assert_eq!(
        trouble(good.endpoint(Tls::default())).await,
        Some(Trouble::UnknownAuthority),
        "the system trusts no test"
    );
    let expired = start(&authority, authority.sign("expired", HERE, Counts::NoMore), "no");
    assert_eq!(trouble(expired.endpoint(trusting(&authority))).await, Some(Trouble::Expired));
    let elsewhere =
        start(&authority, authority.sign("elsewhere", "DNS:redis.example.com,IP:192.0.2.1", Counts::Now), "no");
    assert_eq!(trouble(elsewhere.endpoint(trusting(&authority))).await, Some(Trouble::WrongHost));
    // Nothing comes by without TLS where it was asked for, and nothing hangs where it was not. A Redis that waits for a line says nothing to the first
    // bytes of TLS, unless one of them happens to end a line.
    let plain = Endpoint { url: format!("rediss://127.0.0.1:{}/", good.plain), tls: trusting(&authority) };
    let refused = open(plain).await.unwrap_err().trouble();
    assert!(matches!(refused, Some(Trouble::Unreachable | Trouble::NoTls)), "{refused:?}");
    let without = Endpoint::from(format!("redis://127.0.0.1:{}/", good.port).as_str());
    assert_eq!(trouble(without).await, Some(Trouble::HungUp));
}

#[tokio::test]
async fn a_server_that_asks_for_it_gets_the_clients_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = start(&authority, authority.sign("server", HERE, Counts::Now), "yes");
    let own = authority.sign("client", "DNS:client", Counts::Now);
    works(open(server.endpoint(showing(&authority, &own))).await.unwrap()).await;
    assert_eq!(trouble(server.endpoint(trusting(&authority))).await, Some(Trouble::ClientCertificate));
    let (foreign, over) =
        (other.sign("client", "DNS:client", Counts::Now), authority.sign("over", "DNS:client", Counts::NoMore));
    for refused in [foreign, over] {
        assert_eq!(trouble(server.endpoint(showing(&authority, &refused))).await, Some(Trouble::ClientCertificate));
    }
}

#[tokio::test]
async fn every_node_of_a_cluster_is_reached_with_tls() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("node", HERE, Counts::Now);
    let cluster = RedisCluster::start_secured(3, &authority.certificate(), &certificate, &key);
    let endpoint =
        |port| Endpoint { url: secured_url(port), tls: showing(&authority, &(certificate.clone(), key.clone())) };
    let endpoint = endpoint(cluster.tls_port(0));
    let queue = Queue::redis(endpoint.clone(), "test", 8, limit(50), claiming(), ColdStart::Unspent).await.unwrap();
    let bench = Bench { queue, redis: None };
    for lane in 0..24 {
        bench.push(job(&lane.to_string(), "a", Priority::Realtime)).await;
    }
    assert_eq!(bench.claim_now(24).await.len(), 24);
    let masters = masters(&endpoint).await.unwrap();
    assert_eq!(masters.len(), 3);
    for (_, client) in masters {
        let mut shard_connection = client.get_multiplexed_async_connection().await.unwrap();
        cmd("PING").exec_async(&mut shard_connection).await.unwrap();
    }
}
