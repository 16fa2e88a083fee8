//! One hook: its deliveries, why one did not arrive; and the buttons that send one again, report what was missed, or pause it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use sync_workers::hooks::{HookError, Hooks, read_message_id};
use sync_workers::records::{Hook, HookState, RecordsError, Role};

use super::Console;
use super::frame::{Frame, rendered};
use super::hooks::standing;
use super::show::{Markup, ago, ago_or_none, id, plain, query_part, segment, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use crate::gateway::{Administers, Reads};

/// Deliveries of a page.
const ROWS: i64 = 50;

#[derive(Template)]
#[template(path = "console/hook.html")]
struct Page {
    frame: Frame,
    path: String,
    url: String,
    state: Markup,
    why: String,
    facts: Vec<(&'static str, Markup)>,
    tabs: Vec<(String, &'static str, bool)>,
    rows: Vec<Row>,
    next: Option<String>,
    is_disabled: bool,
    may_administer: bool,
}

struct Row {
    id: String,
    short: Markup,
    event: String,
    contact: Markup,
    state: Markup,
    why: String,
    attempts: i64,
    status: String,
    at: Markup,
}

const TABS: [(&str, &str); 5] =
    [("", "All"), ("open", "Open"), ("failed", "Failed"), ("sent", "Sent"), ("dropped", "Dropped")];

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Path(hook): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let records = visitor.records();
    let hook = seen(&visitor, &hook).await?;
    let state = query.get("state").map(String::as_str).filter(|state| TABS.iter().any(|(known, _)| known == state));
    let state = state.filter(|state| !state.is_empty());
    let cursor = query.get("before").map(String::as_str);
    let page = in_time(records.list_deliveries(&hook.id, state, cursor, ROWS)).await?;
    let explained = console.hooks.explained(&hook, &page.items).await;
    let path = format!("/ui/hooks/{}", segment(&hook.id));
    let now = visitor.now;
    let rows = page.items.iter().zip(&explained).map(|(delivery, explained)| {
        let location = format!("/ui/locations/{}", segment(&delivery.location_id));
        let contact = format!("{location}/contacts/{}", segment(&delivery.contact_id));
        Row {
            id: delivery.id.clone(),
            short: id(&delivery.id),
            event: delivery.event.clone(),
            contact: super::show::id_link(&delivery.contact_id, &contact),
            state: state_as(&delivery.state, &delivery.state),
            why: explained["why"].as_str().unwrap_or_default().to_owned(),
            attempts: delivery.attempts,
            status: delivery.status.map(|status| status.to_string()).unwrap_or_default(),
            at: ago(delivery.tried_at.unwrap_or(delivery.created_at), now),
        }
    });
    let rows = rows.collect();
    let (word, words) = standing(&hook);
    let of_state = state.map(|state| format!("state={state}&")).unwrap_or_default();
    Ok(rendered(&Page {
        frame: visitor.frame("/ui/hooks", format!("Hook to {}", hook.url)).after(&query),
        state: state_as(word, words),
        why: hook
            .disabled_why
            .clone()
            .map(|why| format!("It was disabled: {why}. What it would be told waits."))
            .unwrap_or_default(),
        facts: facts(&hook, now),
        tabs: TABS.map(|(word, name)| (format!("{path}?state={word}"), name, word == state.unwrap_or_default())).into(),
        next: page.next_cursor.map(|next| format!("{path}?{of_state}before={}", query_part(&next))),
        is_disabled: hook.state == HookState::Disabled,
        may_administer: visitor.may(Role::Admin),
        url: hook.url,
        path,
        rows,
    }))
}

async fn seen<A>(visitor: &Visitor<A>, id: &str) -> Result<Hook, Trouble> {
    in_time(visitor.records().hook(id)).await?.ok_or_else(|| Trouble::no_such("hook"))
}

fn facts(hook: &Hook, now: Timestamp) -> Vec<(&'static str, Markup)> {
    let mut facts = vec![
        ("Hook", id(&hook.id)),
        ("Hears of", plain(&hook.events.texts().join(", "))),
        ("Locations", plain(&hook.locations.as_ref().map_or_else(|| "all".to_owned(), |all| all.join(", ")))),
        ("Made", ago(hook.created_at, now)),
        ("Last success", ago_or_none(hook.last_success_at, now)),
    ];
    if let Some(about) = &hook.description {
        facts.push(("About", plain(about)));
    }
    if let Some(since) = hook.failing_since {
        facts.push(("Failing since", ago(since, now)));
    }
    if let Some(until) = hook.old_secret_until.filter(|until| *until > now) {
        facts.push(("Its older secret signs until", ago(until, now)));
    }
    facts
}

/// `POST /ui/hooks/{hook}`: resend, recover, enable, disable.
pub(super) async fn act(
    State(console): State<Console>,
    Path(hook): Path<String>,
    act: Act<Administers>,
) -> Result<Response, Trouble> {
    let hook = seen(&act.visitor, &hook).await?.id;
    let hooks = Hooks { records: act.visitor.records().clone(), ..console.hooks.clone() };
    let mut count = None;
    let done = match act.field("act") {
        Some("resend") => {
            let message = act.field("delivery").and_then(read_message_id).filter(|(of, _)| *of == hook);
            let Some((_, message)) = message else { return Err(Trouble::no_such("delivery")) };
            if !hooks.resend(&hook, message).await.map_err(trouble)? {
                return Err(Trouble::no_such("delivery"));
            }
            "resend"
        }
        Some("recover") => {
            let hours: i64 = act.field("hours").and_then(|hours| hours.parse().ok()).unwrap_or(24);
            let since = act.visitor.now.checked_sub(SignedDuration::from_hours(hours.clamp(1, 24 * 365)));
            let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
            count = hooks.recover(&hook, since).await.map_err(trouble)?.map(|recovered| recovered.changes);
            "recover"
        }
        Some("enable") => {
            hooks.enable(&hook).await.map_err(trouble)?;
            "enable"
        }
        Some("disable") => {
            act.visitor.records().disable_hook(&hook, "by request").await?;
            "disable"
        }
        _ => return Err(Trouble::no_such("act")),
    };
    console.samples.forget();
    let count = count.map(|count| format!("&n={count}")).unwrap_or_default();
    Ok(Redirect::to(&format!("/ui/hooks/{}?done={done}{count}", segment(&hook))).into_response())
}

fn trouble(error: HookError) -> Trouble {
    match error {
        HookError::Records(RecordsError::Pruned) => {
            let detail = "The change feed does not go back that far. Recover a shorter time.";
            Trouble::new(axum::http::StatusCode::GONE, "Too long ago", detail)
        }
        HookError::Records(error) => error.into(),
        error => {
            tracing::error!(%error, "an act on a hook failed");
            Trouble::internal()
        }
    }
}
