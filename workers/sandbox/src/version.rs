//! The versions of the API that one sandbox speaks at once: the dated ones, and `v3` as their translation.
//!
//! The routes are written for the dated versions. What `v3` calls otherwise is renamed on the way in and out, so that a
//! location looks the same through both.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::api_error::ApiError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Dated,
    V3,
}

/// Channels as the dated versions write them, and as `v3` does.
const CHANNELS: [(&str, &str); 6] =
    [("Call", "call"), ("Email", "email"), ("SMS", "sms"), ("WhatsApp", "whatsApp"), ("GMB", "gmb"), ("FB", "fb")];

impl Version {
    /// The version that a call names. Calendars have a dated one of their own; GHL's own client sends the newest dated one everywhere.
    pub(super) fn of(headers: &HeaderMap, route: &str) -> Result<Self, ApiError> {
        let dated: &[&str] = if route.starts_with("/calendars/") {
            &["2021-04-15", "2023-02-21"]
        } else {
            &["2021-07-28", "2021-04-15", "2023-02-21"]
        };
        match headers.get("version") {
            None => Err(ApiError::unauthorized("version header was not found.")),
            Some(version) if version == "v3" => Ok(Self::V3),
            Some(version) if dated.iter().any(|known| version == known) => Ok(Self::Dated),
            Some(_) => Err(ApiError::unauthorized("version header is invalid")),
        }
    }

    /// Whether a route is spoken in this version: the deprecated list is gone from `v3`, and one path has another name.
    pub(super) fn has(self, method: &Method, route: &str) -> bool {
        match route {
            "/contacts/" => self == Self::Dated || method != Method::GET,
            "/contacts/{contactId}/campaigns/removeAll" => self == Self::Dated,
            "/contacts/{contactId}/campaigns/remove-all" => self == Self::V3,
            _ => true,
        }
    }

    /// A body as the dated versions write it.
    pub(super) fn read(self, body: &mut Map<String, Value>) {
        if self == Self::Dated {
            return;
        }
        for field in body.get_mut("customFields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(field) = field.as_object_mut()
                && let Some(value) = field.remove("fieldValue")
            {
                field.insert("field_value".to_owned(), value);
            }
        }
        if let Some(settings) = body.get_mut("dndSettings").and_then(Value::as_object_mut) {
            rename(settings, |(dated, v3)| (v3, dated));
        }
    }

    /// A reply as this version writes it.
    pub(super) async fn write(self, reply: Response) -> Response {
        let is_json = reply.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        if self == Self::Dated || !is_json {
            return reply;
        }
        let (mut parts, body) = reply.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let Ok(mut told) = serde_json::from_slice(&bytes) else {
            return Response::from_parts(parts, Body::from(bytes));
        };
        parts.headers.remove(CONTENT_LENGTH);
        if parts.status.is_success() {
            translate(&mut told)
        } else {
            told = error(parts.status, &told)
        };
        Response::from_parts(parts, Body::from(told.to_string()))
    }
}

fn translate(told: &mut Value) {
    let Some(fields) = told.as_object_mut() else { return };
    if let Some(done) = fields.get("succeded").cloned() {
        fields.insert("succeeded".to_owned(), done);
        // The misspelt one stays beside it, deprecated, but for the update of a contact.
        if fields.contains_key("contact") {
            fields.remove("succeded");
        }
    }
    let one = fields.get_mut("contact").into_iter().collect::<Vec<_>>();
    for contact in one {
        translate_contact(contact);
    }
    for contact in fields.get_mut("contacts").and_then(Value::as_array_mut).into_iter().flatten() {
        translate_contact(contact);
    }
}

fn translate_contact(contact: &mut Value) {
    if let Some(settings) = contact.get_mut("dndSettings").and_then(Value::as_object_mut) {
        rename(settings, |names| names);
    }
}

fn rename(
    settings: &mut Map<String, Value>,
    way: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    for (from, to) in CHANNELS.map(way) {
        if let Some(setting) = settings.remove(from) {
            settings.insert(to.to_owned(), setting);
        }
    }
}

/// `{error: {code, message, details, resolution}}`
fn error(status: StatusCode, told: &Value) -> Value {
    let list = told["message"].as_array();
    let message = match list {
        Some(_) => "Validation failed".into(),
        None => told["message"].clone(),
    };
    let mut details = json!(list.cloned().unwrap_or_default());
    if let Some(meta) = told.get("meta") {
        details = json!([meta]);
    }
    json!({ "error": {
        "code": status.canonical_reason().unwrap_or_default().to_uppercase().replace(' ', "_"),
        "message": message,
        "details": details,
        "resolution": "See the documentation of this operation.",
    }, "traceId": told["traceId"] })
}
