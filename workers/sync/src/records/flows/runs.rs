//! Runs as people look at them and end them.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::Row;
use sync_model::job::JobState;

use super::super::audit::{Act, Action};
use super::super::contacts;
use super::super::sql::{look_up, sql};
use super::super::{Decision, Records, RecordsError, Write};
use super::{FlowRun, run_of};
use crate::flows::{Flow, StepAction};

/// Runs that one transaction ends at most.
const BATCH: i64 = 500;

/// What can become of a run, and `underWay` and `dead` for those of which nothing has become yet.
pub const RUN_OUTCOMES: [&str; 7] = ["underWay", "dead", "done", "skipped", "stopped", "discarded", "erased"];

/// Which runs to list; a field that is none takes them all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of that flow.
    pub flow: Option<String>,
    /// In that location.
    pub location_id: Option<String>,
    /// About that contact, by any of its ids.
    pub contact_id: Option<String>,
    /// One of [`RUN_OUTCOMES`].
    pub outcome: Option<String>,
    /// Begun before that run.
    pub before: Option<String>,
}

/// The job that a step is, or that goes on with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunJob {
    /// The job.
    pub id: String,
    /// Where it stands.
    pub state: JobState,
}

/// The jobs of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunJobs {
    /// What goes on with it, while that is open or dead.
    pub next: Option<RunJob>,
    /// What its steps are, by their places.
    pub steps: BTreeMap<usize, RunJob>,
}

impl FlowRun {
    /// How it stands, in one of [`RUN_OUTCOMES`] but `dead`, which only its job reports.
    #[must_use]
    pub fn standing(&self) -> &str {
        match (&self.outcome, &self.stopped_by) {
            (None, _) => "underWay",
            (Some(_), Some(_)) => "stopped",
            (Some(outcome), None) => outcome,
        }
    }
}

impl RunJobs {
    /// The job that the run waits for at `step`.
    #[must_use]
    pub fn waits_for(&self, step: usize) -> Option<&RunJob> {
        let is_open = |job: &&RunJob| job.state != JobState::Done && job.state != JobState::Discarded;
        self.next.as_ref().or_else(|| self.steps.get(&step).filter(is_open))
    }

    /// The job that was given up, where one was.
    #[must_use]
    pub fn dead(&self, step: usize) -> Option<&RunJob> {
        self.waits_for(step).filter(|job| job.state == JobState::Dead)
    }
}

impl Records {
    /// Runs that the principal sees, the newest first.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all below.
    pub async fn list_flow_runs(&self, filter: &RunFilter, limit: i64) -> Result<Vec<FlowRun>, RecordsError> {
        let RunFilter { flow, location_id, contact_id, outcome, before } = filter;
        let contact_id = match (location_id, contact_id) {
            (Some(location_id), Some(id)) => {
                Some(contacts::resolve(&mut *self.pool.acquire().await?, location_id, id).await?)
            }
            (_, id) => id.clone(),
        };
        let rows = sqlx::query(sql!("list_flow_runs"))
            .bind(before)
            .bind(flow)
            .bind(location_id)
            .bind(contact_id)
            .bind(self.scope())
            .bind(outcome)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(run_of).collect()
    }

    /// The run of that id, where the principal sees its location.
    ///
    /// # Errors
    /// See [`Records::list_flow_runs`].
    pub async fn seen_flow_run(&self, id: &str) -> Result<Option<FlowRun>, RecordsError> {
        match self.flow_run(id).await? {
            Some(run) if self.sees(&run.location_id).await? => Ok(Some(run)),
            _ => Ok(None),
        }
    }

    /// The jobs of a run.
    ///
    /// # Errors
    /// See [`Records::list_flow_runs`].
    pub async fn jobs_of_run(&self, run: &FlowRun) -> Result<RunJobs, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let mut jobs = RunJobs::default();
        let query = sqlx::query(sql!("flow_step_job")).bind(&run.location_id).bind(&run.id);
        let state = |word: String| JobState::parse(&word).unwrap_or(JobState::Waiting);
        if let Some(row) = query.fetch_optional(&mut *connection).await? {
            jobs.next = Some(RunJob { id: row.try_get("id")?, state: state(row.try_get("state")?) });
        }
        let flow = Flow::read(&run.flow, &run.definition).ok();
        let steps = flow.iter().flat_map(|flow| flow.steps.iter().enumerate());
        let is_job = |(_, step): &(usize, &crate::flows::Step)| {
            !matches!(step.action, StepAction::Wait(_) | StepAction::Script(_) | StepAction::Http(_))
        };
        let ids: Vec<_> = steps.filter(is_job).map(|(index, _)| format!("{}.{index}", run.id)).collect();
        for row in look_up(&mut connection, sql!("jobs_of_flow_steps"), &ids).await? {
            let event_id: String = row.try_get("event_id")?;
            let step = event_id.rsplit_once('.').and_then(|(_, step)| step.parse().ok());
            let job = RunJob { id: row.try_get("id")?, state: state(row.try_get("state")?) };
            jobs.steps.extend(step.map(|step| (step, job)));
        }
        Ok(jobs)
    }

    /// Ends a run where it is: no further step begins. What a step has set going ends as it would; where it was given up, it is discarded. Whether
    /// the run was under way.
    ///
    /// # Errors
    /// See [`Records::list_flow_runs`].
    pub async fn stop_flow_run(&self, id: &str) -> Result<bool, RecordsError> {
        let Some(run) = self.seen_flow_run(id).await?.filter(|run| run.outcome.is_none()) else { return Ok(false) };
        let dead = self.jobs_of_run(&run).await?.dead(run.step).cloned();
        let mut write = self.write().await?;
        let stopped = stop(&mut write, self.scope(), id).await?;
        write.commit().await?;
        if let Some(job) = dead.filter(|_| stopped) {
            let by = self.principal.actor.to_string();
            let decision = Decision { by, why: format!("the run {id} was stopped") };
            self.discard_jobs(&[job.id], &decision).await?;
        }
        Ok(stopped)
    }
}

/// Ends every run of a flow that is under way. How many there were.
pub(super) async fn stop_all(write: &mut Write, scope: Option<&str>, flow: &str) -> Result<u64, RecordsError> {
    let mut stopped = 0;
    loop {
        let query = sqlx::query_scalar(sql!("runs_under_way")).bind(flow).bind(scope).bind(BATCH);
        let ids: Vec<String> = query.fetch_all(write.conn()).await?;
        let mut ended = 0;
        for id in &ids {
            ended += u64::from(stop(write, scope, id).await?);
        }
        stopped += ended;
        if ended == 0 {
            return Ok(stopped);
        }
    }
}

async fn stop(write: &mut Write, scope: Option<&str>, id: &str) -> Result<bool, RecordsError> {
    let (now_ms, by) = (write.now_ms, write.principal.actor.to_string());
    let query = sqlx::query_as(sql!("stop_flow_run")).bind(id).bind(now_ms).bind(by).bind(scope);
    let stopped: Option<(String, String)> = query.fetch_optional(write.conn()).await?;
    let Some((flow, location_id)) = stopped else { return Ok(false) };
    let close = sqlx::query(sql!("close_flow_step")).bind(now_ms).bind(id).bind(&location_id);
    close.execute(write.conn()).await?;
    write.act(Act::new(Action::RunStop).at(location_id).on(id).with(json!({ "flow": flow })));
    write.ended.push((flow, "stopped".to_owned()));
    Ok(true)
}
