//! How each location stands: what `locations list` and `GET /v1/locations` show.

use std::collections::HashMap;

use jiff::Timestamp;
use job_engine::{LaneState, LaneView};
use serde::Serialize;
use sync_model::clock::Clock;
use sync_workers::records::{
    Activity, Connection, ConnectionKind, Holder, Records, RecordsError, StoredToken, TokenState,
};

use crate::explain::Asked;

/// Tokens of one page.
const PAGE: i64 = 500;

/// Whether jobs of a location run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// They run as they come.
    Ready,
    /// They wait for calls: of the interval, of the day, or because GHL asked to wait.
    Throttled,
    /// An operator paused them.
    Paused,
    /// They wait after failures; one job probes now and then.
    CircuitOpen,
    /// There is no login to call GHL with.
    NotConnected,
}

impl State {
    /// The word in tables and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Throttled => "throttled",
            Self::Paused => "paused",
            Self::CircuitOpen => "circuit_open",
            Self::NotConnected => "not_connected",
        }
    }

    fn of_lane(lane: LaneState) -> Self {
        match lane {
            LaneState::Ready => Self::Ready,
            LaneState::WaitsForTokens | LaneState::DaySpent | LaneState::Paced | LaneState::Held => Self::Throttled,
            LaneState::Broken => Self::CircuitOpen,
            LaneState::Paused => Self::Paused,
        }
    }
}

/// What is known of a location's login, without the login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Whether it is of use, as far as anybody knows.
    pub state: &'static str,
    /// When GHL gave it, or an operator stored it.
    pub obtained_at: Timestamp,
    /// Since then.
    pub age_seconds: i64,
    /// None where it does not expire.
    pub expires_at: Option<Timestamp>,
    /// What it was granted; none if that is unknown, as for a Private Integration Token.
    pub scopes: Option<Vec<String>>,
    /// What was asked for and not granted.
    pub missing_scopes: Vec<String>,
    /// Why it is of no use, or why its last refresh failed.
    pub reason: Option<String>,
}

/// How a location stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationStatus {
    /// GHL's location id.
    pub location_id: String,
    /// A name for people.
    pub name: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// How it was connected: `pit` or `oauth`.
    pub kind: ConnectionKind,
    /// None where only another process knows it: the queue is in its memory.
    pub state: Option<State>,
    /// None where there is none.
    pub token: Option<Token>,
    /// When a job of it was last done.
    pub last_success_at: Option<Timestamp>,
    /// When GHL last sent a webhook of it.
    pub last_webhook_at: Option<Timestamp>,
    /// Calls that are left of the day; none where only another process knows.
    pub calls_left: Option<u32>,
    /// Jobs that the queue holds for it and that could run; none where only another process knows.
    pub waiting: Option<u32>,
    /// When it was first connected.
    pub connected_at: Timestamp,
}

/// Every location that is or was connected, by id.
///
/// # Errors
/// When the database does not answer. A queue that does not leaves its part out.
pub async fn all(records: &Records, queue: &Asked<'_>, clock: &Clock) -> Result<Vec<LocationStatus>, RecordsError> {
    let connections = records.list_connections().await?;
    let activity = records.activity().await?;
    let tokens = tokens(records).await?;
    let mut lanes = None;
    if let Ok(queue) = queue {
        let known = queue.lanes().await.ok();
        lanes = known.map(|known| known.into_iter().map(|lane| (lane.lane.clone(), lane)).collect::<HashMap<_, _>>());
    }
    let daily = queue.as_ref().map_or(0, |queue| queue.limit().daily);
    let of = |connection: Connection| {
        let id = connection.location_id.clone();
        let lane = lanes.as_ref().map(|lanes| lanes.get(&id));
        let activity = activity.get(&id).copied().unwrap_or_default();
        status(connection, tokens.get(&id), activity, lane, daily, clock.now())
    };
    Ok(connections.into_iter().map(of).collect())
}

/// One of them; none where it was never connected.
///
/// # Errors
/// See [`all`].
pub async fn one(
    records: &Records,
    queue: &Asked<'_>,
    clock: &Clock,
    location_id: &str,
) -> Result<Option<LocationStatus>, RecordsError> {
    Ok(all(records, queue, clock).await?.into_iter().find(|status| status.location_id == location_id))
}

/// `lane`: none where the queue was not asked; nothing in it where the queue does not know the location, which is ready then.
fn status(
    connection: Connection,
    token: Option<&StoredToken>,
    activity: Activity,
    lane: Option<Option<&LaneView>>,
    daily: u32,
    now: Timestamp,
) -> LocationStatus {
    let state = match (connection.is_connected(), lane) {
        (false, _) => Some(State::NotConnected),
        (true, None) => None,
        (true, Some(lane)) => Some(lane.map_or(State::Ready, |lane| State::of_lane(lane.state))),
    };
    LocationStatus {
        state,
        token: token.map(|stored| shown(stored, now)),
        last_success_at: activity.last_success_at,
        last_webhook_at: activity.last_webhook_at,
        calls_left: lane.map(|lane| daily.saturating_sub(lane.map_or(0, |lane| lane.day_used))),
        waiting: lane.map(|lane| lane.map_or(0, |lane| lane.waiting.iter().sum())),
        location_id: connection.location_id,
        name: connection.name,
        time_zone: connection.time_zone,
        kind: connection.kind,
        connected_at: connection.created_at,
    }
}

fn shown(stored: &StoredToken, now: Timestamp) -> Token {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let is_over = stored.expires_at.is_some_and(|end| end <= now) && stored.refresh.is_none();
    Token {
        state: match stored.state {
            TokenState::Active if is_over => "expired",
            state => state.as_str(),
        },
        obtained_at: stored.obtained_at,
        age_seconds: now.duration_since(stored.obtained_at).as_secs(),
        expires_at: stored.expires_at,
        scopes: stored.scopes.as_deref().map(words),
        missing_scopes: words(&stored.missing_scopes),
        reason: stored.reason.clone(),
    }
}

/// The tokens of locations, by location id.
async fn tokens(records: &Records) -> Result<HashMap<String, StoredToken>, RecordsError> {
    let (mut found, mut after) = (HashMap::new(), None);
    loop {
        let page = records.list_tokens(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.holder.clone());
        found.extend(page.into_iter().filter_map(|stored| match &stored.holder {
            Holder::Location(id) => Some((id.clone(), stored)),
            Holder::Company(_) => None,
        }));
    }
}
