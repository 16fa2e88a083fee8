//! Starting a run by hand, or only seeing what it would do.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use job_engine::Priority;
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::records::NewRun;

use super::{find, not_an_object};
use crate::flows::begin::{Wanted, knows};
use crate::flows::dry_run::dry_run;
use crate::gateway::allowed::{Allowed, Operates};
use crate::gateway::contacts::check_location;
use crate::gateway::json::json_of;
use crate::gateway::path::Ids;
use crate::gateway::{Gateway, Problem};
use crate::triggers::{FieldError, Fields};

/// `POST /v1/flows/{flow}/run` `{locationId, contactId?, set?, event?, dryRun?}`: 202 with the run, or 200 with what it would do.
pub(in crate::gateway) async fn run(
    allowed: Allowed<Operates>,
    State(gateway): State<Gateway>,
    Ids(name): Ids<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let records = allowed.records();
    let found = find(records, &name).await?;
    let body = json_of(&body)?;
    let Some(object) = body.as_object() else { return Err(not_an_object(&body)) };
    let mut fields = Fields::new(object, "");
    let wanted = Wanted {
        location_id: fields.required_id("locationId"),
        contact_id: fields.id("contactId"),
        set: fields.object("set").cloned().unwrap_or_default(),
        event: fields.object("event").cloned().unwrap_or_default(),
    };
    let is_dry = fields.flag("dryRun").unwrap_or(false);
    let errors = fields.finish();
    if !errors.is_empty() {
        return Err(wrong(errors));
    }
    let Some(flow) = found.flow() else {
        let detail = "the flow is broken: GET /v1/flows names what is wrong";
        return Err(Problem::new(StatusCode::CONFLICT, "The flow is disabled", detail));
    };
    check_location(records, &wanted.location_id).await?;
    let knows = knows(&flow, &wanted).map_err(wrong)?;
    let contact = match &wanted.contact_id {
        None => None,
        Some(id) => {
            let row = records.find_contact(&wanted.location_id, id).await.map_err(|error| Problem::records(&error))?;
            Some(row.filter(sync_workers::records::ContactRow::is_visible).ok_or_else(nobody)?)
        }
    };
    if is_dry {
        if !allowed.opened.key.reads_people {
            let detail = "the answer holds names and values, and this key reads ids and states alone";
            return Err(Problem::new(StatusCode::FORBIDDEN, "Not allowed with this key", detail));
        }
        let now = gateway.webhooks.clock.now();
        let dry_run = dry_run(records, now, &flow, &wanted.location_id, contact.as_ref(), &knows).await;
        let dry_run = dry_run.map_err(|error| Problem::records(&error))?;
        let reported =
            json!({"flow": name, "version": flow.version, "wouldBegin": dry_run.would_begin, "steps": dry_run.steps});
        return Ok((StatusCode::OK, Json(reported)));
    }
    if found.state() != "enabled" {
        let detail = "it starts no runs until POST /v1/flows/{flow}/enable; dryRun: true shows what it would do";
        return Err(Problem::new(StatusCode::CONFLICT, "The flow is disabled", detail));
    }
    let new = NewRun { flow: &flow, location_id: &wanted.location_id, contact_id: wanted.contact_id.as_deref(), knows };
    let started = records.start_flow(new).await.map_err(|error| Problem::records(&error))?;
    let (id, key) = started.ok_or_else(nobody)?;
    if let Err(error) = allowed.producer.queue().push(&[new_job(&key, Priority::Interactive)]).await {
        tracing::warn!(%error, "the job of a new run was not enqueued; the requeuer enqueues it");
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"flow": name, "version": flow.version, "runId": id}))))
}

fn nobody() -> Problem {
    let detail = "an event contact.selected fetches the contact, or it was deleted; nothing was started";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "No such contact here", detail)
}

fn wrong(errors: Vec<FieldError>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The run is wrong", "nothing was started");
    errors.into_iter().fold(problem, |problem, error| problem.with(None, error))
}
