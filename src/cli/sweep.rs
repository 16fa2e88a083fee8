//! `sweep`: looks now for what no event told, instead of when a sweep is due; after webhooks were lost, say.

use clap::Parser;
use serde_json::json;
use sync_workers::records::{Purpose, Walk};

use super::walking::Walking;
use super::{Context, Outcome};

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// GHL's id of the location
    #[arg(long, value_name = "ID")]
    location: String,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Context { config, output } = context;
    let mut walking = Walking::start(config, &args.location).await?;
    let outcome = sweep(&mut walking, &args.location, output.json).await;
    walking.stop().await;
    let (sweep, details) = outcome?;
    output.print(&json!({ "sweep": sweep, "details": details }), |_| {
        let (Walk { contacts, tasks, .. }, Walk { notes, appointments, .. }) = (&sweep, &details);
        let calls = sweep.calls + details.calls;
        format!("looked through {contacts} contacts, {tasks} tasks, {notes} notes and {appointments} appointments with {calls} calls")
    })?;
    Ok(Outcome::Done)
}

/// Contacts first: the notes of one that no event told of are then looked for as well.
async fn sweep(walking: &mut Walking, location: &str, quiet: bool) -> anyhow::Result<(Walk, Walk)> {
    let contacts = walking.begin(location, Purpose::Sweep).await?;
    let contacts = walking.follow(&contacts, quiet).await?;
    let details = walking.begin(location, Purpose::Details).await?;
    Ok((contacts, walking.follow(&details, quiet).await?))
}
