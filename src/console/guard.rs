//! What holds for every page: who may embed and run what, where a form may come from, and how many pages are made at once.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::trouble::Trouble;
use super::{Console, PATIENCE};

/// A page runs the one script of its own, asks its own host alone, and no text becomes markup in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// Lets a request pass, and says to the browser what its answer may do.
pub(super) async fn stand(State(console): State<Console>, request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with("/ui/assets/");
    let mut response = match admitted(&console, request, next).await {
        Ok(response) => response,
        Err(trouble) => trouble.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !is_asset {
        // What a page shows is nobody's to keep, and old once it is shown.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn admitted(console: &Console, request: Request, next: Next) -> Result<Response, Trouble> {
    if *request.method() == Method::POST && !comes_from_here(request.headers()) {
        let detail = "The form came from another site, so nothing was done. Open the page here and do it again.";
        return Err(Trouble::new(StatusCode::FORBIDDEN, "Not from this page", detail));
    }
    let Ok(Ok(_place)) = timeout(PATIENCE, console.places.acquire()).await else {
        return Err(Trouble::busy());
    };
    Ok(next.run(request).await)
}

/// Whether a form was sent by a page of this very site, as browsers say it. Who says nothing of that is no browser of today, or comes over plain HTTP;
/// the form's token decides about it.
fn comes_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_known_by_what_the_browser_says() {
        for (site, origin, is_own) in [
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some("http://evil.example"), true),
            (Some("same-site"), None, false),
            (Some("cross-site"), Some("http://127.0.0.1:8080"), false),
            (Some("none"), None, false),
            (None, Some("http://127.0.0.1:8080"), true),
            (None, Some("http://127.0.0.1:8081"), false),
            (None, Some("null"), false),
            (None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:8080"));
            site.map(|site| headers.insert("sec-fetch-site", HeaderValue::from_static(site)));
            origin.map(|origin| headers.insert("origin", HeaderValue::from_static(origin)));
            assert_eq!(comes_from_here(&headers), is_own, "{site:?} {origin:?}");
        }
    }
}
