//! The contacts of a location, by pages in the order of their ids; looked for by name, e-mail or phone.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use sync_workers::records::ListQuery;

use super::frame::{Frame, rendered};
use super::show::{Markup, ago_or_none, id_link, query_part, segment, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::ReadsPeople;

/// Contacts of a page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "console/contacts.html")]
struct Page {
    frame: Frame,
    location: String,
    path: String,
    parent: String,
    query: String,
    rows: Vec<Row>,
    next: Option<String>,
    is_later: bool,
}

struct Row {
    link: Markup,
    path: String,
    name: String,
    email: String,
    phone: String,
    state: Markup,
    updated: Markup,
}

pub(super) async fn page(
    visitor: Visitor<ReadsPeople>,
    Path(location): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let text = |name: &str| query.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (words, cursor) = (text("q"), text("after"));
    let list = ListQuery { limit: ROWS, cursor: cursor.clone(), query: words.clone(), ..ListQuery::default() };
    let page = in_time(visitor.records().list_contacts(&location, &list)).await?;
    let path = format!("/ui/locations/{}/contacts", segment(&location));
    let words = words.unwrap_or_default();
    let rows = page.items.iter().map(|shown| {
        let contact = &shown.record;
        let to = format!("{path}/{}", segment(&contact.id));
        Row {
            link: id_link(&contact.id, &to),
            path: to,
            name: contact.name.clone().unwrap_or_else(|| "without a name".to_owned()),
            email: contact.email.clone().unwrap_or_default(),
            phone: contact.phone.clone().unwrap_or_default(),
            state: state_as(shown.sync.state.as_str(), super::contact::words(shown.sync.state)),
            updated: ago_or_none(contact.date_updated, visitor.now),
        }
    });
    Ok(rendered(&Page {
        rows: rows.collect(),
        next: page.next_cursor.map(|next| format!("{path}?q={}&after={}", query_part(&words), query_part(&next))),
        is_later: cursor.is_some(),
        frame: visitor.frame("/ui/locations", "Contacts"),
        query: words,
        parent: format!("/ui/locations/{}", segment(&location)),
        location,
        path,
    }))
}
