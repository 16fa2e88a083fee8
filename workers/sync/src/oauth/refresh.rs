//! One refresh, from the pending row to the stored pair.

use std::pin::Pin;
use std::time::Duration;

use ghl::Scopes;
use jiff::{SignedDuration, Timestamp};
use job_engine::Permits;
use tokio::time::sleep;

use super::app::App;
use super::reply::TokenReply;
use super::tokens::{Access, Need, TokenError};
use super::{Cause, Oauth};
use crate::records::{CLOCKS_MS, Failed, Holder, LONGEST_REST_MS, NewToken, StoredToken, TokenState};

/// Between two calls with an agency's token: far below GHL's 100 in 10 s, whatever delays them.
pub(super) const SPACING_MS: i64 = 500;
/// A caller waits so long for such a call at most.
const PATIENCE_MS: i64 = 5_000;
/// After a failure that does not pass by itself, until it is tried again.
const LONG_REST: Duration = Duration::from_secs(60);
/// Between the first attempts to store a pair that no other process has.
const STORE_AGAIN: Duration = Duration::from_millis(500);
/// Between later ones.
const STORE_SELDOM: Duration = Duration::from_secs(10);
/// For an hour: a full disk takes a person, and without the pair the location has to be connected again.
const STORE_ATTEMPTS: u32 = 360;

/// Whether something goes on until then that lasts for `longest_ms` at most. What would last for longer began by a clock that was set back since, and is
/// over.
fn is_to_come(until: Timestamp, now: Timestamp, longest_ms: i64) -> bool {
    let left_ms = until.as_millisecond().saturating_sub(now.as_millisecond());
    left_ms > 0 && left_ms <= longest_ms.saturating_add(CLOCKS_MS)
}

/// A pending row that this process holds.
struct Lease {
    stored: StoredToken,
    fence: i64,
    need: Need,
    /// The agency that opens the location, where one does.
    company_id: Option<String>,
}

