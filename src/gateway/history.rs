//! Where values came from: `GET …/contacts/{contactId}/history`, `…/fields/{field}/why`, `?at=` on the view, and a `POST` that gives a field back what it
//! held.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_model::decide::fields::check_name;
use sync_workers::records::{
    AcceptError, Earlier, HistoryQuery, Moment, PastView, Receipt, Records, RecordsError, Why,
};

use super::allowed::{Allowed, Decides, ReadsPeople};
use super::json::json_of;
use super::parameters::Parameters;
use super::path::Ids;
use super::{Gateway, Problem};
use crate::triggers::{self, FieldError, Fields, kind_of};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;
/// The kinds of records, of one of which a field is.
const RECORDS: [&str; 4] = ["contact", "task", "note", "appointment"];

/// `?field&recordId&limit&cursor`: newest first.
pub(super) async fn list(
    allowed: Allowed<ReadsPeople>,
    Ids((location, contact)): Ids<(String, String)>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["field", "recordId", "limit", "cursor"]);
    let is_field = |name: &str| RECORDS.iter().any(|record| check_name(&format!("{record}.{name}")).is_ok());
    let query = HistoryQuery {
        field: parameters.word(
            "field",
            |name| is_field(name).then(|| name.to_owned()),
            "a field of a record, as `city`",
        ),
        record_id: parameters.id("recordId"),
        cursor: parameters.text("cursor"),
        limit: parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT) as usize,
    };
    let records = allowed.records();
    let page = records.history(&location, &contact, &query).await;
    let page = parameters.page(page, "the nextCursor of an earlier page", problem)?;
    let Some(page) = page else { return Err(not_here(records, &location, &contact).await) };
    Ok(Json(json!({ "history": page.items, "nextCursor": page.next_cursor })))
}

