//! `sandbox`: the simulated GHL alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;

use super::serve::Signals;
use super::{Context, Outcome};
use ghl_sandbox::{
    Limits, Sandbox, SandboxConfig, SearchFields, SearchShape, SigningKey, WebhookConfig, WebhookFaults, Webhooks,
};

/// What it simulates beyond the routes; `docs/SANDBOX.md` has an example of each.
const SIMULATES: &str = "\
Each of these requests to the sandbox (no token, no limit) makes it simulate a behavior of GHL:
  POST /_sandbox/errors                         answers an operation with one of GHL's errors: [{\"operation\": \"GET /contacts/{contactId}\",
                                                \"error\": \"noRoute\", \"after\": 0, \"times\": 1, \"carriedOut\": false}], or \"status\" and \"body\";
                                                [] ends them; docs/SANDBOX.md lists the names
  POST /_sandbox/faults                         lost replies, cut connections, 5xx, HTML of a proxy, storms of 429, per mille of the calls
  POST /_sandbox/locations/{id}/token           {\"revoked\": true}: the Private Integration Token is refused
  POST /_sandbox/locations/{id}/scopes          {\"scopes\": [\"contacts.readonly\"]}: what that token may do
  POST /_sandbox/locations/{id}/duplicates      {\"allowed\": true}: two contacts may have one e-mail or phone
  POST /_sandbox/oauth, .../expire, .../revoke  how logins behave; ends access tokens, or logins
  POST /_sandbox/search-lag                     {\"ms\": 3000}: the search shows changes that much later
  POST /_sandbox/enrich                         with --enrich: [{\"provider\": \"hunter\", \"status\": 403, \"retryAfter\": 5, \"lost\": false, \"ms\": 0, \"times\": 1}]
  GET  /_sandbox/stats, .../locations           calls by operation, violations of the limit; locations, tokens, contacts
The limits apply to each location; --small-account has the 25 calls in 10 s and 10,000 a day of GHL's sandbox accounts. When the day's calls are
used, X-RateLimit-Daily-Reset is in milliseconds, as GHL sends it.";

#[derive(Debug, Parser)]
#[command(after_long_help = SIMULATES, after_help = "--help lists what it simulates")]
pub(super) struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 4010)]
    port: u16,
    /// Number of locations, each with its own token
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    locations: u16,
    /// Contacts in each location
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    contacts: u32,
    /// Seed of data, ids and tokens [default: random, so that no id is used twice]
    #[arg(long, value_name = "N", default_value_t = rand::random::<u32>().into(), hide_default_value = true)]
    seed: u64,
    /// Calls that each location may make in one interval
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    burst_limit: u32,
    /// Length of the interval
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    burst_interval_ms: u64,
    /// Calls that each location may make in one day
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
    daily_limit: u32,
    /// Apply the limits of GHL's sandbox accounts: 25 calls in 10 s, 10,000 a day
    #[arg(long, conflicts_with_all = ["burst_limit", "burst_interval_ms", "daily_limit"])]
    small_account: bool,
    /// Minimum duration of each call
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// Answer contact searches in GHL's format of that month: 2025-01 (names in lower case, no time zone), 2025-09 (no time zone), 2026-03
    #[arg(long, value_name = "MONTH", default_value = "2026-03")]
    search_fields: SearchFields,
    /// Send a signed webhook to this address for every change
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// Write the public key of the webhooks to this file, for GHL_WEBHOOK_ED25519_KEY_FILE; the seed determines the key
    #[arg(long, value_name = "FILE")]
    webhook_key_file: Option<PathBuf>,
    /// Faults of webhooks, per mille, such as {"lose":10,"duplicate":50,"delay":100,"badSignature":5,"bareTask":20,"late":10,"lateHours":48,"odd":10,"broken":5,"delayMs":1000}
    #[arg(long, value_name = "JSON", value_parser = webhook_faults, requires = "webhook_url")]
    webhook_faults: Option<WebhookFaults>,
    /// Delay between two deliveries of a failed webhook
    #[arg(long, value_name = "MS", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1..))]
    webhook_retry_ms: u64,
    /// Repetitions of a webhook that failed with another status than 429; 0 is GHL's behavior until summer 2026
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=1000))]
    webhook_retries: u32,
    /// Form of the pages of contact searches, such as {"most":50,"padding":20000,"withoutId":7,"stuck":false}
    #[arg(long, value_name = "JSON", value_parser = search_shape)]
    search_shape: Option<SearchShape>,
    /// Simulate providers of enrichment, too, below /_enrich: Gravatar, Hunter, People Data Labs, Apollo, and a service of your own
    #[arg(long)]
    enrich: bool,
}

