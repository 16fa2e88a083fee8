//! `flows runs|show|stop`: the runs of flows, in sentences.

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::{Value, json};
use sync_workers::records::{RUN_OUTCOMES, Records, RunFilter};

use super::super::table::table;
use super::super::{Context, Outcome, open_records};
use crate::app::App;
use crate::explain;
use crate::flows::reports;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only of this flow
    flow: Option<String>,
    /// Only those that stand so
    #[arg(long, value_parser = RUN_OUTCOMES)]
    outcome: Option<String>,
    /// Only in this location
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: Option<String>,
    /// Only about this contact, by any of its ids
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    contact: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn list(context: Context, arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { flow, outcome, location, contact, limit } = arguments;
    let records = open_records(&context.config).await?;
    let filter = RunFilter { flow, outcome, location_id: location, contact_id: contact, before: None };
    let mut listed = Vec::new();
    for run in records.list_flow_runs(&filter, i64::from(limit)).await? {
        let jobs = if run.outcome.is_none() { Some(records.jobs_of_run(&run).await?) } else { None };
        listed.push(reports::run(&run, jobs.as_ref()));
    }
    context.output.print(&json!({ "runs": listed }), |_| {
        let text = |reported: &Value, name: &str| reported[name].as_str().unwrap_or_default().to_owned();
        let row = |reported: &Value| {
            ["id", "flow", "outcome", "step", "locationId", "contactId", "startedAt"].map(|name| text(reported, name))
        };
        table(
            ["RUN", "FLOW", "OUTCOME", "STEP", "LOCATION", "CONTACT", "STARTED"],
            &listed.iter().map(row).collect::<Vec<_>>(),
        )
    })?;
    Ok(Outcome::Done)
}

pub(super) async fn show(context: Context, id: &str) -> anyhow::Result<Outcome> {
    let output = context.output;
    let app = App::open_existing(context.config).await?;
    let (reported, text) = whole(&app, id).await?;
    output.print(&reported, |_| text)?;
    Ok(Outcome::Done)
}

pub(super) async fn stop(context: Context, id: &str) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    find(&records, id).await?;
    ensure!(records.stop_flow_run(id).await?, "the run {id} has ended before");
    context.output.print(&json!({"id": id, "outcome": "stopped"}), |_| format!("run {id} is stopped"))?;
    Ok(Outcome::Done)
}

async fn find(records: &Records, id: &str) -> anyhow::Result<sync_workers::records::FlowRun> {
    let run = records.flow_run(id).await?;
    run.with_context(|| format!("no run {id} is kept; `clienty-sync flows runs` lists those that are"))
}

/// The run for programs, and for people.
async fn whole(app: &App, id: &str) -> anyhow::Result<(Value, String)> {
    let run = find(&app.records, id).await?;
    let jobs = app.records.jobs_of_run(&run).await?;
    let mut of_job = None;
    if let Some(waits_for) = jobs.waits_for(run.step).filter(|_| run.outcome.is_none())
        && let Some(job) = app.records.job(&waits_for.id).await?
    {
        let queue = if app.config.is_distributed() { Ok(&app.queue) } else { Err(explain::elsewhere()) };
        of_job = match (&job.last_error, explain::why(&job, queue).await) {
            (Some(error), Some(why)) => Some(format!("{error}; {why}")),
            (_, why) => why,
        };
    }
    let reported = reports::whole_run(&run, &jobs, reports::why(&run, of_job), true);
    let mut lines = vec![format!(
        "{} of {}, begun at {:.0}",
        reported["outcome"].as_str().unwrap_or_default(),
        run.flow,
        run.started_at
    )];
    for step in reported["steps"].as_array().into_iter().flatten() {
        let text = |name: &str| step[name].as_str().unwrap_or_default();
        lines.push(format!("{:<16} {}", text("step"), text("sentence")));
        lines.extend(text("printed").lines().map(|line| format!("    printed: {line}")));
    }
    lines.extend(reported["why"].as_str().map(str::to_owned));
    Ok((reported, lines.join("\n")))
}
