//! The deprecated list of contacts, and the look for a duplicate.

use axum::extract::Query;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Reply, named};
use crate::api_error::ApiError;
use crate::contact::{as_listed, date_ms, is_named};
use crate::phone;
use crate::state::Caller;
use crate::store::Date;

const MOST: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    location_id: Option<String>,
    start_after_id: Option<String>,
    query: Option<String>,
    limit: Option<usize>,
}

/// Newest first. The place to go on from is an id; once that contact is gone, the list begins anew.
pub(super) async fn list(Extension(caller): Extension<Caller>, Query(asked): Query<ListQuery>) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    let limit = asked.limit.unwrap_or(20);
    if limit > MOST {
        return Err(ApiError::unprocessable(vec![format!("limit must not be greater than {MOST}")]));
    }
    let wanted = asked.query.unwrap_or_default().to_lowercase();
    let mut store = caller.store();
    store.contacts.search_due();
    let contacts = &store.contacts;
    let found: Vec<(i64, &str)> = contacts
        .dated(Date::Added, i64::MIN..=i64::MAX)
        .rev()
        .filter(|(_, id)| wanted.is_empty() || contacts.shown(id).is_some_and(|contact| is_named(&contact, &wanted)))
        .collect();
    let start = asked
        .start_after_id
        .and_then(|after| found.iter().position(|(_, id)| *id == after))
        .map_or(0, |place| place + 1);
    let page: Vec<Value> = found.iter().skip(start).take(limit).filter_map(|(_, id)| contacts.shown(id)).collect();
    let last = page.last().filter(|_| start + page.len() < found.len());
    Ok(Json(json!({
        "contacts": page.iter().map(as_listed).collect::<Vec<_>>(),
        "count": found.len(),
        "meta": {
            "total": found.len(),
            "startAfterId": last.map(|contact| &contact["id"]),
            "startAfter": last.map(|contact| date_ms(contact, "dateAdded")),
        },
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DuplicateQuery {
    location_id: Option<String>,
    email: Option<String>,
    number: Option<String>,
}

/// The contact, or null.
pub(super) async fn find_duplicate(Extension(caller): Extension<Caller>, Query(asked): Query<DuplicateQuery>) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    let number = asked.number.and_then(|raw| phone::e164(&raw, caller.location.country)).unwrap_or_default();
    let found = caller.store().contacts.duplicate(None, &asked.email.unwrap_or_default(), &number);
    Ok(named("contact", found.map(|(contact, _)| contact)))
}
