//! Dead letters: tried again, or closed for good.

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use sync_workers::enqueue::{fault, set_aside, unknown_kind};
use sync_workers::records::{Decision, JobFilter, JobState, LedgerEntry, Records};

use super::super::{Context, Outcome};
use super::check_kind;
use super::open::operator;
use crate::app::App;

/// The most jobs of one command: a mistake is noticed before it is large.
const MOST: i64 = 10_000;

/// The selected dead jobs.
#[derive(Debug, Args)]
pub(in crate::cli) struct Selection {
    /// Ids of jobs, from `jobs list --state dead`
    #[arg(required_unless_present_any = ["location", "kind", "error", "all"], conflicts_with_all = ["location", "kind", "error", "all"])]
    ids: Vec<String>,
    /// All dead jobs of this location
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: Option<String>,
    /// All dead jobs of this kind: pull_contact, push_task, push_note, call_operation, …
    #[arg(long)]
    kind: Option<String>,
    /// All dead jobs whose last error contains this text
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// All dead jobs
    #[arg(long)]
    all: bool,
    /// List the selected jobs and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which dead jobs to close, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct Discard {
    #[command(flatten)]
    selection: Selection,
    /// Reason that `jobs show` displays
    #[arg(long, value_name = "TEXT", default_value = super::NO_REASON)]
    reason: String,
}

/// What is done to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Retry,
    Discard(Decision),
}

pub(super) async fn discard(context: Context, Discard { selection, reason }: Discard) -> anyhow::Result<Outcome> {
    let decision = Decision { by: operator(&context.config), why: reason };
    run(context, selection, Act::Discard(decision)).await
}

pub(super) async fn run(context: Context, selection: Selection, act: Act) -> anyhow::Result<Outcome> {
    let app = App::open_existing(context.config).await?;
    let ids: Vec<_> = selection.find(&app.records).await?.into_iter().map(|job| job.id).collect();
    if !selection.dry_run {
        match &act {
            Act::Retry => drop(app.producer().revive(&ids).await?),
            Act::Discard(decision) => drop(app.records.discard_jobs(&ids, decision).await?),
        }
    }
    let done = match (selection.dry_run, act) {
        (true, _) => "are selected",
        (false, Act::Retry) => "are retried",
        (false, Act::Discard(_)) => "are closed for good",
    };
    context.output.print(&json!({"dryRun": selection.dry_run, "jobs": ids}), |_| {
        let count = format!("{} dead jobs {done}", ids.len());
        ids.iter().cloned().chain([count]).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Outcome::Done)
}

/// The job if it is dead. An open one that can't be handled is set aside first, as a worker would do, unless this `only_looks`.
async fn dead_or_aside(records: &Records, id: &str, only_looks: bool) -> anyhow::Result<Option<LedgerEntry>> {
    let Some(job) = records.job(id).await? else { return Ok(None) };
    if matches!(job.state, JobState::Dead) {
        return Ok(Some(job));
    }
    let wrong = fault(&job.key).or_else(|| unknown_kind(&job.key)).filter(|_| job.finished_at.is_none());
    let Some(reason) = wrong else { return Ok(None) };
    if only_looks {
        return Ok(Some(job));
    }
    set_aside(records, &job.key, &reason).await.map_err(anyhow::Error::msg)?;
    Ok(records.job(id).await?.filter(|job| job.state == JobState::Dead))
}

impl Selection {
    async fn find(&self, records: &Records) -> anyhow::Result<Vec<LedgerEntry>> {
        let Self { ids, location, kind, error, all: _, dry_run } = self;
        if !ids.is_empty() {
            let mut dead = Vec::with_capacity(ids.len());
            for id in ids {
                let job = dead_or_aside(records, id, *dry_run).await?;
                dead.push(job.with_context(|| {
                    format!("{id} is not a dead job; `clienty-sync jobs list --state dead` lists these")
                })?);
            }
            return Ok(dead);
        }
        let filter = JobFilter {
            state: Some(JobState::Dead),
            location_id: location.clone(),
            kind: kind.clone(),
            error: error.clone(),
            ..JobFilter::default()
        };
        let dead = records.list_jobs(&filter, MOST).await?;
        if dead.is_empty() {
            check_kind(kind.as_deref())?;
        }
        Ok(dead)
    }
}
