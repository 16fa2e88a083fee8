//! `tail`: the change feed as it grows.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use clap::Parser;
use serde_json::Value;
use tokio::time::sleep;

use super::remote::{self, Remote, RemoteError};
use super::{Context, Outcome, put};

/// How long the gateway is asked to wait for the next change.
const WAIT: Duration = Duration::from_secs(25);
/// Between two tries while the gateway can't be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Only changes of this location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: Option<String>,
    /// Start after this cursor; `start` shows all changes that are kept, `latest` only new ones
    #[arg(long, value_name = "CURSOR", default_value = "latest")]
    from: String,
    /// Exit after this number of changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    remote: remote::Arguments,
}

/// Prints a line for each change, with `--json` a document each, until it is interrupted.
pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Args { location, from, count, remote } = args;
    let gateway = Remote::new(&context.config, remote)?;
    let mut left = count.unwrap_or(u64::MAX);
    let mut cursor = Some(from).filter(|from| from != "start");
    let mut pauses = pauses();
    loop {
        let mut query = vec![("wait", WAIT.as_secs().to_string())];
        query.extend(location.iter().map(|location| ("locationId", location.clone())));
        query.extend(cursor.iter().map(|cursor| ("cursor", cursor.clone())));
        let page = match gateway.fetch("/v1/changes", &query, WAIT).await {
            Ok(page) => page,
            // Who watches through a deployment goes on where it was.
            Err(error @ RemoteError::Unreachable { .. }) if cursor.as_deref().is_some_and(|at| at != "latest") => {
                tracing::warn!("{error}");
                sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        pauses = self::pauses();
        for change in page["changes"].as_array().into_iter().flatten() {
            let line = if context.output.json { change.to_string() } else { line(change) };
            if !put(&format!("{line}\n"))? {
                return Ok(Outcome::Done);
            }
            left -= 1;
            if left == 0 {
                return Ok(Outcome::Done);
            }
        }
        cursor = page["nextCursor"].as_str().map(str::to_owned).or(cursor);
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Such as `17  contact stored  ocQHyuzHvysMo5N5VsXc  by ghl: city, phone`.
fn line(change: &Value) -> String {
    let text = |name: &str| change[name].as_str().unwrap_or_default();
    let seq = change["seq"].as_str().map_or_else(|| change["seq"].to_string(), str::to_owned);
    let id = ["ghlId", "clientyId", "recordId"].into_iter().find_map(|name| change[name].as_str()).unwrap_or("?");
    let fields: Vec<_> = change["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let origin = if text("origin").is_empty() { String::new() } else { format!("  by {}", text("origin")) };
    let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
    format!("{seq:>8}  {:<11} {:<8} {id}{origin}{fields}", text("record"), text("op"))
}
