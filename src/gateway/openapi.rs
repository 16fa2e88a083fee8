//! The document that describes every route, and what is made of it: a page to explore and try it with, and a list for programs that read text.
//!
//! `openapi.json` is written by hand and is what readers go by. Tests compare it with the routes, send its examples, and check the answers by its
//! schemas. The page asks no other host, so that it works where the gateway does.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// OpenAPI 3.1.
pub const DOCUMENT: &str = include_str!("openapi.json");

const PAGE: &str = include_str!("openapi/page.html");
const STYLE: &str = include_str!("openapi/page.css");
const SCRIPT: &str = include_str!("openapi/page.js");
const LLMS: &str = include_str!("openapi/llms.txt");

/// The page runs its own script and asks its own host, and no text becomes markup in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// `GET /openapi.json`.
pub(super) async fn document() -> Response {
    file("application/json", DOCUMENT)
}

/// `GET /docs`.
pub(super) async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

/// `GET /docs/page.css`.
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /docs/page.js`.
pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /llms.txt`.
pub(super) async fn llms() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{LLMS}{}", listed()));
    file("text/plain; charset=utf-8", &TEXT)
}

/// Every route in a line.
fn listed() -> String {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut lines = String::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            let _ = writeln!(lines, "- `{} {path}`: {summary}", method.to_uppercase());
        }
    }
    lines
}

/// A file of this program. It may be another one after the next start, so it is asked for each time.
fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
