//! `jobs`: inspects and manages jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use job_engine::{LaneState, Queue};
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::hooks::read_message_id;
use sync_workers::records::{DONE_COUNTED, JobFilter, JobKind, JobState};

use super::period::period;
use super::table::table;
use super::{Context, Outcome, WrongUsage, open_records};
use crate::app::{App, AppError};
use crate::config::Config;
use crate::explain;

mod dead;
mod groups;
mod lanes;
mod listing;
mod open;

/// Interval at which `--watch` reads the database.
const LOOK: Duration = Duration::from_secs(1);
/// The reason of an operator who gives none.
const NO_REASON: &str = "no reason given";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Count jobs by state
    Stats,
    /// List jobs, newest first
    List {
        /// Only jobs in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only jobs of this location
        #[arg(long, value_name = "ID", value_parser = super::id)]
        location: Option<String>,
        /// Only jobs of this kind: pull_contact, push_task, push_note, call_operation, …
        #[arg(long)]
        kind: Option<String>,
        /// Only jobs whose last error contains this text
        #[arg(long, value_name = "TEXT")]
        error: Option<String>,
        /// Only jobs accepted within this time: 24h, 7d, …
        #[arg(long, value_name = "PERIOD", value_parser = period)]
        since: Option<Duration>,
        /// Maximum number of jobs
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// List the jobs again when they change, until interrupted
        #[arg(long)]
        watch: bool,
        /// Group dead jobs by what they died of
        #[arg(long, conflicts_with_all = ["state", "kind", "error", "since", "limit", "watch"])]
        group: bool,
    },
    /// Show one job: its failed attempts, and why it is not running
    #[command(visible_alias = "explain")]
    Show {
        /// Id of the job, from `jobs list` or the answer to an event; or id of a message to a hook
        id: String,
    },
    /// Retry dead jobs, behind all other jobs of their locations
    Retry(dead::Selection),
    /// Close dead jobs for good and revert their pending writes
    Discard(dead::Discard),
    /// Close waiting or scheduled jobs without running them and revert their pending writes
    Cancel(open::Cancel),
    /// Run waiting or scheduled jobs before they are due
    RunNow(open::Selection),
    /// Pause all jobs of a location or of a kind
    Pause(lanes::Target),
    /// Resume a paused location or kind; closes an open circuit at once
    Resume(lanes::Target),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum State {
    Waiting,
    Scheduled,
    Running,
    Done,
    Dead,
    Discarded,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Scheduled => Self::Scheduled,
            State::Running => Self::Running,
            State::Done => Self::Done,
            State::Dead => Self::Dead,
            State::Discarded => Self::Discarded,
        }
    }
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let output = context.output;
    match command {
        Command::Retry(selection) => return dead::run(context, selection, dead::Act::Retry).await,
        Command::Discard(discard) => return dead::discard(context, discard).await,
        Command::Cancel(cancel) => return open::cancel(context, cancel).await,
        Command::RunNow(selection) => return open::run_now(context, selection).await,
        Command::Pause(target) => return lanes::run(context, target, true).await,
        Command::Resume(target) => return lanes::run(context, target, false).await,
        Command::Stats => {
            let counts = open_records(&context.config).await?.job_counts().await?;
            let mut stats: serde_json::Map<String, Value> =
                counts.iter().map(|(state, count)| (state.as_str().to_owned(), json!(count))).collect();
            let distributed = context.config.is_distributed();
            let halted = match queue(context.config).await? {
                Ok(queue) => Some(Halted::look(&queue).await?),
                Err(reason) => {
                    if distributed {
                        eprintln!("pauses and open circuits are not known: {reason}");
                    }
                    None
                }
            };
            if let Some(halted) = &halted {
                stats.insert("pausedKinds".to_owned(), json!(halted.kinds));
                stats.insert("pausedLocations".to_owned(), json!(halted.paused));
                stats.insert("brokenLocations".to_owned(), json!(halted.broken));
            }
            output.print(&stats, |_| {
                let reported = |state: JobState, count: i64| match (state, count) {
                    (JobState::Done, DONE_COUNTED..) => format!("{DONE_COUNTED} or more"),
                    _ => count.to_string(),
                };
                let rows: Vec<_> =
                    counts.iter().map(|(state, count)| [state.as_str().to_owned(), reported(*state, *count)]).collect();
                std::iter::once(table(["STATE", "JOBS"], &rows))
                    .chain(halted.iter().flat_map(Halted::lines))
                    .collect::<Vec<_>>()
                    .join("\n")
            })?;
        }
        Command::List { group: true, location, .. } => {
            let records = open_records(&context.config).await?;
            groups::list(&records, location.as_deref(), output).await?;
        }
        Command::List { state, location, kind, error, since, limit, watch, group: _ } => {
            let since = since.map(ago).transpose()?;
            let state = state.map(JobState::from);
            let filter = JobFilter { state, location_id: location, kind, error, since, before: None };
            let records = open_records(&context.config).await?;
            let mut reported = None;
            loop {
                let jobs = records.list_jobs(&filter, i64::from(limit)).await?;
                if jobs.is_empty() {
                    check_kind(filter.kind.as_deref())?;
                }
                if reported.as_ref() != Some(&jobs) {
                    output.print(&json!({ "jobs": jobs }), |_| listing::text(&jobs))?;
                }
                if !watch {
                    break;
                }
                reported = Some(jobs);
                tokio::time::sleep(LOOK).await;
            }
        }
        Command::Show { id } => {
            if let Some((hook, message)) = read_message_id(&id) {
                return super::hooks::explain(&context, &id, hook, message).await;
            }
            let records = open_records(&context.config).await?;
            let unknown = || format!("there is no job {id}; `clienty-sync jobs list` lists all");
            let job = records.job(&id).await?.with_context(unknown)?;
            let history = records.failed_attempts(&job.id).await?;
            let step = records.step_of(&job).await?;
            let queue = queue(context.config).await?;
            let asked = queue.as_ref().map_err(Clone::clone);
            output.print(&explain::describe(&job, &history, step.as_ref(), asked).await, in_lines)?;
        }
    }
    Ok(Outcome::Done)
}