impl Oauth {
    /// Refreshes `stored`; none where another process does or did: read again.
    pub(super) async fn refresh(
        &self,
        stored: &StoredToken,
        need: Need,
        permits: Option<&Permits>,
    ) -> Result<Option<StoredToken>, TokenError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        if let Some(until) = stored.rest_until.filter(|until| is_to_come(*until, now, LONGEST_REST_MS)) {
            let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            return Err(TokenError::Resting { wait, reason: stored.reason.clone().unwrap_or_default() });
        }
        if inner.app.is_none() {
            return Err(TokenError::NoApp);
        }
        let company_id = match &stored.holder {
            Holder::Location(id) => {
                let connection = inner.records.connection(id).await?.ok_or(TokenError::NotConnected)?;
                connection.company_id.filter(|_| stored.refresh.is_none() || stored.unsure)
            }
            Holder::Company(_) => None,
        };
        if stored.refresh.is_none() && company_id.is_none() {
            return Err(TokenError::ConnectAgain { reason: "the token has run out and can't be refreshed".to_owned() });
        }
        // A pending row of another that is alive: nothing to spend a permit on.
        let lease_ms = i64::try_from(inner.lease.as_millis()).unwrap_or(i64::MAX);
        if stored.pending_until.is_some_and(|until| is_to_come(until, now, lease_ms)) {
            return Ok(None);
        }
        let permit = permits.map(Permits::take).transpose()?;
        let lease = SignedDuration::try_from(inner.lease).unwrap_or(SignedDuration::MAX);
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        let Some(fence) = inner.records.begin_refresh(&stored.holder, stored.generation, until).await? else {
            return Ok(None);
        };
        // A pending row that was there belongs to an interrupted refresh.
        let mut stored = stored.clone();
        stored.unsure |= stored.pending_until.is_some();
        let lease = Lease { stored, fence, need, company_id };
        let this = self.clone();
        inner.busy.send_modify(|busy| *busy += 1);
        // On its own: a job that is given back must not take the only good pair with it.
        let refreshing = tokio::spawn(async move {
            let result = this.refresh_leased(&lease).await;
            this.inner.busy.send_modify(|busy| *busy -= 1);
            result
        });
        let result = match refreshing.await {
            Ok(result) => result,
            Err(error) => {
                Err(Cause::Network { sent: true, reason: format!("the refresh was interrupted: {error}") }.into())
            }
        };
        drop(permit);
        result
    }

    async fn refresh_leased(&self, lease: &Lease) -> Result<Option<StoredToken>, TokenError> {
        let Some(app) = &self.inner.app else { return Err(TokenError::NoApp) };
        let holder = &lease.stored.holder;
        let asked = self.ask(app, lease).await;
        match asked {
            Ok(reply) => match self.store(app, lease, &reply).await? {
                true => {
                    self.inner.metrics.ended(Ok(()));
                    tracing::info!(token.holder = holder.key(), token.fence = lease.fence, "refreshed a token");
                    Ok(self.inner.records.token(holder).await?)
                }
                false => {
                    self.inner.metrics.ended(Err(&Cause::LostRace));
                    Ok(None)
                }
            },
            Err(TokenError::Failed(cause)) => {
                self.inner.metrics.ended(Err(&cause));
                let failed = self.outcome(lease, &cause);
                let (state, reason) = (failed.state, failed.reason.clone());
                tracing::warn!(
                    token.holder = holder.key(),
                    token.state = state.as_str(),
                    error = reason,
                    "a token was not refreshed"
                );
                let is_mine =
                    self.inner.records.fail_refresh(holder, lease.stored.generation, lease.fence, &failed).await?;
                match (is_mine, state) {
                    // Another has a say since; what it says is in the row.
                    (false, _) => Ok(None),
                    (true, TokenState::Active) => Err(cause.into()),
                    (true, _) => Ok(None),
                }
            }
            Err(error) => {
                // Nothing was sent for this token: another may try at once.
                let reason = error.to_string();
                let failed =
                    Failed { state: TokenState::Active, reason, rest_until: None, unsure: lease.stored.unsure };
                self.inner.records.fail_refresh(holder, lease.stored.generation, lease.fence, &failed).await?;
                Err(error)
            }
        }
    }

    async fn ask(&self, app: &App, lease: &Lease) -> Result<TokenReply, TokenError> {
        let stored = &lease.stored;
        let refused = match &stored.refresh {
            Some(refresh) => {
                let token = self.inner.vault.open(refresh, &stored.holder.refresh_key())?;
                match app.refresh(&stored.holder, &token).await {
                    Ok(reply) => return Ok(reply),
                    Err(cause) => cause,
                }
            }
            None => Cause::Revoked("it has no refresh token".to_owned()),
        };
        // A login of the location's own that is gone need not be the end where an agency holds the key as well.
        match (&stored.holder, &lease.company_id, &refused) {
            (Holder::Location(location), Some(company), Cause::Revoked(_)) => {
                self.exchange(app, company, location).await
            }
            _ => Err(refused.into()),
        }
    }

    /// A location's token for its agency's.
    async fn exchange(&self, app: &App, company_id: &str, location_id: &str) -> Result<TokenReply, TokenError> {
        let company = Holder::Company(company_id.to_owned());
        let mut need = Need::Good;
        loop {
            let agency = self.agency(&company, need).await.map_err(|error| match error {
                TokenError::NotConnected => {
                    TokenError::AgencyConnectAgain { reason: "its login is not here".to_owned() }
                }
                error => error,
            })?;
            self.pace(&company).await?;
            match app.location_token(&agency.token, company_id, location_id).await {
                Err(Cause::Bearer(_)) if need == Need::Good => need = Need::Newer(agency.generation),
                reply => return Ok(reply?),
            }
        }
    }

    /// The agency's token. Boxed, since a refresh of a location may need one of its agency.
    fn agency<'a>(
        &'a self,
        company: &'a Holder,
        need: Need,
    ) -> Pin<Box<dyn Future<Output = Result<Access, TokenError>> + Send + 'a>> {
        Box::pin(self.access(company, need, None))
    }

    /// Waits for the next free moment of the agency's calls.
    pub(super) async fn pace(&self, company: &Holder) -> Result<(), TokenError> {
        let (records, clock) = (&self.inner.records, &self.inner.clock);
        let Some(at) = records.pace_company(company, SPACING_MS, PATIENCE_MS).await? else {
            let wait = Duration::from_millis(PATIENCE_MS.unsigned_abs());
            return Err(TokenError::Resting { wait, reason: "many calls of the agency are due".to_owned() });
        };
        let wait = Duration::try_from(at.duration_since(clock.now())).unwrap_or_default();
        sleep(wait).await;
        Ok(())
    }

    /// Seals and stores. It retries for long: only this process has the pair.
    async fn store(&self, app: &App, lease: &Lease, reply: &TokenReply) -> Result<bool, TokenError> {
        let holder = &lease.stored.holder;
        let new = self.sealed(holder, reply, &app.scopes())?;
        let after_refusal = matches!(lease.need, Need::Newer(_));
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.inner.records.finish_refresh(holder, lease.stored.generation, &new, after_refusal).await {
                Err(error) if !error.is_about_a_value() && attempt < STORE_ATTEMPTS => {
                    tracing::error!(token.holder = holder.key(), %error, "a new token can't be stored yet; trying again");
                    sleep((STORE_AGAIN * attempt).min(STORE_SELDOM)).await;
                }
                stored => return Ok(stored?),
            }
        }
    }

    /// What a reply brought, sealed for its holder. `asked` is what the app asks for.
    pub(super) fn sealed(&self, holder: &Holder, reply: &TokenReply, asked: &Scopes) -> Result<NewToken, TokenError> {
        let (vault, clock) = (&self.inner.vault, &self.inner.clock);
        let life = SignedDuration::try_from(reply.life()).unwrap_or(SignedDuration::MAX);
        let granted = reply.scope.as_deref().map(Scopes::parse);
        Ok(NewToken {
            access: Some(vault.seal(&reply.access(), &holder.key())?),
            refresh: reply.refresh().map(|token| vault.seal(&token, &holder.refresh_key())).transpose()?,
            expires_at: Some(clock.now().checked_add(life).unwrap_or(Timestamp::MAX)),
            missing_scopes: granted.as_ref().map(|granted| asked.lacking_in(granted).to_string()).unwrap_or_default(),
            scopes: granted.map(|granted| granted.to_string()),
        })
    }

    /// The new state of a token that could not be refreshed.
    fn outcome(&self, lease: &Lease, cause: &Cause) -> Failed {
        let stored = &lease.stored;
        let unsure = stored.unsure || cause.is_unsure();
        let (state, reason) = match cause {
            Cause::Revoked(_) if stored.unsure => {
                let reason = "an earlier refresh was interrupted, and its new login was lost";
                (TokenState::Lost, reason.to_owned())
            }
            Cause::Revoked(_) => (TokenState::Revoked, cause.to_string()),
            _ => (TokenState::Active, cause.to_string()),
        };
        let doubling = Duration::from_secs(1 << stored.failures.clamp(0, 6));
        let rest = match cause {
            Cause::Throttled { retry_after } => retry_after.unwrap_or_default().max(doubling),
            cause if cause.is_passing() => doubling,
            _ => LONG_REST,
        };
        let rest = SignedDuration::try_from(rest.min(Duration::from_millis(LONGEST_REST_MS.unsigned_abs())))
            .unwrap_or(SignedDuration::ZERO);
        Failed { state, reason, rest_until: self.inner.clock.now().checked_add(rest).ok(), unsure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_for_longer_than_it_can_is_over() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let lease_ms = 32_000;
        for (seconds, expected) in
            [(-1, false), (0, false), (1, true), (32, true), (92, true), (93, false), (7_200, false)]
        {
            let until = now + SignedDuration::from_secs(seconds);
            assert_eq!(is_to_come(until, now, lease_ms), expected, "{seconds}");
        }
    }
}
