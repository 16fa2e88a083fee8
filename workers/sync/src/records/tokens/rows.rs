//! Bearers as they are kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::super::ledger::timestamp;
use super::super::sql::sql;
use super::super::{RecordsError, Write};
use super::{Holder, NewToken, StoredToken, TokenState};
use crate::vault::Sealed;

pub(super) async fn save(write: &mut Write, holder: &Holder, token: &NewToken) -> Result<(), RecordsError> {
    let now = write.now_ms;
    sqlx::query(sql!("save_token"))
        .bind(holder.key())
        .bind(token.access.as_ref().map(encoded))
        .bind(token.refresh.as_ref().map(encoded))
        .bind(key_id(token))
        .bind(now)
        .bind(token.expires_at.map(Timestamp::as_millisecond))
        .bind(&token.scopes)
        .bind(&token.missing_scopes)
        .execute(write.conn())
        .await?;
    Ok(())
}

pub(super) fn encoded(sealed: &Sealed) -> String {
    STANDARD_NO_PAD.encode(&sealed.bytes)
}

pub(super) fn key_id(token: &NewToken) -> Option<&str> {
    token.access.as_ref().or(token.refresh.as_ref()).map(|sealed| sealed.key_id.as_str())
}

pub(super) fn token_of(row: &AnyRow) -> Result<StoredToken, RecordsError> {
    let key: String = row.try_get("holder")?;
    let corrupt = |reason: &str| RecordsError::Corrupt { table: "tokens", row: key.clone(), reason: reason.to_owned() };
    let key_id: Option<String> = row.try_get("key_id")?;
    let sealed = |column: &str| -> Result<Option<Sealed>, RecordsError> {
        let Some(text) = row.try_get::<Option<String>, _>(column)? else { return Ok(None) };
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| corrupt("a token is not base64"))?;
        Ok(Some(Sealed { key_id: key_id.clone().ok_or_else(|| corrupt("no key id"))?, bytes }))
    };
    let moment = |column: &str| -> Result<Option<Timestamp>, RecordsError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(timestamp))
    };
    let state: String = row.try_get("state")?;
    let states = [TokenState::Active, TokenState::Revoked, TokenState::Lost];
    Ok(StoredToken {
        holder: Holder::of_key(&key),
        access: sealed("access")?,
        refresh: sealed("refresh")?,
        obtained_at: timestamp(row.try_get("obtained_at")?),
        expires_at: moment("expires_at")?,
        scopes: row.try_get("scopes")?,
        missing_scopes: row.try_get::<Option<String>, _>("missing_scopes")?.unwrap_or_default(),
        state: states.into_iter().find(|known| known.as_str() == state).ok_or_else(|| corrupt("an unknown state"))?,
        reason: row.try_get("reason")?,
        generation: row.try_get("generation")?,
        fence: row.try_get("fence")?,
        pending_until: moment("pending_until")?,
        unsure: row.try_get::<i64, _>("unsure")? == 1,
        after_refusal: row.try_get::<i64, _>("after_refusal")? == 1,
        failures: row.try_get("failures")?,
        rest_until: moment("rest_until")?,
    })
}
