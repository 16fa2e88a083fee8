//! GHL's replies that carry tokens.
//!
//! The API's version v3 writes the names in camel case, the others those of RFC 6749; both are read. Numbers and flags were seen as texts and scopes as
//! a list: whatever else a reply holds, the tokens in it must not be lost. `Debug` shows no token: the types of `oauth2` see to it.

use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::time::Duration;

/// GHL's tokens live a day; this is assumed if a reply does not say.
const USUAL_LIFE: Duration = Duration::from_secs(86_399);

static BEARER: BasicTokenType = BasicTokenType::Bearer;

/// A reply of `/oauth/token` or `/oauth/locationToken`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenReply {
    #[serde(alias = "accessToken")]
    access_token: AccessToken,
    #[serde(default, alias = "refreshToken")]
    refresh_token: Option<RefreshToken>,
    /// In seconds.
    #[serde(default, alias = "expiresIn", deserialize_with = "seconds")]
    expires_in: Option<f64>,
    /// Granted, blanks between them.
    #[serde(default, deserialize_with = "words")]
    pub(super) scope: Option<String>,
    #[serde(default, rename = "locationId", deserialize_with = "id")]
    pub(super) location_id: Option<String>,
    #[serde(default, rename = "companyId", deserialize_with = "id")]
    pub(super) company_id: Option<String>,
    #[serde(default, rename = "approvedLocations", deserialize_with = "ids")]
    pub(super) approved_locations: Option<Vec<String>>,
    /// Then the list of approved ones may be cut short.
    #[serde(default, rename = "approveAllLocations", deserialize_with = "flag")]
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
        Duration::try_from_secs_f64(self.expires_in?).ok()
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Array(words) => Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        _ => None,
    })
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })
}

fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(ids) => Some(ids.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    })
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Some(flag),
        Value::String(word) => word.trim().to_lowercase().parse().ok(),
        _ => None,
    })
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
    fn texts_in_the_place_of_numbers_and_flags_do_not_lose_the_tokens() {
        let reply = json!({
            "access_token": "at-1", "refresh_token": "rt-1", "expires_in": "86400", "scope": ["a.readonly", "b.write"],
            "isBulkInstallation": "Bearer", "approveAllLocations": "true", "approvedLocations": null, "locationId": "", "companyId": "C",
        });
        let read: TokenReply = serde_json::from_value(reply).unwrap();
        assert_eq!((read.life(), read.scope.as_deref()), (Duration::from_secs(86_400), Some("a.readonly b.write")));
        assert_eq!((read.approve_all_locations, read.approved_locations, read.location_id), (Some(true), None, None));
        assert_eq!(read.company_id.as_deref(), Some("C"));
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
