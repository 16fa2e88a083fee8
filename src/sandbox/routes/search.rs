//! `POST /contacts/search`: filters, order, and the two ways to page.
//!
//! `page` stops at 10,000 contacts; `searchAfter` has no end, and takes the pair that the last item carried.

use std::cmp::Ordering;

use axum::{Extension, Json};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Reply;
use crate::sandbox::body::Shape::{Anything, Filled, Number, Objects, Text};
use crate::sandbox::body::{Field, Payload, check, may, must};
use crate::sandbox::contact::{as_listed, date_ms, text};
use crate::sandbox::dates;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::world::Caller;

const SEARCH: [Field; 7] = [
    must("locationId", Filled),
    must("pageLimit", Number),
    may("page", Number),
    may("searchAfter", Anything),
    may("filters", Objects),
    may("sort", Objects),
    may("query", Text),
];

const LONGEST_QUERY: usize = 75;
const LONGEST_PAGE: usize = 500;
const LAST_BY_PAGE: usize = 10_000;
const DATES: [&str; 2] = ["dateAdded", "dateUpdated"];

pub(super) async fn search(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Reply {
    check(&body, &SEARCH)?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let asked = Asked::read(&body)?;
    let store = caller.store();
    let mut found = Vec::new();
    for contact in store.contacts.values() {
        if asked.names(contact) && all_match(contact, asked.filters)? {
            found.push((key(contact, asked.sorted_by), contact));
        }
    }
    found.sort_by(|(a, _), (b, _)| asked.order(*a, *b));
    let total = found.len();
    let page = found
        .into_iter()
        .filter(|(key, _)| asked.after.is_none_or(|after| asked.order(*key, after).is_gt()))
        .skip(asked.skip)
        .take(asked.limit)
        .map(|(key, contact)| {
            let mut item = as_listed(contact);
            item["searchAfter"] = json!(key);
            item
        });
    let contacts: Vec<Value> = page.collect();
    Ok(Json(json!({ "contacts": contacts, "total": total, "traceId": Uuid::new_v4().to_string() })))
}

/// A contact's place in the order: the date, and the id where dates are equal.
type Key<'a> = (i64, &'a str);

fn key<'a>(contact: &'a Value, sorted_by: &str) -> Key<'a> {
    (date_ms(contact, sorted_by), text(contact, "id"))
}

/// A search, read and found sensible.
struct Asked<'a> {
    limit: usize,
    skip: usize,
    after: Option<Key<'a>>,
    query: String,
    filters: &'a [Value],
    sorted_by: &'a str,
    descending: bool,
}

impl<'a> Asked<'a> {
    fn read(body: &'a Map<String, Value>) -> Result<Self, Refusal> {
        let count = |field| body.get(field).and_then(Value::as_u64).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let limit = count("pageLimit").filter(|limit| (1..=LONGEST_PAGE).contains(limit)).ok_or_else(|| {
            Refusal::unprocessable(vec![format!("pageLimit must be a number from 1 to {LONGEST_PAGE}")])
        })?;
        let query = body.get("query").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        if query.chars().count() > LONGEST_QUERY {
            let complaint = format!("query must be shorter than or equal to {LONGEST_QUERY} characters");
            return Err(Refusal::unprocessable(vec![complaint]));
        }
        let after = match body.get("searchAfter") {
            None | Some(Value::Null) => None,
            Some(pair) => Some(pair[0].as_i64().zip(pair[1].as_str()).ok_or_else(|| {
                Refusal::unprocessable(vec!["searchAfter must be the pair of an item before".to_owned()])
            })?),
        };
        let page = count("page").unwrap_or(1).max(1);
        if after.is_some() && body.get("page").is_some_and(|page| !page.is_null()) {
            return Err(Refusal::bad_request("Only one of page and searchAfter can be sent"));
        }
        if page.saturating_mul(limit) > LAST_BY_PAGE {
            return Err(Refusal::bad_request(format!("page reaches beyond {LAST_BY_PAGE} contacts: use searchAfter")));
        }
        let sort = list(body, "sort");
        let sorted_by = sort.first().map_or("dateAdded", |sort| text(sort, "field"));
        if sort.len() > 2 || !DATES.contains(&sorted_by) {
            return Err(Refusal::unprocessable(vec![format!("sort field {sorted_by} is not supported")]));
        }
        Ok(Self {
            limit,
            skip: if after.is_some() { 0 } else { (page - 1) * limit },
            after,
            query,
            filters: list(body, "filters"),
            sorted_by,
            descending: sort.first().is_none_or(|sort| sort["direction"] != "asc"),
        })
    }

    fn names(&self, contact: &Value) -> bool {
        ["fullNameLowerCase", "emailLowerCase", "phone"].iter().any(|field| text(contact, field).contains(&self.query))
    }

    fn order(&self, a: Key<'_>, b: Key<'_>) -> Ordering {
        if self.descending { b.cmp(&a) } else { a.cmp(&b) }
    }
}

fn list<'a>(body: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    body.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn all_match(contact: &Value, filters: &[Value]) -> Result<bool, Refusal> {
    for filter in filters {
        if !matches(contact, filter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One filter, or a group of them joined by AND or OR.
fn matches(contact: &Value, filter: &Value) -> Result<bool, Refusal> {
    if let Some(members) = filter["filters"].as_array() {
        if filter["group"] != "OR" {
            return all_match(contact, members);
        }
        for member in members {
            if matches(contact, member)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let (field, operator, wanted) = (text(filter, "field"), text(filter, "operator"), &filter["value"]);
    let value = &contact[field];
    let is_there = !value.is_null() && *value != "" && *value != json!([]);
    match operator {
        "eq" => Ok(same(value, wanted)),
        "not_eq" => Ok(!same(value, wanted)),
        "contains" => Ok(holds(value, wanted)),
        "not_contains" => Ok(!holds(value, wanted)),
        "exists" => Ok(is_there),
        "not_exists" => Ok(!is_there),
        "range" if DATES.contains(&field) => {
            let at = date_ms(contact, field);
            let not_below = moment(&wanted["gte"]).is_none_or(|bound| at >= bound);
            let not_above = moment(&wanted["lte"]).is_none_or(|bound| at <= bound);
            Ok(not_below && not_above)
        }
        _ => Err(Refusal::unprocessable(vec![format!("filter {field} {operator} is not supported")])),
    }
}

fn same(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Array(values), Value::Array(wanted)) => wanted.iter().all(|one| values.contains(one)),
        (Value::Array(values), one) => values.contains(one),
        (Value::String(value), Value::String(wanted)) => value.to_lowercase() == wanted.to_lowercase(),
        _ => value == wanted,
    }
}

fn holds(value: &Value, wanted: &Value) -> bool {
    let wanted = wanted.as_str().unwrap_or_default().to_lowercase();
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).any(|one| one.to_lowercase() == wanted),
        Value::String(value) => value.to_lowercase().contains(&wanted),
        _ => false,
    }
}

/// A bound of a range: epoch milliseconds or ISO 8601.
fn moment(bound: &Value) -> Option<i64> {
    bound.as_i64().or_else(|| Some(dates::parse(bound.as_str()?)?.as_millisecond()))
}
