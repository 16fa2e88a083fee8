//! A text in TOML that a request brings, as its whole body or as `toml` in a JSON object.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};

use super::page::accepts;
use crate::triggers::FieldError;

pub(super) const TOML: &str = "application/toml";

/// What `openapi.json` says, too.
const MOST_CHARACTERS: usize = 64 * 1024;

/// Whether the answer is to be the text alone.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    (accepts(headers, TOML) || accepts(headers, "text/toml")) && !accepts(headers, "application/json")
}

/// The text of a body that is TOML, or none where it is JSON.
pub(super) fn plain(headers: &HeaderMap, body: &Bytes) -> Option<Result<String, FieldError>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["text/toml", TOML, "text/plain"].contains(&kind).then(|| match std::str::from_utf8(body) {
        Ok(text) => bounded(text.to_owned()),
        Err(_) => Err(wrong("the text is not UTF-8".to_owned())),
    })
}

/// The text, unless it is longer than any that a person writes.
pub(super) fn bounded(toml: String) -> Result<String, FieldError> {
    match toml.chars().count() {
        ..=MOST_CHARACTERS => Ok(toml),
        characters => Err(wrong(format!("has {characters} characters; a text has at most {MOST_CHARACTERS}"))),
    }
}

fn wrong(message: String) -> FieldError {
    FieldError { field: "toml".to_owned(), message }
}
