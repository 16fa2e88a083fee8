//! How GHL says no: one JSON shape, with a message that is a text or a list of texts.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

/// An error reply.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: Value,
    error: Option<&'static str>,
    meta: Option<Value>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<Value>) -> Self {
        Self { status, message: message.into(), error: None, meta: None }
    }

    fn named(self, error: &'static str) -> Self {
        Self { error: Some(error), ..self }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message.into())
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(super) fn foreign_location() -> Self {
        Self::new(StatusCode::FORBIDDEN, "The token does not have access to this location.")
    }

    /// A 401 like that of a dead token, which it is not.
    pub(super) fn missing_scope() -> Self {
        Self::unauthorized("The token is not authorized for this scope.")
    }

    pub(super) fn no_contact(id: &str) -> Self {
        Self::bad_request(format!("Contact with id {id} not found"))
    }

    /// A task or note that is not there: a plain 404, unlike a contact.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message.into()).named("Not Found")
    }

    pub(super) fn unprocessable(messages: Vec<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, messages).named("Unprocessable Entity")
    }

    pub(super) fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")
    }

    pub(super) fn duplicate_contact(contact: &Value, matching_field: &str) -> Self {
        let meta =
            json!({ "contactId": contact["id"], "contactName": contact["name"], "matchingField": matching_field });
        Self { meta: Some(meta), ..Self::bad_request("This location does not allow duplicated contacts.") }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, message, error, meta } = self;
        let mut body = json!({ "statusCode": status.as_u16(), "message": message });
        if let Some(error) = error {
            body["error"] = error.into();
        }
        if let Some(meta) = meta {
            body["meta"] = meta;
        }
        // Refusals by what stands before the application carry no trace id.
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) {
            body["traceId"] = Uuid::new_v4().to_string().into();
        }
        (status, Json(body)).into_response()
    }
}
