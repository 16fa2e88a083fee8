//! `/calendars/` and the appointments in them. Times are said with the offset of the location's zone.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{AskedLocation, Reply, named};
use crate::api_error::ApiError;
use crate::appointment;
use crate::body::Shape::{Filled, Flag, Moment, OneOf, Text};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::text;
use crate::dates;
use crate::state::Caller;
use crate::store::Kind;

/// What may be written; replies also have booked, active and completed.
const STATUSES: &[&str] = &["new", "confirmed", "cancelled", "showed", "noshow", "invalid"];

const COMMON: [Field; 14] = [
    may("title", Text),
    may("meetingLocationType", Text),
    may("meetingLocationId", Text),
    may("overrideLocationConfig", Flag),
    may("appointmentStatus", OneOf(STATUSES)),
    may("assignedUserId", Text),
    may("description", Text),
    may("address", Text),
    may("ignoreDateRange", Flag),
    may("toNotify", Flag),
    may("ignoreFreeSlotValidation", Flag),
    may("rrule", Text),
    may("endTime", Moment),
    may("notes", Text),
];
const ONLY_CREATE: [Field; 4] =
    [must("calendarId", Filled), must("locationId", Filled), must("contactId", Filled), must("startTime", Moment)];
const ONLY_UPDATE: [Field; 2] = [may("calendarId", Filled), may("startTime", Moment)];

/// What is asked for how to book, and is no part of the appointment.
const MANNERS: [&str; 4] = ["overrideLocationConfig", "ignoreDateRange", "toNotify", "ignoreFreeSlotValidation"];

pub(super) async fn list(Extension(caller): Extension<Caller>, asked: AskedLocation) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    Ok(named("calendars", caller.store().calendars.all()))
}

