//! Flows that people change: each with its versions, on or off.
//!
//! Whoever changes one locks the counter of changes, so there is one change at a time, and its number informs every process that there was one
//! ([`super::in_force`]). A run keeps the definition that it began with, so no change here reaches a run that is under way, unless it is stopped.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::super::accept::known_locations;
use super::super::audit::{Act, Action};
use super::super::ledger::timestamp;
use super::super::{Records, RecordsError, Write};
use super::runs;
use crate::flows::Flow;

/// Flows in all.
pub const MOST_FLOWS: i64 = 200;

/// A flow of the database.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptFlow {
    /// Its name.
    pub name: String,
    /// Which of its versions is in force.
    pub version: i64,
    /// Whether it starts runs.
    pub enabled: bool,
    /// Why not.
    pub why: Option<String>,
    /// Since when it is enabled, or not.
    pub state_at: Timestamp,
    /// As its author wrote it.
    pub toml: String,
    /// The same document.
    #[serde(skip)]
    pub definition: Value,
    /// Who wrote the version: `key:ID` or `cli:USER`.
    pub author: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the version was written.
    pub updated_at: Timestamp,
}

/// A version of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowVersion {
    /// From 1 on.
    pub version: i64,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// Whether the flow was deleted by it.
    pub deleted: bool,
}

/// A flow that is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewVersion<'a> {
    /// As it was read from `toml`.
    pub flow: &'a Flow,
    /// As its author wrote it.
    pub toml: &'a str,
    /// Whether it is to start runs; none for as before, and for yes where it is new.
    pub enabled: Option<bool>,
}

/// What whoever changes a flow takes for its present state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Anything,
    /// There is none.
    Nothing,
    /// One that is there.
    Something,
    /// One of these states, as [`KeptFlow::tag`] names them.
    Tagged(Vec<String>),
}

/// Why a flow was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NoChange {
    /// Somebody else has changed it.
    #[error("the flow is in another state by now{}", .0.as_ref().map_or(String::new(), |tag| format!(": {tag}")))]
    Otherwise(Option<String>),
    /// There are as many as there may be.
    #[error("there are {MOST_FLOWS} flows, and may be no more; delete one")]
    TooMany,
    /// A flow of that name is for locations that the principal does not see.
    #[error("the name is taken by a flow of other locations")]
    Taken,
    /// The flow speaks of secrets, and the principal does not see every location.
    #[error("holds a secret, which only keys that see every location may use")]
    Secrets,
    /// The flow would run in locations that are not connected, or that the principal does not see.
    #[error("names a location that is not connected")]
    Unconnected,
    /// The flow would run in locations that the principal does not see.
    #[error(
        "is missing: this key does not see every location, so name those that the flow is for, as locations = [\"ID\"]"
    )]
    Everywhere,
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<sqlx::Error> for NoChange {
    fn from(error: sqlx::Error) -> Self {
        Self::Records(error.into())
    }
}

impl KeptFlow {
    /// By which its present state is known: the version, and whether it is off.
    #[must_use]
    pub fn tag(&self) -> String {
        if self.enabled { self.version.to_string() } else { format!("{}-off", self.version) }
    }
}

impl Expected {
    fn is_met_by(&self, kept: Option<&KeptFlow>) -> bool {
        match (self, kept) {
            (Self::Anything, _) | (Self::Nothing, None) | (Self::Something, Some(_)) => true,
            (Self::Tagged(tags), Some(kept)) => tags.contains(&kept.tag()),
            (Self::Nothing, Some(_)) | (Self::Something | Self::Tagged(_), None) => false,
        }
    }
}

const COLUMNS: &str =
    "select name, version, state, state_why, state_at, toml, definition, author, created_at, updated_at from flows ";
/// Of one key, which is bound to $1: the flows that name locations, each of which it sees.
const VISIBLE: &str = "($1 is null or (every_location = 0 and not exists (select 1 from flow_places \
     where flow = flows.name and location_id not in (select location_id from key_sees where key_id = $1))))";

