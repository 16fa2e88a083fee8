//! The keys of providers, sealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use serde_json::json;

use super::super::audit::{Act, Action};
use super::super::ledger::timestamp;
use super::super::{Records, RecordsError};
use crate::vault::Sealed;

/// The key of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The provider.
    pub provider: String,
    /// Its key.
    pub secret: Sealed,
    /// Since when it has this one.
    pub connected_at: Timestamp,
}

fn encoded(sealed: &Sealed) -> String {
    STANDARD_NO_PAD.encode(&sealed.bytes)
}

impl Records {
    /// Keeps the key of a provider in the place of an earlier one.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_provider_key(&self, provider: &str, secret: &Sealed) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let upsert = "insert into enrich_keys (provider, secret, secret_key_id, connected_at) values ($1, $2, $3, $4) \
             on conflict (provider) do update set secret = excluded.secret, secret_key_id = excluded.secret_key_id, \
             connected_at = excluded.connected_at";
        let now_ms = write.now_ms;
        let query = sqlx::query(upsert).bind(provider).bind(encoded(secret)).bind(&secret.key_id).bind(now_ms);
        query.execute(write.conn()).await?;
        write.act(Act::new(Action::EnrichConnect).on(provider).with(json!({"masterKey": secret.key_id})));
        write.commit().await
    }

    /// The key of a provider.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn provider_key(&self, provider: &str) -> Result<Option<Sealed>, RecordsError> {
        Ok(self.provider_keys().await?.into_iter().find(|key| key.provider == provider).map(|key| key.secret))
    }

    /// The keys of all providers.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn provider_keys(&self) -> Result<Vec<StoredKey>, RecordsError> {
        let query = "select provider, secret, secret_key_id, connected_at from enrich_keys order by provider";
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        let stored = |(provider, secret, key_id, at): (String, String, String, i64)| {
            let bytes = STANDARD_NO_PAD.decode(secret).map_err(|_| RecordsError::Corrupt {
                table: "enrich_keys",
                row: provider.clone(),
                reason: "a secret is not base64".to_owned(),
            })?;
            Ok(StoredKey { provider, secret: Sealed { key_id, bytes }, connected_at: timestamp(at) })
        };
        rows.into_iter().map(stored).collect()
    }

    /// Stores a key that another master key sealed, if it was not changed meanwhile.
    pub(crate) async fn reseal_provider_key(&self, stored: &StoredKey, secret: &Sealed) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let update = "update enrich_keys set secret = $1, secret_key_id = $2 where provider = $3 and secret = $4";
        let query = sqlx::query(update).bind(encoded(secret)).bind(&secret.key_id);
        let query = query.bind(&stored.provider).bind(encoded(&stored.secret));
        let resealed = query.execute(write.conn()).await?.rows_affected();
        write.commit().await?;
        Ok(resealed > 0)
    }
}
