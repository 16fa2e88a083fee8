//! The routes: the API behind its door, and the control routes beside it.

mod appointments;
mod contacts;
mod control;
mod kept;
mod listing;
mod locations;
mod notes;
mod search;
mod tags;
mod tasks;

use std::sync::Arc;

use axum::routing::{get, post, put};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use uuid::Uuid;

use super::door;
use super::refusal::Refusal;
use super::store::Kind;
use super::world::World;

type Reply = Result<Json<Value>, Refusal>;

pub(super) fn router(world: Arc<World>) -> Router {
    let api = Router::new()
        .route("/contacts/", get(listing::list).post(contacts::create))
        .route("/contacts/search", post(search::search))
        .route("/contacts/search/duplicate", get(listing::find_duplicate))
        .route("/contacts/{contactId}", get(contacts::get).put(contacts::update).delete(contacts::delete))
        .route("/contacts/{contactId}/tags", post(tags::add).delete(tags::remove))
        .route("/contacts/{contactId}/tasks", get(|caller, at| kept::list(Kind::Task, caller, at)).post(tasks::create))
        .route(
            "/contacts/{contactId}/tasks/{taskId}",
            get(|caller, at| kept::get(Kind::Task, caller, at))
                .put(tasks::update)
                .delete(|caller, at| kept::delete(Kind::Task, caller, at)),
        )
        .route("/contacts/{contactId}/tasks/{taskId}/completed", put(tasks::complete))
        .route("/contacts/{contactId}/notes", get(|caller, at| kept::list(Kind::Note, caller, at)).post(notes::create))
        .route(
            "/contacts/{contactId}/notes/{id}",
            get(|caller, at| kept::get(Kind::Note, caller, at))
                .put(notes::update)
                .delete(|caller, at| kept::delete(Kind::Note, caller, at)),
        )
        .route("/contacts/{contactId}/appointments", get(appointments::list))
        .route("/locations/{locationId}", get(locations::get))
        .route("/locations/{locationId}/customFields", get(locations::custom_fields))
        .route("/locations/{locationId}/tasks/search", post(tasks::search))
        .fallback(door::no_such_route)
        .method_not_allowed_fallback(door::no_such_route)
        .layer(middleware::from_fn_with_state(Arc::clone(&world), door::enter));
    let control = Router::new()
        .route("/_sandbox/locations", get(control::locations))
        .route("/_sandbox/locations/{locationId}/state", get(control::state))
        .route("/_sandbox/stats", get(control::stats))
        .route("/_sandbox/stats/reset", post(control::reset_stats))
        .route("/_sandbox/faults", post(control::set_faults))
        .with_state(world);
    api.merge(control)
}

/// A reply of one named part, with the trace id that GHL adds to most.
fn named(part: &str, value: impl Into<Value>) -> Json<Value> {
    Json(json!({ part: value.into(), "traceId": Uuid::new_v4().to_string() }))
}

/// The reply to a delete; the misspelling is GHL's.
fn succeded() -> Json<Value> {
    named("succeded", true)
}