/// A statement that reads whole flows; `rest` is one of ours and holds no value.
fn select(rest: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{COLUMNS}{rest}"))
}

impl Records {
    /// Keeps a version of a flow, and whether the flow is new. What says the same as the one in force is that one.
    ///
    /// # Errors
    /// [`NoChange`].
    pub async fn put_flow(
        &self,
        NewVersion { flow, toml, enabled }: NewVersion<'_>,
        expected: &Expected,
    ) -> Result<(KeptFlow, bool), NoChange> {
        let mut write = self.write().await?;
        count_change(&mut write).await?;
        if self.scope().is_some() && !flow.secrets().is_empty() {
            return Err(NoChange::Secrets);
        }
        self.check_places(&mut write, flow).await?;
        let kept = self.visible(&mut write, &flow.name).await?;
        if !expected.is_met_by(kept.as_ref()) {
            return Err(NoChange::Otherwise(kept.map(|kept| kept.tag())));
        }
        let is_new = kept.is_none();
        let enabled = enabled.unwrap_or_else(|| kept.as_ref().is_none_or(|kept| kept.enabled));
        if let Some(kept) = kept.filter(|kept| kept.toml == toml && kept.enabled == enabled) {
            return Ok((kept, false));
        }
        if is_new {
            let count: i64 = sqlx::query_scalar("select count(*) from flows").fetch_one(write.conn()).await?;
            if count >= MOST_FLOWS {
                return Err(NoChange::TooMany);
            }
        }
        let version = self.add_version(&mut write, &flow.name, Some(toml)).await?;
        let now_ms = write.now_ms;
        let state = if enabled { "enabled" } else { "disabled" };
        let upsert = "insert into flows (name, version, state, state_at, toml, definition, every_location, author, created_at, updated_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $4, $4) \
             on conflict (name) do update set version = excluded.version, toml = excluded.toml, definition = excluded.definition, \
             every_location = excluded.every_location, author = excluded.author, updated_at = excluded.updated_at, \
             state_at = case when flows.state = excluded.state then flows.state_at else excluded.state_at end, \
             state_why = case when flows.state = excluded.state then flows.state_why end, state = excluded.state";
        sqlx::query(upsert)
            .bind(&flow.name)
            .bind(version)
            .bind(state)
            .bind(now_ms)
            .bind(toml)
            .bind(flow.definition.to_string())
            .bind(i64::from(flow.locations.is_none()))
            .bind(self.principal.actor.to_string())
            .execute(write.conn())
            .await?;
        sqlx::query("delete from flow_places where flow = $1").bind(&flow.name).execute(write.conn()).await?;
        for location in flow.locations.iter().flatten() {
            let insert = "insert into flow_places (flow, location_id) values ($1, $2) on conflict do nothing";
            sqlx::query(insert).bind(&flow.name).bind(location).execute(write.conn()).await?;
        }
        let details = json!({"version": version, "enabled": enabled, "locations": flow.locations});
        write.act(Act::new(Action::FlowWrite).on(&flow.name).with(details));
        let kept = self.visible(&mut write, &flow.name).await?;
        write.commit().await?;
        self.flows.forget();
        let lost = || RecordsError::Corrupt {
            table: "flows",
            row: flow.name.clone(),
            reason: "it is not there after it was written".to_owned(),
        };
        Ok((kept.ok_or_else(lost)?, is_new))
    }

