//! Doubles of providers of enrichment below `/_enrich`: their statuses, headers and throttles, as their documents describe them.
//!
//! Gravatar answers 429 with `Retry-After`; Hunter throttles with 403; People Data Labs answers 404 where it knows nothing and reports credits in a header;
//! Apollo answers 200 with an empty person. Each knows every person but those whose e-mail begins with `nobody`. `POST /_sandbox/enrich` sets what is
//! answered next, and `GET` counts calls, by person too, and charged credits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::CutSwitch;

/// Who is not known begins so.
const NOBODY: &str = "nobody";

/// What a provider answers to its next calls, in the place of what it would.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    provider: String,
    /// Absent: as usual.
    status: Option<u16>,
    /// Of `Retry-After`, in seconds.
    retry_after: Option<u64>,
    /// The call is charged, and its answer never arrives.
    #[serde(default)]
    lost: bool,
    /// So long it takes.
    #[serde(default)]
    ms: u64,
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

/// What a provider has seen.
#[derive(Debug, Clone, Default, Serialize)]
struct Seen {
    calls: u64,
    credits: u64,
    throttled: u64,
    /// By person: calls that were answered or charged.
    asked: BTreeMap<String, u64>,
    #[serde(skip)]
    recent: VecDeque<Instant>,
}

#[derive(Debug, Default)]
struct Doubles {
    seen: Mutex<BTreeMap<String, Seen>>,
    wishes: Mutex<Vec<Wish>>,
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/_enrich/gravatar/v3/profiles/{hash}", get(gravatar))
        .route("/_enrich/hunter/v2/combined/find", get(hunter))
        .route("/_enrich/pdl/v5/person/enrich", get(pdl))
        .route("/_enrich/apollo/api/v1/people/match", post(apollo))
        .route("/_enrich/http/contact", post(own))
        .route("/_sandbox/enrich", get(told).post(wish))
        .with_state(Arc::new(Doubles::default()))
}

async fn told(State(doubles): State<Arc<Doubles>>) -> Json<Value> {
    Json(json!(*doubles.seen.lock().unwrap_or_else(PoisonError::into_inner)))
}

async fn wish(State(doubles): State<Arc<Doubles>>, Json(wishes): Json<Vec<Wish>>) -> StatusCode {
    *doubles.wishes.lock().unwrap_or_else(PoisonError::into_inner) = wishes;
    StatusCode::NO_CONTENT
}

/// How a provider behaves.
struct Habit {
    name: &'static str,
    /// Calls within a time.
    limit: (usize, Duration),
    /// What it answers beyond that.
    throttles: StatusCode,
    /// The header with the key; none where it takes calls without one.
    key: Option<&'static str>,
}

const MINUTE: Duration = Duration::from_secs(60);
const GRAVATAR: Habit = Habit {
    name: "gravatar",
    limit: (100, Duration::from_secs(3600)),
    throttles: StatusCode::TOO_MANY_REQUESTS,
    key: None,
};
const HUNTER: Habit =
    Habit { name: "hunter", limit: (500, MINUTE), throttles: StatusCode::FORBIDDEN, key: Some("x-api-key") };
const PDL: Habit =
    Habit { name: "pdl", limit: (100, MINUTE), throttles: StatusCode::TOO_MANY_REQUESTS, key: Some("x-api-key") };
const APOLLO: Habit =
    Habit { name: "apollo", limit: (50, MINUTE), throttles: StatusCode::TOO_MANY_REQUESTS, key: Some("x-api-key") };
const OWN: Habit = Habit { name: "http", limit: (600, MINUTE), throttles: StatusCode::TOO_MANY_REQUESTS, key: None };

impl Doubles {
    /// Lets a call in; the answer where it gets none of its own.
    async fn enter(&self, habit: &Habit, headers: &HeaderMap, person: &str, cut: &CutSwitch) -> Result<(), Response> {
        let wish = self.take_wish(habit.name);
        if let Some(wish) = &wish {
            tokio::time::sleep(Duration::from_millis(wish.ms)).await;
        }
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(habit.name.to_owned()).or_default();
        seen.calls += 1;
        let has_key = |name: &str| headers.get(name).is_some_and(|key| !key.is_empty() && key != "wrong");
        if habit.key.is_some_and(|name| !has_key(name)) {
            return Err(refused(StatusCode::UNAUTHORIZED, None, "invalid API key"));
        }
        let (most, within) = habit.limit;
        while seen.recent.front().is_some_and(|at| now.saturating_duration_since(*at) >= within) {
            seen.recent.pop_front();
        }
        if let Some(first) = seen.recent.front().filter(|_| seen.recent.len() >= most) {
            let wait = (*first + within).saturating_duration_since(now).as_secs() + 1;
            seen.throttled += 1;
            let after = (habit.name == GRAVATAR.name).then_some(wait);
            return Err(refused(habit.throttles, after, "too many requests"));
        }
        if let Some(status) = wish.as_ref().and_then(|wish| wish.status) {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let after = wish.as_ref().and_then(|wish| wish.retry_after);
            seen.throttled += u64::from(status == habit.throttles);
            return Err(refused(status, after, "as it was asked to"));
        }
        seen.recent.push_back(now);
        *seen.asked.entry(person.to_owned()).or_default() += 1;
        if wish.is_some_and(|wish| wish.lost) {
            cut.cut();
        }
        Ok(())
    }

