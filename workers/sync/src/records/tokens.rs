//! The bearers that open GHL, sealed, and who may refresh one.
//!
//! A refresh token works once, so two processes that refresh at the same time cost the customer a new login. Two numbers keep them
//! apart. The **fence** counts refreshes begun: only who began the last one may end it, and who is dead for its lease is passed over.
//! The **generation** counts what was stored: a new pair takes the place only of the pair that it was got for.
//!
//! The trap is a process that stands still between GHL's reply and the store. Its lease is over, and yet it holds the only pair that
//! works. So storing asks for the generation and not for the fence: however late it comes, it heals what others had to give up.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ledger::timestamp;
use super::sql::sql;
use super::{ConnectionKind, Records, RecordsError};
use crate::vault::Sealed;

/// Whose bearer it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    /// A location, by GHL's id.
    Location(String),
    /// An agency, by GHL's company id.
    Company(String),
}

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
    /// Its refresh was cut off, and the new pair reached nobody: a person has to connect again.
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
    /// Granted, blanks between them; none where nobody told.
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
    /// A refresh is under way; its holder counts as dead after this.
    pub pending_until: Option<Timestamp>,
    /// The refresh token was sent, and nobody knows what came of it.
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
    /// Granted, blanks between them; none where nobody told.
    pub scopes: Option<String>,
    /// Asked for and not granted.
    pub missing_scopes: String,
}

/// How a refresh failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// What the bearer is from now on.
    pub state: TokenState,
    /// Without anything secret.
    pub reason: String,
    /// No refresh before this.
    pub rest_until: Option<Timestamp>,
    /// Whether the refresh token may have been spent.
    pub unsure: bool,
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
        write.commit().await
    }

    /// Stores the login of an agency, over an earlier one.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn connect_company(&self, company_id: &str, token: &NewToken) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        save(&mut write, &Holder::Company(company_id.to_owned()), token).await?;
        write.commit().await
    }

    /// The bearer of a holder.
    ///
    /// # Errors
    /// See [`Records::connect`]; [`RecordsError::Corrupt`].
    pub async fn token(&self, holder: &Holder) -> Result<Option<StoredToken>, RecordsError> {
        let row = sqlx::query(sql!("token")).bind(holder.key()).fetch_optional(&self.pool).await?;
        row.as_ref().map(token_of).transpose()
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

    /// Bearers that expire before `before` or were never fetched, and that nobody is refreshing.
    ///
    /// # Errors
    /// See [`Records::token`].
    pub async fn due_tokens(
        &self,
        after: Option<&Holder>,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<StoredToken>, RecordsError> {
        let rows = sqlx::query(sql!("due_tokens"))
            .bind(after.map(Holder::key).unwrap_or_default())
            .bind(before.as_millisecond())
            .bind(self.clock.now_ms())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(token_of).collect()
    }

    /// Begins a refresh of that generation; its fence. None where somebody else refreshes it or has: read again.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn begin_refresh(
        &self,
        holder: &Holder,
        generation: i64,
        until: Timestamp,
    ) -> Result<Option<i64>, RecordsError> {
        let _gate = self.gate().await;
        let row = sqlx::query(sql!("begin_refresh"))
            .bind(until.as_millisecond())
            .bind(holder.key())
            .bind(generation)
            .bind(self.clock.now_ms())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("fence")).transpose()?)
    }

    /// Puts `new` in the place of `generation`; false where another stands there by now.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn finish_refresh(
        &self,
        holder: &Holder,
        generation: i64,
        new: &NewToken,
        after_refusal: bool,
    ) -> Result<bool, RecordsError> {
        let _gate = self.gate().await;
        let done = sqlx::query(sql!("finish_refresh"))
            .bind(new.access.as_ref().map(encoded))
            .bind(new.refresh.as_ref().map(encoded))
            .bind(key_id(new))
            .bind(self.clock.now_ms())
            .bind(new.expires_at.map(Timestamp::as_millisecond))
            .bind(&new.scopes)
            .bind(&new.missing_scopes)
            .bind(i64::from(after_refusal))
            .bind(holder.key())
            .bind(generation)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a refresh that brought nothing; false where it is no longer the last one, and has no say.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn fail_refresh(
        &self,
        holder: &Holder,
        generation: i64,
        fence: i64,
        failed: &Failed,
    ) -> Result<bool, RecordsError> {
        let _gate = self.gate().await;
        let done = sqlx::query(sql!("fail_refresh"))
            .bind(failed.state.as_str())
            .bind(&failed.reason)
            .bind(failed.rest_until.map(Timestamp::as_millisecond))
            .bind(i64::from(failed.unsure))
            .bind(holder.key())
            .bind(generation)
            .bind(fence)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
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
        let _gate = self.gate().await;
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

    /// Takes the next moment at which a call with the company's token may be sent, `spacing_ms` after the one before. None where that
    /// is more than `most_ms` away.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn pace_company(
        &self,
        company: &Holder,
        spacing_ms: i64,
        most_ms: i64,
    ) -> Result<Option<Timestamp>, RecordsError> {
        let _gate = self.gate().await;
        let now = self.clock.now_ms();
        let row = sqlx::query(sql!("pace_company"))
            .bind(now)
            .bind(spacing_ms)
            .bind(company.key())
            .bind(now + most_ms)
            .fetch_optional(&self.pool)
            .await?;
        let after: Option<i64> = row.map(|row| row.try_get("next_call_at")).transpose()?;
        Ok(after.map(|after| timestamp(after - spacing_ms)))
    }

    /// Whether the company's locations were last listed `age_ms` ago or more; if so, this caller is to list them now.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn is_to_list(&self, company: &Holder, age_ms: i64) -> Result<bool, RecordsError> {
        let _gate = self.gate().await;
        let now = self.clock.now_ms();
        let done = sqlx::query(sql!("list_company")).bind(now).bind(company.key()).bind(now - age_ms);
        Ok(done.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Has the company's locations listed at the next sweep. False where the company is not known.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn relist(&self, company: &Holder) -> Result<bool, RecordsError> {
        let _gate = self.gate().await;
        let done = sqlx::query(sql!("relist_company")).bind(company.key()).execute(&self.pool).await?;
        Ok(done.rows_affected() == 1)
    }

    /// The locations that a company's install opens.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn locations_of_company(&self, company_id: &str) -> Result<Vec<String>, RecordsError> {
        Ok(sqlx::query_scalar(sql!("locations_of_company")).bind(company_id).fetch_all(&self.pool).await?)
    }
}

