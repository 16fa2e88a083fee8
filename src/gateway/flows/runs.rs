//! Runs of flows: how each stands, in sentences, and what can be done with one.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use sync_workers::records::{Decision, FlowRun, RUN_OUTCOMES, Records, RunFilter, RunJobs};

use super::unknown;
use crate::explain;
use crate::flows::{found, reports};
use crate::gateway::allowed::{Allowed, Operates, Reads};
use crate::gateway::contacts::check_location;
use crate::gateway::deadline::in_time;
use crate::gateway::parameters::Parameters;
use crate::gateway::path::Ids;
use crate::gateway::{Gateway, Problem};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 200;

/// `GET /v1/flow-runs?flow&outcome&locationId&contactId&limit&cursor`, of the locations that the key sees, newest first.
pub(in crate::gateway) async fn runs(
    allowed: Allowed<Reads>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["flow", "outcome", "locationId", "contactId", "limit", "cursor"]);
    let flow = parameters.id("flow");
    list(allowed.records(), parameters, flow, false).await
}

/// `GET /v1/flows/{flow}/runs`: the same of one flow, also of one that is no longer there.
pub(in crate::gateway) async fn runs_of(
    allowed: Allowed<Reads>,
    Ids(name): Ids<String>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::new(query, &["outcome", "locationId", "contactId", "limit", "cursor"]);
    list(allowed.records(), parameters, Some(name), true).await
}

/// `is_named`: by the path, so that there has to be such a flow, or to have been one.
async fn list(
    records: &Records,
    mut parameters: Parameters,
    flow: Option<String>,
    is_named: bool,
) -> Result<Json<Value>, Problem> {
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let known = |word: &str| RUN_OUTCOMES.contains(&word).then(|| word.to_owned());
    let filter = RunFilter {
        outcome: parameters.word("outcome", known, format!("one of {}", RUN_OUTCOMES.join(", "))),
        location_id: parameters.id("locationId"),
        contact_id: parameters.id("contactId"),
        before: parameters.cursor(),
        flow,
    };
    parameters.check()?;
    if let Some(location) = &filter.location_id {
        check_location(records, location).await?;
    }
    let runs = records.list_flow_runs(&filter, i64::from(limit)).await.map_err(|error| Problem::records(&error))?;
    if let Some(flow) = filter.flow.as_ref().filter(|_| is_named && runs.is_empty()) {
        check_flow(records, flow).await?;
    }
    let next = runs.last().filter(|_| runs.len() >= limit as usize).map(|run| &run.id);
    let mut listed = Vec::with_capacity(runs.len());
    for run in &runs {
        // Only one under way can have a dead job.
        let jobs = match run.outcome {
            None => Some(jobs_of(records, run).await?),
            Some(_) => None,
        };
        listed.push(reports::run(run, jobs.as_ref()));
    }
    Ok(Json(json!({ "runs": listed, "nextCursor": next })))
}

/// 404 for a flow that is not there and has no run that is kept.
async fn check_flow(records: &Records, name: &str) -> Result<(), Problem> {
    if found::find(records, name).await.map_err(|error| Problem::records(&error))?.is_some() {
        return Ok(());
    }
    let any = RunFilter { flow: Some(name.to_owned()), ..RunFilter::default() };
    let any = records.list_flow_runs(&any, 1).await.map_err(|error| Problem::records(&error))?;
    if any.is_empty() { Err(unknown()) } else { Ok(()) }
}

/// `GET /v1/flow-runs/{run}`: what became of each step, and what it waits for.
pub(in crate::gateway) async fn show_run(
    allowed: Allowed<Reads>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    let run = seen(allowed.records(), &id).await?;
    whole(allowed.records(), &gateway, &run, allowed.opened.key.reads_people).await
}

/// `POST /v1/flow-runs/{run}/stop`: no further step begins.
pub(in crate::gateway) async fn stop(
    allowed: Allowed<Operates>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    seen(records, &id).await?;
    if !in_time(records.stop_flow_run(&id)).await?.map_err(|error| Problem::records(&error))? {
        return Err(Problem::new(StatusCode::CONFLICT, "The run is over", "it has ended before; nothing was done"));
    }
    whole(records, &gateway, &seen(records, &id).await?, allowed.opened.key.reads_people).await
}

/// `POST /v1/flow-runs/{run}/retry`: the step that was given up is tried again, and the run goes on from there.
pub(in crate::gateway) async fn retry(
    allowed: Allowed<Operates>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let job = dead(records, &id).await?;
    in_time(allowed.producer.revive(&[job])).await?.map_err(|error| Problem::records(&error))?;
    whole(records, &gateway, &seen(records, &id).await?, allowed.opened.key.reads_people).await
}

/// `POST /v1/flow-runs/{run}/discard`: the step that was given up is closed for good, and the run ends with it.
pub(in crate::gateway) async fn discard(
    allowed: Allowed<Operates>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let job = dead(records, &id).await?;
    let key = &allowed.opened.key;
    let decision = Decision { by: format!("{} ({})", key.name, key.id), why: format!("the run {id} was discarded") };
    in_time(records.discard_jobs(&[job], &decision)).await?.map_err(|error| Problem::records(&error))?;
    whole(records, &gateway, &seen(records, &id).await?, allowed.opened.key.reads_people).await
}

async fn seen(records: &Records, id: &str) -> Result<FlowRun, Problem> {
    let run = records.seen_flow_run(id).await.map_err(|error| Problem::records(&error))?;
    run.ok_or_else(|| Problem::not_found("no run of that id is kept here; GET /v1/flow-runs lists those that are"))
}

async fn jobs_of(records: &Records, run: &FlowRun) -> Result<RunJobs, Problem> {
    records.jobs_of_run(run).await.map_err(|error| Problem::records(&error))
}

/// The job of the run that was given up.
async fn dead(records: &Records, id: &str) -> Result<String, Problem> {
    let run = seen(records, id).await?;
    let jobs = jobs_of(records, &run).await?;
    let dead = jobs.dead(run.step).filter(|_| run.outcome.is_none()).map(|job| job.id.clone());
    dead.ok_or_else(|| {
        let detail = "the run goes on by itself, or has ended; GET /v1/flow-runs/{runId} shows how it stands";
        Problem::new(StatusCode::CONFLICT, "No dead step", detail)
    })
}

async fn whole(
    records: &Records,
    gateway: &Gateway,
    run: &FlowRun,
    reads_people: bool,
) -> Result<Json<Value>, Problem> {
    let jobs = jobs_of(records, run).await?;
    let mut of_job = None;
    if let Some(job) = jobs.waits_for(run.step).filter(|_| run.outcome.is_none()) {
        let job = records.job(&job.id).await.map_err(|error| Problem::records(&error))?;
        if let Some(job) = job {
            of_job = match (&job.last_error, explain::why(&job, Ok(gateway.producer.queue())).await) {
                (Some(error), Some(why)) => Some(format!("{error}; {why}")),
                (_, why) => why,
            };
        }
    }
    Ok(Json(reports::whole_run(run, &jobs, reports::why(run, of_job), reads_people)))
}
