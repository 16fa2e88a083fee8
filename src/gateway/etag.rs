//! `ETag`, `If-Match` and `If-None-Match`: they keep two editors of one text apart.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use sync_workers::records::Expected;

/// What `If-Match` and `If-None-Match` say of what is to be changed.
pub(super) fn expected(headers: &HeaderMap) -> Expected {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if text(header::IF_NONE_MATCH) == Some("*") {
        return Expected::Nothing;
    }
    match text(header::IF_MATCH) {
        None => Expected::Anything,
        Some("*") => Expected::Something,
        Some(tags) => {
            let tags = tags.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned());
            Expected::Tagged(tags.collect())
        }
    }
}

/// Names the state in the answer.
pub(super) fn tagged(response: &mut Response, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

/// As [`tagged`], where one is known, of an answer whose form the header `accept` decides.
pub(super) fn by_accept(mut response: Response, tag: Option<&str>) -> Response {
    if let Some(tag) = tag {
        tagged(&mut response, tag);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
