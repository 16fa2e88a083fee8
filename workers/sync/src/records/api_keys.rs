//! API keys: who may ask for what, where, and until when. A key's text is `cs_<id>_<secret>`.
//!
//! The id finds the row, the secret is 32 random bytes. Only its SHA-256 is kept: that is enough for a secret nobody
//! can guess, and it lets a request be checked without a slow password hash.
//!
//! A key has one secret, and for a while after a rotation the one before as well. The trap is a process of an earlier release that works over the
//! same database: to it every key may do everything. So the secrets of new keys are in a table that it does not know.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{Act, Action};
use super::ledger::timestamp;
use super::sql::sql;
use super::{Records, RecordsError};

pub use self::places::{KeyPlace, Places};
pub use self::role::Role;

mod places;
mod role;

/// Random bytes of a secret.
const SECRET_LEN: usize = 32;
/// Random bytes of an id; shown in hexadecimal, so an id holds no underscore.
const ID_LEN: usize = 6;
/// In the place of the hash that earlier releases look for: the hashes are in a table of their own.
const NO_HASH: &str = "-";
/// For so long before a key ends, the operator gets a warning.
pub const KEY_ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Uses are noted by the hour: a row that is written with each request would be one more commit for each.
const HOUR_MS: i64 = 60 * 60 * 1000;

/// A key, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The part between the underscores.
    pub id: String,
    /// Who it was made for.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Where.
    pub locations: Places,
    /// Whether it reads names and values, or ids and states alone.
    pub reads_people: bool,
    /// How many events it may send in a minute, at each gateway; none for as many as the settings allow.
    pub events_per_minute: Option<u32>,
    /// Who made it; none for keys of earlier releases.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The hour in which it was used last.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// It was made before keys had roles, and its roles were never chosen.
    #[serde(skip)]
    pub predates_roles: bool,
}

impl ApiKey {
    /// Whether it may do what one of `roles` may.
    #[must_use]
    pub fn is_one_of(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|own| roles.iter().any(|role| own.includes(*role)))
    }

    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Who it is for.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Where.
    pub locations: Places,
    /// Whether it reads names and values.
    pub reads_people: bool,
    /// How many events it may send in a minute; none for as many as the settings allow.
    pub events_per_minute: Option<u32>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// One that sends events and reads records, of every location, for ever.
    #[must_use]
    pub fn of_all(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            roles: Role::BEFORE.to_vec(),
            locations: Places::All,
            reads_people: true,
            events_per_minute: None,
            expires_at: None,
        }
    }
}

/// What a text opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The key.
    pub key: ApiKey,
    /// When the text ends, where the key has got a newer secret.
    pub secret_ends_at: Option<Timestamp>,
}

impl Records {
    /// Makes a key. Its text is returned here and never again.
    ///
    /// # Errors
    /// [`RecordsError::Random`] or [`RecordsError::Database`], as for all below.
    pub async fn create_key(&self, new: &NewKey) -> Result<(ApiKey, SecretString), RecordsError> {
        let NewKey { name, roles, locations, reads_people, events_per_minute, expires_at } = new;
        let id = random::<ID_LEN>()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let secret = new_secret()?;
        let created_by = self.principal.actor.to_string();
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let insert = sqlx::query(sql!("create_key")).bind(&id).bind(name).bind(NO_HASH).bind(role::text_of(roles));
        let insert = insert.bind(i64::from(*locations == Places::All)).bind(i64::from(*reads_people));
        let insert = insert.bind(&created_by).bind(now_ms).bind(expires_at.map(Timestamp::as_millisecond));
        insert.bind(events_per_minute.map(i64::from)).execute(write.conn()).await?;
        for place in locations.listed() {
            let insert = sqlx::query(sql!("insert_key_place")).bind(&id).bind(place.kind()).bind(place.id());
            insert.execute(write.conn()).await?;
        }
        insert_secret(&mut write, &id, &hash_of(secret.expose_secret()), None).await?;
        let powers = json!({
            "roles": roles, "locations": locations, "readsPeople": reads_people, "eventsPerMinute": events_per_minute,
            "expiresAt": expires_at,
        });
        write.act(Act::new(Action::KeyCreate).on(&id).with(powers));
        write.commit().await?;
        let text = text_of(&id, &secret);
        let key = ApiKey {
            id,
            name: name.clone(),
            roles: roles.clone(),
            locations: locations.clone(),
            reads_people: *reads_people,
            events_per_minute: *events_per_minute,
            created_by: Some(created_by),
            created_at: timestamp(now_ms),
            expires_at: *expires_at,
            last_used_at: None,
            revoked_at: None,
            predates_roles: false,
        };
        Ok((key, text))
    }

    /// The key that a text opens, unless it has ended, was rotated away or was never ours.
    ///
    /// # Errors
    /// See [`Records::create_key`]; [`RecordsError::Corrupt`].
    pub async fn authenticate(&self, text: &str) -> Result<Option<Opened>, RecordsError> {
        let Some((id, secret)) = text.strip_prefix("cs_").and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        // Ids are hexadecimal: what is not, no database needs to see.
        if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let now_ms = self.clock.now_ms();
        let rows = sqlx::query(sql!("key")).bind(id).bind(now_ms).fetch_all(&self.pool).await?;
        let given = hash_of(secret);
        let opens = |hash: &str| verify_slices_are_equal(hash.as_bytes(), given.as_bytes()).is_ok();
        for row in &rows {
            // An earlier release writes there when it makes or rotates a key, and means that no other secret opens it.
            let own: String = row.try_get("hash")?;
            let (hash, ends_at): (Option<String>, Option<i64>) = match own.as_str() {
                NO_HASH => (row.try_get("secret")?, row.try_get("ends_at")?),
                _ => (Some(own), None),
            };
            if !hash.is_some_and(|hash| opens(&hash)) {
                continue;
            }
            let key = key_of(row, self.places_of(row).await?)?;
            let opened = Opened { key, secret_ends_at: ends_at.map(timestamp) };
            return Ok(opened.key.is_in_force(timestamp(now_ms)).then_some(opened));
        }
        Ok(None)
    }

