//! Hooks as they are stored: their addresses, their filters, and how far each has come.
//!
//! Rows hold ids and no record: a message is built when it is sent. So an erasure has nothing to do
//! here, and a hook that was down gets each record once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::audit::{Act, Action};
use super::ledger::timestamp;
use super::{Records, RecordsError, Write};
use crate::records::hook_event::{Filters, Wishes};
use crate::signing::Signature;
use crate::vault::Sealed;

mod deliveries;
mod edit;
pub mod event;
pub(super) mod message_id;
mod pump;
mod record;
mod recover;
mod seen;

pub use deliveries::{Delivery, Owed, OwedChange, OwedKey, Settled, Tried};
pub use edit::HookEdit;
pub use pump::Pumped;
pub use recover::Recovery;
use seen::{NOWHERE, Seen};

/// Hooks of one key.
pub const MOST_OF_A_KEY: i64 = 50;
/// Hooks in all.
pub const MOST_HOOKS: i64 = 10_000;

/// What a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookKind {
    /// Made by a person, and disabled when it ends.
    Webhook,
    /// A subscription that a program made, as Zapier does: it goes when it ends.
    Rest,
}

/// Whether messages are sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookState {
    /// Of each change.
    Active,
    /// Of nothing.
    Disabled,
}

/// A new hook: its address and filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHook {
    /// A checked address.
    pub url: String,
    /// Whose kind of hook it is.
    pub kind: HookKind,
    /// The events that it gets.
    pub events: Filters,
    /// Of which locations; none for all.
    pub locations: Option<Vec<String>>,
    /// An update without any of these fields is not sent; none for all.
    pub fields: Option<Vec<String>>,
    /// How its messages are signed.
    pub signature: Signature,
    /// Whether what its own key changes is left out.
    pub ignore_own: bool,
    /// Whether changes that an import finds are sent.
    pub include_imports: bool,
    /// The API key that makes it.
    pub key_id: Option<String>,
    /// `key:ID` or `cli:USER`.
    pub created_by: String,
    /// For people.
    pub description: Option<String>,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// The queue's lane of its messages.
    pub id: String,
    /// Address of the receiver.
    pub url: String,
    /// A person's or a program's.
    pub kind: HookKind,
    /// The events that it gets.
    pub events: Filters,
    /// Of which locations; none for all.
    pub locations: Option<Vec<String>>,
    /// An update without any of these fields is not sent; none for all.
    pub fields: Option<Vec<String>>,
    /// How its messages are signed.
    pub signature: Signature,
    /// Whether what its own key changes is left out.
    pub ignore_own: bool,
    /// Whether changes that an import finds are sent.
    pub include_imports: bool,
    /// The API key that made it.
    pub key_id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whether messages are sent to it.
    pub state: HookState,
    /// Why it is disabled.
    pub disabled_why: Option<String>,
    /// Since when it is disabled.
    pub disabled_at: Option<Timestamp>,
    /// Since when no delivery has succeeded, where the last one failed.
    pub failing_since: Option<Timestamp>,
    /// When a delivery last succeeded after others had failed, or for the first time.
    pub last_success_at: Option<Timestamp>,
    /// Until when the secret before the last rotation signs as well.
    pub old_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether its key sees every location, or only those of `key_sees`.
    #[serde(skip)]
    pub(crate) sees_all: bool,
    /// Whether its key reads names and values; else its messages have ids alone.
    #[serde(skip)]
    pub(crate) reads_people: bool,
    #[serde(skip)]
    pub(crate) secret: Sealed,
    #[serde(skip)]
    pub(crate) old_secret: Option<Sealed>,
    #[serde(skip)]
    pub(crate) last_seq: Option<i64>,
    #[serde(skip)]
    pub(crate) from_seq: i64,
    #[serde(skip)]
    pub(crate) from_notice: i64,
}

/// Why there is no new hook.
#[derive(Debug, thiserror::Error)]
pub enum NoHook {
    /// The key has as many as it may.
    #[error("this key has {MOST_OF_A_KEY} hooks, and may have no more; delete one")]
    OfKey,
    /// There are as many as there may be.
    #[error("there are {MOST_HOOKS} hooks, and may be no more; delete one")]
    InAll,
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl HookKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Rest => "rest",
        }
    }
}

