//! `locations`: the connected locations, and how each stands.

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use job_engine::{Breaker, Queue};
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::records::Records;

use super::{Context, Outcome, open_records};
use crate::app::{Terms, open_queue};
use crate::config::Config;
use crate::locations::{self, LocationStatus};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all locations, connected or disconnected
    List,
    /// Show one location with its token's scopes
    Show {
        /// GHL's id of the location
        id: String,
    },
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let clock = Clock::system();
    let queue = queue(&context.config, &records, &clock).await;
    if let Err(reason) = &queue {
        eprintln!("state, calls left and waiting jobs are not known: {reason}");
    }
    let asked = queue.as_ref().map_err(Clone::clone);
    match command {
        Command::List => {
            let all = locations::all(&records, &asked, &clock).await?;
            context.output.print(&json!({ "locations": all }), |_| match all.is_empty() {
                true => "no location is connected; `clienty-sync connect` connects one".to_owned(),
                false => all.iter().map(|one| in_lines(one, clock.now())).collect::<Vec<_>>().join("\n"),
            })?;
        }
        Command::Show { id } => {
            let one = locations::one(&records, &asked, &clock, &id).await?;
            let one = one.with_context(|| {
                format!("no location {id} was ever connected; `clienty-sync locations list` lists all")
            })?;
            context.output.print(&one, |one| {
                let shown = json!(one);
                let fields = shown.as_object().into_iter().flatten();
                fields.flat_map(|(name, value)| field_lines(name, value)).collect::<Vec<_>>().join("\n")
            })?;
        }
    }
    Ok(Outcome::Done)
}

/// The queue, or why it can't be asked.
async fn queue(config: &Config, records: &Records, clock: &Clock) -> Result<Queue, String> {
    if !config.is_distributed() {
        return Err("the queue is in the memory of another process, which shows them at GET /v1/locations".to_owned());
    }
    let queue = open_queue(config, Breaker::default(), records, clock, Terms::default()).await;
    queue.map_err(|error| format!("the queue does not answer ({error})"))
}

/// Two lines a location, within 80 columns.
fn in_lines(one: &LocationStatus, now: Timestamp) -> String {
    let state = one.state.map_or("unknown", locations::State::as_str);
    let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let ago = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", span(at, now)));
    let token = match &one.token {
        Some(token) => format!("token {} ({} old)", token.state, span(token.obtained_at, now)),
        None => "no token of its own".to_owned(),
    };
    let zone = one.time_zone.as_deref().unwrap_or("no zone");
    format!(
        "{}  {state}  {zone}  {token}\n    success {}, webhook {}, calls left {}, waiting {}",
        one.location_id,
        ago(one.last_success_at),
        ago(one.last_webhook_at),
        number(one.calls_left),
        number(one.waiting)
    )
}

/// How long ago, in the largest unit that says it.
fn span(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs().max(0) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn field_lines(name: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![format!("{name:<14} {text}")],
        Value::Array(words) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            if words.is_empty() { Vec::new() } else { vec![format!("{name:<14} {}", words.join(" "))] }
        }
        Value::Object(parts) => {
            parts.iter().flat_map(|(part, value)| field_lines(&format!("{name}.{part}"), value)).collect()
        }
        other => vec![format!("{name:<14} {other}")],
    }
}
