//! Request bodies: read leniently, checked strictly, and every fault named at once, as GHL does.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::api_error::ApiError;
use super::dates;
use super::state::Caller;
use super::version::Version;

/// A JSON object from a request. Without a JSON content type the body is not read, and counts as empty.
pub(super) struct Payload(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_json = kind.to_ascii_lowercase().starts_with("application/json");
        let version = request.extensions().get::<Caller>().map_or(Version::Dated, |caller| caller.version);
        let bytes =
            Bytes::from_request(request, state).await.map_err(|error| ApiError::bad_request(error.to_string()))?;
        if !is_json || bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        let mut body = serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(error.to_string()))?;
        version.read(&mut body);
        Ok(Self(body))
    }
}

/// A field that a route knows.
#[derive(Clone, Copy)]
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// A field that must be there, and not be null.
pub(super) const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

/// A field that may be absent or null.
pub(super) const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

#[derive(Clone, Copy)]
pub(super) enum Shape {
    Text,
    /// A text with something in it.
    Filled,
    Email,
    Flag,
    Number,
    Texts,
    Object,
    Objects,
    /// An ISO 8601 moment or day.
    Moment,
    /// An ISO 8601 moment without fractions of a second.
    WholeSecond,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    Anything,
}

impl Shape {
    fn complaint(self, name: &str, value: &Value) -> Option<String> {
        let (fits, wish) = match self {
            Self::Text => (value.is_string(), "must be a string"),
            Self::Filled if value.is_string() => (value.as_str() != Some(""), "should not be empty"),
            Self::Filled => (false, "must be a string"),
            Self::Email => (value.as_str().is_some_and(|text| text.is_empty() || is_email(text)), "must be an email"),
            Self::Flag => (value.is_boolean(), "must be a boolean value"),
            Self::Number => (value.is_number(), "must be a number conforming to the specified constraints"),
            Self::Texts if value.is_array() => (all(value, Value::is_string), "must be strings, each of them"),
            Self::Texts | Self::Objects if !value.is_array() => (false, "must be an array"),
            Self::Texts | Self::Objects => (all(value, Value::is_object), "must be objects, each of them"),
            Self::Object => (value.is_object(), "must be an object"),
            Self::Moment => (value.as_str().and_then(dates::parse).is_some(), "must be a valid ISO 8601 date string"),
            Self::WholeSecond => (
                value.as_str().is_some_and(|text| !text.contains('.') && dates::parse(text).is_some()),
                "must be a valid ISO 8601 date string",
            ),
            Self::OneOf(all) => {
                let fits = value.as_str().is_some_and(|text| all.contains(&text));
                return (!fits).then(|| format!("{name} must be one of the following values: {}", all.join(", ")));
            }
            Self::Anything => (true, ""),
        };
        (!fits).then(|| format!("{name} {wish}"))
    }
}

fn all(list: &Value, fits: fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|items| items.iter().all(fits))
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !text.contains(char::is_whitespace)
    })
}

/// Accepts `body` if it has all required fields, no unknown one, and each is of its shape.
pub(super) fn check(body: &Map<String, Value>, fields: &[Field]) -> Result<(), ApiError> {
    let mut complaints: Vec<String> = body
        .keys()
        .filter(|name| !fields.iter().any(|field| field.name == *name))
        .map(|name| format!("property {name} should not exist"))
        .collect();
    for Field { name, shape, required } in fields {
        match body.get(*name) {
            None | Some(Value::Null) if *required => complaints.push(format!("{name} should not be empty")),
            None | Some(Value::Null) => {}
            Some(value) => complaints.extend(shape.complaint(name, value)),
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(ApiError::unprocessable(complaints)) }
}
