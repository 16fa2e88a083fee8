//! Of which locations the keys of hooks may hear, now: a key of an agency follows its installs, and one that ended sees nothing.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::json;

use super::super::notices::Notice;
use super::super::{RecordsError, Write};

/// What a key sees that sees nothing.
pub(super) static NOWHERE: LazyLock<HashSet<String>> = LazyLock::new(HashSet::new);

/// The locations of keys that do not see every one, by key.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(super) HashMap<String, HashSet<String>>);

/// What the keys of active hooks see.
pub(super) async fn now(write: &mut Write) -> Result<Seen, RecordsError> {
    let query =
        "select key_id, location_id from key_sees where key_id in (select key_id from hooks where state = 'active')";
    let rows: Vec<(String, String)> = sqlx::query_as(query).fetch_all(write.conn()).await?;
    let mut seen = Seen::default();
    for (key_id, location_id) in rows {
        seen.0.entry(key_id).or_default().insert(location_id);
    }
    Ok(seen)
}

/// A hook that is disabled is news for the others.
pub(super) fn disabled(hook_id: &str, why: &str) -> Notice {
    Notice::new("hook.disabled", "hook", hook_id).with(json!({ "why": why }))
}

/// Disables the hooks of keys that have ended: the owner of a revoked key gets nothing more.
pub(super) async fn end_with_keys(write: &mut Write) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let query = "update hooks set state = 'disabled', disabled_why = 'its API key is no longer in force', disabled_at = $1 \
         where state = 'active' and key_id in (select id from api_keys where revoked_at is not null or expires_at <= $1) \
         returning id";
    let ended: Vec<String> = sqlx::query_scalar(query).bind(now_ms).fetch_all(write.conn()).await?;
    for id in ended {
        write.notice(disabled(&id, "its API key is no longer in force"));
    }
    Ok(())
}
