//! `hooks listen`: a receiver to try hooks with. It verifies each message, answers, and prints it.
//!
//! It listens on this machine alone. A gateway that may send to it has `CLIENTY_HOOKS_ALLOW_HTTP` and allows
//! 127.0.0.1 in `CLIENTY_OUTSIDE_ALLOW_NETS`, as `demo` does.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use clap::Args;
use secrecy::SecretString;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::signing as sign;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::remote::{self, Remote};
use crate::cli::serve::Signals;
use crate::cli::{Context, Outcome, Output, put};

/// By how much the time of a message may differ from this machine's, in seconds, as Standard Webhooks has it.
const TOLERANCE_S: i64 = 5 * 60;
/// Messages that wait to be printed; a sender waits for more.
const UNPRINTED: usize = 64;

#[derive(Debug, Args)]
pub(in crate::cli) struct Listen {
    /// Port on this machine; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Create a hook for these events, separated by commas, and delete it at the end
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    create_for: Vec<String>,
    /// Secret (`whsec_…`) or public key (`whpk_…`) of an existing hook, to verify its messages by
    #[arg(
        long,
        value_name = "SECRET",
        env = "CLIENTY_HOOK_SECRET",
        hide_env_values = true,
        conflicts_with = "create_for"
    )]
    secret: Option<SecretString>,
    /// Exit after this number of messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    remote: remote::Arguments,
}

/// A message that came.
struct Came {
    /// None without a secret to verify it by.
    is_verified: Option<bool>,
    body: Value,
}

/// What each request is looked at with.
#[derive(Clone)]
struct Receiver {
    verifier: Option<SecretString>,
    clock: Clock,
    came: mpsc::Sender<Came>,
}

pub(super) async fn listen(context: Context, args: Listen) -> anyhow::Result<Outcome> {
    let Listen { port, create_for, secret, count, remote } = args;
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.with_context(|| format!("can't listen on port {port}; --port 0 takes a free one"))?;
    let url = format!("http://{}/", listener.local_addr()?);
    let made = match create_for.as_slice() {
        [] => None,
        events => {
            let gateway = Remote::new(&context.config, remote)?;
            let request = json!({"url": url, "events": events, "ignoreOwn": false, "description": "hooks listen"});
            let hook = gateway.submit("/v1/hooks", &request).await?;
            Some((gateway, hook))
        }
    };
    let of_made = made.as_ref().and_then(|(_, hook)| hook["secret"].as_str());
    let verifier = of_made.map(SecretString::from).or(secret);
    let (sender, mut came) = mpsc::channel(UNPRINTED);
    let receiver = Receiver { verifier, clock: Clock::system(), came: sender };
    let routes = Router::new().fallback(receive).with_state(receiver);
    // Ends with the value.
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, routes).await });
    let id = made.as_ref().map(|(_, hook)| hook["id"].clone());
    context.output.print(&json!({"listening": url, "hookId": id}), |_| match &id {
        Some(id) => {
            format!("listening at {url} for hook {}; Ctrl-C ends and deletes it", id.as_str().unwrap_or_default())
        }
        None => format!("listening at {url}; Ctrl-C ends"),
    })?;
    let printed = tokio::select! {
        () = signals.next() => Ok(()),
        printed = print(context.output, &mut came, count.unwrap_or(u64::MAX)) => printed,
    };
    if let Some((gateway, hook)) = &made {
        gateway.remove(&format!("/v1/hooks/{}", hook["id"].as_str().unwrap_or_default())).await?;
    }
    printed.map(|()| Outcome::Done)
}

/// Prints what comes until there were enough, or until no one reads it any more.
async fn print(output: Output, came: &mut mpsc::Receiver<Came>, count: u64) -> anyhow::Result<()> {
    let mut left = count;
    while left > 0 {
        let Some(Came { is_verified, body }) = came.recv().await else { return Ok(()) };
        let line = match output.json {
            true => json!({"verified": is_verified, "message": body}).to_string(),
            false => line(is_verified, &body),
        };
        if !put(&format!("{line}\n"))? {
            return Ok(());
        }
        left -= 1;
    }
    Ok(())
}

/// 204 for a message that is verified, or can't be; 401 for a forged one.
async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = String::from_utf8_lossy(&body);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_verified = receiver.verifier.as_ref().map(|verifier| {
        let sent_at: i64 = header("webhook-timestamp").parse().unwrap_or_default();
        let now = receiver.clock.now_ms().div_euclid(1000);
        let is_fresh = now.abs_diff(sent_at) <= TOLERANCE_S.unsigned_abs();
        is_fresh && sign::verifies(verifier, header("webhook-id"), sent_at, &text, header("webhook-signature"))
    });
    let body = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    // The receiving half ends with the command.
    let _ = receiver.came.send(Came { is_verified, body }).await;
    match is_verified {
        Some(false) => StatusCode::UNAUTHORIZED,
        Some(true) | None => StatusCode::NO_CONTENT,
    }
}

/// Such as `contact.updated  0193…  17 after 12  verified: city, phone`.
fn line(is_verified: Option<bool>, body: &Value) -> String {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let verified = match is_verified {
        Some(true) => "verified",
        Some(false) => "NOT VERIFIED",
        None => "not checked: no --secret",
    };
    let place = match (body["sequence"].as_i64(), body["previous"].as_i64()) {
        (Some(sequence), Some(previous)) => format!("{sequence} after {previous}  "),
        (Some(sequence), None) => format!("{sequence}  "),
        (None, _) => String::new(),
    };
    let fields: Vec<_> = body["changes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
    format!("{:<20} {}  {place}{verified}{fields}", text("type"), text("recordId"))
}
