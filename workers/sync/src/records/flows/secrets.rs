//! Secrets of flows: sealed, each for its name, and read by HTTP steps alone. Who sees every location sets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use serde_json::json;

use super::super::audit::{Act, Action};
use super::super::ledger::timestamp;
use super::super::{Records, RecordsError};
use crate::vault::Sealed;

/// A secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowSecret {
    /// By which steps speak of it.
    pub name: String,
    /// What it is.
    pub secret: Sealed,
    /// Who set it: `key:ID` or `cli:USER`.
    pub author: String,
    /// When.
    pub set_at: Timestamp,
}

fn encoded(sealed: &Sealed) -> String {
    STANDARD_NO_PAD.encode(&sealed.bytes)
}

impl Records {
    /// Keeps a secret in the place of an earlier one of that name.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all below.
    pub async fn set_flow_secret(&self, name: &str, secret: &Sealed) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let upsert = "insert into flow_secrets (name, secret, secret_key_id, author, set_at) values ($1, $2, $3, $4, $5) \
             on conflict (name) do update set secret = excluded.secret, secret_key_id = excluded.secret_key_id, \
             author = excluded.author, set_at = excluded.set_at";
        let now_ms = write.now_ms;
        let query = sqlx::query(upsert).bind(name).bind(encoded(secret)).bind(&secret.key_id);
        query.bind(self.principal.actor.to_string()).bind(now_ms).execute(write.conn()).await?;
        write.act(Act::new(Action::FlowSecretSet).on(name).with(json!({"masterKey": secret.key_id})));
        write.commit().await
    }

    /// Forgets a secret. False if there is none.
    ///
    /// # Errors
    /// See [`Records::set_flow_secret`].
    pub async fn remove_flow_secret(&self, name: &str) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let removed = sqlx::query("delete from flow_secrets where name = $1").bind(name).execute(write.conn()).await?;
        let is_gone = removed.rows_affected() > 0;
        if is_gone {
            write.act(Act::new(Action::FlowSecretRemove).on(name));
        }
        write.commit().await?;
        Ok(is_gone)
    }

    /// The secret of that name.
    ///
    /// # Errors
    /// See [`Records::set_flow_secret`]; [`RecordsError::Corrupt`].
    pub async fn flow_secret(&self, name: &str) -> Result<Option<Sealed>, RecordsError> {
        Ok(self.flow_secrets().await?.into_iter().find(|known| known.name == name).map(|known| known.secret))
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// See [`Records::flow_secret`].
    pub async fn flow_secrets(&self) -> Result<Vec<FlowSecret>, RecordsError> {
        let query = "select name, secret, secret_key_id, author, set_at from flow_secrets order by name";
        let rows: Vec<(String, String, String, String, i64)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        let stored = |(name, secret, key_id, author, at): (String, String, String, String, i64)| {
            let bytes = STANDARD_NO_PAD.decode(secret).map_err(|_| RecordsError::Corrupt {
                table: "flow_secrets",
                row: name.clone(),
                reason: "a secret is not base64".to_owned(),
            })?;
            Ok(FlowSecret { name, secret: Sealed { key_id, bytes }, author, set_at: timestamp(at) })
        };
        rows.into_iter().map(stored).collect()
    }

    /// Stores a secret that another master key sealed, if it was not changed meanwhile.
    pub(crate) async fn reseal_flow_secret(&self, stored: &FlowSecret, secret: &Sealed) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let update = "update flow_secrets set secret = $1, secret_key_id = $2 where name = $3 and secret = $4";
        let query = sqlx::query(update).bind(encoded(secret)).bind(&secret.key_id);
        let query = query.bind(&stored.name).bind(encoded(&stored.secret));
        let resealed = query.execute(write.conn()).await?.rows_affected();
        write.commit().await?;
        Ok(resealed > 0)
    }
}
