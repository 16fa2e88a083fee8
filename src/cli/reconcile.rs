//! `reconcile`: finds changes that no webhook reported, now instead of when a reconciliation is due.
//!
//! By default it scans everything, so that afterwards both sides are the same. `--changed` is the reconciliation that runs often: it finds contacts
//! by their dates of change, which show neither deletions nor tasks.

use clap::Parser;
use serde_json::json;
use sync_workers::records::{Purpose, Scan};

use super::scan_progress::ScanProgress;
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
    let mut scan_progress = ScanProgress::start(config, &args.location).await?;
    let outcome = reconcile(&mut scan_progress, &args, output.json).await;
    scan_progress.stop().await;
    let (reconcile, details) = outcome?;
    output.print(&json!({ "sweep": reconcile, "details": details }), |_| {
        let Scan { contacts, tasks, calls, found, .. } = &reconcile;
        let Some(details) = &details else {
            return reported(&format!("{contacts} contacts that changed"), *found, *calls);
        };
        let Scan { notes, appointments, .. } = details;
        let read = format!("{contacts} contacts, {tasks} tasks, {notes} notes and {appointments} appointments");
        reported(&read, found + details.found, calls + details.calls)
    })?;
    Ok(Outcome::Done)
}

fn reported(read: &str, found: i64, calls: i64) -> String {
    format!("scanned {read} with {calls} calls, and found {found} changes that no webhook reported")
}

/// Contacts first, so that the notes of a new one are scanned as well.
async fn reconcile(scan_progress: &mut ScanProgress, args: &Args, quiet: bool) -> anyhow::Result<(Scan, Option<Scan>)> {
    let Args { location, changed } = args;
    let contacts = scan_progress.begin(location, if *changed { Purpose::Reconcile } else { Purpose::Full }).await?;
    let contacts = scan_progress.follow(&contacts, quiet).await?;
    if *changed {
        return Ok((contacts, None));
    }
    let details = scan_progress.begin(location, Purpose::Details).await?;
    Ok((contacts, Some(scan_progress.follow(&details, quiet).await?)))
}
