//! API keys: `Authorization: Bearer <key>` on everything under /v1.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Gateway, Problem};

/// Lets a request pass that carries a key in force.
pub(super) async fn require_key(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let Some(key) = bearer(&request) else {
        return unauthorized("send `Authorization: Bearer <API key>`; `clienty-sync keys create` makes one");
    };
    match gateway.producer.records().authenticate(key).await {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) => {
            unauthorized("this API key is not known or was revoked; `clienty-sync keys list` shows those in force")
        }
        Err(error) => Problem::records(&error).into_response(),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn unauthorized(detail: &str) -> Response {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, "No valid API key", detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
    response
}
