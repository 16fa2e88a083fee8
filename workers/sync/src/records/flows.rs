//! Runs of flows: what each knows and how far it is.
//!
//! A run's next step is pending by a row of the ledger that is written in the transaction that ends the step before, so no crash loses a
//! step and none is done twice. A step that says or calls something is an ordinary job, by whose end the run goes on (`ending.rs`).
//!
//! What a run knows holds what the event reported people and GHL answered; it goes as the run ends, and with an erasure.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::Timestamp;
use job_engine::Priority;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::job::{JobKey, JobKind};

use super::accept::{AcceptError, Accepted, take_in};
use super::audit::{Act, Action};
use super::contacts::{self, ContactRow};
use super::custom_fields::show_keys;
use super::event_ids::ProducerId;
use super::ledger::timestamp;
use super::runs::{FollowUp, Tx};
use super::sql::sql;
use super::{LedgerEntry, Records, RecordsError, Write};
use crate::events::IncomingEvent;
use crate::flows::{self, Flow};

mod back;
pub(super) mod ending;
mod guard;
pub(super) mod happened;
pub(super) mod in_force;
mod kept;
mod runs;
mod secrets;
pub(super) mod starting;
mod touched;

use starting::{Start, start};

pub use back::{PastChange, PastWebhook};
pub use in_force::BrokenFlow;
pub use kept::{Expected, FlowVersion, KeptFlow, MOST_FLOWS, NewVersion, NoChange};
pub use runs::{RUN_OUTCOMES, RunFilter, RunJob, RunJobs};
pub use secrets::FlowSecret;
pub use touched::{KEPT, Touch};

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowRun {
    /// UUID v7.
    pub id: String,
    /// The flow's name.
    pub flow: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact, by the id under which it was kept as the run began.
    pub contact_id: Option<String>,
    /// The flow as it was then.
    pub definition: Value,
    /// What it knows.
    pub knows: Knows,
    /// What became of the steps before.
    pub log: Vec<Logged>,
    /// The step that is next or under way, from 0.
    pub step: usize,
    /// Until when that step waits, in ms since 1970.
    pub wait_until_ms: Option<i64>,
    /// Of its jobs.
    pub priority: Priority,
    /// When it began.
    pub started_at: Timestamp,
    /// `done`, `skipped`, `discarded` or `erased`; none while it is under way.
    pub outcome: Option<String>,
    /// The version of the flow that it is of; none of a file.
    pub version: Option<i64>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it before its end.
    pub stopped_by: Option<String>,
}

/// What a run knows beside its contact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Knows {
    /// What started it.
    pub event: Value,
    /// The flow's own values, as whoever started it set them.
    pub set: Map<String, Value>,
    /// What steps answered, by name; null for one that was passed over. Only what a later step speaks of.
    pub answers: Map<String, Value>,
    /// What scripts printed, by the title of their step.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub printed: BTreeMap<String, String>,
    /// The step whose request was sent, which must not be sent twice, from 0; none once its answer is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<usize>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its place, from 0.
    pub step: usize,
    /// Whether it was done, or passed over.
    pub done: bool,
    /// When.
    pub at: Timestamp,
}

/// A run to start by hand.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// What is to be done.
    pub flow: &'a Flow,
    /// GHL's location id.
    pub location_id: &'a str,
    /// The contact, by any id that is known.
    pub contact_id: Option<&'a str>,
    /// What its event and its own values are.
    pub knows: Knows,
}

/// A run whose step was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRun {
    /// The run.
    pub run: String,
    /// Its flow.
    pub flow: String,
    /// The dead job.
    pub job: String,
    /// Why.
    pub reason: Option<String>,
}

/// Which step of which run a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOf {
    /// The flow's name.
    pub flow: String,
    /// The run's id.
    pub run_id: String,
    /// The step's name, or its number.
    pub step: String,
}

