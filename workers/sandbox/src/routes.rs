//! The routes: the API behind its middleware, and the control routes beside it.

mod appointments;
mod bulk;
mod businesses;
mod calendars;
mod contacts;
mod control;
mod custom_fields;
mod edit;
mod followers_and_workflows;
mod listing;
mod location_tags;
mod locations;
mod notes;
mod oauth;
mod search;
mod tags;
mod tasks;
mod tasks_and_notes;

use std::sync::Arc;

use axum::extract::Query;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::api_error::ApiError;
use super::state::SandboxState;
use super::store::Kind;

type Reply = Result<Json<Value>, ApiError>;

pub(super) fn router(state: Arc<SandboxState>) -> Router {
    let api = contacts()
        .merge(below_contacts())
        .merge(locations())
        .merge(calendars())
        .fallback(crate::middleware::no_such_route)
        .method_not_allowed_fallback(crate::middleware::no_such_route)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), crate::middleware::enter));
    let tokens =
        tokens().route_layer(middleware::from_fn_with_state(Arc::clone(&state), crate::middleware::answer_requested));
    api.merge(control().merge(edits()).merge(logins()).merge(tokens).with_state(state))
}

fn tokens() -> Router<Arc<SandboxState>> {
    Router::new()
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/locationToken", post(oauth::location_token))
        .route("/oauth/installedLocations", get(oauth::installed))
}

fn logins() -> Router<Arc<SandboxState>> {
    Router::new()
        .route("/v2/oauth/chooselocation", get(oauth::choose))
        // The page of before, to which GHL's own client still links.
        .route("/oauth/chooselocation", get(oauth::choose))
        .route("/v2/oauth/approve", get(oauth::approve))
        .route("/_sandbox/oauth", get(oauth::told).post(oauth::set))
        .route("/_sandbox/oauth/expire", post(oauth::expire))
        .route("/_sandbox/oauth/revoke", post(oauth::revoke))
}

fn control() -> Router<Arc<SandboxState>> {
    Router::new()
        .route("/_sandbox/locations", get(control::locations))
        .route("/_sandbox/locations/{locationId}/state", get(control::state))
        .route("/_sandbox/stats", get(control::stats))
        .route("/_sandbox/stats/reset", post(control::reset_stats))
        .route("/_sandbox/faults", post(control::set_faults))
        .route("/_sandbox/errors", post(control::request_errors))
        .route("/_sandbox/locations/{locationId}/token", post(control::set_token))
        .route("/_sandbox/locations/{locationId}/duplicates", post(control::allow_duplicates))
        .route("/_sandbox/search-lag", post(control::set_search_lag))
        .route("/_sandbox/search-shape", post(control::set_search_shape))
}

fn edits() -> Router<Arc<SandboxState>> {
    let mut edits = Router::new()
        .route("/_sandbox/locations/{locationId}/scopes", post(edit::set_scopes))
        .route("/_sandbox/locations/{locationId}/contacts", post(edit::add_contact))
        .route(
            "/_sandbox/locations/{locationId}/contacts/{contactId}",
            put(edit::change_contact).delete(edit::remove_contact),
        )
        .route("/_sandbox/locations/{locationId}/contacts/{contactId}/merge", post(edit::merge_contact))
        .route("/_sandbox/locations/{locationId}/contacts/{contactId}/restore", post(edit::restore_contact));
    for (kind, name) in [(Kind::Task, "tasks"), (Kind::Note, "notes"), (Kind::Appointment, "appointments")] {
        let one = put(move |state, at, fields| edit::change_record(kind, state, at, fields))
            .delete(move |state, at| edit::remove_record(kind, state, at));
        let new = post(move |state, at, fields| edit::add_record(kind, state, at, fields));
        edits = edits
            .route(&format!("/_sandbox/locations/{{locationId}}/{name}"), new)
            .route(&format!("/_sandbox/locations/{{locationId}}/{name}/{{id}}"), one);
    }
    edits
}

