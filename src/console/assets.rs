//! The style and the script, which are part of the program: nothing is fetched from anywhere else.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::trouble::Trouble;

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Part of each address: what a browser keeps is of this version, or is asked for anew.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let hash = digest(&SHA256, [STYLE, SCRIPT, ICON].concat().as_bytes());
        hash.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    });
    &VERSION
}

/// `GET /ui/assets/{version}/{name}`, for everybody: it reports nothing of anybody.
pub(super) async fn file(Path((asked, name)): Path<(String, String)>) -> Response {
    let (kind, text) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", STYLE),
        "console.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Trouble::no_such("file").into_response(),
    };
    // Another process may be of another version while a release goes out.
    let kept = if asked == version() { "public, max-age=31536000, immutable" } else { "no-store" };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept)], text).into_response()
}