impl Hook {
    /// An id for a new one.
    #[must_use]
    pub fn new_id() -> String {
        format!("hk_{}", Uuid::now_v7().simple())
    }

    /// Whether its messages have names and values, or ids alone, as its key reads.
    #[must_use]
    pub fn reads_people(&self) -> bool {
        self.reads_people
    }

    /// What of a change it asks for.
    pub(crate) fn requests<'a>(&'a self, seen: &'a Seen) -> Wishes<'a> {
        let of_key = self.key_id.as_ref().filter(|_| !self.sees_all);
        Wishes {
            seen: of_key.map(|key| seen.0.get(key).unwrap_or(&NOWHERE)),
            events: &self.events,
            locations: self.locations.as_deref(),
            fields: self.fields.as_deref(),
            ignored_key: self.key_id.as_deref().filter(|_| self.ignore_own),
            imports: self.include_imports,
        }
    }
}

const COLUMNS: &str = "select id, url, kind, events, locations, fields, signature, secret, secret_key_id, old_secret, old_secret_key_id, \
     old_secret_until, ignore_own, include_imports, key_id, description, state, disabled_why, disabled_at, from_seq, from_notice, last_seq, \
     failing_since, last_success_at, created_at, \
     coalesce((select every_location from api_keys where api_keys.id = hooks.key_id), 1) as sees_all, \
     coalesce((select reads_people from api_keys where api_keys.id = hooks.key_id), 1) as reads_people from hooks ";
/// Of one key, which is bound to $1: the hooks that it has made, and those of which it sees each location.
const VISIBLE: &str = "($1 is null or key_id = $1 or (locations is not null and not exists (select 1 from hook_places \
     where hook_places.hook_id = hooks.id and location_id not in (select location_id from key_sees where key_sees.key_id = $1))))";

/// A statement that reads whole hooks; `rest` is one of ours and holds no value.
fn select(rest: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{COLUMNS}{rest}"))
}

impl Records {
    /// Creates a hook with that id, which gets changes from now on. Its secret is sealed for the id.
    ///
    /// # Errors
    /// [`NoHook`].
    pub async fn create_hook(&self, id: &str, new: &NewHook, secret: &Sealed) -> Result<Hook, NoHook> {
        let mut write = self.write().await?;
        // Of the key, and in all. A request at the same time may create one too many, and no more.
        let count = "select (select count(*) from hooks where key_id = $1), (select count(*) from hooks)";
        let (of_key, all): (i64, i64) =
            sqlx::query_as(count).bind(&new.key_id).fetch_one(write.conn()).await.map_err(RecordsError::from)?;
        if of_key >= MOST_OF_A_KEY && new.key_id.is_some() {
            return Err(NoHook::OfKey);
        }
        if all >= MOST_HOOKS {
            return Err(NoHook::InAll);
        }
        let insert = "insert into hooks (id, url, kind, events, locations, fields, signature, secret, secret_key_id, ignore_own, \
             include_imports, key_id, created_by, description, state, from_seq, from_notice, created_at) \
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'active', change_counter.last, notice_counter.last, $15 \
             from change_counter, notice_counter";
        let now_ms = write.now_ms;
        sqlx::query(insert)
            .bind(id)
            .bind(&new.url)
            .bind(new.kind.as_str())
            .bind(list(new.events.texts()))
            .bind(new.locations.as_deref().map(list))
            .bind(new.fields.as_deref().map(list))
            .bind(new.signature.as_str())
            .bind(encoded(secret))
            .bind(&secret.key_id)
            .bind(i64::from(new.ignore_own))
            .bind(i64::from(new.include_imports))
            .bind(&new.key_id)
            .bind(&new.created_by)
            .bind(&new.description)
            .bind(now_ms)
            .execute(write.conn())
            .await
            .map_err(RecordsError::from)?;
        insert_places(&mut write, id, new.locations.as_deref()).await?;
        let request = json!({"events": new.events.texts(), "locations": new.locations, "kind": new.kind});
        write.act(Act::new(Action::HookCreate).on(id).with(request));
        let row = sqlx::query(select("where id = $1")).bind(id).fetch_one(write.conn()).await;
        let hook = hook_of(&row.map_err(RecordsError::from)?)?;
        write.commit().await?;
        Ok(hook)
    }