fn contacts() -> Router {
    Router::new()
        .route("/contacts/", get(listing::list).post(contacts::create))
        .route("/contacts/upsert", post(contacts::upsert))
        .route("/contacts/search", post(search::search))
        .route("/contacts/search/duplicate", get(listing::find_duplicate))
        .route("/contacts/bulk/tags/update/{type}", post(bulk::tags))
        .route("/contacts/bulk/business", post(bulk::business))
        .route("/contacts/business/{businessId}", get(businesses::contacts))
        .route("/contacts/{contactId}", get(contacts::get).put(contacts::update).delete(contacts::delete))
}

fn below_contacts() -> Router {
    let task = get(|caller, at| tasks_and_notes::get(Kind::Task, caller, at))
        .put(tasks::update)
        .delete(|caller, at| tasks_and_notes::delete(Kind::Task, caller, at));
    let note = get(|caller, at| tasks_and_notes::get(Kind::Note, caller, at))
        .put(notes::update)
        .delete(|caller, at| tasks_and_notes::delete(Kind::Note, caller, at));
    let campaign = post(followers_and_workflows::join_campaign).delete(followers_and_workflows::leave_campaign);
    let workflow = post(followers_and_workflows::join_workflow).delete(followers_and_workflows::leave_workflow);
    Router::new()
        .route("/contacts/{contactId}/tags", post(tags::add).delete(tags::remove))
        .route(
            "/contacts/{contactId}/tasks",
            get(|caller, at| tasks_and_notes::list(Kind::Task, caller, at)).post(tasks::create),
        )
        .route("/contacts/{contactId}/tasks/{taskId}", task)
        .route("/contacts/{contactId}/tasks/{taskId}/completed", put(tasks::complete))
        .route(
            "/contacts/{contactId}/notes",
            get(|caller, at| tasks_and_notes::list(Kind::Note, caller, at)).post(notes::create),
        )
        .route("/contacts/{contactId}/notes/{id}", note)
        .route("/contacts/{contactId}/appointments", get(appointments::list))
        .route(
            "/contacts/{contactId}/followers",
            post(followers_and_workflows::follow).delete(followers_and_workflows::unfollow),
        )
        .route("/contacts/{contactId}/campaigns/removeAll", delete(followers_and_workflows::leave_all_campaigns))
        .route("/contacts/{contactId}/campaigns/remove-all", delete(followers_and_workflows::leave_all_campaigns))
        .route("/contacts/{contactId}/campaigns/{campaignId}", campaign)
        .route("/contacts/{contactId}/workflow/{workflowId}", workflow)
}

fn locations() -> Router {
    let field = get(custom_fields::get).put(custom_fields::update).delete(custom_fields::delete);
    let tag = get(location_tags::get).put(location_tags::update).delete(location_tags::delete);
    Router::new()
        .route("/locations/{locationId}", get(locations::get))
        .route("/locations/{locationId}/customFields", get(custom_fields::list).post(custom_fields::create))
        .route("/locations/{locationId}/customFields/{id}", field)
        .route("/locations/{locationId}/tags", get(location_tags::list).post(location_tags::create))
        .route("/locations/{locationId}/tags/{tagId}", tag)
        .route("/locations/{locationId}/tasks/search", post(tasks::search))
        .route("/businesses/", get(businesses::list).post(businesses::create))
        .route("/businesses/{businessId}", get(businesses::get).put(businesses::update).delete(businesses::delete))
        .route("/campaigns/", get(followers_and_workflows::campaigns))
        .route("/workflows/", get(followers_and_workflows::workflows))
        .route("/users/", get(locations::users))
}

fn calendars() -> Router {
    Router::new()
        .route("/calendars/", get(calendars::list))
        .route("/calendars/{calendarId}", get(calendars::get))
        .route("/calendars/events", get(calendars::events))
        .route("/calendars/events/{eventId}", delete(calendars::cancel))
        .route("/calendars/events/appointments", post(calendars::book))
        .route("/calendars/events/appointments/{eventId}", get(calendars::event).put(calendars::rebook))
}

/// The location that the query of a list names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationQuery {
    location_id: Option<String>,
}

type AskedLocation = Query<LocationQuery>;

/// A reply of one named part, with the trace id that GHL adds to most.
fn named(part: &str, value: impl Into<Value>) -> Json<Value> {
    Json(json!({ part: value.into(), "traceId": Uuid::new_v4().to_string() }))
}

/// The reply to a delete; the misspelling is GHL's.
fn succeded() -> Json<Value> {
    named("succeded", true)
}
