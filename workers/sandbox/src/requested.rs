//! Errors on request: which operation is answered how, how often, and whether the call is carried out all the same.
//!
//! The wordings are GHL's, as they were captured or reported; the number behind a name is that of the capture. Several say in one status what
//! has nothing in common: a 401 may be about the token, its kind, the version, the scope, or nothing at all.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Sandbox;

/// An error that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Asked")]
pub struct RequestedError {
    /// Such as `GET /contacts/{contactId}`, as the statistics name it; `*` is every operation.
    pub operation: String,
    /// Calls of this location alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location_id: Option<String>,
    /// How it is answered.
    #[serde(flatten)]
    pub answer: ErrorAnswer,
    /// So many calls are let through before.
    pub after: u64,
    /// So many calls are answered so; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The call is carried out, and answered so all the same.
    pub carried_out: bool,
}

/// [`RequestedError`] as it is written: serde can't refuse unknown fields beside a flattened choice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    operation: String,
    location_id: Option<String>,
    error: Option<Wording>,
    status: Option<u16>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    after: u64,
    times: Option<u64>,
    #[serde(default)]
    carried_out: bool,
}

impl TryFrom<Asked> for RequestedError {
    type Error = &'static str;

    fn try_from(asked: Asked) -> Result<Self, Self::Error> {
        let Asked { operation, location_id, error, status, body, after, times, carried_out } = asked;
        let answer = match (error, status) {
            (Some(error), None) if body.is_null() => ErrorAnswer::Named { error },
            (None, Some(status)) => ErrorAnswer::Raw { status, body },
            (None, None) => return Err("either `error`, the name of a wording, or `status` is needed"),
            (Some(_), _) => return Err("`error` says status and body; leave `status` and `body` out"),
        };
        Ok(Self { operation, location_id, answer, after, times, carried_out })
    }
}

/// What is answered: one of GHL's wordings by name, or any status and body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorAnswer {
    /// By name.
    Named {
        /// The wording.
        error: Wording,
    },
    /// As it stands here. A text is sent as it is: HTML where it begins with `<`, else plain text.
    Raw {
        /// The HTTP status.
        status: u16,
        /// What is sent.
        #[serde(default)]
        body: Value,
    },
}

impl RequestedError {
    /// Every call of the operation is answered so.
    #[must_use]
    pub fn always(operation: &str, answer: ErrorAnswer) -> Self {
        Self { operation: operation.to_owned(), location_id: None, answer, after: 0, times: None, carried_out: false }
    }

    /// The next call of the operation is answered so.
    #[must_use]
    pub fn once(operation: &str, answer: ErrorAnswer) -> Self {
        Self { times: Some(1), ..Self::always(operation, answer) }
    }
}

impl From<Wording> for ErrorAnswer {
    fn from(error: Wording) -> Self {
        Self::Named { error }
    }
}

