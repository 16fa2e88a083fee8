//! Fields that both sides edited: whose value won, and the button that gives the other one back.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use sync_model::ids;
use sync_workers::records::{AcceptError, KeptConflict, Role};

use super::Console;
use super::frame::{Frame, rendered};
use super::show::{Markup, ago, id_link, query_part, segment, state_as, value};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use crate::gateway::{Decides, Reads, undo_of};

/// Conflicts of a page.
const ROWS: i64 = 50;

#[derive(Template)]
#[template(path = "console/conflicts.html")]
struct Page {
    frame: Frame,
    lead: &'static str,
    location: String,
    conflicts: Vec<Shown>,
    may_undo: bool,
    next: Option<String>,
    is_later: bool,
}

/// A conflict as a table shows it.
pub(super) struct Shown {
    pub(super) undo: String,
    pub(super) contact: Markup,
    pub(super) record: String,
    pub(super) field: String,
    pub(super) base: String,
    pub(super) ours: String,
    pub(super) theirs: String,
    pub(super) clienty_won: bool,
    pub(super) state: Markup,
    pub(super) found: Markup,
    pub(super) is_open: bool,
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let text = |name: &str| query.get(name).map(|text| text.trim().to_owned()).filter(|text| ids::is_id(text));
    let (location, before) = (text("location"), text("before"));
    let page = visitor.records().list_conflicts_everywhere(location.as_deref(), before.as_deref(), ROWS);
    let page = in_time(page).await?;
    let people = visitor.key.reads_people;
    let of_location = location.as_deref().map(|one| format!("location={}&", query_part(one))).unwrap_or_default();
    Ok(rendered(&Page {
        lead: match (page.items.is_empty(), people) {
            (true, _) => "No field was edited on both sides.",
            (false, true) => {
                "Both sides edited these fields. The record has the value that won; undo gives it the other one."
            }
            (false, false) => {
                "Both sides edited these fields. This key reads ids and states, so their values are not shown."
            }
        },
        conflicts: page.items.iter().map(|conflict| shown(conflict, people, visitor.now)).collect(),
        next: page.next_cursor.map(|next| format!("/ui/conflicts?{of_location}before={}", query_part(&next))),
        is_later: before.is_some(),
        location: location.unwrap_or_default(),
        may_undo: visitor.may(Role::Operator) || visitor.may(Role::Producer),
        frame: visitor.frame("/ui/conflicts", "Conflicts").after(&query),
    }))
}

/// A conflict for a table; without values for whoever reads ids alone.
pub(super) fn shown(conflict: &KeptConflict, people: bool, now: Timestamp) -> Shown {
    let reported = |one: &serde_json::Value| if people { value(one) } else { "…".to_owned() };
    let location = format!("/ui/locations/{}", segment(&conflict.location_id));
    let contact = format!("{location}/contacts/{}", segment(&conflict.contact_id));
    let (word, words) = match (conflict.undone_at, conflict.winner.as_str()) {
        (Some(_), _) => ("discarded", "undone"),
        (None, "ghl") => ("conflict", "GHL won"),
        (None, _) => ("conflict", "Clienty won"),
    };
    Shown {
        undo: format!("{location}/conflicts/{}/undo", segment(&conflict.id)),
        contact: id_link(&conflict.contact_id, &contact),
        record: conflict.record.clone(),
        field: conflict.field.clone(),
        base: reported(&conflict.base),
        ours: reported(&conflict.ours),
        theirs: reported(&conflict.theirs),
        clienty_won: conflict.winner != "ghl",
        state: state_as(word, words),
        found: ago(conflict.found_at, now),
        is_open: conflict.undone_at.is_none(),
    }
}

/// `POST …/conflicts/{conflict}/undo`: gives the field the value that lost, as an edit of now.
pub(super) async fn undo(
    State(console): State<Console>,
    Path((location, conflict)): Path<(String, String)>,
    act: Act<Decides>,
) -> Result<Response, Trouble> {
    let producer = &act.visitor.producer;
    let found = in_time(producer.records().conflict(&location, &conflict)).await?;
    let found = found.ok_or_else(|| Trouble::no_such("conflict"))?;
    match producer.send(&[undo_of(&found)]).await {
        Ok(_) => {}
        Err(AcceptError::Refused(refusal) | AcceptError::IdReused(refusal)) => {
            let detail = format!("It can't be undone: {}.", refusal.message);
            return Err(Trouble::new(StatusCode::CONFLICT, "Not undone", detail));
        }
        Err(AcceptError::Unmapped { message, .. }) => {
            let detail = format!("It can't be undone: {message}.");
            return Err(Trouble::new(StatusCode::CONFLICT, "Not undone", detail));
        }
        Err(AcceptError::Records(error)) => return Err(error.into()),
    }
    console.samples.forget();
    let contact = format!("/ui/locations/{}/contacts/{}", segment(&location), segment(&found.contact_id));
    let to = if act.visitor.key.reads_people { contact } else { "/ui/conflicts".to_owned() };
    Ok(Redirect::to(&format!("{to}?done=undo")).into_response())
}
