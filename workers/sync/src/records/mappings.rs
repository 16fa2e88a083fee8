//! Mappings that people change: one a location, and `*` for all that have none, each with its versions.
//!
//! As with flows, whoever changes one locks the counter of changes, and its number informs every process that there was one ([`in_force`]). What
//! GHL holds is kept as GHL sent it, so a mapping is in force for everything that was ever read, without a call to GHL.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::field_mapping::{EVERYWHERE, Mapping};

use super::accept::known_locations;
use super::audit::{Act, Action};
use super::ledger::timestamp;
use super::{Expected, Records, RecordsError, Write};

pub(super) mod in_force;
mod policies;
mod preview;

pub(super) use policies::policies;
pub use preview::{FieldPreview, Preview, UnmappedValue};

/// A mapping of the database.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptMapping {
    /// The location, or `*`.
    pub location_id: String,
    /// Which of its versions is in force.
    pub version: i64,
    /// As its author wrote it.
    pub toml: String,
    /// Who wrote the version: `key:ID` or `cli:USER`.
    pub author: String,
    /// When the location got its first one.
    pub created_at: Timestamp,
    /// When the version was written.
    pub updated_at: Timestamp,
}

/// A version of a mapping.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingVersion {
    /// From 1, for each location.
    pub version: i64,
    /// Who wrote it: `key:ID` or `cli:USER`.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// Whether the mapping was deleted by it.
    pub deleted: bool,
}

/// The mapping that holds for a location.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// Its own.
    Own(KeptMapping),
    /// That of all locations.
    Default(KeptMapping),
    /// None: nothing is mapped.
    None,
}

/// Why a mapping was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NoMapping {
    /// Another editor has changed it.
    #[error("the mapping is in another state by now: {0}")]
    Otherwise(String),
    /// No such location is connected, or the principal does not see it.
    #[error("no such location is connected")]
    Unconnected,
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<sqlx::Error> for NoMapping {
    fn from(error: sqlx::Error) -> Self {
        Self::Records(error.into())
    }
}

impl Held {
    /// By which its present state is known: its version; `default-N` where that of all locations holds; `0` where nothing is mapped.
    #[must_use]
    pub fn tag(&self) -> String {
        match self {
            Self::Own(kept) => kept.version.to_string(),
            Self::Default(kept) => format!("default-{}", kept.version),
            Self::None => "0".to_owned(),
        }
    }

    /// The mapping, whosever it is.
    #[must_use]
    pub fn kept(&self) -> Option<&KeptMapping> {
        match self {
            Self::Own(kept) | Self::Default(kept) => Some(kept),
            Self::None => None,
        }
    }

    /// The location's own.
    #[must_use]
    pub fn own(&self) -> Option<&KeptMapping> {
        match self {
            Self::Own(kept) => Some(kept),
            Self::Default(_) | Self::None => None,
        }
    }

    fn is(&self, expected: &Expected) -> bool {
        match expected {
            Expected::Anything => true,
            Expected::Nothing => self.own().is_none(),
            Expected::Something => self.own().is_some(),
            Expected::Tagged(tags) => tags.contains(&self.tag()),
        }
    }
}

const COLUMNS: &str = "select location_id, version, toml, author, created_at, updated_at from mappings";

