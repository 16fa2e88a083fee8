//! `POST /v1/jobs/retry`, `/discard`, `/cancel` and `/run-now`: decides about jobs, by their ids or by what they have in common. Sent again, a
//! request decides about what is left.

use axum::Json;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use sync_workers::records::{Decision, JobFilter, JobState, Records};

use super::Problem;
use super::allowed::{Allowed, Operates};
use super::contacts::check_location;
use super::json::json_of;
use crate::steering::{self, MOST};
use crate::triggers::{FieldError, Fields, kind_of};

/// What a caller can expect a filter to find: any number of a deployment.
const MOST_EXPECTED: u64 = 1_000_000_000;

/// Dead jobs are open again, behind all other jobs of their locations.
pub(super) async fn retry(allowed: Allowed<Operates>, body: Bytes) -> Result<Json<Value>, Problem> {
    let (_, ids) = meant(&allowed, &body, &[JobState::Dead]).await?;
    steering::retry(&allowed.producer, &ids).await.map_err(|error| Problem::records(&error))?;
    Ok(Json(json!({ "jobs": ids })))
}

/// Dead jobs are closed for good, and what they would have written is taken back.
pub(super) async fn discard(allowed: Allowed<Operates>, body: Bytes) -> Result<Json<Value>, Problem> {
    let (decision, ids) = meant(&allowed, &body, &[JobState::Dead]).await?;
    steering::discard(allowed.records(), &ids, &decision).await.map_err(|error| Problem::records(&error))?;
    Ok(Json(json!({ "jobs": ids })))
}

/// Waiting and scheduled jobs are closed without their work being done, and what they would have written is taken back.
pub(super) async fn cancel(allowed: Allowed<Operates>, body: Bytes) -> Result<Json<Value>, Problem> {
    let open = [JobState::Waiting, JobState::Scheduled];
    let (decision, ids) = meant(&allowed, &body, &open).await?;
    let canceled = steering::cancel(allowed.records(), &ids, &decision).await;
    Ok(Json(json!({ "jobs": canceled.map_err(|error| Problem::records(&error))? })))
}

/// Waiting and scheduled jobs become due now.
pub(super) async fn run_now(allowed: Allowed<Operates>, body: Bytes) -> Result<Json<Value>, Problem> {
    let open = [JobState::Waiting, JobState::Scheduled];
    let (_, ids) = meant(&allowed, &body, &open).await?;
    let due = steering::run_now(&allowed.producer, &ids).await;
    Ok(Json(json!({ "jobs": due.map_err(|error| Problem::records(&error))? })))
}

/// Which jobs a body means: those of `jobs` that are in one of the states, or all in them that `filter` finds; and why.
async fn meant(
    allowed: &Allowed<Operates>,
    body: &Bytes,
    states: &[JobState],
) -> Result<(Decision, Vec<String>), Problem> {
    let Selection { ids, filter, expect, reason } = Selection::read(&json_of(body)?)?;
    let records = allowed.records();
    let jobs = match filter {
        None => named(records, &ids, states).await?,
        Some(filter) => found(records, &filter, states).await?,
    };
    if let Some(expected) = expect.filter(|expected| steering::has_moved(jobs.len(), *expected)) {
        let detail = format!("the filter selects {} jobs now, not {expected}; nothing was done", jobs.len());
        return Err(Problem::new(StatusCode::CONFLICT, "The number of jobs has changed", detail));
    }
    let key = &allowed.opened.key;
    let by = format!("{} ({})", key.name, key.id);
    let decision = reason.map_or_else(Decision::default, |why| Decision { why, ..Decision::default() });
    Ok((Decision { by, ..decision }, jobs))
}

async fn named(records: &Records, ids: &[String], states: &[JobState]) -> Result<Vec<String>, Problem> {
    let (mut jobs, mut unknown) = (Vec::new(), Vec::new());
    for (place, id) in ids.iter().enumerate() {
        match records.job(id).await.map_err(|error| Problem::records(&error))? {
            None => unknown.push(FieldError { field: format!("jobs[{place}]"), message: "does not exist".to_owned() }),
            Some(job) if states.contains(&job.state) && !jobs.contains(&job.id) => jobs.push(job.id),
            Some(_) => {}
        }
    }
    if unknown.is_empty() { Ok(jobs) } else { Err(wrong(unknown)) }
}

async fn found(records: &Records, filter: &JobFilter, states: &[JobState]) -> Result<Vec<String>, Problem> {
    if let Some(location) = &filter.location_id {
        check_location(records, location).await?;
    }
    steering::found(records, filter, states).await.map_err(|error| Problem::records(&error))
}

/// What a body says.
struct Selection {
    ids: Vec<String>,
    /// None where the jobs are named.
    filter: Option<JobFilter>,
    /// How many the caller expects.
    expect: Option<usize>,
    reason: Option<String>,
}

impl Selection {
    fn read(body: &Value) -> Result<Self, Problem> {
        let Some(object) = body.as_object() else {
            let message = format!("a selection is an object, not {}", kind_of(body));
            return Err(wrong(vec![FieldError { field: String::new(), message }]));
        };
        let mut fields = Fields::new(object, "");
        let jobs = fields.any("jobs");
        let filter = fields.object("filter");
        let (expect, reason) = (fields.whole("expect", 0..=MOST_EXPECTED), fields.text("reason"));
        let (mut ids, mut errors) = (Vec::new(), Vec::new());
        match (jobs, filter) {
            (Some(jobs), None) => match texts(jobs) {
                Some(texts) if texts.len() <= MOST => ids = texts,
                _ => fields.refuse("jobs", format!("must be a list of at most {MOST} ids of jobs")),
            },
            (None, Some(_)) => {}
            _ => fields.refuse("jobs", "is needed, or `filter`, but not both"),
        }
        let filter = filter.map(|filter| read_filter(filter, &mut errors));
        let expect = expect.and_then(|expect| usize::try_from(expect).ok());
        errors.extend(fields.finish());
        if errors.is_empty() { Ok(Self { ids, filter, expect, reason }) } else { Err(wrong(errors)) }
    }
}

/// An empty filter means all of them.
fn read_filter(object: &Map<String, Value>, errors: &mut Vec<FieldError>) -> JobFilter {
    let mut fields = Fields::new(object, "filter.");
    let filter = JobFilter {
        kind: fields.text("kind"),
        location_id: fields.id("locationId"),
        error: fields.text("error"),
        ..JobFilter::default()
    };
    errors.extend(fields.finish());
    filter
}

fn texts(list: &Value) -> Option<Vec<String>> {
    let texts = list.as_array()?.iter().map(|id| Some(id.as_str()?.to_owned()));
    texts.collect::<Option<Vec<_>>>().filter(|ids| ids.iter().all(|id| sync_model::ids::is_id(id)))
}

fn wrong(errors: Vec<FieldError>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The selection is wrong", "nothing was done");
    errors.into_iter().fold(problem, |problem, error| problem.with(None, error))
}