    /// Deletes a flow; its versions and its runs stay. False where there is none.
    ///
    /// # Errors
    /// [`NoChange`].
    pub async fn delete_flow(&self, name: &str, expected: &Expected) -> Result<bool, NoChange> {
        let mut write = self.write().await?;
        count_change(&mut write).await?;
        let kept = match self.visible(&mut write, name).await {
            Err(NoChange::Taken) => None,
            kept => kept?,
        };
        let Some(kept) = kept else { return Ok(false) };
        if !expected.is_met_by(Some(&kept)) {
            return Err(NoChange::Otherwise(Some(kept.tag())));
        }
        let version = self.add_version(&mut write, name, None).await?;
        sqlx::query("delete from flows where name = $1").bind(name).execute(write.conn()).await?;
        sqlx::query("delete from flow_places where flow = $1").bind(name).execute(write.conn()).await?;
        write.act(Act::new(Action::FlowDelete).on(name).with(json!({ "version": version })));
        write.commit().await?;
        self.flows.forget();
        Ok(true)
    }

    /// Lets a flow start runs, or start none from now on, and then, where that is asked for, ends those that are under way. The flow, and how many
    /// runs were ended; none where there is no such flow.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`], as for all below.
    pub async fn enable_flow(
        &self,
        name: &str,
        enabled: bool,
        why: Option<&str>,
        stops: bool,
    ) -> Result<Option<(KeptFlow, u64)>, RecordsError> {
        let mut write = self.write().await?;
        count_change(&mut write).await?;
        let now_ms = write.now_ms;
        let query = format!(
            "update flows set state = $2, state_why = $3, state_at = $4 where {VISIBLE} and name = $5 and state <> $2"
        );
        let changed = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(self.scope())
            .bind(if enabled { "enabled" } else { "disabled" })
            .bind(why.filter(|_| !enabled))
            .bind(now_ms)
            .bind(name)
            .execute(write.conn())
            .await?;
        let row = sqlx::query(select(&format!("where {VISIBLE} and name = $2"))).bind(self.scope()).bind(name);
        let Some(row) = row.fetch_optional(write.conn()).await? else { return Ok(None) };
        let kept = kept_of(&row)?;
        if changed.rows_affected() > 0 {
            let action = if enabled { Action::FlowEnable } else { Action::FlowDisable };
            write.act(Act::new(action).on(name).with(json!({"version": kept.version, "why": why})));
        }
        let stopped = if stops && !enabled { runs::stop_all(&mut write, self.scope(), name).await? } else { 0 };
        write.commit().await?;
        self.flows.forget();
        Ok(Some((kept, stopped)))
    }

    /// The flow of that name, where the principal sees it.
    ///
    /// # Errors
    /// See [`Records::enable_flow`].
    pub async fn kept_flow(&self, name: &str) -> Result<Option<KeptFlow>, RecordsError> {
        let query = sqlx::query(select(&format!("where {VISIBLE} and name = $2"))).bind(self.scope()).bind(name);
        query.fetch_optional(&self.pool).await?.as_ref().map(kept_of).transpose()
    }

    /// Those that the principal sees, by name.
    ///
    /// # Errors
    /// See [`Records::enable_flow`].
    pub async fn kept_flows(&self) -> Result<Vec<KeptFlow>, RecordsError> {
        let query = sqlx::query(select(&format!("where {VISIBLE} order by name"))).bind(self.scope());
        query.fetch_all(&self.pool).await?.iter().map(kept_of).collect()
    }

    /// The versions of a flow, the newest first; also of one that was deleted, for whoever sees every location.
    ///
    /// # Errors
    /// See [`Records::enable_flow`].
    pub async fn flow_versions(&self, name: &str) -> Result<Vec<FlowVersion>, RecordsError> {
        if self.scope().is_some() && self.kept_flow(name).await?.is_none() {
            return Ok(Vec::new());
        }
        let query = "select version, author, at, cast(case when toml is null then 1 else 0 end as bigint) as gone \
             from flow_versions where flow = $1 order by version desc";
        let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(query).bind(name).fetch_all(&self.pool).await?;
        let version =
            |(version, author, at, gone)| FlowVersion { version, author, at: timestamp(at), deleted: gone == 1 };
        Ok(rows.into_iter().map(version).collect())
    }

