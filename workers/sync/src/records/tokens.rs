//! The bearers that open GHL, sealed, and who may refresh one.
//!
//! A refresh token works once, so two processes that refresh at the same time cost the customer a new login. Two numbers keep them
//! apart. The **fence** counts refreshes begun: only who began the last one may end it, and who is dead for its lease is passed over.
//! The **generation** counts what was stored: a new pair takes the place only of the pair that it was got for.
//!
//! The trap is a process that stands still between GHL's reply and the store. Its lease is over, and yet it holds the only pair that
//! works. So storing asks for the generation and not for the fence: however late it comes, it heals what others had to give up.

use jiff::Timestamp;
use serde_json::json;

use self::rows::{encoded, save, token_of};
use super::audit::{Act, Action};
use super::notices::Notice;
use super::sql::{look_up, sql};
use super::{ConnectionKind, Records, RecordsError, context};
use crate::vault::Sealed;

pub use self::refresh::Failed;

mod company;
mod refresh;
mod rows;

/// Whose bearer it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    /// A location, by GHL's id.
    Location(String),
    /// An agency, by GHL's company id.
    Company(String),
}

/// The longest pause after a failed refresh.
pub(crate) const LONGEST_REST_MS: i64 = 60 * 60 * 1000;
/// No refresh is held for longer, however long a call may take.
const LONGEST_LEASE_MS: i64 = 10 * 60 * 1000;
/// So far apart the clocks of processes may be. What lies further ahead than a lease, a pace or a rest can be was written by a clock that was set back
/// since: it is over.
pub(crate) const CLOCKS_MS: i64 = 60 * 1000;

/// Starts the key of a company. No id of GHL holds a colon.
const COMPANY: &str = "company:";

impl Holder {
    /// The key of its row, and what its access token is sealed for.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Location(id) => id.clone(),
            Self::Company(id) => format!("{COMPANY}{id}"),
        }
    }

    /// What its refresh token is sealed for: the two can't be put in each other's place.
    #[must_use]
    pub fn refresh_key(&self) -> String {
        format!("{}/refresh", self.key())
    }

    fn of_key(key: &str) -> Self {
        match key.strip_prefix(COMPANY) {
            Some(id) => Self::Company(id.to_owned()),
            None => Self::Location(key.to_owned()),
        }
    }
}

/// Whether a bearer is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// As far as anybody knows.
    Active,
    /// GHL has withdrawn it: a person has to connect again.
    Revoked,
    /// Its refresh was interrupted, and the new pair is lost: the customer has to connect again.
    Lost,
}

impl TokenState {
    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// A bearer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// Whose it is.
    pub holder: Holder,
    /// None while it is still to be fetched with the company's.
    pub access: Option<Sealed>,
    /// None for a Private Integration Token, and where the company's token opens the location.
    pub refresh: Option<Sealed>,
    /// When GHL gave it.
    pub obtained_at: Timestamp,
    /// None where it does not expire.
    pub expires_at: Option<Timestamp>,
    /// Granted, blanks between them; none where it is unknown.
    pub scopes: Option<String>,
    /// Asked for and not granted; empty where all were.
    pub missing_scopes: String,
    /// Whether it is of use.
    pub state: TokenState,
    /// Why it is not, or why the last refresh failed.
    pub reason: Option<String>,
    /// Counts what was stored.
    pub generation: i64,
    /// Counts refreshes begun.
    pub fence: i64,
    /// A refresh is in progress; its holder counts as dead after this.
    pub pending_until: Option<Timestamp>,
    /// The refresh token was sent, and the outcome is unknown.
    pub unsure: bool,
    /// Got because GHL refused the one before.
    pub after_refusal: bool,
    /// Refreshes that failed in a row.
    pub failures: i64,
    /// No refresh before this.
    pub rest_until: Option<Timestamp>,
}

/// What is stored of a login, sealed.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// None where it is still to be fetched.
    pub access: Option<Sealed>,
    /// None where there is none.
    pub refresh: Option<Sealed>,
    /// None where it does not expire.
    pub expires_at: Option<Timestamp>,
    /// Granted, blanks between them; none where it is unknown.
    pub scopes: Option<String>,
    /// Asked for and not granted.
    pub missing_scopes: String,
}