impl Records {
    /// The mapping that holds for a location, or `*`.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all that read.
    pub async fn held_mapping(&self, location_id: &str) -> Result<Held, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        held(&mut connection, location_id).await
    }

    /// Every mapping that the principal sees, by location; `*` comes first.
    ///
    /// # Errors
    /// See [`Records::held_mapping`].
    pub async fn kept_mappings(&self) -> Result<Vec<KeptMapping>, RecordsError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} order by location_id")));
        let mut seen = Vec::new();
        for row in query.fetch_all(&self.pool).await? {
            let kept = kept_of(&row)?;
            if self.sees(&kept.location_id).await? {
                seen.push(kept);
            }
        }
        seen.sort_by_key(|kept| kept.location_id != EVERYWHERE);
        Ok(seen)
    }

    /// Keeps a version of the mapping of a location, or of `*`, and whether the location had none of its own. What says the same as the one in
    /// force is that one.
    ///
    /// # Errors
    /// [`NoMapping`].
    pub async fn put_mapping(
        &self,
        location_id: &str,
        toml: &str,
        definition: &Value,
        expected: &Expected,
    ) -> Result<(KeptMapping, bool), NoMapping> {
        let mut write = self.write().await?;
        count_change(&mut write).await?;
        self.check_location(&mut write, location_id).await?;
        let before = held(write.conn(), location_id).await?;
        if !before.is(expected) {
            return Err(NoMapping::Otherwise(before.tag()));
        }
        if let Some(own) = before.own().filter(|own| own.toml == toml) {
            return Ok((own.clone(), false));
        }
        let version = self.add_mapping_version(&mut write, location_id, Some(toml)).await?;
        let now_ms = write.now_ms;
        let upsert = "insert into mappings (location_id, version, toml, definition, author, created_at, updated_at) \
             values ($1, $2, $3, $4, $5, $6, $6) \
             on conflict (location_id) do update set version = excluded.version, toml = excluded.toml, \
             definition = excluded.definition, author = excluded.author, updated_at = excluded.updated_at";
        sqlx::query(upsert)
            .bind(location_id)
            .bind(version)
            .bind(toml)
            .bind(definition.to_string())
            .bind(self.principal.actor.to_string())
            .bind(now_ms)
            .execute(write.conn())
            .await?;
        write.act(of_location(Act::new(Action::MappingWrite), location_id).with(json!({ "version": version })));
        let after = held(write.conn(), location_id).await?;
        write.commit().await?;
        self.mappings.forget();
        let lost = || RecordsError::Corrupt {
            table: "mappings",
            row: location_id.to_owned(),
            reason: "it is not there after it was written".to_owned(),
        };
        Ok((after.own().cloned().ok_or_else(lost)?, before.own().is_none()))
    }

    /// Deletes a location's own mapping; its versions stay, and that of all locations holds from now on. False where there is none.
    ///
    /// # Errors
    /// [`NoMapping`].
    pub async fn delete_mapping(&self, location_id: &str, expected: &Expected) -> Result<bool, NoMapping> {
        let mut write = self.write().await?;
        count_change(&mut write).await?;
        self.check_location(&mut write, location_id).await?;
        let before = held(write.conn(), location_id).await?;
        if before.own().is_none() {
            return Ok(false);
        }
        if !before.is(expected) {
            return Err(NoMapping::Otherwise(before.tag()));
        }
        let version = self.add_mapping_version(&mut write, location_id, None).await?;
        sqlx::query("delete from mappings where location_id = $1").bind(location_id).execute(write.conn()).await?;
        write.act(of_location(Act::new(Action::MappingDelete), location_id).with(json!({ "version": version })));
        write.commit().await?;
        self.mappings.forget();
        Ok(true)
    }

    /// The versions of a location's own mapping, the newest first.
    ///
    /// # Errors
    /// See [`Records::held_mapping`].
    pub async fn mapping_versions(&self, location_id: &str) -> Result<Vec<MappingVersion>, RecordsError> {
        let query = "select version, author, at, cast(case when toml is null then 1 else 0 end as bigint) as gone \
             from mapping_versions where location_id = $1 order by version desc";
        let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(query).bind(location_id).fetch_all(&self.pool).await?;
        let version =
            |(version, author, at, gone)| MappingVersion { version, author, at: timestamp(at), deleted: gone == 1 };
        Ok(rows.into_iter().map(version).collect())
    }

    /// A location's own mapping as one of its versions says it.
    ///
    /// # Errors
    /// See [`Records::held_mapping`].
    pub async fn mapping_version(&self, location_id: &str, version: i64) -> Result<Option<String>, RecordsError> {
        let query = "select toml from mapping_versions where location_id = $1 and version = $2";
        let toml: Option<Option<String>> =
            sqlx::query_scalar(query).bind(location_id).bind(version).fetch_optional(&self.pool).await?;
        Ok(toml.flatten())
    }

    /// A mapping is for a location that is connected, or for all by who sees them all.
    async fn check_location(&self, write: &mut Write, location_id: &str) -> Result<(), NoMapping> {
        let is_known = location_id == EVERYWHERE
            || known_locations(write.conn(), [location_id].into()).await?.contains(location_id);
        if is_known && self.sees(location_id).await? { Ok(()) } else { Err(NoMapping::Unconnected) }
    }

    async fn add_mapping_version(
        &self,
        write: &mut Write,
        location_id: &str,
        toml: Option<&str>,
    ) -> Result<i64, RecordsError> {
        let last = "select coalesce(max(version), 0) from mapping_versions where location_id = $1";
        let last: i64 = sqlx::query_scalar(last).bind(location_id).fetch_one(write.conn()).await?;
        let now_ms = write.now_ms;
        let insert =
            "insert into mapping_versions (location_id, version, toml, author, at) values ($1, $2, $3, $4, $5)";
        sqlx::query(insert)
            .bind(location_id)
            .bind(last + 1)
            .bind(toml)
            .bind(self.principal.actor.to_string())
            .bind(now_ms)
            .execute(write.conn())
            .await?;
        Ok(last + 1)
    }

    /// The mapping in force for a location.
    ///
    /// # Errors
    /// See [`Records::held_mapping`].
    pub async fn mapping_of(&self, location_id: &str) -> Result<std::sync::Arc<Mapping>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        Ok(self.mappings.look(&mut connection, self.clock.now_ms()).await?.of(location_id))
    }
}

fn of_location(act: Act, location_id: &str) -> Act {
    let act = act.on(location_id);
    if location_id == EVERYWHERE { act } else { act.at(location_id) }
}

/// Whoever changes a mapping has this row until its commit.
async fn count_change(write: &mut Write) -> Result<(), RecordsError> {
    let count = "update mapping_counter set changes = changes + 1 where name = 'mappings'";
    sqlx::query(count).execute(write.conn()).await?;
    Ok(())
}

async fn held(connection: &mut sqlx::AnyConnection, location_id: &str) -> Result<Held, RecordsError> {
    let query = sqlx::AssertSqlSafe(format!("{COLUMNS} where location_id = $1 or location_id = '{EVERYWHERE}'"));
    let rows = sqlx::query(query).bind(location_id).fetch_all(connection).await?;
    let kept = rows.iter().map(kept_of).collect::<Result<Vec<_>, _>>()?;
    let (own, default): (Vec<_>, Vec<_>) = kept.into_iter().partition(|kept| kept.location_id == location_id);
    Ok(match (own.into_iter().next(), default.into_iter().next()) {
        (Some(own), _) => Held::Own(own),
        (None, Some(default)) => Held::Default(default),
        (None, None) => Held::None,
    })
}

fn kept_of(row: &AnyRow) -> Result<KeptMapping, RecordsError> {
    let at = |column: &str| -> Result<Timestamp, RecordsError> { Ok(timestamp(row.try_get(column)?)) };
    Ok(KeptMapping {
        location_id: row.try_get("location_id")?,
        version: row.try_get("version")?,
        toml: row.try_get("toml")?,
        author: row.try_get("author")?,
        created_at: at("created_at")?,
        updated_at: at("updated_at")?,
    })
}
