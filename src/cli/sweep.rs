//! `reconcile`: finds changes that no webhook reported, now instead of when a reconciliation is due.
//!
//! By default it scans everything, so that afterwards both sides are the same. `--changed` is the reconciliation that runs often: it finds contacts
//! by their dates of change, which show neither deletions nor tasks.

use clap::Parser;
use serde_json::json;
use sync_workers::records::{Purpose, Walk};

use super::walking::Walking;
use super::{Context, Outcome};

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: String,
    /// Find only new contacts and contacts that changed since the last reconciliation: usually one call
    #[arg(long)]
    changed: bool,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Context { config, output } = context;
    let mut walking = Walking::start(config, &args.location).await?;
    let outcome = sweep(&mut walking, &args, output.json).await;
    walking.stop().await;
    let (sweep, details) = outcome?;
    output.print(&json!({ "sweep": sweep, "details": details }), |_| {
        let Walk { contacts, tasks, calls, found, .. } = &sweep;
        let Some(details) = &details else { return told(&format!("{contacts} contacts that changed"), *found, *calls) };
        let Walk { notes, appointments, .. } = details;
        let read = format!("{contacts} contacts, {tasks} tasks, {notes} notes and {appointments} appointments");
        told(&read, found + details.found, calls + details.calls)
    })?;
    Ok(Outcome::Done)
}

fn told(read: &str, found: i64, calls: i64) -> String {
    format!("scanned {read} with {calls} calls, and found {found} changes that no webhook reported")
}

/// Contacts first, so that the notes of a new one are scanned as well.
async fn sweep(walking: &mut Walking, args: &Args, quiet: bool) -> anyhow::Result<(Walk, Option<Walk>)> {
    let Args { location, changed } = args;
    let contacts = walking.begin(location, if *changed { Purpose::Sweep } else { Purpose::Full }).await?;
    let contacts = walking.follow(&contacts, quiet).await?;
    if *changed {
        return Ok((contacts, None));
    }
    let details = walking.begin(location, Purpose::Details).await?;
    Ok((contacts, Some(walking.follow(&details, quiet).await?)))
}