impl Records {
    /// Connects a location, over an earlier connection of it. A name or time zone that is none leaves the earlier one in place.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all below.
    pub async fn connect(
        &self,
        location_id: &str,
        kind: ConnectionKind,
        company_id: Option<&str>,
        token: &NewToken,
        name: Option<&str>,
        time_zone: Option<&str>,
    ) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let now = write.now_ms;
        let zone_before = context::time_zone_of(write.conn(), location_id).await?;
        sqlx::query(sql!("save_connection"))
            .bind(location_id)
            .bind(kind.as_str())
            .bind(company_id)
            .bind(name)
            .bind(time_zone)
            .bind(now)
            .execute(write.conn())
            .await?;
        save(&mut write, &Holder::Location(location_id.to_owned()), token).await?;
        if let Some(zone) = time_zone {
            context::changed(&mut write, location_id, zone_before.as_deref(), zone).await?;
        }
        let by = json!({"kind": kind, "companyId": company_id, "scopes": token.scopes});
        write.act(Act::new(Action::LocationConnect).at(location_id).with(by));
        let kind = json!({"kind": kind, "companyId": company_id});
        write.notice(Notice::new("location.connected", "location", location_id).at(location_id).with(kind));
        write.commit().await
    }

    /// Stores the login of an agency, over an earlier one.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn connect_company(&self, company_id: &str, token: &NewToken) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        save(&mut write, &Holder::Company(company_id.to_owned()), token).await?;
        write.act(Act::new(Action::AgencyConnect).on(company_id).with(json!({"scopes": token.scopes})));
        write.commit().await
    }

    /// The bearer of a holder.
    ///
    /// # Errors
    /// See [`Records::connect`]; [`RecordsError::Corrupt`].
    pub async fn token(&self, holder: &Holder) -> Result<Option<StoredToken>, RecordsError> {
        let records = self.clone();
        let look = move |keys| {
            let records = records.clone();
            async move { records.tokens_of(keys).await }
        };
        self.lines.tokens.look(holder.key(), look).await
    }

    /// Those of the holders, in their order.
    async fn tokens_of(&self, keys: Vec<String>) -> Result<Vec<Option<StoredToken>>, RecordsError> {
        let rows = look_up(&mut *self.often.acquire().await?, sql!("tokens_of"), &keys).await?;
        let found = rows.iter().map(token_of).collect::<Result<Vec<_>, _>>()?;
        let of = |key: &String| found.iter().find(|one| one.holder.key() == *key).cloned();
        Ok(keys.iter().map(of).collect())
    }

    /// Bearers after `after`, by the key of their holder; all of them, page by page.
    ///
    /// # Errors
    /// See [`Records::token`].
    pub async fn list_tokens(&self, after: Option<&Holder>, limit: i64) -> Result<Vec<StoredToken>, RecordsError> {
        let after = after.map(Holder::key).unwrap_or_default();
        let rows = sqlx::query(sql!("list_tokens")).bind(after).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(token_of).collect()
    }

    /// Bearers that expire before `before` or were never fetched, and that no process is refreshing.
    ///
    /// # Errors
    /// See [`Records::token`].
    pub async fn due_tokens(
        &self,
        after: Option<&Holder>,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<StoredToken>, RecordsError> {
        let now = self.clock.now_ms();
        let rows = sqlx::query(sql!("due_tokens"))
            .bind(after.map(Holder::key).unwrap_or_default())
            .bind(before.as_millisecond())
            .bind(now)
            .bind(limit)
            .bind(now + LONGEST_LEASE_MS + CLOCKS_MS)
            .bind(now + LONGEST_REST_MS + CLOCKS_MS)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(token_of).collect()
    }

    /// Stores the same token sealed with another key; false where another token stands there by now, or another was faster.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn reseal_token(
        &self,
        old: &StoredToken,
        access: Option<&Sealed>,
        refresh: Option<&Sealed>,
    ) -> Result<bool, RecordsError> {
        let key_of = |sealed: Option<&Sealed>| sealed.map(|sealed| sealed.key_id.clone());
        let _gate = self.gate().await?;
        let done = sqlx::query(sql!("reseal_token"))
            .bind(access.map(encoded))
            .bind(refresh.map(encoded))
            .bind(key_of(access.or(refresh)))
            .bind(old.holder.key())
            .bind(old.generation)
            .bind(key_of(old.access.as_ref().or(old.refresh.as_ref())))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
