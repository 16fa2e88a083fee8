//! API keys of producers: `cs_<id>_<secret>`.
//!
//! The id finds the row, the secret is 32 random bytes. Only its SHA-256 is kept: that is enough for a secret nobody
//! can guess, and it lets a request be checked without a slow password hash.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::ledger::timestamp;
use super::sql::sql;
use super::{Records, RecordsError};

/// Random bytes of a secret.
const SECRET_LEN: usize = 32;
/// Random bytes of an id; shown in hexadecimal, so an id holds no underscore.
const ID_LEN: usize = 6;

/// A producer's key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The part between the underscores.
    pub id: String,
    /// Who it was made for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

type KeyRow = (String, String, i64, Option<i64>, String);

impl Records {
    /// Makes a key. Its text is returned here and never again.
    ///
    /// # Errors
    /// [`RecordsError::Random`] or [`RecordsError::Database`], as for all below.
    pub async fn create_key(&self, name: &str) -> Result<(ApiKey, SecretString), RecordsError> {
        let id = random::<ID_LEN>()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let secret = new_secret()?;
        let now_ms = self.clock.now_ms();
        let _gate = self.gate().await?;
        sqlx::query(sql!("create_key"))
            .bind(&id)
            .bind(name)
            .bind(hash_of(secret.expose_secret()))
            .bind(now_ms)
            .execute(&self.pool)
            .await?;
        let text = text_of(&id, &secret);
        Ok((ApiKey { id, name: name.to_owned(), created_at: timestamp(now_ms), revoked_at: None }, text))
    }

    /// The key of that text, unless it is revoked, rotated away or was never ours.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn authenticate(&self, text: &str) -> Result<Option<ApiKey>, RecordsError> {
        let Some((id, secret)) = text.strip_prefix("cs_").and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        // Ids are hexadecimal: what is not, no database needs to see.
        if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let row: Option<KeyRow> = sqlx::query_as(sql!("key")).bind(id).fetch_optional(&self.pool).await?;
        let Some((key, hash)) = row.map(key_of) else {
            return Ok(None);
        };
        let same = verify_slices_are_equal(hash.as_bytes(), hash_of(secret).as_bytes()).is_ok();
        Ok((same && key.revoked_at.is_none()).then_some(key))
    }

    /// All keys, oldest first, revoked ones among them.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn list_keys(&self) -> Result<Vec<ApiKey>, RecordsError> {
        let rows: Vec<KeyRow> = sqlx::query_as(sql!("list_keys")).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| key_of(row).0).collect())
    }

    /// Gives a key a new secret; the old one is refused from now on. None where the id is unknown or revoked.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn rotate_key(&self, id: &str) -> Result<Option<SecretString>, RecordsError> {
        let secret = new_secret()?;
        let _gate = self.gate().await?;
        let rotated =
            sqlx::query(sql!("rotate_key")).bind(hash_of(secret.expose_secret())).bind(id).execute(&self.pool).await?;
        Ok((rotated.rows_affected() == 1).then(|| text_of(id, &secret)))
    }

    /// Revokes a key for good; false where the id is unknown or was revoked before.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn revoke_key(&self, id: &str) -> Result<bool, RecordsError> {
        let _gate = self.gate().await?;
        let revoked = sqlx::query(sql!("revoke_key")).bind(self.clock.now_ms()).bind(id).execute(&self.pool).await?;
        Ok(revoked.rows_affected() == 1)
    }
}

fn key_of((id, name, created_at, revoked_at, hash): KeyRow) -> (ApiKey, String) {
    let key = ApiKey { id, name, created_at: timestamp(created_at), revoked_at: revoked_at.map(timestamp) };
    (key, hash)
}

fn random<const N: usize>() -> Result<[u8; N], RecordsError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RecordsError::Random)?;
    Ok(bytes)
}

fn new_secret() -> Result<SecretString, RecordsError> {
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(random::<SECRET_LEN>()?)))
}

fn text_of(id: &str, secret: &SecretString) -> SecretString {
    SecretString::from(format!("cs_{id}_{}", secret.expose_secret()))
}

fn hash_of(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}
