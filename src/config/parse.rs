//! What a value must be. A parser returns the value, or the words that come after "expected".
//!
//! Those words never repeat the value: it may be a secret.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outbound::outside::{Net, NetError};
use secrecy::{SecretBox, SecretString};
use sync_model::decide::fields;
use sync_model::decide::merge::Policy;
use sync_model::decide::rules::{NoTemplate, Template, Trigger};
use tracing_subscriber::EnvFilter;

use super::{Installs, LogFormat, MasterKey, Ui};
use crate::signature::{Algorithm, PublicKeys};

pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8080".to_owned())
}

pub(super) fn policy(text: &str) -> Parsed<Policy> {
    text.parse().map_err(|_| "newest, ghl or clienty".to_owned())
}

/// A misspelled field would be a policy that never applies.
pub(super) fn field_policy(text: &str) -> Parsed<(String, Policy)> {
    let expected = || "fields with their policy, such as contact.email=ghl or task=clienty".to_owned();
    let (name, winner) = text.split_once('=').ok_or_else(expected)?;
    fields::check_name(name)?;
    Ok((name.to_owned(), policy(winner)?))
}

pub(super) fn trigger(text: &str) -> Parsed<Trigger> {
    text.parse().map_err(|_| "contact.created, or contact.tagged= and a tag".to_owned())
}

pub(super) fn template(text: &str) -> Parsed<Template> {
    text.parse().map_err(|expected: NoTemplate| expected.to_string())
}

pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(text))
}

/// A key file that is missing or damaged would only be noticed at the first webhook, hours later, which would be lost.
pub(super) fn key_file(algorithm: Algorithm) -> impl Fn(&str) -> Parsed<PublicKeys> {
    move |file| {
        let pem = fs::read_to_string(file).map_err(|_| "a file that exists and can be read".to_owned())?;
        let kind = match algorithm {
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::Rsa => "RSA",
        };
        PublicKeys::from_pem(algorithm, &pem)
            .map_err(|error| format!("a file of public {kind} keys in PEM, one after the other, but {error}"))
    }
}

pub(super) fn number<N: FromStr + PartialOrd + Display + Copy>(least: N, most: N) -> impl Fn(&str) -> Parsed<N> {
    move |text| {
        text.parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("a whole number from {least} to {most}"))
    }
}

pub(super) fn milliseconds(least: u64, most: u64) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        number(least, most)(text).map(Duration::from_millis).map_err(|expected| format!("{expected} (milliseconds)"))
    }
}

/// In bytes.
pub(super) fn mebibytes(least: usize, most: usize) -> impl Fn(&str) -> Parsed<usize> {
    move |text| {
        let mebibytes = number(least, most)(text).map_err(|expected| format!("{expected} (MiB)"))?;
        Ok(mebibytes * 1024 * 1024)
    }
}

pub(super) fn on_or_off(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

pub(super) fn net(text: &str) -> Parsed<Net> {
    text.parse().map_err(|expected: NetError| expected.to_string())
}

pub(super) fn installs(text: &str) -> Parsed<Installs> {
    match text {
        "invited" => Ok(Installs::Invited),
        "open" => Ok(Installs::Open),
        _ => Err("invited or open".to_owned()),
    }
}

pub(super) fn ui(text: &str) -> Parsed<Ui> {
    match text {
        "on" => Ok(Ui::On),
        "off" => Ok(Ui::Off),
        "read-only" => Ok(Ui::ReadOnly),
        _ => Err("on, off or read-only".to_owned()),
    }
}

pub(super) fn days(least: u64, most: u64) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let days = number(least, most)(text).map_err(|expected| format!("{expected} (days)"))?;
        Ok(Duration::from_secs(days * 24 * 60 * 60))
    }
}

/// So many units of seconds; 0 for never.
pub(super) fn period(unit_secs: u64) -> impl Fn(&str) -> Parsed<Option<Duration>> {
    move |text| {
        let count = number(0, 100_000)(text).map_err(|expected| format!("{expected}, 0 for never"))?;
        Ok((count > 0).then(|| Duration::from_secs(count * unit_secs)))
    }
}

/// Text without blanks, as ids and scopes are.
pub(super) fn word(text: &str) -> Parsed<String> {
    if text.contains(char::is_whitespace) {
        return Err("one word without blanks".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn secret(text: &str) -> Parsed<SecretString> {
    word(text).map(SecretString::from)
}

/// Without the slashes at its end, so that a path can be put behind it.
pub(super) fn http_url(text: &str) -> Parsed<String> {
    if !is_url(text, &["http", "https"]) {
        return Err("a URL that begins with https:// or http://".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(super) fn redis_url(text: &str) -> Parsed<SecretString> {
    if !is_url(text, &["redis", "rediss"]) {
        return Err("a URL such as redis://localhost:6379/0".to_owned());
    }
    if text.contains('#') {
        // `#insecure` would accept any certificate, and so any server: the queue could go to a stranger's.
        return Err(
            "a URL without # and what follows: name the server's authority in REDIS_CA_FILE instead of #insecure"
                .to_owned(),
        );
    }
    Ok(text.into())
}

/// The start of key names: no braces, which have a meaning in a cluster, and no wildcards.
pub(super) fn key_prefix(text: &str) -> Parsed<String> {
    const LONGEST: usize = 64;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(is_plain) {
        return Err(format!("1 to {LONGEST} letters, digits and -_.:"));
    }
    Ok(text.to_owned())
}

/// A file of PEM, which is checked together with others.
pub(super) fn pem_file(file: &str) -> Parsed<Vec<u8>> {
    fs::read(file).map_err(|_| "a file that exists and can be read".to_owned())
}

pub(super) fn database_url(text: &str) -> Parsed<SecretString> {
    let is_sqlite = text.strip_prefix("sqlite:").is_some_and(|file| !file.is_empty());
    if !is_sqlite && !is_url(text, &["postgres", "postgresql"]) {
        return Err("a URL that begins with postgres:// or sqlite:".to_owned());
    }
    Ok(text.into())
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme) && !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    })
}

pub(super) fn master_key(text: &str) -> Parsed<MasterKey> {
    let expected = || "keys of the form id:base64(32 bytes), newest first, separated by commas".to_owned();
    let (id, encoded) = text.split_once(':').filter(|(id, _)| !id.is_empty()).ok_or_else(expected)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| expected())?;
    let key: [u8; 32] = bytes.try_into().map_err(|_| expected())?;
    Ok(MasterKey { id: id.to_owned(), key: Arc::new(SecretBox::new(Box::new(key))) })
}

pub(super) fn log_filter(text: &str) -> Parsed<String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a log filter such as info,sqlx=warn".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("auto, text or json".to_owned()),
    }
}
