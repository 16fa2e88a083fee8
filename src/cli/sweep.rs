//! `sweep`: looks now for what no event told, instead of when a sweep is due; after webhooks were lost, say.
//!
//! Without more it looks through everything, so that afterwards both sides are the same. `--changed` is what the sweeps do that come often: contacts
//! by their dates of change, which tell neither deletions nor tasks.

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
    /// Look only for contacts that changed since the last look, or are new: mostly one call
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
    format!("looked through {read} with {calls} calls, and found {found} that differed and no event had told of")
}

/// Contacts first: the notes of one that no event told of are then looked for as well.
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