async fn save(write: &mut super::Write, holder: &Holder, token: &NewToken) -> Result<(), RecordsError> {
    let now = write.now_ms;
    sqlx::query(sql!("save_token"))
        .bind(holder.key())
        .bind(token.access.as_ref().map(encoded))
        .bind(token.refresh.as_ref().map(encoded))
        .bind(key_id(token))
        .bind(now)
        .bind(token.expires_at.map(Timestamp::as_millisecond))
        .bind(&token.scopes)
        .bind(&token.missing_scopes)
        .execute(write.conn())
        .await?;
    Ok(())
}

fn encoded(sealed: &Sealed) -> String {
    STANDARD_NO_PAD.encode(&sealed.bytes)
}

fn key_id(token: &NewToken) -> Option<&str> {
    token.access.as_ref().or(token.refresh.as_ref()).map(|sealed| sealed.key_id.as_str())
}

fn token_of(row: &AnyRow) -> Result<StoredToken, RecordsError> {
    let key: String = row.try_get("holder")?;
    let corrupt = |reason: &str| RecordsError::Corrupt { table: "tokens", row: key.clone(), reason: reason.to_owned() };
    let key_id: Option<String> = row.try_get("key_id")?;
    let sealed = |column: &str| -> Result<Option<Sealed>, RecordsError> {
        let Some(text) = row.try_get::<Option<String>, _>(column)? else { return Ok(None) };
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| corrupt("a token is not base64"))?;
        Ok(Some(Sealed { key_id: key_id.clone().ok_or_else(|| corrupt("no key id"))?, bytes }))
    };
    let moment = |column: &str| -> Result<Option<Timestamp>, RecordsError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(timestamp))
    };
    let state: String = row.try_get("state")?;
    let states = [TokenState::Active, TokenState::Revoked, TokenState::Lost];
    Ok(StoredToken {
        holder: Holder::of_key(&key),
        access: sealed("access")?,
        refresh: sealed("refresh")?,
        obtained_at: timestamp(row.try_get("obtained_at")?),
        expires_at: moment("expires_at")?,
        scopes: row.try_get("scopes")?,
        missing_scopes: row.try_get::<Option<String>, _>("missing_scopes")?.unwrap_or_default(),
        state: states.into_iter().find(|known| known.as_str() == state).ok_or_else(|| corrupt("an unknown state"))?,
        reason: row.try_get("reason")?,
        generation: row.try_get("generation")?,
        fence: row.try_get("fence")?,
        pending_until: moment("pending_until")?,
        unsure: row.try_get::<i64, _>("unsure")? == 1,
        after_refusal: row.try_get::<i64, _>("after_refusal")? == 1,
        failures: row.try_get("failures")?,
        rest_until: moment("rest_until")?,
    })
}