pub(super) async fn get(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    expect_calendar(&caller, &id)?;
    Ok(named("calendar", caller.store().calendars.get(&id).cloned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventsQuery {
    location_id: Option<String>,
    user_id: Option<String>,
    calendar_id: Option<String>,
    group_id: Option<String>,
    /// Milliseconds since 1970, as text.
    start_time: Option<String>,
    end_time: Option<String>,
}

/// Those that begin in a time, of one user, calendar or group.
pub(super) async fn events(Extension(caller): Extension<Caller>, Query(asked): Query<EventsQuery>) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    let moment = |field: &str, text: &Option<String>| {
        let wrong = || ApiError::unprocessable(vec![format!("{field} must be a number string")]);
        text.as_deref().ok_or_else(wrong)?.parse::<i64>().map_err(|_| wrong())
    };
    let (from, to) = (moment("startTime", &asked.start_time)?, moment("endTime", &asked.end_time)?);
    let narrowed = [("calendarId", asked.calendar_id), ("assignedUserId", asked.user_id), ("groupId", asked.group_id)];
    if narrowed.iter().all(|(_, wanted)| wanted.is_none()) {
        return Err(ApiError::bad_request("Either of userId, calendarId or groupId is required"));
    }
    let fits = |event: &Value| narrowed.iter().all(|(field, id)| id.as_ref().is_none_or(|id| event[*field] == **id));
    let store = caller.store();
    let events = store.appointments.starting_in(from..=to).filter(fits).map(|event| shown(&caller, event));
    Ok(named("events", events.collect::<Vec<_>>()))
}

pub(super) async fn event(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    let event = find(&caller, &id)?;
    Ok(named("event", shown(&caller, event)))
}

/// Answers 200, not 201. Without an end it lasts as long as a slot of the calendar.
pub(super) async fn book(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Reply {
    check(&body, &[COMMON.as_slice(), &ONLY_CREATE].concat())?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    expect_calendar(&caller, body["calendarId"].as_str().unwrap_or_default())?;
    let contact = body["contactId"].as_str().unwrap_or_default();
    let mut store = caller.store_holding(contact)?;
    let now = dates::iso(store.now());
    let mut event = json!({
        "id": store.new_id(),
        "locationId": caller.location.facts.id,
        "contactId": contact,
        "status": "booked",
        "appointmentStatus": "confirmed",
        "title": "",
        "assignedUserId": null,
        "groupId": null,
        "users": [],
        "address": "",
        "notes": "",
        "assignedResources": [],
        "dateAdded": now,
    });
    apply(&mut event, &body);
    expect_order(&event)?;
    event["dateUpdated"] = now.into();
    store.put(Kind::Appointment, &event);
    drop(store);
    Ok(Json(as_booked(&caller, event)))
}

pub(super) async fn rebook(
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Reply {
    check(&body, &[COMMON.as_slice(), &ONLY_UPDATE].concat())?;
    if let Some(calendar) = body.get("calendarId").and_then(Value::as_str) {
        expect_calendar(&caller, calendar)?;
    }
    let mut event = find(&caller, &id)?;
    apply(&mut event, &body);
    expect_order(&event)?;
    let mut store = caller.store();
    event["dateUpdated"] = dates::iso(store.now()).into();
    store.put(Kind::Appointment, &event);
    drop(store);
    Ok(Json(as_booked(&caller, event)))
}

/// Answers 201; and takes a body, which must be an empty object.
pub(super) async fn cancel(
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body, &[])?;
    let event = find(&caller, &id)?;
    caller.store().remove(Kind::Appointment, text(&event, "contactId"), &id);
    Ok((StatusCode::CREATED, named("succeeded", true)))
}

/// Writes the fields of a call; a start without an end moves the end along.
pub(crate) fn apply(event: &mut Value, body: &Map<String, Value>) {
    let moment = |event: &Value, field| dates::parse(text(event, field));
    let length = moment(event, "startTime")
        .zip(moment(event, "endTime"))
        .map_or(SignedDuration::from_mins(30), |(start, end)| end.duration_since(start));
    for (field, value) in body.iter().filter(|(field, _)| !MANNERS.contains(&field.as_str())) {
        event[field] = match (field.as_str(), value.as_str().and_then(dates::parse)) {
            ("startTime" | "endTime", Some(at)) => dates::iso(at).into(),
            _ => value.clone(),
        };
    }
    if let (None, Some(start)) = (body.get("endTime"), moment(event, "startTime")) {
        event["endTime"] = dates::iso(start + length).into();
    }
    if let Some(user) = body.get("assignedUserId").and_then(Value::as_str) {
        event["users"] = json!([user]);
    }
}

fn expect_order(event: &Value) -> Result<(), ApiError> {
    if dates::parse(text(event, "startTime")) < dates::parse(text(event, "endTime")) {
        return Ok(());
    }
    Err(ApiError::unprocessable(vec!["endTime must be after startTime".to_owned()]))
}

fn expect_calendar(caller: &Caller, id: &str) -> Result<(), ApiError> {
    let known = caller.store().calendars.get(id).is_some();
    if known { Ok(()) } else { Err(ApiError::bad_request(format!("Calendar with id {id} not found"))) }
}

fn find(caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let found = caller.store().appointments.find(id);
    found.ok_or_else(|| ApiError::bad_request(format!("Event with id {id} not found")))
}

/// The form in which calendars show an event: what it may lack elsewhere is an explicit null here.
fn shown(caller: &Caller, mut event: Value) -> Value {
    for field in ["groupId", "assignedUserId"] {
        let value = event[field].take();
        event[field] = value;
    }
    if let Some(fields) = event.as_object_mut() {
        fields.remove("status");
    }
    appointment::with_offset(event, &caller.location.zone)
}

/// The reply to a write has fewer fields than a read. Its dates are documented for `v3` only.
fn as_booked(caller: &Caller, event: Value) -> Value {
    let mut event = shown(caller, event);
    event["isRecurring"] = false.into();
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|field, _| {
            !["users", "groupId", "notes", "description", "assignedResources"].contains(&field.as_str())
        });
    }
    event
}
