//! `POST /contacts/search`: filters, order, and the two ways to page.
//!
//! `page` stops at 10,000 contacts; `searchAfter` has no end, and takes the place that the last item carried. A search
//! by one date, as a reconciliation does it, reads no more contacts than it shows, however many there are.

mod filter;
mod order;

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::{Extension, Json};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Reply;
use crate::api_error::ApiError;
use crate::body::Shape::{Anything, Filled, Number, Objects, Text};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::is_named;
use crate::found::as_found;
use crate::state::Caller;
use crate::store::{Contacts, Date};
use filter::Filter;
use order::{Key, Order};

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

pub(super) async fn search(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Reply {
    check(&body, &SEARCH)?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let (mut asked, shape) = (Asked::read(&body)?, caller.state.search_shape());
    if shape.most > 0 {
        asked.limit = asked.limit.min(shape.most);
    }
    if shape.stuck {
        // Wherever the caller is, it is reported the beginning.
        (asked.after, asked.skip) = (None, 0);
    }
    let (total, page) = {
        let mut store = caller.store();
        store.contacts.search_due();
        asked.find(&store.contacts)
    };
    let takes = shape.ms_per_item.saturating_mul(u64::try_from(page.len()).unwrap_or(u64::MAX));
    if takes > 0 {
        tokio::time::sleep(Duration::from_millis(takes)).await;
    }
    if shape.unanswered_above > 0 && page.len() > shape.unanswered_above {
        std::future::pending::<()>().await;
    }
    let contacts: Vec<Value> = page
        .into_iter()
        .enumerate()
        .map(|(at, contact)| {
            let mut item = as_found(&contact, caller.state.search_fields);
            item["searchAfter"] = asked.order.key(&contact).iter().map(Value::from).collect();
            if shape.padding > 0 {
                item["padding"] = "x".repeat(shape.padding).into();
            }
            if shape.without_id > 0
                && (at + 1).is_multiple_of(shape.without_id)
                && let Some(fields) = item.as_object_mut()
            {
                fields.remove("id");
                fields.extend(shape.id_instead.iter().map(|id| ("id".to_owned(), id.as_str().into())));
            }
            item
        })
        .collect();
    Ok(Json(json!({ "contacts": contacts, "total": total, "traceId": Uuid::new_v4().to_string() })))
}

/// A search, read and found sensible.
struct Asked {
    limit: usize,
    skip: usize,
    after: Option<Vec<Key>>,
    query: String,
    filters: Vec<Filter>,
    order: Order,
}

impl Asked {
    fn read(body: &Map<String, Value>) -> Result<Self, ApiError> {
        let count = |field| body.get(field).and_then(Value::as_u64).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let limit = count("pageLimit").filter(|limit| (1..=LONGEST_PAGE).contains(limit)).ok_or_else(|| {
            ApiError::unprocessable(vec![format!("pageLimit must be a number from 1 to {LONGEST_PAGE}")])
        })?;
        let query = body.get("query").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        if query.chars().count() > LONGEST_QUERY {
            let complaint = format!("query must be shorter than or equal to {LONGEST_QUERY} characters");
            return Err(ApiError::unprocessable(vec![complaint]));
        }
        let order = Order::read(list(body, "sort"))?;
        let after = match body.get("searchAfter") {
            None | Some(Value::Null) => None,
            Some(place) => Some(order.place(place)?),
        };
        let page = count("page").unwrap_or(1).max(1);
        if after.is_some() && body.get("page").is_some_and(|page| !page.is_null()) {
            return Err(ApiError::bad_request("Only one of page and searchAfter can be sent"));
        }
        if page.saturating_mul(limit) > LAST_BY_PAGE {
            return Err(ApiError::bad_request(format!("page reaches beyond {LAST_BY_PAGE} contacts: use searchAfter")));
        }
        let skip = if after.is_some() { 0 } else { (page - 1) * limit };
        Ok(Self { limit, skip, after, query, filters: Filter::all(list(body, "filters"))?, order })
    }

    /// How many there are in all, and those of the page.
    fn find(&self, contacts: &Contacts) -> (usize, Vec<Value>) {
        match self.order.one_date() {
            Some((date, descending)) => self.walk(contacts, date, descending),
            None => self.sort(contacts),
        }
    }

    /// Along the index of a date. What only the date decides is not looked at before it is shown.
    fn walk(&self, contacts: &Contacts, date: Date, descending: bool) -> (usize, Vec<Value>) {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        let mut rest = Vec::new();
        for filter in &self.filters {
            match filter {
                Filter::Dated(of, range) if *of == date => {
                    (from, to) = (from.max(*range.start()), to.min(*range.end()))
                }
                other => rest.push(other),
            }
        }
        let fits = |contact: &Value| is_named(contact, &self.query) && rest.iter().all(|filter| filter.lets(contact));
        let only_dated = rest.is_empty() && self.query.is_empty();
        let found = in_order(contacts, date, from..=to, descending);
        let found: Vec<_> = if only_dated {
            found.collect()
        } else {
            found.filter(|(_, id)| contacts.shown(id).is_some_and(|contact| fits(&contact))).collect()
        };
        let place = |(at_ms, id): &(i64, &str)| [Key::Number(*at_ms), Key::Text((*id).to_owned())];
        let start = match &self.after {
            Some(after) => found.partition_point(|entry| self.order.compare(&place(entry), after).is_le()),
            None => self.skip,
        };
        let page = found.iter().skip(start).take(self.limit).filter_map(|(_, id)| contacts.shown(id)).collect();
        (found.len(), page)
    }

    fn sort(&self, contacts: &Contacts) -> (usize, Vec<Value>) {
        let fits =
            |contact: &Value| is_named(contact, &self.query) && self.filters.iter().all(|filter| filter.lets(contact));
        let mut found: Vec<(Vec<Key>, Value)> = in_order(contacts, Date::Added, i64::MIN..=i64::MAX, false)
            .filter_map(|(_, id)| contacts.shown(id))
            .filter(fits)
            .map(|contact| (self.order.key(&contact), contact))
            .collect();
        found.sort_by(|(a, _), (b, _)| self.order.compare(a, b));
        let total = found.len();
        let is_next = |key: &[Key]| self.after.as_ref().is_none_or(|after| self.order.compare(key, after).is_gt());
        let page = found.into_iter().filter(|(key, _)| is_next(key)).skip(self.skip).take(self.limit);
        (total, page.map(|(_, contact)| contact).collect())
    }
}

fn in_order(
    contacts: &Contacts,
    date: Date,
    time_ms: RangeInclusive<i64>,
    descending: bool,
) -> Box<dyn Iterator<Item = (i64, &str)> + '_> {
    let dated = contacts.dated(date, time_ms);
    if descending { Box::new(dated.rev()) } else { Box::new(dated) }
}

fn list<'a>(body: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    body.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