/// The time that lies so long before now.
fn ago(period: Duration) -> anyhow::Result<Timestamp> {
    Ok(Clock::system().now().checked_sub(SignedDuration::try_from(period)?)?)
}

/// The queue, or why it is not available: a queue in memory belongs to another process. The ledger is read in any case.
async fn queue(config: Config) -> anyhow::Result<Result<Queue, String>> {
    if !config.is_distributed() {
        return Ok(Err(explain::elsewhere()));
    }
    match App::open_existing(config).await {
        Ok(app) => Ok(Ok(app.queue)),
        Err(AppError::Queue { source }) => Ok(Err(explain::silent(&source))),
        Err(error) => Err(error.into()),
    }
}

/// Locations and kinds that are paused, and locations with an open circuit.
pub(super) struct Halted {
    kinds: BTreeSet<String>,
    pub(super) paused: Vec<String>,
    pub(super) broken: Vec<String>,
}

impl Halted {
    pub(super) async fn look(queue: &Queue) -> anyhow::Result<Self> {
        let lanes = queue.lanes().await?;
        let in_state = |state| lanes.iter().filter(|lane| lane.state == state).map(|lane| lane.lane.clone()).collect();
        Ok(Self {
            kinds: queue.paused_kinds().await?,
            paused: in_state(LaneState::Paused),
            broken: in_state(LaneState::Broken),
        })
    }

    fn lines(&self) -> Vec<String> {
        let kinds = self
            .kinds
            .iter()
            .map(|kind| format!("{kind} is paused; `clienty-sync jobs resume --kind {kind}` resumes it"));
        let paused = self.paused.iter().map(|id| format!("{id} is paused; `clienty-sync jobs resume {id}` resumes it"));
        let broken = self.broken.iter().map(|id| {
            format!("the circuit of {id} is open after failures; `clienty-sync jobs list --location {id} --state waiting` shows the last error")
        });
        kinds.chain(paused).chain(broken).collect()
    }
}

/// Rejects an unknown kind, so that a typo does not look like an empty result.
fn check_kind(kind: Option<&str>) -> Result<(), WrongUsage> {
    match kind.filter(|kind| JobKind::parse(kind).is_none()) {
        None => Ok(()),
        Some(kind) => {
            let kinds: Vec<_> = JobKind::ALL.into_iter().map(JobKind::as_str).collect();
            Err(WrongUsage(format!("--kind: no jobs are {kind}; there are {}", kinds.join(", "))))
        }
    }
}

/// The fields that are not null and the failed attempts, one a line.
fn in_lines(shown: &Value) -> String {
    let fields = shown.as_object().into_iter().flatten();
    let lines = fields.filter(|(_, value)| !value.is_null()).flat_map(|(name, value)| match value {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let words: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            if words.is_empty() { Vec::new() } else { vec![format!("{name:<12} {}", words.join(", "))] }
        }
        Value::Array(attempts) => attempts.iter().map(attempt_in_line).collect(),
        Value::Object(parts) if name == "discarded" => {
            let part = |name: &str| parts.get(name).and_then(Value::as_str).unwrap_or_default();
            vec![format!("{name:<12} {} by {}: {}", part("at"), part("by"), part("why"))]
        }
        Value::String(text) => vec![format!("{name:<12} {text}")],
        other => vec![format!("{name:<12} {other}")],
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn attempt_in_line(attempt: &Value) -> String {
    let text = |field: &str| attempt[field].as_str().unwrap_or_default();
    format!("{:<12} attempt {}, {}: {}", "failed", attempt["attempt"], text("failedAt"), text("error"))
}
