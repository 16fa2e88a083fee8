//! The mapping of what GHL was seen to send, read by the client as in production.

mod captured_records;
mod payloads;

use std::time::Duration;

use ::ghl::{Client, ClientConfig, GhlMetrics, LONG_LIST, Run};
use job_engine::{Lease, Permits};
use prometheus::Registry;
use scripted_server::{Answer, Server};
use secrecy::SecretString;
use tokio::time::Instant;

/// A client, a server that it calls, and the permits of one run.
struct Bench {
    _server: Server,
    ghl: Client,
    token: SecretString,
    permits: Permits,
}

impl Bench {
    /// A server that gives these answers in turn.
    async fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        let server = Server::start(answers.into_iter().collect()).await;
        let metrics = GhlMetrics::register(&Registry::new()).unwrap();
        let config = ClientConfig { base_url: server.url(), timeout: Duration::from_secs(60), long_list: LONG_LIST };
        let permits = Permits::new(10, Lease::begin(Instant::now(), Duration::from_secs(3600)));
        Self {
            ghl: Client::new(&config, metrics).unwrap(),
            _server: server,
            token: SecretString::from("pit-secret-of-the-location"),
            permits,
        }
    }

    fn run(&self) -> Run<'_> {
        self.ghl.for_run(&self.token, &self.permits)
    }
}