impl Args {
    /// Writes the public key of the webhooks if that was requested.
    pub(super) fn write_key(&self) -> anyhow::Result<()> {
        let Some(file) = &self.webhook_key_file else { return Ok(()) };
        let written = std::fs::write(file, SigningKey::from_seed(self.seed).public_pem());
        written.with_context(|| format!("can't write {} (--webhook-key-file)", file.display()))
    }
}

fn webhook_faults(text: &str) -> Result<WebhookFaults, serde_json::Error> {
    serde_json::from_str(text)
}

fn search_shape(text: &str) -> Result<SearchShape, serde_json::Error> {
    serde_json::from_str(text)
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Args {
        port,
        locations,
        contacts,
        seed,
        burst_limit,
        burst_interval_ms,
        daily_limit,
        small_account,
        latency_ms,
        search_fields,
        webhook_url,
        webhook_key_file: _,
        webhook_faults,
        webhook_retry_ms,
        webhook_retries,
        search_shape,
        enrich,
    } = args;
    let latency = Duration::from_millis(latency_ms);
    let mut signals = Signals::listen()?;
    let config = SandboxConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        locations: usize::from(locations),
        contacts: usize::try_from(contacts)?,
        seed,
        limits: match small_account {
            true => Limits::small_account(),
            false => Limits {
                burst: burst_limit,
                interval: Duration::from_millis(burst_interval_ms),
                daily: daily_limit,
                ..Limits::default()
            },
        },
        latency: latency..latency,
        search_fields,
        search: search_shape.unwrap_or_default(),
        enrich,
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::start(config).await;
    let sandbox = sandbox.with_context(|| format!("can't start at port {port} (--port; 0 takes a free one)"))?;
    let webhooks = webhook_url.map(|url| {
        let faults = webhook_faults.unwrap_or_default();
        let retry_interval = Duration::from_millis(webhook_retry_ms);
        Webhooks::send(
            WebhookConfig { faults, retry_interval, retries: webhook_retries, ..WebhookConfig::new(url, seed) },
            &sandbox,
        )
    });
    let _webhooks = webhooks.transpose().context("can't send webhooks")?;
    let tokens: Vec<_> =
        sandbox.locations().iter().map(|location| json!({"id": location.id, "token": location.token})).collect();
    let (client_id, client_secret) = sandbox.oauth_app();
    let oauth = json!({"clientId": client_id, "clientSecret": client_secret, "marketplaceUrl": sandbox.url()});
    let doubles = enrich.then(|| format!("{}/_enrich", sandbox.url()));
    let mut printed = json!({"url": sandbox.url(), "locations": tokens, "oauth": oauth, "seed": seed});
    if let Some(doubles) = &doubles {
        printed["enrich"] = doubles.as_str().into();
    }
    context.output.print(&printed, |_| {
        let mut lines = vec![format!("the sandbox is up at {}", sandbox.url())];
        let known = sandbox.locations();
        lines.extend(known.iter().map(|location| format!("location {} has the token {}", location.id, location.token)));
        lines.push(format!(
            "the OAuth app is GHL_CLIENT_ID={client_id} GHL_CLIENT_SECRET={client_secret} GHL_MARKETPLACE_URL={}",
            sandbox.url()
        ));
        lines.extend(
            doubles
                .iter()
                .map(|url| format!("providers of enrichment are doubled at CLIENTY_ENRICH_SANDBOX_URL={url}")),
        );
        lines.push(format!("more: {}/_sandbox/locations", sandbox.url()));
        lines.push(format!("the same data, ids and tokens again: --seed {seed}; without it the next start has others"));
        lines.join("\n")
    })?;
    signals.next().await;
    sandbox.stop().await;
    Ok(Outcome::Done)
}
