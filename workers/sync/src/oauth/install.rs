//! An install, from the link to the stored tokens.

use ghl::Scopes;
use jiff::Timestamp;
use sync_model::ids;

use super::app::App;
use super::reply::TokenReply;
use super::state::{self, StateError};
use super::tokens::TokenError;
use super::{Cause, Oauth};
use crate::records::{ConnectionKind, Holder, RecordsError};

/// How long a customer may take to choose a location.
const PATIENCE_MS: i64 = 15 * 60_000;
/// How long a printed link is good: it is sent by mail at times.
const LINK_PATIENCE_MS: i64 = 24 * 60 * 60_000;

/// An install that was begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// GHL's install page, with the state.
    pub url: String,
    /// The gateway's page that leads there, for the one browser that opens it. None for a browser, and if the redirect URI is not the
    /// gateway's.
    pub invitation: Option<String>,
    /// Until when it may come back.
    pub expires_at: Timestamp,
}

/// An install that has come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The locations that are connected by it.
    pub locations: Vec<String>,
    /// The agency, where one installed it.
    pub company_id: Option<String>,
    /// Asked for and not granted; empty where all were.
    pub missing_scopes: String,
}

/// Why an install failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The settings name no OAuth app.
    #[error("no OAuth app is set: set GHL_CLIENT_ID, GHL_CLIENT_SECRET and GHL_REDIRECT_URI")]
    NoApp,
    /// What came back was not begun here.
    #[error(transparent)]
    State(#[from] StateError),
    /// GHL gave no token for the code.
    #[error(transparent)]
    Refused(#[from] Cause),
    /// GHL's reply names neither a location nor an agency.
    #[error("GHL's reply names neither a location nor an agency")]
    Nameless,
    /// The tokens can't be kept.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

impl From<RecordsError> for InstallError {
    fn from(error: RecordsError) -> Self {
        Self::Token(error.into())
    }
}

impl Oauth {
    /// A new cookie for a browser.
    ///
    /// # Errors
    /// [`InstallError::Random`].
    pub fn new_cookie() -> Result<String, InstallError> {
        state::random().ok_or(InstallError::Random)
    }

    /// Whether GHL sends browsers back over TLS, as it does everywhere but on a developer's machine.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.inner.app.as_ref().is_some_and(|app| app.config.redirect_uri.starts_with("https:"))
    }

    /// Starts an install for the browser with that cookie, or for the customer who gets the link. It costs no row: the state is signed.
    ///
    /// # Errors
    /// [`InstallError::NoApp`], [`InstallError::Random`].
    pub fn begin_install(&self, cookie: Option<&str>) -> Result<Begun, InstallError> {
        let nonce = state::random().ok_or(InstallError::Random)?;
        let patience = if cookie.is_some() { PATIENCE_MS } else { LINK_PATIENCE_MS };
        self.begun(&nonce, cookie, self.inner.clock.now_ms() + patience)
    }

    /// Begins the install of an invitation, which is the state of a link, for the browser that opened it. An invitation may be opened
    /// again until an install of it has come back.
    ///
    /// # Errors
    /// [`InstallError::State`] where it is none, too old or spent; a database that does not answer.
    pub async fn begin_invited(&self, invitation: &str, cookie: &str) -> Result<Begun, InstallError> {
        let app = self.app()?;
        let now = self.inner.clock.now_ms();
        let nonce = state::checked(&app.config.client_secret, invitation, now, None)?;
        if self.inner.records.is_install_spent(&nonce).await? {
            return Err(StateError::Used.into());
        }
        self.begun(&nonce, Some(cookie), now + PATIENCE_MS)
    }

    fn begun(&self, nonce: &str, cookie: Option<&str>, expires_at_ms: i64) -> Result<Begun, InstallError> {
        let app = self.app()?;
        let browser = cookie.map(state::hash_of);
        let state = state::signed(&app.config.client_secret, nonce, expires_at_ms, browser.as_deref());
        let expires_at = Timestamp::from_millisecond(expires_at_ms).unwrap_or(Timestamp::MAX);
        // A state is made of letters, digits, dots, dashes and underscores, so it stands in a query as it is.
        let gateway = app.config.redirect_uri.strip_suffix("/oauth/callback").filter(|_| browser.is_none());
        let invitation = gateway.map(|gateway| format!("{gateway}/oauth/install?invitation={state}"));
        Ok(Begun { url: app.install_url(state), invitation, expires_at })
    }

    /// Checks what came back, with or without a code; it can't come back again.
    ///
    /// # Errors
    /// See [`Oauth::finish_install`].
    pub async fn end_install(&self, state: &str, cookie: Option<&str>) -> Result<(), InstallError> {
        let app = self.app()?;
        let browser = cookie.map(state::hash_of);
        let now = self.inner.clock.now_ms();
        let nonce = state::checked(&app.config.client_secret, state, now, browser.as_deref())?;
        // No state of this nonce is good for longer.
        match self.inner.records.spend_install(&nonce, now + LINK_PATIENCE_MS).await? {
            true => Ok(()),
            false => Err(StateError::Used.into()),
        }
    }

    /// Redeems the code that came back, and connects what was installed.
    ///
    /// # Errors
    /// [`InstallError`]; nothing is stored then.
    pub async fn finish_install(
        &self,
        state: &str,
        cookie: Option<&str>,
        code: &str,
    ) -> Result<Installed, InstallError> {
        self.end_install(state, cookie).await?;
        let app = self.app()?;
        let (asked, reply) = (app.scopes(), app.redeem(code).await?);
        match (as_id(&reply.location_id), as_id(&reply.company_id)) {
            (Some(location), company) => self.keep_location(location, company, &reply, &asked).await,
            (None, Some(company)) => self.keep_company(company, &reply, &asked).await,
            (None, None) => Err(InstallError::Nameless),
        }
    }

    async fn keep_location(
        &self,
        location_id: &str,
        company_id: Option<&str>,
        reply: &TokenReply,
        asked: &Scopes,
    ) -> Result<Installed, InstallError> {
        let token = self.sealed(&Holder::Location(location_id.to_owned()), reply, asked)?;
        self.inner.records.connect(location_id, ConnectionKind::Oauth, company_id, &token, None, None).await?;
        let locations = vec![location_id.to_owned()];
        Ok(Installed { locations, company_id: None, missing_scopes: token.missing_scopes })
    }

    async fn keep_company(
        &self,
        company_id: &str,
        reply: &TokenReply,
        asked: &Scopes,
    ) -> Result<Installed, InstallError> {
        let token = self.sealed(&Holder::Company(company_id.to_owned()), reply, asked)?;
        self.inner.records.connect_company(company_id, &token).await?;
        let approved = reply.approved_locations.as_deref().unwrap_or_default();
        for location in approved {
            self.add_location(company_id, location, None).await?;
        }
        if approved.is_empty() || reply.approve_all_locations == Some(true) {
            // The install stands even where the list does not come: the renewal asks for it again.
            if let Err(error) = self.list_locations(company_id).await {
                tracing::warn!(ghl.company = company_id, %error, "the locations of an agency can't be listed yet");
                self.inner.records.relist(&Holder::Company(company_id.to_owned())).await?;
            }
        }
        Ok(Installed {
            locations: self.inner.records.locations_of_company(company_id).await?,
            company_id: Some(company_id.to_owned()),
            missing_scopes: token.missing_scopes,
        })
    }

    fn app(&self) -> Result<&App, InstallError> {
        self.inner.app.as_ref().ok_or(InstallError::NoApp)
    }
}

/// What can be no id names nothing.
fn as_id(reported: &Option<String>) -> Option<&str> {
    reported.as_deref().filter(|id| ids::is_id(id))
}
