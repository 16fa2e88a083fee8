//! `sandbox`: the simulated GHL alone.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;

use super::serve::Signals;
use super::{Context, Outcome};
use crate::sandbox::{Sandbox, SandboxConfig};

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 4010)]
    port: u16,
    /// Locations, each with a token of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    locations: u16,
    /// Contacts of each location
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    contacts: u32,
    /// The same seed makes the same data
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Args { port, locations, contacts, seed } = args;
    let mut signals = Signals::listen()?;
    let config = SandboxConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        locations: usize::from(locations),
        contacts: usize::try_from(contacts)?,
        seed,
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::start(config).await;
    let sandbox = sandbox.with_context(|| format!("can't start at port {port} (--port; 0 takes a free one)"))?;
    let tokens: Vec<_> =
        sandbox.locations().iter().map(|location| json!({"id": location.id, "token": location.token})).collect();
    context.output.print(&json!({"url": sandbox.url(), "locations": tokens}), |_| {
        let mut lines = vec![format!("the sandbox is up at {}", sandbox.url())];
        let known = sandbox.locations();
        lines.extend(known.iter().map(|location| format!("location {} has the token {}", location.id, location.token)));
        lines.push(format!("more: {}/_sandbox/locations", sandbox.url()));
        lines.join("\n")
    })?;
    signals.next().await;
    sandbox.stop().await;
    Ok(Outcome::Done)
}
