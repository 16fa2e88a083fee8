//! The locations that are connected, each with its sealed token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ledger::timestamp;
use super::sql::sql;
use super::{Records, RecordsError};
use crate::vault::Sealed;

/// How a location was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    /// A Private Integration Token.
    Pit,
    /// An OAuth install.
    Oauth,
}

/// A connected location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// GHL's location id.
    pub location_id: String,
    /// How it was connected.
    pub kind: ConnectionKind,
    /// Its token or tokens, sealed by the vault.
    pub token: Sealed,
    /// A name for people.
    pub name: Option<String>,
    /// IANA name; GHL's calendar times without an offset are read in it.
    pub time_zone: Option<String>,
    /// The generation of the API that it is called with, by the client's name for it; `None` is the client's default.
    pub api: Option<String>,
    /// The caller's word for its health, such as `active` or `revoked`.
    pub state: String,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// When it was last saved or changed.
    pub updated_at: Timestamp,
}

impl Records {
    /// Saves a connection with state `active`, over an earlier one of the same location. A name or time zone that is
    /// none leaves the earlier one in place.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all below.
    pub async fn save_connection(
        &self,
        location_id: &str,
        kind: ConnectionKind,
        token: &Sealed,
        name: Option<&str>,
        time_zone: Option<&str>,
    ) -> Result<(), RecordsError> {
        let kind = match kind {
            ConnectionKind::Pit => "pit",
            ConnectionKind::Oauth => "oauth",
        };
        let _gate = self.gate().await;
        sqlx::query(sql!("save_connection"))
            .bind(location_id)
            .bind(kind)
            .bind(STANDARD_NO_PAD.encode(&token.bytes))
            .bind(&token.key_id)
            .bind(name)
            .bind(time_zone)
            .bind("active")
            .bind(self.clock.now_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The connection of a location.
    ///
    /// # Errors
    /// See [`Records::save_connection`]; [`RecordsError::Corrupt`].
    pub async fn connection(&self, location_id: &str) -> Result<Option<Connection>, RecordsError> {
        let row = sqlx::query(sql!("connection")).bind(location_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(connection_of).transpose()
    }

    /// All connections, by location id.
    ///
    /// # Errors
    /// See [`Records::connection`].
    pub async fn list_connections(&self) -> Result<Vec<Connection>, RecordsError> {
        let rows = sqlx::query(sql!("list_connections")).fetch_all(&self.pool).await?;
        rows.iter().map(connection_of).collect()
    }

    /// Puts `new` in the place of `old`; false when the token is no longer `old`, which then was replaced by another
    /// process: read again, and use that one. A refresh token works once, so the loser of this race must not keep its.
    ///
    /// # Errors
    /// See [`Records::save_connection`].
    pub async fn replace_token(&self, location_id: &str, old: &Sealed, new: &Sealed) -> Result<bool, RecordsError> {
        let _gate = self.gate().await;
        let replaced = sqlx::query(sql!("replace_token"))
            .bind(STANDARD_NO_PAD.encode(&new.bytes))
            .bind(&new.key_id)
            .bind(self.clock.now_ms())
            .bind(location_id)
            .bind(STANDARD_NO_PAD.encode(&old.bytes))
            .execute(&self.pool)
            .await?;
        Ok(replaced.rows_affected() == 1)
    }

    /// Sets the location's time zone, an IANA name.
    ///
    /// # Errors
    /// See [`Records::save_connection`].
    pub async fn set_time_zone(&self, location_id: &str, time_zone: &str) -> Result<(), RecordsError> {
        self.set(sql!("set_time_zone"), location_id, time_zone).await
    }

    /// Sets the caller's word for the connection's health.
    ///
    /// # Errors
    /// See [`Records::save_connection`].
    pub async fn set_connection_state(&self, location_id: &str, state: &str) -> Result<(), RecordsError> {
        self.set(sql!("set_connection_state"), location_id, state).await
    }

    async fn set(&self, text: &'static str, location_id: &str, value: &str) -> Result<(), RecordsError> {
        let _gate = self.gate().await;
        sqlx::query(text).bind(value).bind(self.clock.now_ms()).bind(location_id).execute(&self.pool).await?;
        Ok(())
    }
}

fn connection_of(row: &AnyRow) -> Result<Connection, RecordsError> {
    let location_id: String = row.try_get("location_id")?;
    let kind: String = row.try_get("kind")?;
    let token: String = row.try_get("token")?;
    let Ok(bytes) = STANDARD_NO_PAD.decode(token) else {
        let reason = "its token is not base64".to_owned();
        return Err(RecordsError::Corrupt { table: "connections", row: location_id, reason });
    };
    Ok(Connection {
        location_id,
        kind: if kind == "pit" { ConnectionKind::Pit } else { ConnectionKind::Oauth },
        token: Sealed { key_id: row.try_get("key_id")?, bytes },
        name: row.try_get("name")?,
        time_zone: row.try_get("time_zone")?,
        api: row.try_get("api")?,
        state: row.try_get("state")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
