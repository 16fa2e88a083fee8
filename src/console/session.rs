//! A session is a sealed cookie: the key that was shown at the sign-in, and when. The key is checked anew with each request, so a session ends with
//! its key, or with the secret that opened it, and nothing is kept here.
//!
//! Over HTTPS the cookie has the name prefix `__Host-`, which no other site can set; a proxy that ends TLS says so in `X-Forwarded-Proto`. Plain HTTP
//! is for the same machine alone: elsewhere anybody on the way would read the key.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sync_workers::vault::{Sealed, Vault};

/// How long a session lasts.
const LASTS: SignedDuration = SignedDuration::from_hours(12);
/// What a cookie is sealed for.
const OWNER: &str = "console:session";
const SECURE: &str = "__Host-clienty";
const PLAIN: &str = "clienty";

/// Who has signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// The API key.
    pub(super) key: SecretString,
    /// What a form of this session carries. Nobody knows it who does not know the cookie.
    pub(super) token: String,
}

/// How a request came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By TLS, here or at a proxy before.
    Secure,
    /// From the same machine.
    Loopback,
    /// In plain sight.
    Open,
}

impl Way {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if text("x-forwarded-proto").split(',').next().is_some_and(|proto| proto.trim() == "https") {
            return Self::Secure;
        }
        if is_loopback(text("host")) { Self::Loopback } else { Self::Open }
    }

    fn cookie(self) -> &'static str {
        if self == Self::Secure { SECURE } else { PLAIN }
    }
}

/// Whether the name in `Host` is the machine's own. A name that merely resolves to it is another site's.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl Session {
    /// The header that begins a session.
    pub(super) fn begin(vault: &Vault, key: &SecretString, now: Timestamp, way: Way) -> Option<HeaderValue> {
        let text = json!({"key": key.expose_secret(), "at": now.as_millisecond()}).to_string();
        let Sealed { key_id, bytes } = vault.seal(&SecretString::from(text), OWNER).ok()?;
        let value = format!("{}.{}", URL_SAFE_NO_PAD.encode(key_id), URL_SAFE_NO_PAD.encode(bytes));
        set_cookie(way, &value, LASTS.as_secs())
    }

    /// The header that ends one.
    pub(super) fn end(way: Way) -> Option<HeaderValue> {
        set_cookie(way, "", 0)
    }

    /// The session of a request, if it has one that lasts still. Whether its key does is another question.
    pub(super) fn of(headers: &HeaderMap, vault: &Vault, now: Timestamp) -> Option<Self> {
        let cookie = cookie(headers, Way::of(headers).cookie())?;
        let (key_id, bytes) = cookie.split_once('.')?;
        let key_id = String::from_utf8(URL_SAFE_NO_PAD.decode(key_id).ok()?).ok()?;
        let sealed = Sealed { key_id, bytes: URL_SAFE_NO_PAD.decode(bytes).ok()? };
        let text = vault.open(&sealed, OWNER).ok()?;
        let reported: Value = serde_json::from_str(text.expose_secret()).ok()?;
        let age = now.duration_since(Timestamp::from_millisecond(reported["at"].as_i64()?).ok()?);
        if age >= LASTS {
            return None;
        }
        let token = digest(&SHA256, format!("form:{cookie}").as_bytes());
        let token = URL_SAFE_NO_PAD.encode(&token.as_ref()[..24]);
        Some(Self { key: SecretString::from(reported["key"].as_str()?), token })
    }
}

/// The value of the first cookie of that name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn set_cookie(way: Way, value: &str, seconds: i64) -> Option<HeaderValue> {
    let secure = if way == Way::Secure { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", way.cookie());
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use sync_workers::vault::MasterKeys;

    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(MasterKeys::new([("k1".to_owned(), &[byte; 32])]).unwrap())
    }

    fn request(host: &'static str, cookie: Option<&str>, proto: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(host));
        cookie.map(|cookie| headers.insert("cookie", HeaderValue::from_str(cookie).unwrap()));
        proto.map(|proto| headers.insert("x-forwarded-proto", HeaderValue::from_static(proto)));
        headers
    }

    #[test]
    fn the_way_is_reported_by_the_proxy_or_by_the_machines_own_names() {
        for (host, proto, way) in [
            ("127.0.0.1:8080", None, Way::Loopback),
            ("localhost", None, Way::Loopback),
            ("[::1]:8080", None, Way::Loopback),
            ("sync.example.com", Some("https"), Way::Secure),
            ("sync.example.com", Some("https, http"), Way::Secure),
            ("sync.example.com", Some("http"), Way::Open),
            ("127.0.0.1.example.com", None, Way::Open),
            ("localhost.example.com:8080", None, Way::Open),
            ("10.0.0.5:8080", None, Way::Open),
            ("", None, Way::Open),
        ] {
            assert_eq!(Way::of(&request(host, None, proto)), way, "{host} {proto:?}");
        }
    }

    #[test]
    fn a_session_is_read_by_who_sealed_it_for_twelve_hours_and_over_the_same_way() {
        let begun: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let set = Session::begin(&vault(1), &SecretString::from("cs_1_a"), begun, Way::Loopback).unwrap();
        let set = set.to_str().unwrap().to_owned();
        assert!(set.starts_with("clienty=") && set.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"));
        assert!(!set.contains("cs_1_a"));
        let pair = set.split(';').next().unwrap();
        let both = format!("other=1; {pair}");
        let local = request("localhost:8080", Some(&both), None);
        let at = |minutes: i64| begun + SignedDuration::from_mins(minutes);
        let session = Session::of(&local, &vault(1), at(719)).unwrap();
        assert_eq!(session.key.expose_secret(), "cs_1_a");
        assert!(Session::of(&local, &vault(1), at(720)).is_none());
        assert!(Session::of(&local, &vault(2), at(1)).is_none());
        assert!(Session::of(&request("localhost", Some(pair), Some("https")), &vault(1), at(1)).is_none());
        assert!(Session::of(&request("localhost", Some(&pair.replace('.', "")), None), &vault(1), at(1)).is_none());
        let secure = Session::begin(&vault(1), &SecretString::from("cs_1_a"), begun, Way::Secure).unwrap();
        let secure = secure.to_str().unwrap();
        assert!(secure.starts_with("__Host-clienty=") && secure.ends_with("; Secure"));
        let again = Session::of(
            &request("x.example", Some(secure.split(';').next().unwrap()), Some("https")),
            &vault(1),
            at(1),
        );
        assert_ne!(again.unwrap().token, session.token);
    }
}