/// `?recordId`: the chain from the value of a field back to what came from outside; of the contact, unless a record is named.
pub(super) async fn why(
    allowed: Allowed<ReadsPeople>,
    Ids((location, contact, field)): Ids<(String, String, String)>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Why>, Problem> {
    let mut parameters = Parameters::new(query, &["recordId"]);
    let record_id = parameters.id("recordId");
    parameters.check()?;
    let records = allowed.records();
    let why = records.why(&location, &contact, record_id.as_deref(), &field).await.map_err(|error| problem(&error))?;
    let Some(why) = why else { return Err(not_here(records, &location, &contact).await) };
    check_field(&why.record, &field)?;
    Ok(Json(why))
}

/// The view as it was; for [`super::contacts::show`].
pub(super) async fn view_at(
    records: &Records,
    location: &str,
    contact: &str,
    at: Timestamp,
) -> Result<PastView, Problem> {
    match records.contact_view_at(location, contact, at).await.map_err(|error| problem(&error))? {
        Some(view) => Ok(view),
        None => match erased(records, location, contact).await? {
            Some(problem) => Err(problem),
            None => Err(Problem::not_found(format!("no such contact was here at {at}"))),
        },
    }
}

/// `{"to"}` or `{"before"}`, the id of a change in the history, and `recordId`: gives the field what it held then, as an edit of now.
pub(super) async fn revert(
    allowed: Allowed<Decides>,
    Ids((location, contact, field)): Ids<(String, String, String)>,
    State(gateway): State<Gateway>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (moment, record_id) = asked(&json_of(&body)?)?;
    let records = allowed.records();
    let earlier = records.earlier(&location, &contact, record_id.as_deref(), &field, moment).await;
    let Some(earlier) = earlier.map_err(|error| problem(&error))? else {
        return Err(match erased(records, &location, &contact).await? {
            Some(problem) => problem,
            None => {
                Problem::not_found("no such change of such a record is known here, or the record was not there then")
            }
        });
    };
    check_field(&earlier.record, &field)?;
    let event = event(&location, &contact, &earlier);
    let trigger = triggers::translate_at(&event, Some(gateway.webhooks.clock.now())).map_err(|errors| {
        let reasons: Vec<_> =
            errors.into_iter().map(|FieldError { field, message }| format!("{field} {message}")).collect();
        irreversible(&reasons.join("; "))
    })?;
    let accepted = allowed.producer.send(&[trigger]).await.map_err(|error| match error {
        AcceptError::Refused(refusal) | AcceptError::IdReused(refusal) => irreversible(&refusal.message),
        AcceptError::Unmapped { message, .. } => irreversible(&message),
        AcceptError::Records(error) => Problem::records(&error),
    })?;
    let job = accepted.first().map(|accepted| &accepted.job_id);
    Ok((StatusCode::ACCEPTED, Json(json!({ "jobId": job }))))
}

/// What the body of a revert asks for.
fn asked(body: &Value) -> Result<(Moment, Option<String>), Problem> {
    let Some(object) = body.as_object() else {
        let message = format!("a revert is an object, not {}", kind_of(body));
        return Err(wrong(vec![FieldError { field: String::new(), message }]));
    };
    let mut fields = Fields::new(object, "");
    let (to, before, record_id) = (fields.id("to"), fields.id("before"), fields.id("recordId"));
    let (name, id, moment): (_, _, fn(i64) -> Moment) = match (&to, &before) {
        (Some(to), None) => ("to", Some(to), Moment::After),
        (None, Some(before)) => ("before", Some(before), Moment::Before),
        _ => ("to", None, Moment::After),
    };
    let moment = match id.map(|id| id.parse()) {
        Some(Ok(id)) => Some(moment(id)),
        Some(Err(_)) => {
            fields.refuse(name, "must be the id of a change in the history");
            None
        }
        None => {
            fields.refuse("to", "must be there, or `before`, and not both: the id of a change in the history");
            None
        }
    };
    let errors = fields.finish();
    match moment.filter(|_| errors.is_empty()) {
        Some(moment) => Ok((moment, record_id)),
        None => Err(wrong(errors)),
    }
}

fn wrong(errors: Vec<FieldError>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The selection is wrong", "nothing was done");
    errors.into_iter().fold(problem, |problem, error| problem.with(None, error))
}

/// The event by which a producer would say so.
fn event(location: &str, contact: &str, earlier: &Earlier) -> Value {
    let Earlier { record, ghl_id, clienty_id, fields } = earlier;
    let mut data = serde_json::Map::new();
    for (name, value) in fields {
        match name.split_once('.') {
            Some(("tags", tag)) => {
                let act = if value.is_null() { "removeTags" } else { "addTags" };
                data.insert(act.to_owned(), json!([tag]));
            }
            Some((list, id)) => {
                data.insert(list.to_owned(), json!([{"id": id, "value": value}]));
            }
            None => {
                data.insert(name.clone(), value.clone());
            }
        }
    }
    let kind = format!("{record}.updated");
    if record == "contact" {
        let contact = ghl_id.as_deref().unwrap_or(contact);
        return json!({"type": kind, "locationId": location, "contactId": contact, "data": data});
    }
    let named = format!("clienty{}{}Id", record[..1].to_uppercase(), &record[1..]);
    match (ghl_id, clienty_id) {
        (Some(id), _) => data.insert(format!("{record}Id"), json!(id)),
        (None, id) => data.insert(named, json!(id)),
    };
    json!({"type": kind, "locationId": location, "data": data})
}

fn check_field(record: &str, field: &str) -> Result<(), Problem> {
    let mistake = check_name(&format!("{record}.{field}")).err();
    mistake.map_or(Ok(()), |known| {
        Err(Problem::not_found(format!("a {record} has no such field; the name must be {known}")))
    })
}

fn irreversible(reason: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "It can't be reverted", reason)
}

/// What is reported about a contact that has no history.
async fn not_here(records: &Records, location: &str, contact: &str) -> Problem {
    match erased(records, location, contact).await {
        Ok(Some(problem)) | Err(problem) => problem,
        Ok(None) => Problem::not_found("no such contact or record is known here"),
    }
}

/// What is reported about a contact whose data was erased.
async fn erased(records: &Records, location: &str, contact: &str) -> Result<Option<Problem>, Problem> {
    let erasure = records.erasure(location, contact).await.map_err(|error| Problem::records(&error))?;
    Ok(erasure.map(|Receipt { id, erased_at, .. }| {
        Problem::not_found(format!(
            "the contact's data was erased at {erased_at}, receipt {id}; a `contact.selected` event fetches it anew"
        ))
    }))
}

/// What a reader of the history is reported.
fn problem(error: &RecordsError) -> Problem {
    match error {
        RecordsError::Forgotten { since } => Problem::new(
            StatusCode::GONE,
            "The history no longer goes back that far",
            format!("what was before {since} is forgotten (records.keep_history_days)"),
        ),
        error => Problem::records(error),
    }
}
