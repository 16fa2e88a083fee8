//! A step that sends a request to an address outside, and reads JSON.
//!
//! Secrets are no values of a run: a place `{secret.NAME}` may stand in a header alone, and is filled as the request is sent, so that no log, no
//! definition and no trial has one.

use serde_json::{Map, Value};

use super::templates::{HeaderPart, Known, MissingValue, fill, fill_header, fill_url};
use crate::events::Fields;

/// Methods that a step may use.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Headers that the program sets itself.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];
/// Headers of a step.
const MOST_HEADERS: usize = 20;

/// A request, its places not filled yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Where to.
    pub url: String,
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// By name, texts.
    pub headers: Map<String, Value>,
    /// Sent as JSON.
    pub body: Option<Value>,
    /// The secret that signs it.
    pub sign: Option<String>,
    /// Whether it may be sent again.
    pub again: Again,
}

/// What a second request of the same step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Nothing: it only reads.
    Safe,
    /// Nothing: the receiver knows the `webhook-id`, or the result is the same.
    ReplaySafe,
    /// What must not happen twice.
    Guarded,
}

/// A request, its places filled but for secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// By name.
    pub headers: Vec<(String, Vec<HeaderPart>)>,
    /// Sent as JSON.
    pub body: Option<Value>,
    /// The secret that signs it.
    pub sign: Option<String>,
    /// Whether it may be sent again.
    pub again: Again,
}

impl Again {
    const WORDS: [(&'static str, Self); 3] =
        [("safe", Self::Safe), ("replay-safe", Self::ReplaySafe), ("guarded", Self::Guarded)];
}

impl Http {
    /// Reads the words of the step.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let url = fields.text("http");
        let method = fields.text("method");
        let headers = fields.object("headers").cloned().unwrap_or_default();
        let body = fields.any("body").filter(|body| !body.is_null()).cloned();
        let sign = fields.text("sign");
        let again = fields.text("again");
        if let Some(url) = &url
            && !names_a_host(url)
        {
            fields.refuse(
                "http",
                "must begin with https:// and a host that is written out, as https://example.com/leads",
            );
        }
        let by_default = if body.is_some() { "POST" } else { "GET" };
        let known = METHODS.into_iter().find(|known| *known == method.as_deref().unwrap_or(by_default));
        if known.is_none() {
            fields.refuse("method", format!("must be one of {}", METHODS.join(", ")));
        }
        let method = known.unwrap_or("GET");
        if method == "GET" && body.is_some() {
            fields.refuse("body", "is not sent with GET");
        }
        for (name, value) in &headers {
            if let Err(wrong) = header(name, value) {
                fields.refuse(&format!("headers.{name}"), wrong);
            }
        }
        if headers.len() > MOST_HEADERS {
            fields.refuse("headers", format!("are {}; a step has at most {MOST_HEADERS}", headers.len()));
        }
        if sign.as_deref().is_some_and(|name| !is_secret_name(name)) {
            fields.refuse("sign", "must be the name of a secret, of letters, digits, - and _");
        }
        let by_default = if method == "GET" { Again::Safe } else { Again::Guarded };
        let again = match again {
            None => by_default,
            Some(word) => match Again::WORDS.into_iter().find(|(known, _)| *known == word) {
                Some((_, again)) => again,
                None => {
                    fields.refuse("again", "must be safe, replay-safe or guarded");
                    by_default
                }
            },
        };
        Some(Self { url: url?, method, headers, body, sign, again })
    }

    /// The names of the secrets that it speaks of.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        let in_headers = self.headers.values().filter_map(Value::as_str).flat_map(secrets_of);
        self.sign.as_deref().into_iter().chain(in_headers).collect()
    }

    pub(super) fn request(&self, known: &Known<'_>) -> Result<Request, MissingValue> {
        let Self { url, method, headers, body, sign, again } = self;
        let filled = |(name, value): (&String, &Value)| {
            let parts = fill_header(value.as_str().unwrap_or_default(), known)?;
            Ok((name.clone(), parts))
        };
        Ok(Request {
            url: fill_url(url, known)?,
            method,
            headers: headers.iter().map(filled).collect::<Result<_, MissingValue>>()?,
            body: body.as_ref().map(|body| fill(body, known)).transpose()?.flatten(),
            sign: sign.clone(),
            again: *again,
        })
    }
}

/// Whether a place of the URL comes only behind the host: whom a flow calls is for its author to say, not for what a contact is called.
fn names_a_host(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        end > 0 && !rest[..end].contains(['{', '}', '@']) && !rest.contains(char::is_control)
    })
}

fn header(name: &str, value: &Value) -> Result<(), &'static str> {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_token) {
        return Err("must be named by letters, digits, - and _");
    }
    if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("is set by the program");
    }
    match value.as_str() {
        Some(text) if text.len() <= 4096 && !text.contains(char::is_control) => Ok(()),
        _ => Err("must be a text of one line"),
    }
}

fn secrets_of(text: &str) -> Vec<&str> {
    let after = text.split("{secret.").skip(1);
    after.filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.trim()).collect()
}

/// Whether a secret may have this name.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    (1..=40).contains(&name.len()) && name.chars().all(is_plain)
}
