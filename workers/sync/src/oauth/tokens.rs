//! A token that is good now.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ghl::Scopes;
use job_engine::{PermitError, Permits};
use secrecy::SecretString;
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep;

use super::{Cause, Oauth};
use crate::records::{Holder, RecordsError, StoredToken, TokenState};
use crate::vault::VaultError;

/// While another process refreshes: until the row is read again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A run that uses a token refreshes it so long before its end, or a tenth of its life if that is less.
const MARGIN_MS: i64 = 5 * 60_000;

/// A token that GHL should accept.
#[derive(Debug, Clone)]
pub struct Access {
    /// The bearer.
    pub token: SecretString,
    /// What it was granted; none where it is unknown.
    pub scopes: Option<Scopes>,
    /// Which one it is, for [`Oauth::refused`].
    pub generation: i64,
    /// It was refreshed just now, with a permit of the run that asked.
    pub is_new: bool,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The location was never connected, or the app was uninstalled.
    #[error("the location is not connected: run `clienty-sync connect`")]
    NotConnected,
    /// Nothing but a person helps.
    #[error("the location must be connected again (`clienty-sync connect`): {reason}")]
    ConnectAgain {
        /// What has happened to the login.
        reason: String,
    },
    /// Its agency's login is gone.
    #[error("the agency must connect again (`clienty-sync connect`): {reason}")]
    AgencyConnectAgain {
        /// What has happened to the login.
        reason: String,
    },
    /// The settings name no OAuth app.
    #[error(
        "the token has expired, and no OAuth app is set to refresh it: set GHL_CLIENT_ID, GHL_CLIENT_SECRET and GHL_REDIRECT_URI"
    )]
    NoApp,
    /// A refresh failed a moment ago, and the next one is not yet due.
    #[error("the token can't be refreshed for now: {reason}")]
    Resting {
        /// Until it is.
        wait: Duration,
        /// Why the last one failed.
        reason: String,
    },
    /// The refresh failed.
    #[error(transparent)]
    Failed(#[from] Cause),
    /// There was no permit for the refresh.
    #[error("not refreshed: {0}")]
    Permit(#[from] PermitError),
    /// The stored token can't be opened, or the new one not be sealed.
    #[error("the location's token can't be opened: {0}")]
    Vault(#[from] VaultError),
    /// The database did not do it.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// What is asked of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// That it has not run out.
    Good,
    /// That it is refreshed well before that, as the renewal does.
    Early,
    /// That it is not this generation, which GHL refused.
    Newer(i64),
}

impl Oauth {
    /// The token of a location, refreshed where that is due. A refresh spends one of the run's `permits`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn for_location(&self, location_id: &str, permits: Option<&Permits>) -> Result<Access, TokenError> {
        self.access(&Holder::Location(location_id.to_owned()), Need::Good, permits).await
    }

    /// GHL refused the token of that generation as expired: a newer one. None where none can be had: a Private Integration Token, or
    /// one that GHL refused although it had given it for the last that it refused. A second refresh would bring a third of the kind.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refused(
        &self,
        location_id: &str,
        generation: i64,
        permits: Option<&Permits>,
    ) -> Result<Option<Access>, TokenError> {
        let holder = Holder::Location(location_id.to_owned());
        let stored = self.inner.records.token(&holder).await?.ok_or(TokenError::NotConnected)?;
        let is_hopeless = stored.expires_at.is_none() || stored.after_refusal && !self.has_run_out(&stored);
        if stored.generation == generation && is_hopeless {
            return Ok(None);
        }
        self.access(&holder, Need::Newer(generation), permits).await.map(Some)
    }

    pub(super) async fn access(
        &self,
        holder: &Holder,
        need: Need,
        permits: Option<&Permits>,
    ) -> Result<Access, TokenError> {
        let mut turn = None;
        loop {
            let stored = self.inner.records.token(holder).await?.ok_or(TokenError::NotConnected)?;
            if self.is_fit(&stored, need)? {
                return self.opened(&stored, false);
            }
            if turn.is_none() {
                // The one before may have refreshed it: read again.
                turn = Some(self.turn(holder).await);
                continue;
            }
            let refreshed = match self.refresh(&stored, need, permits).await {
                Ok(refreshed) => refreshed,
                // Early is early: what still works is used while GHL does not answer.
                Err(
                    TokenError::Failed(_)
                    | TokenError::Resting { .. }
                    | TokenError::Permit(PermitError::Exhausted { .. }),
                ) if need == Need::Good && !self.has_run_out(&stored) => {
                    return self.opened(&stored, false);
                }
                Err(error) => return Err(error),
            };
            if let Some(stored) = refreshed {
                return self.opened(&stored, true);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    fn is_fit(&self, stored: &StoredToken, need: Need) -> Result<bool, TokenError> {
        if stored.state != TokenState::Active {
            let reason = stored.reason.clone().unwrap_or_default();
            return Err(match stored.holder {
                Holder::Location(_) => TokenError::ConnectAgain { reason },
                Holder::Company(_) => TokenError::AgencyConnectAgain { reason },
            });
        }
        if stored.access.is_none() {
            return Ok(false);
        }
        let Some(left) = self.left_ms(stored) else { return Ok(true) };
        let life = stored.expires_at.map_or(0, |end| end.as_millisecond() - stored.obtained_at.as_millisecond());
        Ok(match need {
            Need::Good => left > MARGIN_MS.min(life / 10),
            Need::Early => left > super::renewal::AHEAD_MS.min(life / 4),
            Need::Newer(refused) => stored.generation != refused && left > 0,
        })
    }

    fn has_run_out(&self, stored: &StoredToken) -> bool {
        stored.access.is_none() || self.left_ms(stored).is_some_and(|left| left <= 0)
    }

    fn left_ms(&self, stored: &StoredToken) -> Option<i64> {
        Some(stored.expires_at?.as_millisecond() - self.inner.clock.now_ms())
    }

    pub(super) fn opened(&self, stored: &StoredToken, is_new: bool) -> Result<Access, TokenError> {
        let sealed = stored.access.as_ref().ok_or(TokenError::NotConnected)?;
        Ok(Access {
            token: self.inner.vault.open(sealed, &stored.holder.key())?,
            scopes: stored.scopes.as_deref().map(Scopes::parse),
            generation: stored.generation,
            is_new,
        })
    }

    async fn turn(&self, holder: &Holder) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(holder.key()).or_default())
        };
        turn.lock_owned().await
    }
}
