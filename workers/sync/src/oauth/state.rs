//! The `state` of an install: proof that what comes back was begun here, in this browser, a moment ago, and once.
//!
//! It is a nonce with its expiry, signed with a key that every gateway derives from the app's secret. The signature covers the hash of
//! the browser's cookie: a link that an attacker began is of no use in another's browser. That it comes back once is the database's
//! matter: the nonce is stored there by the first who brings it. A state that was only begun is stored nowhere.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// Random bytes of a nonce, and of a browser's cookie.
const RANDOM: usize = 24;
/// What the key is for: the secret itself signs nothing.
const PURPOSE: &str = "clienty-sync install state";

/// Why a `state` is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// There is none, as when a customer starts at the marketplace.
    #[error("the install did not start here")]
    Absent,
    /// Cut, altered, signed with another secret, or begun in another browser.
    #[error("the install did not start here, or not in this browser")]
    Forged,
    /// It took too long.
    #[error("the install took too long")]
    Expired,
    /// It has come back before.
    #[error("the install was completed before")]
    Used,
}

/// A text that can't be guessed. None if the system gives no random numbers.
pub(super) fn random() -> Option<String> {
    let mut bytes = [0; RANDOM];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a browser's cookie.
pub(super) fn hash_of(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, cookie.as_bytes()))
}

/// The text of a state. `browser` is the hash of a cookie.
pub(super) fn signed(secret: &SecretString, nonce: &str, expires_at_ms: i64, browser: Option<&str>) -> String {
    let tag = sign(&key(secret), message(nonce, expires_at_ms, browser).as_bytes());
    format!("{expires_at_ms}.{nonce}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The nonce of a state that is signed for one of these: the hash of the browser's cookie, or a link for a person.
pub(super) fn checked(
    secret: &SecretString,
    state: &str,
    now_ms: i64,
    browser: Option<&str>,
) -> Result<String, StateError> {
    if state.is_empty() {
        return Err(StateError::Absent);
    }
    let mut parts = state.splitn(3, '.');
    let (Some(expires_at), Some(nonce), Some(tag)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(StateError::Forged);
    };
    let (Ok(expires_at), Ok(tag)) = (expires_at.parse::<i64>(), URL_SAFE_NO_PAD.decode(tag)) else {
        return Err(StateError::Forged);
    };
    let is_of = |browser| verify(&key(secret), message(nonce, expires_at, browser).as_bytes(), &tag).is_ok();
    if !is_of(None) && !is_of(browser) {
        return Err(StateError::Forged);
    }
    // After the signature: an unsigned expiry proves nothing.
    if expires_at <= now_ms { Err(StateError::Expired) } else { Ok(nonce.to_owned()) }
}

fn message(nonce: &str, expires_at_ms: i64, browser: Option<&str>) -> String {
    format!("{expires_at_ms}.{nonce}.{}", browser.unwrap_or("-"))
}

fn key(secret: &SecretString) -> Key {
    let base = Key::new(HMAC_SHA256, secret.expose_secret().as_bytes());
    Key::new(HMAC_SHA256, sign(&base, PURPOSE.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_state_is_good_in_its_browser_until_it_expires() {
        let (secret, browser) = (secret("s3cret"), hash_of("cookie"));
        let state = signed(&secret, "nonce", 1000, Some(&browser));
        assert_eq!(checked(&secret, &state, 999, Some(&browser)).unwrap(), "nonce");
        assert_eq!(checked(&secret, &state, 1000, Some(&browser)), Err(StateError::Expired));
        for other in [None, Some(hash_of("other"))] {
            assert_eq!(checked(&secret, &state, 999, other.as_deref()), Err(StateError::Forged));
        }
    }

    #[test]
    fn a_printed_link_is_good_in_any_browser() {
        let secret = secret("s3cret");
        let state = signed(&secret, "nonce", 1000, None);
        assert_eq!(checked(&secret, &state, 0, None).unwrap(), "nonce");
        assert_eq!(checked(&secret, &state, 0, Some(&hash_of("any"))).unwrap(), "nonce");
    }

    #[test]
    fn what_was_altered_or_signed_with_another_secret_is_refused() {
        let state = signed(&secret("s3cret"), "nonce", 1000, None);
        assert_eq!(checked(&secret("other"), &state, 0, None), Err(StateError::Forged));
        for altered in [state.replacen("1000", "9000", 1), state.replacen("nonce", "nonsense", 1), format!("{state}A")]
        {
            assert_eq!(checked(&secret("s3cret"), &altered, 0, None), Err(StateError::Forged), "{altered}");
        }
        for broken in ["1", "1.2", "x.y.z", "..", "1000.nonce.***"] {
            assert_eq!(checked(&secret("s3cret"), broken, 0, None), Err(StateError::Forged), "{broken}");
        }
        assert_eq!(checked(&secret("s3cret"), "", 0, None), Err(StateError::Absent));
    }
}