    /// All keys, oldest first, ended ones among them.
    ///
    /// # Errors
    /// See [`Records::authenticate`].
    pub async fn list_keys(&self) -> Result<Vec<ApiKey>, RecordsError> {
        let rows = sqlx::query(sql!("list_keys")).fetch_all(&self.pool).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            keys.push(key_of(row, self.places_of(row).await?)?);
        }
        Ok(keys)
    }

    /// Gives a key a new secret. The one before opens it for `overlap` more, and none that is older does for longer. `expires_at` moves its end;
    /// none leaves it. None where the id is unknown or revoked.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn rotate_key(
        &self,
        id: &str,
        overlap: Duration,
        expires_at: Option<Timestamp>,
    ) -> Result<Option<SecretString>, RecordsError> {
        let secret = new_secret()?;
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let lock = sqlx::query_scalar(sql!("lock_key")).bind(id);
        let Some(before): Option<String> = lock.fetch_optional(write.conn()).await? else { return Ok(None) };
        let ends_at = now_ms.saturating_add(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
        sqlx::query(sql!("forget_key_secrets")).bind(id).bind(now_ms).execute(write.conn()).await?;
        sqlx::query(sql!("end_key_secrets")).bind(ends_at).bind(id).execute(write.conn()).await?;
        if before != NO_HASH {
            insert_secret(&mut write, id, &before, Some(ends_at)).await?;
        }
        insert_secret(&mut write, id, &hash_of(secret.expose_secret()), None).await?;
        let renew = sqlx::query(sql!("renew_key")).bind(NO_HASH).bind(expires_at.map(Timestamp::as_millisecond));
        renew.bind(id).execute(write.conn()).await?;
        let ends = json!({"oldSecretEndsAt": timestamp(ends_at), "expiresAt": expires_at});
        write.act(Act::new(Action::KeyRotate).on(id).with(ends));
        write.commit().await?;
        Ok(Some(text_of(id, &secret)))
    }

    /// Revokes a key for good; false where the id is unknown or was revoked before.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn revoke_key(&self, id: &str) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let revoke = sqlx::query(sql!("revoke_key")).bind(write.now_ms).bind(id);
        if revoke.execute(write.conn()).await?.rows_affected() == 0 {
            return Ok(false);
        }
        write.act(Act::new(Action::KeyRevoke).on(id));
        write.commit().await?;
        Ok(true)
    }

    /// How many keys in force end within [`KEY_ENDS_SOON`].
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn count_ending_keys(&self) -> Result<i64, RecordsError> {
        let now_ms = self.clock.now_ms();
        let soon = now_ms.saturating_add(i64::try_from(KEY_ENDS_SOON.as_millis()).unwrap_or(i64::MAX));
        Ok(sqlx::query_scalar(sql!("count_ending_keys")).bind(now_ms).bind(soon).fetch_one(&self.pool).await?)
    }

    /// Notes that a key was used at `at`, if its hour is not noted yet.
    ///
    /// # Errors
    /// See [`Records::create_key`].
    pub async fn note_key_use(&self, id: &str, at: Timestamp) -> Result<(), RecordsError> {
        let hour_ms = hour_of(at).as_millisecond();
        let _gate = self.gate().await?;
        sqlx::query(sql!("note_key_use")).bind(hour_ms).bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Where the key of a row may look.
    async fn places_of(&self, row: &AnyRow) -> Result<Places, RecordsError> {
        if row.try_get::<i64, _>("every_location")? != 0 {
            return Ok(Places::All);
        }
        let id: String = row.try_get("id")?;
        let query = sqlx::query_as(sql!("key_places")).bind(id);
        let places: Vec<(String, String)> = query.fetch_all(&self.pool).await?;
        Ok(Places::Listed(places.into_iter().map(|(kind, place)| KeyPlace::of(&kind, place)).collect()))
    }
}

/// The hour that a time is in.
#[must_use]
pub fn hour_of(at: Timestamp) -> Timestamp {
    let into = at.as_millisecond().rem_euclid(HOUR_MS);
    at.checked_sub(SignedDuration::from_millis(into)).unwrap_or(at)
}

async fn insert_secret(
    write: &mut super::Write,
    id: &str,
    hash: &str,
    ends_at: Option<i64>,
) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let insert = sqlx::query(sql!("insert_key_secret")).bind(id).bind(hash).bind(now_ms).bind(ends_at);
    insert.execute(write.conn()).await?;
    Ok(())
}

fn key_of(row: &AnyRow, locations: Places) -> Result<ApiKey, RecordsError> {
    let roles: Option<String> = row.try_get("roles")?;
    let time = |column: &str| row.try_get::<Option<i64>, _>(column).map(|ms| ms.map(timestamp));
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        predates_roles: roles.is_none(),
        roles: roles.as_deref().map_or_else(|| Role::BEFORE.to_vec(), role::read),
        locations,
        reads_people: row.try_get::<i64, _>("reads_people")? != 0,
        events_per_minute: row
            .try_get::<Option<i64>, _>("events_per_minute")?
            .and_then(|most| u32::try_from(most).ok()),
        created_by: row.try_get("created_by")?,
        created_at: timestamp(row.try_get("created_at")?),
        expires_at: time("expires_at")?,
        last_used_at: time("last_used_at")?,
        revoked_at: time("revoked_at")?,
    })
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
