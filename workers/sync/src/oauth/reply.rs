//! GHL's replies that carry tokens.
//!
//! The API's version v3 writes the names in camel case, the others those of RFC 6749; both are read. `Debug` shows no token: the types
//! of `oauth2` see to it.

use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::time::Duration;

/// GHL's tokens live a day; so long is assumed where a reply does not tell.
const USUAL_LIFE: Duration = Duration::from_secs(86_399);

static BEARER: BasicTokenType = BasicTokenType::Bearer;

/// A reply of `/oauth/token` or `/oauth/locationToken`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenReply {
    #[serde(alias = "accessToken")]
    access_token: AccessToken,
    #[serde(default, alias = "refreshToken")]
    refresh_token: Option<RefreshToken>,
    #[serde(default, alias = "expiresIn")]
    expires_in: Option<Number>,
    /// Granted, blanks between them.
    #[serde(default)]
    pub(super) scope: Option<String>,
    #[serde(default, rename = "locationId")]
    pub(super) location_id: Option<String>,
    #[serde(default, rename = "companyId")]
    pub(super) company_id: Option<String>,
    #[serde(default, rename = "approvedLocations")]
    pub(super) approved_locations: Option<Vec<String>>,
    /// Then the list of approved ones may be cut short.
    #[serde(default, rename = "approveAllLocations")]
    pub(super) approve_all_locations: Option<bool>,
}

impl TokenReply {
    pub(super) fn access(&self) -> SecretString {
        self.access_token.secret().as_str().into()
    }

    pub(super) fn refresh(&self) -> Option<SecretString> {
        let token = self.refresh_token.as_ref().map(|token| token.secret().as_str());
        token.filter(|token| !token.is_empty()).map(SecretString::from)
    }

    pub(super) fn life(&self) -> Duration {
        self.expires_in().unwrap_or(USUAL_LIFE)
    }
}

impl TokenResponse for TokenReply {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        // GHL issues no other, and at times does not say so.
        &BEARER
    }

    fn expires_in(&self) -> Option<Duration> {
        let seconds = self.expires_in.as_ref()?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_read_and_no_token_is_shown() {
        for reply in [
            json!({"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 60, "scope": "a b", "locationId": "L"}),
            json!({"accessToken": "at-1", "refreshToken": "rt-1", "expiresIn": 60.0, "scope": "a b", "locationId": "L"}),
        ] {
            let read: TokenReply = serde_json::from_value(reply).unwrap();
            assert_eq!((read.access().expose_secret(), read.life()), ("at-1", Duration::from_secs(60)));
            assert_eq!(read.refresh().unwrap().expose_secret(), "rt-1");
            let shown = format!("{read:?}");
            assert!(!shown.contains("at-1") && !shown.contains("rt-1"), "{shown}");
        }
    }

    #[test]
    fn an_exchange_may_bring_no_refresh_token_and_no_lifetime() {
        for refresh in [json!(null), json!("")] {
            let reply = json!({"access_token": "at-1", "refresh_token": refresh, "userId": "U"});
            let read: TokenReply = serde_json::from_value(reply).unwrap();
            assert!(read.refresh().is_none() && read.life() == USUAL_LIFE);
        }
    }
}
