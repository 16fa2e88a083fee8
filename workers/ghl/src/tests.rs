//! The client against a real socket: what leaves it, and what it makes of each reply.

mod documents;
mod errors;
mod every;
mod fuzz;
mod limits;
mod pages;
mod requests;

use std::time::Duration;

use job_engine::{Lease, Permits};
use prometheus::{Encoder as _, Registry, TextEncoder};
use scripted_server::{Answer, Server};
use secrecy::SecretString;
use tokio::time::Instant;

use super::{Client, ClientConfig, GhlMetrics, LONG_LIST, Run};

const TOKEN: &str = "pit-secret-of-the-location";

/// A client, a server that it calls, and the permits of one run.
struct Bench {
    server: Server,
    ghl: Client,
    token: SecretString,
    permits: Permits,
    registry: Registry,
}

impl Bench {
    /// A server that gives these answers in turn. Only a test that asks for [`Answer::Silence`] waits for the timeout.
    async fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        let silent = answers.iter().any(|answer| matches!(answer, Answer::Silence));
        let timeout = if silent { Duration::from_secs(1) } else { Duration::from_secs(60) };
        let server = Server::start(answers).await;
        let registry = Registry::new();
        let metrics = GhlMetrics::register(&registry).unwrap();
        let ghl =
            Client::new(&ClientConfig { base_url: server.url(), timeout, long_list: LONG_LIST }, metrics).unwrap();
        Self { server, ghl, token: SecretString::from(TOKEN), permits: permits(10), registry }
    }

    fn run(&self) -> Run<'_> {
        self.ghl.for_run(&self.token, &self.permits)
    }

    fn metrics(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }
}

fn permits(granted: u32) -> Permits {
    Permits::new(granted, Lease::begin(Instant::now(), Duration::from_secs(3600)))
}