    fn take_wish(&self, provider: &str) -> Option<Wish> {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        let wish = wishes.iter_mut().find(|wish| wish.provider == provider && wish.times > 0)?;
        wish.times -= 1;
        Some(wish.clone())
    }

    fn charge(&self, provider: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(provider.to_owned()).or_default().credits += 1;
    }
}

fn refused(status: StatusCode, retry_after: Option<u64>, message: &str) -> Response {
    let mut response = (status, Json(json!({"error": {"message": message}}))).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

fn knows(email: &str) -> bool {
    !email.is_empty() && !email.starts_with(NOBODY)
}

fn domain(email: &str) -> &str {
    email.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// `acme.io` is the domain of Acme.
fn company(email: &str) -> String {
    let name = domain(email).split('.').next().unwrap_or_default();
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

type Doubled = State<Arc<Doubles>>;
type Line = ConnectInfo<CutSwitch>;

async fn gravatar(
    State(doubles): Doubled,
    ConnectInfo(line): Line,
    headers: HeaderMap,
    Path(hash): Path<String>,
) -> Response {
    if let Err(answer) = doubles.enter(&GRAVATAR, &headers, &hash, &line).await {
        return answer;
    }
    let is_hash = hash.len() == 64 && hash.bytes().all(|letter| letter.is_ascii_hexdigit());
    // A hash says no more than itself: every other one is a profile.
    let is_known = hash.bytes().last().is_some_and(|last| last % 2 == 0);
    if !is_hash || !is_known {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "Profile not found", "code": "not_found"})))
            .into_response();
    }
    let profile = json!({
        "hash": hash, "display_name": "Ada", "profile_url": "https://gravatar.com/ada", "company": "Gravatar Friends",
        "location": "London", "timezone": "Europe/London", "job_title": "Analyst",
    });
    Json(profile).into_response()
}

async fn hunter(
    State(doubles): Doubled,
    ConnectInfo(line): Line,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let email = query.get("email").cloned().unwrap_or_default();
    if let Err(answer) = doubles.enter(&HUNTER, &headers, &email, &line).await {
        return answer;
    }
    if !knows(&email) {
        let error = json!({"errors": [{"id": "not_found", "code": 404, "details": "no person was found"}]});
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    }
    doubles.charge(HUNTER.name);
    let person = json!({"email": email, "timeZone": "Europe/Berlin", "geo": {"city": "Berlin", "state": "Berlin", "countryCode": "DE"}});
    let company = json!({"name": company(&email), "domain": domain(&email)});
    Json(json!({"data": {"person": person, "company": company}, "meta": {"email": email}})).into_response()
}

async fn pdl(
    State(doubles): Doubled,
    ConnectInfo(line): Line,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let email = query.get("email").cloned().unwrap_or_default();
    if let Err(answer) = doubles.enter(&PDL, &headers, &email, &line).await {
        return answer;
    }
    let spent = |response: Response, credits: u8| {
        let mut response = response;
        let header = HeaderName::from_static("x-call-credits-spent");
        response.headers_mut().insert(header, HeaderValue::from(u16::from(credits)));
        response
    };
    if !knows(&email) {
        let error = json!({"status": 404, "error": {"type": "not_found", "message": "No records were found"}});
        return spent((StatusCode::NOT_FOUND, Json(error)).into_response(), 0);
    }
    doubles.charge(PDL.name);
    let data = json!({
        "job_company_name": company(&email).to_lowercase(), "job_company_website": domain(&email),
        "location_locality": "hamburg", "location_region": "hamburg", "location_postal_code": "20095",
    });
    spent(Json(json!({"status": 200, "likelihood": 8, "data": data})).into_response(), 1)
}

async fn apollo(State(doubles): Doubled, ConnectInfo(line): Line, headers: HeaderMap, body: Bytes) -> Response {
    let email = email_of(&body);
    if let Err(answer) = doubles.enter(&APOLLO, &headers, &email, &line).await {
        return answer;
    }
    if !knows(&email) {
        return Json(json!({"person": null})).into_response();
    }
    doubles.charge(APOLLO.name);
    let organization = json!({"name": company(&email), "website_url": format!("http://www.{}", domain(&email))});
    let person = json!({"email": email, "city": "Munich", "state": "Bavaria", "time_zone": "Europe/Berlin", "organization": organization});
    Json(json!({"person": person})).into_response()
}

/// A service of the customer's own.
async fn own(State(doubles): Doubled, ConnectInfo(line): Line, headers: HeaderMap, body: Bytes) -> Response {
    let email = email_of(&body);
    if let Err(answer) = doubles.enter(&OWN, &headers, &email, &line).await {
        return answer;
    }
    if !knows(&email) {
        return refused(StatusCode::NOT_FOUND, None, "not known");
    }
    let found = json!({"companyName": company(&email), "website": domain(&email), "city": "Bonn", "country": "de", "confidence": 0.9});
    Json(found).into_response()
}

fn email_of(body: &Bytes) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["email"].as_str().unwrap_or_default().to_owned()
}
