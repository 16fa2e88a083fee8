//! Whether a document may hold an erased person's data: it does where it names the person by any id.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::AnyConnection;

use super::super::sql::sql;
use super::super::{RecordsError, Write};
use super::{any_erased, erased_among};

/// GHL's ids have 20 to 24 letters and digits; a text in which so many stand alone may be one, whatever its field is called.
const LONG_AS_AN_ID: std::ops::RangeInclusive<usize> = 16..=40;
/// No id is longer.
const LONGEST: usize = 128;

/// Texts that can be ids: those of fields that say so, and those that look it.
pub(in super::super) fn collect_ids<'a>(name: &str, value: &'a Value, ids: &mut HashSet<&'a str>) {
    match value {
        Value::String(text) => {
            let says = name.to_ascii_lowercase().trim_end_matches('s').ends_with("id") && text.len() <= LONGEST;
            let looks = LONG_AS_AN_ID.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if says || looks {
                ids.insert(text);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(name, item, ids)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| collect_ids(name, value, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The ids of a document.
pub(in super::super) fn ids_in(document: &Value) -> HashSet<&str> {
    let mut ids = HashSet::new();
    collect_ids("", document, &mut ids);
    ids
}

/// From here to the commit no erasure begins: it waits, and finds what was written.
pub(in super::super) async fn hold_off(write: &mut Write) -> Result<(), RecordsError> {
    sqlx::query(sql!("hold_erasures")).execute(write.conn()).await?;
    Ok(())
}

/// Whether a document names an erased person, or one of `about` is such a person.
pub(in super::super) async fn is_named_erased(
    connection: &mut AnyConnection,
    location_id: &str,
    document: &Value,
    about: &[String],
) -> Result<bool, RecordsError> {
    if !any_erased(connection).await? {
        return Ok(false);
    }
    let ids = ids_in(document).into_iter().chain(about.iter().map(String::as_str));
    let named: Vec<(&str, &str)> = ids.map(|id| (location_id, id)).collect();
    Ok(!erased_among(connection, &named).await?.is_empty())
}
