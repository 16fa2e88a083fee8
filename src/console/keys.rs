//! API keys: what each may do and where, when it was used; revoked or given a new secret.
//!
//! Keys are of the whole deployment, so who sees some locations alone sees none of them.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sync_workers::records::{ApiKey, KEY_ENDS_SOON, Places};

use super::Console;
use super::frame::{Frame, rendered};
use super::show::{Markup, ago, ago_or_none, id, segment, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use crate::gateway::Administers;

/// For how long the secret before a rotation opens the key as well.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Template)]
#[template(path = "console/keys.html")]
struct Page {
    frame: Frame,
    lead: String,
    rows: Vec<Row>,
}

struct Row {
    to: String,
    name: String,
    id: Markup,
    roles: String,
    locations: String,
    people: &'static str,
    state: Markup,
    ends: Markup,
    used: Markup,
    made: Markup,
    maker: String,
    is_in_force: bool,
    is_own: bool,
}

/// A new secret, shown once.
#[derive(Template)]
#[template(path = "console/key_rotated.html")]
struct Rotated {
    frame: Frame,
    name: String,
    secret: String,
}

pub(super) async fn page(
    visitor: Visitor<Administers>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    visitor.sees_all()?;
    let mut keys = in_time(visitor.records().list_keys()).await?;
    let now = visitor.now;
    keys.sort_by_key(|key| (!key.is_in_force(now), std::cmp::Reverse(key.created_at)));
    let in_force = keys.iter().filter(|key| key.is_in_force(now)).count();
    let ending = keys.iter().filter(|key| ends_soon(key, now)).count();
    let lead = match ending {
        0 => format!("{in_force} in force, and none ends within 14 days."),
        ending => format!("{in_force} in force, of which {ending} end within 14 days."),
    };
    let rows = keys.iter().map(|key| row(key, &visitor.key, now)).collect();
    Ok(rendered(&Page { frame: visitor.frame("/ui/keys", "Keys").after(&query), lead, rows }))
}

fn ends_soon(key: &ApiKey, now: Timestamp) -> bool {
    let soon = jiff::SignedDuration::try_from(KEY_ENDS_SOON).unwrap_or(jiff::SignedDuration::MAX);
    key.is_in_force(now) && key.expires_at.is_some_and(|end| end.duration_since(now) <= soon)
}

fn row(key: &ApiKey, own: &ApiKey, now: Timestamp) -> Row {
    let state = match key.revoked_at {
        Some(_) => state_as("revoked", "revoked"),
        None if !key.is_in_force(now) => state_as("ended", "ended"),
        None if ends_soon(key, now) => state_as("late", "ends soon"),
        None => state_as("active", "in force"),
    };
    Row {
        to: format!("/ui/keys/{}", segment(&key.id)),
        name: key.name.clone(),
        id: id(&key.id),
        roles: key.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", "),
        locations: match &key.locations {
            Places::All => "all locations".to_owned(),
            listed => listed.to_string().replace(',', ", "),
        },
        people: if key.reads_people { "names and values" } else { "ids and states" },
        state,
        ends: ago_or_none(key.revoked_at.or(key.expires_at), now),
        used: ago_or_none(key.last_used_at, now),
        made: ago(key.created_at, now),
        maker: key.created_by.clone().unwrap_or_default(),
        is_in_force: key.is_in_force(now),
        is_own: key.id == own.id,
    }
}

/// `POST /ui/keys/{key}`: revoke or rotate.
pub(super) async fn act(
    State(console): State<Console>,
    Path(key): Path<String>,
    act: Act<Administers>,
) -> Result<Response, Trouble> {
    act.visitor.sees_all()?;
    let records = act.visitor.records();
    let known = in_time(records.list_keys()).await?.into_iter().find(|known| known.id == key);
    let known = known.ok_or_else(|| Trouble::no_such("key"))?;
    match act.field("act") {
        Some("revoke") => {
            if !records.revoke_key(&key).await? {
                return Err(Trouble::moved_on("revoked"));
            }
            console.samples.forget();
            Ok(Redirect::to("/ui/keys?done=revoke").into_response())
        }
        Some("rotate") => {
            let secret = records.rotate_key(&key, OVERLAP, None).await?;
            let secret = secret.ok_or_else(|| Trouble::moved_on("revoked"))?;
            let frame = act.visitor.frame("/ui/keys", format!("The new secret of {}", known.name));
            Ok(rendered(&Rotated { frame, name: known.name, secret: secret.expose_secret().to_owned() }))
        }
        _ => Err(Trouble::no_such("act")),
    }
}