    /// The hook of that id, where the principal sees it.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all below.
    pub async fn hook(&self, id: &str) -> Result<Option<Hook>, RecordsError> {
        let query = sqlx::query(select(&format!("where {VISIBLE} and id = $2"))).bind(self.scope()).bind(id);
        query.fetch_optional(&self.pool).await?.as_ref().map(hook_of).transpose()
    }

    /// Hooks that the principal sees, after the one of that id, oldest first.
    ///
    /// # Errors
    /// See [`Records::hook`].
    pub async fn list_hooks(&self, after: Option<&str>, limit: i64) -> Result<Vec<Hook>, RecordsError> {
        let query = sqlx::query(select(&format!("where {VISIBLE} and id > $2 order by id limit $3")));
        let query = query.bind(self.scope()).bind(after.unwrap_or_default()).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(hook_of).collect()
    }

    /// Removes a hook with all that it has yet to hear; false where there is none.
    ///
    /// # Errors
    /// See [`Records::hook`].
    pub async fn delete_hook(&self, id: &str) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let deleted = sqlx::query("delete from hooks where id = $1").bind(id).execute(write.conn()).await?;
        sqlx::query("delete from hook_places where hook_id = $1").bind(id).execute(write.conn()).await?;
        sqlx::query("delete from hook_deliveries where hook_id = $1").bind(id).execute(write.conn()).await?;
        let deleted = deleted.rows_affected() > 0;
        if deleted {
            write.act(Act::new(Action::HookDelete).on(id));
        }
        write.commit().await?;
        Ok(deleted)
    }

    /// Disables a hook; false if it was disabled before. Its unsent messages are kept.
    ///
    /// # Errors
    /// See [`Records::hook`].
    pub async fn disable_hook(&self, id: &str, why: &str) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let query = "update hooks set state = 'disabled', disabled_why = $1, disabled_at = $2 where id = $3 and state = 'active'";
        let disabled = sqlx::query(query).bind(why).bind(now_ms).bind(id).execute(write.conn()).await?;
        let disabled = disabled.rows_affected() > 0;
        if disabled {
            write.act(Act::new(Action::HookDisable).on(id).with(json!({"why": why})));
            write.notice(seen::disabled(id, why));
        }
        write.commit().await?;
        Ok(disabled)
    }

    /// Enables a disabled hook: it gets changes from now on, and its unsent messages; false if it was not disabled.
    ///
    /// # Errors
    /// See [`Records::hook`].
    pub async fn enable_hook(&self, id: &str) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let query = "update hooks set state = 'active', disabled_why = null, disabled_at = null, failing_since = null \
             where id = $1 and state = 'disabled'";
        let enabled = sqlx::query(query).bind(id).execute(write.conn()).await?.rows_affected() > 0;
        if enabled {
            let due = "update hook_deliveries set next_at = null where hook_id = $1 and state = 'open'";
            sqlx::query(due).bind(id).execute(write.conn()).await?;
            write.act(Act::new(Action::HookEnable).on(id));
        }
        write.commit().await?;
        Ok(enabled)
    }

    /// Gives a hook another secret; the present one signs beside it until `until_ms`. False where there is no such hook.
    ///
    /// # Errors
    /// See [`Records::hook`].
    pub async fn rotate_hook(&self, id: &str, secret: &Sealed, until_ms: i64) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let query = "update hooks set old_secret = secret, old_secret_key_id = secret_key_id, old_secret_until = $1, secret = $2, \
             secret_key_id = $3 where id = $4";
        let query = sqlx::query(query).bind(until_ms).bind(encoded(secret)).bind(&secret.key_id).bind(id);
        let rotated = query.execute(write.conn()).await?.rows_affected() > 0;
        if rotated {
            write.act(Act::new(Action::HookRotate).on(id));
        }
        write.commit().await?;
        Ok(rotated)
    }

    /// Stores secrets that another master key sealed, if they were not changed meanwhile.
    pub(crate) async fn reseal_hook(
        &self,
        hook: &Hook,
        secret: &Sealed,
        old_secret: Option<&Sealed>,
    ) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let query = "update hooks set secret = $1, secret_key_id = $2, old_secret = $3, old_secret_key_id = $4 \
             where id = $5 and secret = $6";
        let query = sqlx::query(query)
            .bind(encoded(secret))
            .bind(&secret.key_id)
            .bind(old_secret.map(encoded))
            .bind(old_secret.map(|sealed| sealed.key_id.as_str()))
            .bind(&hook.id)
            .bind(encoded(&hook.secret));
        let resealed = query.execute(write.conn()).await?;
        write.commit().await?;
        Ok(resealed.rows_affected() > 0)
    }
}

