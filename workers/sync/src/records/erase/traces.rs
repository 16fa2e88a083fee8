//! What else a person is known by: calls that name no person may hold the person's e-mail or phone, as one that would have created the contact.
//!
//! They are kept with the erasure until it is complete, as an erasure that a crash interrupts must find the same.

use sqlx::AnyConnection;
use sync_model::record::Contact;

use super::super::sql::sql;
use super::super::{ContactRow, RecordsError, Write};

/// Fewer digits are no phone of one person.
const DIGITS: usize = 7;

/// Keeps what the contact of `row` is known by with its erasure.
pub(super) async fn keep(write: &mut Write, erasure_id: &str, row: Option<&ContactRow>) -> Result<(), RecordsError> {
    let docs = row.map(|row| [Some(&row.doc), row.base.as_ref(), row.intent.as_ref()]);
    let mut traces: Vec<String> = docs.into_iter().flatten().flatten().flat_map(traces).collect();
    traces.sort_unstable();
    traces.dedup();
    if !traces.is_empty() {
        // A list of texts has no way to fail.
        let traces = serde_json::to_string(&traces).unwrap_or_default();
        sqlx::query(sql!("keep_traces")).bind(traces).bind(erasure_id).execute(write.conn()).await?;
    }
    Ok(())
}

/// What is kept with an erasure that is not complete.
pub(super) async fn of(connection: &mut AnyConnection, erasure_id: &str) -> Result<Vec<String>, RecordsError> {
    let text: Option<Option<String>> =
        sqlx::query_scalar(sql!("traces")).bind(erasure_id).fetch_optional(connection).await?;
    let read = |text: String| serde_json::from_str(&text);
    let traces = text.flatten().map(read).transpose();
    traces.map(Option::unwrap_or_default).map_err(|error| RecordsError::corrupt("erasures", erasure_id, &error))
}

/// Whole texts of a document, in quotes: a part of another address is no trace. Of a phone, the digits.
fn traces(contact: &Contact) -> Vec<String> {
    let email = contact.email.as_deref().map(|email| email.trim().to_ascii_lowercase());
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    let phone = contact.phone.as_deref().map(digits).filter(|digits| digits.len() >= DIGITS);
    email.filter(|email| email.contains('@')).into_iter().chain(phone).map(|trace| format!("\"{trace}\"")).collect()
}
