//! Open jobs: closed without being run, or run before they are due.

use std::collections::HashSet;

use anyhow::ensure;
use clap::Args;
use serde_json::json;
use sync_workers::jobs::new_job;
use sync_workers::records::{Decision, JobFilter, JobState, LedgerEntry, Records};

use super::super::{Context, Outcome};
use super::check_kind;
use crate::app::App;
use crate::config::Config;

/// The most jobs of one command: a mistake is noticed before it is large.
const MOST: i64 = 10_000;

/// The selected open jobs.
#[derive(Debug, Args)]
pub(in crate::cli) struct Selection {
    /// Ids of jobs, from `jobs list` or the answer to an event
    #[arg(required_unless_present_any = ["location", "kind"], conflicts_with_all = ["location", "kind"])]
    ids: Vec<String>,
    /// All waiting and scheduled jobs of this location
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: Option<String>,
    /// All waiting and scheduled jobs of this kind: pull_contact, push_task, push_note, call_operation, …
    #[arg(long)]
    kind: Option<String>,
    /// List the selected jobs and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which open jobs to close, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct Cancel {
    #[command(flatten)]
    selection: Selection,
    /// Reason that `jobs show` displays
    #[arg(long, value_name = "TEXT", default_value = super::NO_REASON)]
    reason: String,
}

/// Closes the jobs and reverts their pending writes.
pub(super) async fn cancel(context: Context, Cancel { selection, reason }: Cancel) -> anyhow::Result<Outcome> {
    let decision = Decision { by: operator(&context.config), why: reason };
    let app = App::open_existing(context.config).await?;
    let ids = selection.find(&app.records).await?;
    let cancelled = if selection.dry_run { ids.clone() } else { app.records.cancel_jobs(&ids, &decision).await? };
    let began = ids.len() - cancelled.len();
    let done = if selection.dry_run { "would be canceled" } else { "are canceled, and their pending writes reverted" };
    context.output.print(&json!({"dryRun": selection.dry_run, "jobs": cancelled}), |_| {
        let count = match began {
            0 => format!("{} jobs {done}", cancelled.len()),
            _ => format!("{} jobs {done}; {began} started to run meanwhile and continue", cancelled.len()),
        };
        cancelled.iter().cloned().chain([count]).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if began == 0 { Outcome::Done } else { Outcome::Failed })
}

/// Makes the jobs runnable now, whenever they were due.
pub(super) async fn run_now(context: Context, selection: Selection) -> anyhow::Result<Outcome> {
    let is_distributed = context.config.is_distributed();
    let app = App::open_existing(context.config).await?;
    let ids = selection.find(&app.records).await?;
    let mut due = ids.clone();
    if !selection.dry_run {
        let keys = app.records.run_jobs_now(&ids).await?;
        let jobs: Vec<_> = keys.iter().map(|(_, key, priority)| new_job(key, *priority)).collect();
        // The ledger has them: a queue that does not answer gets them from the next round of the requeuer.
        if let Err(error) = app.queue.push(&jobs).await {
            tracing::warn!(%error, "could not enqueue the jobs; the requeuer enqueues them");
        }
        due = keys.into_iter().map(|(id, ..)| id).collect();
    }
    let done = match (selection.dry_run, is_distributed) {
        (true, _) => "would run now",
        (false, true) => "run as soon as their locations have free calls",
        (false, false) => "run within a minute: the queue is in the memory of another process, which finds them",
    };
    context.output.print(&json!({"dryRun": selection.dry_run, "jobs": due}), |_| {
        due.iter().cloned().chain([format!("{} jobs {done}", due.len())]).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Outcome::Done)
}

/// The operator: the user of this shell, if it is known.
pub(super) fn operator(config: &Config) -> String {
    config.operator.clone().unwrap_or_else(|| "operator".to_owned())
}

impl Selection {
    async fn find(&self, records: &Records) -> anyhow::Result<Vec<String>> {
        let Self { ids, location, kind, dry_run: _ } = self;
        for id in ids {
            let state = records.job(id).await?.map(|job| job.state);
            let word = state.map_or("not known", JobState::as_str);
            ensure!(
                matches!(state, Some(JobState::Waiting | JobState::Scheduled)),
                "job {id} is {word}; only a waiting or scheduled job can be canceled or run now. `clienty-sync jobs show {id}` shows it"
            );
        }
        let mut named = HashSet::new();
        let mut found: Vec<String> = ids.iter().filter(|id| named.insert(*id)).cloned().collect();
        if ids.is_empty() {
            for state in [JobState::Waiting, JobState::Scheduled] {
                let filter = JobFilter {
                    state: Some(state),
                    location_id: location.clone(),
                    kind: kind.clone(),
                    ..JobFilter::default()
                };
                let jobs: Vec<LedgerEntry> = records.list_jobs(&filter, MOST).await?;
                found.extend(jobs.into_iter().map(|job| job.id));
            }
            if found.is_empty() {
                check_kind(kind.as_deref())?;
            }
        }
        Ok(found)
    }
}
