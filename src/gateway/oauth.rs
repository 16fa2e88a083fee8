//! The two ends of an install: `GET /oauth/install` sends a browser to GHL's page, `GET /oauth/callback` is where GHL sends it back.
//!
//! People read the answers, in a browser, so they are pages; a program that does not ask for one gets JSON, and problems as everywhere.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;
use sync_workers::oauth::{Cause, InstallError, Installed, Oauth, TokenError};

use super::page::{escaped, page, wants_page};
use super::{Gateway, Problem};
use crate::config::Installs;

/// The cookie that ties an install to its browser.
const COOKIE: &str = "clienty_install";
const BEGIN_AGAIN: &str = "Start again with the link that led here.";

/// `GET /oauth/install?invitation`: to GHL's install page.
pub(super) async fn install(
    State(gateway): State<Gateway>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let invitation = query.get("invitation").filter(|invitation| !invitation.is_empty());
    if invitation.is_none() && gateway.installs == Installs::Invited {
        let detail = "You need an invitation to connect a location. Ask the operator for a link: `clienty-sync connect` prints one, \
                      valid once, for a day. (The setting CLIENTY_INSTALLS=open turns invitations off.)";
        return answer(StatusCode::FORBIDDEN, "An invitation is needed", detail, &headers);
    }
    match begin(&gateway, invitation).await {
        Ok((cookie, url)) => {
            let mut response = Redirect::to(&url).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            sealed_off(response)
        }
        Err(InstallError::State(error)) => {
            let detail = format!("The invitation is not valid: {error}. Ask the operator for a new one.");
            answer(StatusCode::FORBIDDEN, "An invitation is needed", &detail, &headers)
        }
        Err(error) => refusal(&error, &headers),
    }
}

async fn begin(gateway: &Gateway, invitation: Option<&String>) -> Result<(HeaderValue, String), InstallError> {
    let oauth = gateway.oauth.as_ref().ok_or(InstallError::NoApp)?;
    let cookie = Oauth::new_cookie()?;
    let begun = match invitation {
        Some(invitation) => oauth.begin_invited(invitation, &cookie).await?,
        None => oauth.begin_install(Some(&cookie))?,
    };
    // Lax: GHL's redirect is a navigation from another site, and must bring it along.
    let secure = if oauth.is_public() { "; Secure" } else { "" };
    let text = format!("{COOKIE}={cookie}; Path=/oauth; Max-Age=900; HttpOnly; SameSite=Lax{secure}");
    let cookie = HeaderValue::try_from(text).map_err(|_| InstallError::Random)?;
    Ok((cookie, begun.url))
}

/// `GET /oauth/callback?code&state`, or `?error&error_description&state`.
pub(super) async fn callback(
    State(gateway): State<Gateway>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(oauth) = &gateway.oauth else { return refusal(&InstallError::NoApp, &headers) };
    let given = |name: &str| query.get(name).map_or("", String::as_str);
    let cookie = cookie(&headers);
    match given("code") {
        "" => {
            // A made-up address does not show what it contains.
            if let Err(error) = oauth.end_install(given("state"), cookie.as_deref()).await {
                return refusal(&error, &headers);
            }
            let said = format!("{} {}", given("error"), given("error_description"));
            let detail = match said.trim() {
                "" => "GHL sent no code.".to_owned(),
                said => format!("GHL says: {}", said.chars().take(300).collect::<String>()),
            };
            answer(
                StatusCode::BAD_REQUEST,
                "The location was not connected",
                &format!("{detail} {BEGIN_AGAIN}"),
                &headers,
            )
        }
        code => match oauth.finish_install(given("state"), cookie.as_deref(), code).await {
            Ok(installed) => welcome(&installed, &headers),
            Err(error) => refusal(&error, &headers),
        },
    }
}

fn welcome(installed: &Installed, headers: &HeaderMap) -> Response {
    let Installed { locations, company_id, missing_scopes } = installed;
    for location in locations {
        tracing::info!(ghl.location = location, "a location was connected");
    }
    if !missing_scopes.is_empty() {
        tracing::warn!(
            oauth.missing_scopes = missing_scopes,
            "an install granted fewer scopes than GHL_SCOPES asks for"
        );
    }
    if !wants_page(headers) {
        let missing: Vec<&str> = missing_scopes.split(' ').filter(|scope| !scope.is_empty()).collect();
        let reported = json!({"locations": locations, "companyId": company_id, "missingScopes": missing});
        return sealed_off(Json(reported).into_response());
    }
    let lacking = match missing_scopes.as_str() {
        "" => String::new(),
        scopes => format!(
            " These scopes were not granted: {scopes}. GHL will refuse calls that need them; connect again to grant them."
        ),
    };
    let detail = match locations.len() {
        0 => format!("The agency is connected; its locations follow.{lacking}"),
        1 => format!("The location is connected. You may close this page.{lacking}"),
        count => format!("{count} locations are connected. You may close this page.{lacking}"),
    };
    sealed_off(reported(StatusCode::OK, "Connected", &detail))
}

fn refusal(error: &InstallError, headers: &HeaderMap) -> Response {
    let (status, detail) = match error {
        InstallError::NoApp => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}; CLIENTY_MASTER_KEYS is needed too")),
        InstallError::State(_) => (StatusCode::BAD_REQUEST, format!("{error}. {BEGIN_AGAIN}")),
        InstallError::Refused(cause) if cause.is_passing() => {
            (StatusCode::BAD_GATEWAY, format!("{error}. {BEGIN_AGAIN}"))
        }
        InstallError::Refused(Cause::Revoked(_) | Cause::Code(_)) => (
            StatusCode::BAD_REQUEST,
            format!("GHL does not accept the code: it was used before or has expired. {BEGIN_AGAIN}"),
        ),
        InstallError::Refused(_) | InstallError::Nameless => (StatusCode::BAD_GATEWAY, error.to_string()),
        InstallError::Token(TokenError::Records(error)) => return Problem::records(error).into_response(),
        InstallError::Token(_) | InstallError::Random => return Problem::internal(error).into_response(),
    };
    tracing::warn!(%error, "an install failed");
    answer(status, "The location was not connected", &detail, headers)
}

fn answer(status: StatusCode, title: &'static str, detail: &str, headers: &HeaderMap) -> Response {
    sealed_off(match wants_page(headers) {
        true => reported(status, title, detail),
        false => Problem::new(status, title, detail).into_response(),
    })
}

/// What a person reads who is sent here by a browser.
fn reported(status: StatusCode, title: &str, detail: &str) -> Response {
    page(status, title, &format!("<h1>{}</h1><p>{}</p>", escaped(title), escaped(detail)))
}

/// The address of the answer holds a code: caches must not store it, and links must not leak it.
fn sealed_off(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}