impl Records {
    /// Starts a run, and returns its id and what to enqueue; nothing where the contact is not known here.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all below.
    pub async fn start_flow(&self, new: NewRun<'_>) -> Result<Option<(String, JobKey)>, RecordsError> {
        let NewRun { flow, location_id, contact_id, knows } = new;
        let mut write = self.write().await?;
        let contact_id = match contact_id {
            None => None,
            Some(id) => match shown(&mut write, location_id, id).await? {
                Some(row) => Some(row.contact_id),
                None => return Ok(None),
            },
        };
        let by = Start {
            location_id,
            contact_id: contact_id.as_deref(),
            trigger: None,
            knows,
            priority: Priority::Interactive,
        };
        let id = start(&mut write, flow, &by).await?;
        if let Some(id) = &id {
            let about = json!({"run": id, "version": flow.version});
            write.act(Act::new(Action::FlowRun).at(location_id).on(&flow.name).with(about));
        }
        write.commit().await?;
        Ok(id.map(|id| (id.clone(), JobKey::new(JobKind::FlowStep, location_id, id))))
    }

    /// The run of that id.
    ///
    /// # Errors
    /// See [`Records::start_flow`].
    pub async fn flow_run(&self, id: &str) -> Result<Option<FlowRun>, RecordsError> {
        let row = sqlx::query(sql!("flow_run")).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(run_of).transpose()
    }

    /// How many runs each flow has, by outcome; `underWay` those that have none, dead ones among them.
    ///
    /// # Errors
    /// See [`Records::start_flow`].
    pub async fn flow_counts(&self) -> Result<BTreeMap<String, BTreeMap<String, i64>>, RecordsError> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as(sql!("count_flow_runs")).bind(self.scope()).fetch_all(&self.pool).await?;
        let mut counts = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (flow, standing, runs) in rows {
            counts.entry(flow).or_default().insert(standing, runs);
        }
        Ok(counts)
    }

    /// The runs whose step was given up.
    ///
    /// # Errors
    /// See [`Records::start_flow`].
    pub async fn dead_flow_runs(&self) -> Result<Vec<DeadRun>, RecordsError> {
        let rows: Vec<(String, String, String, Option<String>)> =
            sqlx::query_as(sql!("dead_flow_runs")).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(run, flow, job, reason)| DeadRun { run, flow, job, reason }).collect())
    }

    /// Which step of which flow a job is; none for a job that is none.
    ///
    /// # Errors
    /// See [`Records::start_flow`].
    pub async fn step_of(&self, job: &LedgerEntry) -> Result<Option<StepOf>, RecordsError> {
        let (run, step) = match step_of(&job.key, &job.source, job.event_id.as_deref()) {
            Some((run, step)) => (self.flow_run(run).await?, step),
            None => return Ok(None),
        };
        Ok(run.map(|run| {
            let step = step.unwrap_or(run.step);
            let flow = Flow::read(&run.flow, &run.definition).ok();
            let step = flow.map_or_else(|| format!("step {}", step + 1), |flow| flow.title(step));
            StepOf { flow: run.flow, run_id: run.id, step }
        }))
    }

    /// The contact as readers see it, with its custom fields by key.
    ///
    /// # Errors
    /// See [`Records::start_flow`].
    pub async fn as_readers_see(&self, row: &ContactRow) -> Result<Value, RecordsError> {
        let mut contact = row.doc.clone();
        show_keys(&mut contact, &self.naming(&row.location_id).await?);
        Ok(json!(contact))
    }

    /// The flows of which commits of this process ended a run, each with its outcome, or `dead`; for whoever counts.
    #[must_use]
    pub fn take_ended_runs(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.not_enqueued.lock().unwrap_or_else(PoisonError::into_inner).runs)
    }
}

