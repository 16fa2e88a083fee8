//! Lone surrogates, in replies and webhooks. GHL's JSON holds them where JavaScript has cut an emoji in two (ghl/FACTS.md); no text of Rust can,
//! so a character of the private use area stands for one in what is kept.

use axum::body::Bytes;

/// What stands for one; send it in any text.
const LONE: &str = "\u{e000}";

/// JSON with each stand-in as the lone surrogate that it stands for.
pub(super) fn lone_surrogates(json: &str) -> String {
    json.replace(LONE, "\\ud83d")
}

/// [`lone_surrogates`] for a reply; bytes without one stay as they are.
pub(super) fn with_lone_surrogates(bytes: Bytes) -> Bytes {
    match str::from_utf8(&bytes) {
        Ok(text) if text.contains(LONE) => Bytes::from(lone_surrogates(text)),
        _ => bytes,
    }
}