macro_rules! wordings {
    ($($(#[$doc:meta])* $name:ident => $status:literal $body:expr;)*) => {
        /// GHL's words for an error, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Wording {
            $($(#[$doc])* $name,)*
        }

        impl Wording {
            /// Every wording.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn told(self) -> (u16, Value) {
                match self {
                    $(Self::$name => ($status, $body),)*
                }
            }
        }
    };
}

fn said(status: u16, message: &str) -> Value {
    json!({ "statusCode": status, "message": message })
}

wordings! {
    /// 063: the token lacks the scope.
    MissingScope => 401 said(401, "The token is not authorized for this scope.");
    /// 064: an agency's token where a location's is needed.
    UserTypeMismatch => 401 said(401, "Token's user type mismatch!");
    /// 065: a token of a kind that the operation does not take.
    AuthClass => 401 said(401, "This authClass type is not allowed to access this scope. Please verify your IAM configuration if this is not the case.");
    /// 066: the token has run out.
    InvalidJwt => 401 said(401, "Invalid JWT");
    /// A 401 without a word.
    Wordless401 => 401 json!({});
    /// The same with one word that says nothing.
    Unauthorized => 401 said(401, "Unauthorized");
    /// The version header is unknown.
    VersionHeader => 401 said(401, "version header is invalid");
    /// 062: the same as it was measured in August 2026.
    VersionSegment => 400 said(400, "Invalid API version segment 'bogus-version' at position 0");
    /// 067: a record of another location, or a token of one.
    ForeignLocation => 403 json!({"statusCode": 403, "message": "The token does not have access to this location.", "error": "Forbidden"});
    /// 070: without an id of its own.
    ContactNotFound400 => 400 json!({"statusCode": 400, "message": "Contact not found", "traceId": "t-20"});
    /// 069.
    ContactNotFound => 404 json!({"statusCode": 404, "message": "Contact not found", "error": "Not Found", "traceId": "t-19"});
    /// The location is missing, not the record.
    LocationNotFound => 404 said(404, "Location not found");
    /// A user is missing, not the record.
    UserNotFound => 404 said(404, "User not found");
    /// A 404 that does not name what is missing.
    NotFound => 404 json!({"statusCode": 404, "message": "Not Found"});
    /// The gateway before GHL does not know the path.
    NoRoute => 404 json!({"message": "no Route matched with those values"});
    /// GHL's application does not know it.
    CannotGet => 404 json!({"statusCode": 404, "message": "Cannot GET /contacts/x", "error": "Not Found"});
    /// A 404 without a word.
    Empty404 => 404 json!({});
    /// A 404 in plain text.
    Text404 => 404 json!("404 page not found");
    /// A 404 of a proxy.
    Html404 => 404 json!("<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1><hr>nginx</body></html>");
    /// 072: over the burst, without `Retry-After`.
    Throttled => 429 json!({"message": "Too Many Requests"});
    /// 071: over the day, with its reset in milliseconds.
    DayUsedUp => 429 said(429, "Too Many Requests");
    /// 073: Cloudflare's own limit.
    Cloudflare429 => 429 json!("<!DOCTYPE html><html><head><title>Error 1015</title></head><body><h1>You are being rate limited</h1><p>cloudflare</p></body></html>");
    /// Cloudflare's refusal.
    Cloudflare403 => 403 json!("<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body><h1>Sorry, you have been blocked</h1></body></html>");
    /// 075: Cloudflare waited in vain.
    Cloudflare524 => 524 json!("<!DOCTYPE html><html><head><title>524: A timeout occurred</title></head><body><h1>A timeout occurred</h1><p>cloudflare</p></body></html>");
    /// A proxy that has no GHL behind it.
    BadGateway => 502 json!("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>");
    /// 058: a duplicate that does not say of whom.
    DuplicateUnnamed => 400 said(400, "This location does not allow duplicated contacts.");
    /// 059: a field that is not taken.
    InvalidField => 400 json!({"message": "Invalid field additionalEmails", "error": "Bad Request", "statusCode": 400, "traceId": "t-17"});
    /// 060: several things at once.
    Unprocessable => 422 json!({"statusCode": 422, "message": ["property x should not exist", "email must be an email"], "error": "Unprocessable Entity"});
    /// The reason stands in an object.
    ReasonInObject => 422 json!({"statusCode": 422, "message": {"phone": ["is not a valid phone number"]}});
}

/// The errors that were asked for.
#[derive(Default)]
pub(super) struct Requested {
    errors: Vec<RequestedError>,
}

impl Requested {
    pub(super) fn set(&mut self, errors: Vec<RequestedError>) {
        self.errors = errors;
    }

    /// The error of a call, if one was asked for; it counts as answered then.
    pub(super) fn next(&mut self, operation: &str, location_id: &str) -> Option<RequestedError> {
        for error in &mut self.errors {
            let is_meant = (error.operation == "*" || error.operation == operation)
                && error.location_id.as_deref().is_none_or(|id| id == location_id)
                && error.times != Some(0);
            if !is_meant {
                continue;
            }
            if error.after > 0 {
                error.after -= 1;
                continue;
            }
            error.times = error.times.map(|times| times - 1);
            return Some(error.clone());
        }
        None
    }
}

impl ErrorAnswer {
    pub(super) fn into_response(self) -> Response {
        let (status, body) = match &self {
            Self::Named { error } => error.told(),
            Self::Raw { status, body } => (*status, body.clone()),
        };
        let (kind, text) = match body {
            Value::Null => ("text/plain", String::new()),
            Value::String(text) if text.trim_start().starts_with('<') => ("text/html; charset=UTF-8", text),
            Value::String(text) => ("text/plain; charset=utf-8", text),
            body => ("application/json; charset=utf-8", body.to_string()),
        };
        let mut reply = Response::new(Body::from(text));
        *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        reply
    }

    /// Puts right what the headers of the limits say: a proxy knows of none, and a day that is used up has none left.
    pub(super) fn write_limits(&self, headers: &mut HeaderMap) {
        let error = match self {
            Self::Named { error } => Some(*error),
            Self::Raw { .. } => None,
        };
        let is_of_proxy = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let set = |headers: &mut HeaderMap, name: &'static str, value: &'static str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        };
        match error {
            Some(Wording::DayUsedUp) => {
                set(headers, "x-ratelimit-daily-remaining", "0");
                // Milliseconds: 48 minutes.
                set(headers, "x-ratelimit-daily-reset", "2888000");
            }
            Some(Wording::Throttled) => set(headers, "x-ratelimit-remaining", "0"),
            _ if is_of_proxy => {
                let names = headers.keys().filter(|name| name.as_str().starts_with("x-ratelimit")).cloned();
                for name in names.collect::<Vec<_>>() {
                    headers.remove(name);
                }
            }
            _ => {}
        }
    }
}

impl Sandbox {
    /// Answers calls with these errors from now on, and with no others that were asked for before.
    pub fn request_errors(&self, errors: Vec<RequestedError>) {
        self.state.request_errors(errors);
    }

    /// Whether a location allows two contacts with one e-mail or phone.
    pub fn allow_duplicates(&self, location_id: &str, allowed: bool) {
        if let Some(location) = self.state.location(location_id) {
            location.allow_duplicates(allowed);
        }
    }

    /// Whether the Private Integration Token of a location opens it; GHL's user can revoke one, and makes a new one.
    pub fn set_token_revoked(&self, location_id: &str, revoked: bool) {
        if let Some(location) = self.state.location(location_id) {
            location.set_revoked(revoked);
        }
    }
}