impl Tx {
    /// The run of a flow that this run of a job is about, while it is under way.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn flow_run(&mut self) -> Result<Option<FlowRun>, RecordsError> {
        let id = self.run.key.record_id.clone();
        in_flight(&mut self.write, &id).await
    }

    /// Keeps how far a run is; one that has an outcome now forgets what it knew.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] where it has ended meanwhile; [`RecordsError::Database`].
    pub async fn save_flow_run(&mut self, run: &FlowRun) -> Result<(), RecordsError> {
        match save(&mut self.write, run).await? {
            true => Ok(()),
            false => Err(RecordsError::LostRun(self.run.key.clone())),
        }
    }

    /// Accepts the event or the call that a step is.
    ///
    /// # Errors
    /// See [`Records::accept`].
    pub async fn accept(&mut self, trigger: IncomingEvent) -> Result<Option<Accepted>, AcceptError> {
        let this = ProducerId::Program(crate::flows::SOURCE.to_owned());
        Ok(take_in(&mut self.write, &this, &[trigger]).await?.pop())
    }
}

/// The job that goes on with a run.
fn next(location_id: &str, run: &str, priority: Priority) -> FollowUp {
    FollowUp { kind: JobKind::FlowStep, location_id: location_id.to_owned(), record_id: run.to_owned(), priority }
}

/// The run that a ledger row is a step of, and the step where the row says it.
fn step_of<'a>(key: &'a JobKey, source: &str, event_id: Option<&'a str>) -> Option<(&'a str, Option<usize>)> {
    if key.kind == JobKind::FlowStep.as_str() {
        return Some((&key.record_id, None));
    }
    let (run, step) = event_id.filter(|_| source == flows::SOURCE)?.rsplit_once('.')?;
    Some((run, step.parse().ok()))
}

async fn in_flight(write: &mut Write, id: &str) -> Result<Option<FlowRun>, RecordsError> {
    let row = sqlx::query(sql!("flow_run")).bind(id).fetch_optional(write.conn()).await?;
    let run = row.as_ref().map(run_of).transpose()?;
    Ok(run.filter(|run| run.outcome.is_none()))
}

/// Whether it was under way still.
async fn save(write: &mut Write, run: &FlowRun) -> Result<bool, RecordsError> {
    let knows = if run.outcome.is_some() { json!({}) } else { json!(run.knows) };
    let now_ms = write.now_ms;
    let saved = sqlx::query(sql!("save_flow_run"))
        .bind(knows.to_string())
        .bind(json!(run.log).to_string())
        .bind(i64::try_from(run.step).unwrap_or(i64::MAX))
        .bind(run.wait_until_ms)
        .bind(run.outcome.as_deref())
        .bind(run.outcome.as_ref().map(|_| now_ms))
        .bind(&run.id)
        .execute(write.conn())
        .await?;
    if let Some(outcome) = &run.outcome {
        write.ended.push((run.flow.clone(), outcome.clone()));
    }
    Ok(saved.rows_affected() == 1)
}

async fn shown(write: &mut Write, location_id: &str, id: &str) -> Result<Option<ContactRow>, RecordsError> {
    let id = contacts::resolve(write.conn(), location_id, id).await?;
    Ok(contacts::find(write.conn(), location_id, &id).await?.filter(ContactRow::is_visible))
}

fn run_of(row: &AnyRow) -> Result<FlowRun, RecordsError> {
    let id: String = row.try_get("id")?;
    let corrupt = |error: serde_json::Error| RecordsError::corrupt("flow_runs", &id, &error);
    let text = |column: &str| row.try_get::<String, _>(column);
    let (step, priority): (i64, i64) = (row.try_get("step")?, row.try_get("priority")?);
    Ok(FlowRun {
        flow: text("flow")?,
        location_id: text("location_id")?,
        contact_id: row.try_get("contact_id")?,
        definition: serde_json::from_str(&text("definition")?).map_err(corrupt)?,
        knows: serde_json::from_str(&text("knows")?).map_err(corrupt)?,
        log: serde_json::from_str(&text("log")?).map_err(corrupt)?,
        step: usize::try_from(step).unwrap_or_default(),
        wait_until_ms: row.try_get("wait_until")?,
        priority: u8::try_from(priority).ok().and_then(Priority::from_number).unwrap_or(Priority::Bulk),
        started_at: timestamp(row.try_get("started_at")?),
        outcome: row.try_get("outcome")?,
        version: row.try_get("version")?,
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(timestamp),
        stopped_by: row.try_get("stopped_by")?,
        id,
    })
}
