//! The locations that are connected. What opens them is in [`tokens`](super::tokens).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{Act, Action};
use super::ledger::timestamp;
use super::notices::Notice;
use super::sql::{look_up, sql};
use super::{Holder, NewToken, Records, RecordsError, Write};
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

impl ConnectionKind {
    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pit => "pit",
            Self::Oauth => "oauth",
        }
    }
}

/// A connected location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// GHL's location id.
    pub location_id: String,
    /// How it was connected.
    pub kind: ConnectionKind,
    /// The agency that installed it, where one did.
    pub company_id: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// IANA name; GHL's calendar times without an offset are read in it.
    pub time_zone: Option<String>,
    /// The generation of the API that it is called with, by the client's name for it; `None` is the client's default.
    pub api: Option<String>,
    /// `active`, or `uninstalled` once its install was taken back, or a person disconnected it.
    pub state: String,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// When it was last saved or changed.
    pub updated_at: Timestamp,
}

impl Records {
    /// Connects a location by a bearer that does not expire: a Private Integration Token. Over an earlier connection of it; a name or
    /// time zone that is none leaves the earlier one in place.
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
        let token = NewToken {
            access: Some(token.clone()),
            refresh: None,
            expires_at: None,
            scopes: None,
            missing_scopes: String::new(),
        };
        self.connect(location_id, kind, None, &token, name, time_zone).await
    }

    /// The connection of a location.
    ///
    /// # Errors
    /// See [`Records::save_connection`]; [`RecordsError::Corrupt`].
    pub async fn connection(&self, location_id: &str) -> Result<Option<Connection>, RecordsError> {
        let records = self.clone();
        let look = move |ids| {
            let records = records.clone();
            async move { records.connections_of(ids).await }
        };
        self.lines.connections.look(location_id.to_owned(), look).await
    }

    /// Those of the locations, in their order.
    async fn connections_of(&self, location_ids: Vec<String>) -> Result<Vec<Option<Connection>>, RecordsError> {
        let rows = look_up(&mut *self.often.acquire().await?, sql!("connections_of"), &location_ids).await?;
        let found = rows.iter().map(connection_of).collect::<Result<Vec<_>, _>>()?;
        let of = |id: &String| found.iter().find(|one| one.location_id == *id).cloned();
        Ok(location_ids.iter().map(of).collect())
    }

    /// All connections that the principal sees, by location id.
    ///
    /// # Errors
    /// See [`Records::connection`].
    pub async fn list_connections(&self) -> Result<Vec<Connection>, RecordsError> {
        let rows = sqlx::query(sql!("list_connections")).bind(self.scope()).fetch_all(&self.pool).await?;
        rows.iter().map(connection_of).collect()
    }

    /// Forgets the login of a location, however it was connected, and ends its scans; records and accepted jobs stay. False where it is not
    /// connected.
    ///
    /// # Errors
    /// See [`Records::save_connection`].
    pub async fn disconnect(&self, location_id: &str) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let holder = Holder::Location(location_id.to_owned());
        sqlx::query(sql!("delete_token")).bind(holder.key()).execute(write.conn()).await?;
        let now = write.now_ms;
        let gone = sqlx::query(sql!("disconnect_location")).bind(now).bind(location_id).execute(write.conn()).await?;
        end_scans(&mut write, location_id).await?;
        let is_gone = gone.rows_affected() == 1;
        if is_gone {
            write.act(Act::new(Action::LocationDisconnect).at(location_id));
            write.notice(Notice::new("location.disconnected", "location", location_id).at(location_id));
        }
        write.commit().await?;
        Ok(is_gone)
    }

    /// Forgets the login of an OAuth install that was taken back at `at`. False where there is none, or a newer one.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn uninstall(&self, holder: &Holder, at: Timestamp) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let now = write.now_ms;
        let gone = sqlx::query(sql!("uninstall_token"))
            .bind(holder.key())
            .bind(at.as_millisecond())
            .execute(write.conn())
            .await?
            .rows_affected()
            == 1;
        if let (true, Holder::Location(id)) = (gone, holder) {
            sqlx::query(sql!("uninstall_location")).bind(now).bind(id).execute(write.conn()).await?;
            end_scans(&mut write, id).await?;
        }
        if gone {
            if let Holder::Location(id) = holder {
                write.notice(Notice::new("location.disconnected", "location", id).at(id));
            }
            write.act(match holder {
                Holder::Location(id) => Act::new(Action::LocationDisconnect).at(id),
                Holder::Company(id) => Act::new(Action::AgencyDisconnect).on(id),
            });
        }
        write.commit().await?;
        Ok(gone)
    }

    /// Keeps the country of a location (ISO 3166), as GHL reports it.
    ///
    /// # Errors
    /// See [`Records::save_connection`].
    pub async fn set_country(&self, location_id: &str, country: &str) -> Result<(), RecordsError> {
        let _gate = self.gate().await?;
        sqlx::query(sql!("set_country")).bind(location_id).bind(country).execute(&self.pool).await?;
        Ok(())
    }
}

impl Connection {
    /// Whether somebody may call GHL for it.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state != "uninstalled"
    }
}

/// Ends the scans of a location without a login, with their jobs: each would be tried again for ever.
async fn end_scans(write: &mut Write, location_id: &str) -> Result<(), RecordsError> {
    let now = write.now_ms;
    for statement in [sql!("end_scans"), sql!("close_scan_jobs")] {
        sqlx::query(statement).bind(now).bind(location_id).execute(write.conn()).await?;
    }
    Ok(())
}

fn connection_of(row: &AnyRow) -> Result<Connection, RecordsError> {
    let location_id: String = row.try_get("location_id")?;
    let kind: String = row.try_get("kind")?;
    Ok(Connection {
        location_id,
        kind: if kind == "pit" { ConnectionKind::Pit } else { ConnectionKind::Oauth },
        company_id: row.try_get("company_id")?,
        name: row.try_get("name")?,
        time_zone: row.try_get("time_zone")?,
        api: row.try_get("api")?,
        state: row.try_get("state")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
