//! Logins of the simulated GHL: codes, access tokens that expire, and refresh tokens that work once.
//!
//! One agency owns all locations. A login is of one location or of the agency; the agency's opens no location itself, but is exchanged
//! for a location's. The trap that it is built for: a refresh token that is brought twice is `invalid_grant`, whoever brings it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Sandbox;
use super::api_error::ApiError;

/// How logins behave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OauthSettings {
    /// The one app that is known.
    pub client_id: String,
    /// The secret of the app.
    pub client_secret: String,
    /// How long an access token lives.
    pub expires_in_seconds: u64,
    /// Whether a location's token that an agency's was exchanged for comes with a refresh token.
    pub exchange_refreshes: bool,
    /// How many of its locations an agency's token reports at most; that all were approved, it reports as well.
    pub tells_locations: Option<usize>,
    /// Locations that are switched off: the agency gets no token for them.
    pub inactive: BTreeSet<String>,
    /// A wrong code or refresh token is the 401 `UnAuthorized!` of capture 088, and not the 400 `invalid_grant` of RFC 6749: GHL says both.
    pub says_unauthorized: bool,
}

impl Default for OauthSettings {
    fn default() -> Self {
        Self {
            client_id: "6578278e879ad2646715ba9c-sandbox".to_owned(),
            client_secret: "sandbox-client-secret".to_owned(),
            expires_in_seconds: 86_399,
            exchange_refreshes: false,
            tells_locations: None,
            inactive: BTreeSet::new(),
            says_unauthorized: false,
        }
    }
}

/// Whose login it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Location(String),
    Company,
}

/// A login, and what it may do.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) holder: Holder,
    /// Blanks between them.
    pub(super) scopes: String,
}

/// All logins.
pub(super) struct Book {
    pub(super) settings: OauthSettings,
    pub(super) company_id: String,
    codes: HashMap<String, Login>,
    access: HashMap<String, (Login, Instant)>,
    refresh: HashMap<String, Login>,
    /// Where the agency has installed the app.
    pub(super) installed: BTreeSet<String>,
    counts: BTreeMap<&'static str, u64>,
    /// Every token that was ever given out, so that a test can look for them where none may be.
    given: Vec<String>,
}

impl Book {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            settings: OauthSettings::default(),
            company_id: format!("sandboxCompany{:06}", seed % 1_000_000),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            installed: BTreeSet::new(),
            counts: BTreeMap::new(),
            given: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The login of an access token.
    pub(super) fn open(&self, token: &str) -> Result<Login, ApiError> {
        match self.access.get(token) {
            Some((grant, until)) if *until > Instant::now() => Ok(grant.clone()),
            Some(_) => Err(ApiError::unauthorized("Invalid JWT")),
            None => Err(ApiError::unauthorized("Invalid Private Integration token")),
        }
    }

    /// The code with which an approved install goes back.
    pub(super) fn code(&mut self, grant: Login) -> String {
        let code = Uuid::new_v4().simple().to_string();
        self.codes.insert(code.clone(), grant);
        code
    }

    /// `POST /oauth/token`.
    pub(super) fn token(&mut self, form: &HashMap<String, String>) -> Result<Value, (StatusCode, Value)> {
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        let refused =
            |code: &str, said: &str| (StatusCode::BAD_REQUEST, json!({"error": code, "error_description": said}));
        if given("client_id") != self.settings.client_id || given("client_secret") != self.settings.client_secret {
            let said = json!({"error": "invalid_client", "error_description": "Invalid client credentials"});
            return Err((StatusCode::UNAUTHORIZED, said));
        }
        let (grant, what) = match given("grant_type") {
            "authorization_code" => (self.codes.remove(given("code")), "codes"),
            "refresh_token" => (self.refresh.remove(given("refresh_token")), "refreshes"),
            _ => return Err(refused("unsupported_grant_type", "grant_type is not supported")),
        };
        match grant {
            Some(grant) => {
                self.count(what);
                Ok(self.issue(grant, true))
            }
            None if self.settings.says_unauthorized => {
                self.count("refused");
                let said = if what == "codes" { "Authorization code not found" } else { "Refresh token not found" };
                let said = json!({"error": "UnAuthorized!", "error_description": said});
                Err((StatusCode::UNAUTHORIZED, said))
            }
            None if what == "codes" => {
                self.count("refused");
                Err(refused("invalid_grant", "Invalid grant: authorization code is invalid"))
            }
            None => {
                self.count("refused");
                Err(refused("invalid_grant", "Invalid grant: refresh token is invalid"))
            }
        }
    }

    /// Tokens for a login.
    pub(super) fn issue(&mut self, grant: Login, with_refresh: bool) -> Value {
        let life = Duration::from_secs(self.settings.expires_in_seconds);
        let access = format!("at-{}", Uuid::new_v4().simple());
        let mut reply = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": life.as_secs(), "scope": grant.scopes,
            "companyId": self.company_id, "userId": "sandboxUser000000001",
        });
        match &grant.holder {
            Holder::Location(id) => {
                reply["userType"] = "Location".into();
                reply["locationId"] = id.as_str().into();
            }
            Holder::Company => {
                reply["userType"] = "Company".into();
                reply["isBulkInstallation"] = true.into();
                let told = self.settings.tells_locations.unwrap_or(usize::MAX);
                reply["approvedLocations"] = self.installed.iter().take(told).map(String::as_str).collect();
                if told < self.installed.len() {
                    reply["approveAllLocations"] = true.into();
                }
            }
        }
        self.given.push(access.clone());
        self.access.insert(access, (grant.clone(), Instant::now() + life));
        if with_refresh {
            let refresh = format!("rt-{}", Uuid::new_v4().simple());
            reply["refresh_token"] = refresh.as_str().into();
            self.given.push(refresh.clone());
            self.refresh.insert(refresh, grant);
        }
        reply
    }

    fn of(&self, holder: &str) -> Holder {
        if holder == self.company_id { Holder::Company } else { Holder::Location(holder.to_owned()) }
    }

    /// Ends the access tokens of a location or of the company.
    pub(super) fn expire(&mut self, holder: &str) {
        let holder = self.of(holder);
        let now = Instant::now();
        self.access.values_mut().filter(|(grant, _)| grant.holder == holder).for_each(|(_, until)| *until = now);
    }

    /// Ends the logins of a location or of the company.
    pub(super) fn revoke(&mut self, holder: &str) {
        self.expire(holder);
        let holder = self.of(holder);
        self.refresh.retain(|_, grant| grant.holder != holder);
    }

    pub(super) fn told(&self) -> Value {
        json!({"settings": self.settings, "companyId": self.company_id, "installed": self.installed, "counts": self.counts,
            "tokens": self.given})
    }
}

impl Sandbox {
    /// How logins behave from now on.
    pub fn set_oauth(&self, settings: OauthSettings) {
        self.book().settings = settings;
    }

    /// How logins behave.
    #[must_use]
    pub fn oauth_settings(&self) -> OauthSettings {
        self.book().settings.clone()
    }

    /// Ends the access tokens of a location, or of the company.
    pub fn expire_tokens(&self, holder: &str) {
        self.book().expire(holder);
    }

    /// Ends the logins of a location, or of the company.
    pub fn revoke_login(&self, holder: &str) {
        self.book().revoke(holder);
    }

    /// What was asked of logins so far; the same as `GET /_sandbox/oauth`.
    #[must_use]
    pub fn oauth(&self) -> Value {
        self.book().told()
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.state.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