/// Writes down the locations of a hook that has none yet; it learns of all of them if none are listed.
async fn insert_places(write: &mut Write, id: &str, locations: Option<&[String]>) -> Result<(), RecordsError> {
    for location in locations.into_iter().flatten() {
        let insert = "insert into hook_places (hook_id, location_id) values ($1, $2) on conflict do nothing";
        sqlx::query(insert).bind(id).bind(location).execute(write.conn()).await?;
    }
    Ok(())
}

fn hook_of(row: &AnyRow) -> Result<Hook, RecordsError> {
    let id: String = row.try_get("id")?;
    let corrupt = |reason: &str| RecordsError::Corrupt { table: "hooks", row: id.clone(), reason: reason.to_owned() };
    let list = |column: &str| -> Result<Option<Vec<String>>, RecordsError> {
        let text: Option<String> = row.try_get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("hooks", &id, &error)))
            .transpose()
    };
    let moment = |column: &str| -> Result<Option<Timestamp>, RecordsError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(timestamp))
    };
    let sealed = |text: String, key_id: String| -> Result<Sealed, RecordsError> {
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| corrupt("a secret is not base64"))?;
        Ok(Sealed { key_id, bytes })
    };
    let old: (Option<String>, Option<String>) = (row.try_get("old_secret")?, row.try_get("old_secret_key_id")?);
    let (kind, state): (String, String) = (row.try_get("kind")?, row.try_get("state")?);
    let signature: String = row.try_get("signature")?;
    Ok(Hook {
        url: row.try_get("url")?,
        kind: if kind == "rest" { HookKind::Rest } else { HookKind::Webhook },
        events: Filters::kept(list("events")?.unwrap_or_default()),
        locations: list("locations")?,
        fields: list("fields")?,
        signature: Signature::parse(&signature).ok_or_else(|| corrupt("an unknown signature"))?,
        ignore_own: row.try_get::<i64, _>("ignore_own")? == 1,
        include_imports: row.try_get::<i64, _>("include_imports")? == 1,
        key_id: row.try_get("key_id")?,
        description: row.try_get("description")?,
        state: if state == "active" { HookState::Active } else { HookState::Disabled },
        disabled_why: row.try_get("disabled_why")?,
        disabled_at: moment("disabled_at")?,
        failing_since: moment("failing_since")?,
        last_success_at: moment("last_success_at")?,
        old_secret_until: moment("old_secret_until")?,
        created_at: timestamp(row.try_get("created_at")?),
        secret: sealed(row.try_get("secret")?, row.try_get("secret_key_id")?)?,
        old_secret: match old {
            (Some(text), Some(key_id)) => Some(sealed(text, key_id)?),
            _ => None,
        },
        sees_all: row.try_get::<i64, _>("sees_all")? == 1,
        reads_people: row.try_get::<i64, _>("reads_people")? == 1,
        last_seq: row.try_get("last_seq")?,
        from_seq: row.try_get("from_seq")?,
        from_notice: row.try_get("from_notice")?,
        id,
    })
}

fn encoded(sealed: &Sealed) -> String {
    STANDARD_NO_PAD.encode(&sealed.bytes)
}

/// A list of texts has no way to fail.
fn list(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}