    /// A flow as one of its versions says it.
    ///
    /// # Errors
    /// See [`Records::enable_flow`].
    pub async fn flow_version(&self, name: &str, version: i64) -> Result<Option<String>, RecordsError> {
        if self.scope().is_some() && self.kept_flow(name).await?.is_none() {
            return Ok(None);
        }
        let query = "select toml from flow_versions where flow = $1 and version = $2";
        let toml: Option<Option<String>> =
            sqlx::query_scalar(query).bind(name).bind(version).fetch_optional(&self.pool).await?;
        Ok(toml.flatten())
    }

    /// The flow of that name, in the midst of a change.
    async fn visible(&self, write: &mut Write, name: &str) -> Result<Option<KeptFlow>, NoChange> {
        let query = sqlx::query(select(&format!("where {VISIBLE} and name = $2"))).bind(self.scope()).bind(name);
        if let Some(row) = query.fetch_optional(write.conn()).await? {
            return Ok(Some(kept_of(&row)?));
        }
        let query = sqlx::query_scalar("select count(*) from flows where name = $1").bind(name);
        let hidden: i64 = query.fetch_one(write.conn()).await?;
        if hidden > 0 { Err(NoChange::Taken) } else { Ok(None) }
    }

    /// A flow runs nowhere that its author does not see.
    async fn check_places(&self, write: &mut Write, flow: &Flow) -> Result<(), NoChange> {
        let Some(named) = &flow.locations else {
            return if self.scope().is_some() { Err(NoChange::Everywhere) } else { Ok(()) };
        };
        let distinct = named.iter().map(String::as_str).collect();
        let mut known = known_locations(write.conn(), distinct).await?;
        if let Some(key) = self.scope() {
            let query = "select location_id from key_sees where key_id = $1";
            let seen: HashSet<String> =
                sqlx::query_scalar(query).bind(key).fetch_all(write.conn()).await?.into_iter().collect();
            known.retain(|id| seen.contains(id));
        }
        if named.iter().all(|id| known.contains(id)) { Ok(()) } else { Err(NoChange::Unconnected) }
    }

    async fn add_version(&self, write: &mut Write, name: &str, toml: Option<&str>) -> Result<i64, RecordsError> {
        let last = "select coalesce(max(version), 0) from flow_versions where flow = $1";
        let last: i64 = sqlx::query_scalar(last).bind(name).fetch_one(write.conn()).await?;
        let now_ms = write.now_ms;
        sqlx::query("insert into flow_versions (flow, version, toml, author, at) values ($1, $2, $3, $4, $5)")
            .bind(name)
            .bind(last + 1)
            .bind(toml)
            .bind(self.principal.actor.to_string())
            .bind(now_ms)
            .execute(write.conn())
            .await?;
        Ok(last + 1)
    }
}

/// Whoever changes a flow has this row until its commit.
async fn count_change(write: &mut Write) -> Result<(), RecordsError> {
    let count = "update flow_counter set changes = changes + 1 where name = 'flows'";
    sqlx::query(count).execute(write.conn()).await?;
    Ok(())
}

fn kept_of(row: &AnyRow) -> Result<KeptFlow, RecordsError> {
    let name: String = row.try_get("name")?;
    let (definition, state): (String, String) = (row.try_get("definition")?, row.try_get("state")?);
    let at = |column: &str| -> Result<Timestamp, RecordsError> { Ok(timestamp(row.try_get(column)?)) };
    Ok(KeptFlow {
        version: row.try_get("version")?,
        enabled: state == "enabled",
        why: row.try_get("state_why")?,
        state_at: at("state_at")?,
        toml: row.try_get("toml")?,
        definition: serde_json::from_str(&definition).map_err(|error| RecordsError::corrupt("flows", &name, &error))?,
        author: row.try_get("author")?,
        created_at: at("created_at")?,
        updated_at: at("updated_at")?,
        name,
    })
}
