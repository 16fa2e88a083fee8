//! Errors as `application/problem+json` (RFC 9457), naming the field at fault.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sync_workers::records::RecordsError;

use super::problems;

use crate::flows::Mistake;
use crate::triggers::FieldError;

/// An answer that says what was wrong, where, and what to do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `/problems/<code>`, where the gateway explains it.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Faults beyond [`MOST_FAULTS`].
    #[serde(skip_serializing_if = "is_zero")]
    more_errors: usize,
    /// Seconds after which sending the request again can help.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// Faults that an answer lists. A body of many wrong values would make an answer many times as long.
const MOST_FAULTS: usize = 100;

/// One field at fault.
#[derive(Debug, Serialize)]
struct Fault {
    /// Position in the batch; absent where a single event was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// In the text of a flow, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    field: String,
    message: String,
}

impl Problem {
    /// A problem with a status of the 4xx or 5xx kind.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{}", problems::code_of(title)),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            more_errors: 0,
            retry_after: None,
        }
    }

    /// 503 for a server that has too much to do.
    pub fn busy(title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail).retry_after(1)
    }

    /// 429 for one client that asks too much.
    pub fn too_many(title: &'static str, detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, title, detail).retry_after(seconds)
    }

    /// 429 for a key that has sent as many events as it may in a minute.
    pub(super) fn too_many_events(wait: Duration) -> Self {
        let detail =
            "this key may send fewer events in a minute; nothing was stored, send them again after Retry-After seconds";
        Self::too_many("Too many events in a minute", detail, wait.as_secs() + 1)
    }

    /// Adds the `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// 409 for the id of another event.
    pub fn id_reused() -> Self {
        Self::new(StatusCode::CONFLICT, "The id is another event's", "nothing was stored")
    }

    /// 404 for a location of the path.
    pub fn unknown_location() -> Self {
        let message =
            "is not connected, and has no records here; `clienty-sync connect` connects a location".to_owned();
        Self::not_found("there is no such location").with(None, FieldError { field: "locationId".to_owned(), message })
    }

    /// 400 for one parameter of the query or the path.
    pub fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self::parameters(vec![FieldError { field: name.to_owned(), message: message.into() }])
    }

    /// 400 for parameters of the query or the path.
    pub fn parameters(wrong: Vec<FieldError>) -> Self {
        let names: Vec<_> = wrong.iter().map(|error| error.field.as_str()).collect();
        let title = if wrong.len() == 1 { "A parameter is wrong" } else { "Parameters are wrong" };
        let problem = Self::new(StatusCode::BAD_REQUEST, title, format!("see {}", names.join(", ")));
        wrong.into_iter().fold(problem, |problem, error| problem.with(None, error))
    }

    /// 500 without internals: the log has them.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        let detail = "the log has the error under this answer's x-request-id; you may send the request again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something failed here", detail)
    }

    /// 503 if sending the request again can help, 422 if the database refuses a value, else 500.
    pub fn records(error: &RecordsError) -> Self {
        if error.is_about_a_value() && !error.is_race() {
            tracing::error!(error = error as &dyn std::error::Error, "the database refused a request's value");
            let detail = "the database refuses a value of the request, and would refuse it again; nothing was stored";
            return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "A value can't be stored", detail);
        }
        if !error.is_passing() {
            return Self::internal(error);
        }
        tracing::error!(error = error as &dyn std::error::Error, "a request failed");
        let detail = match error {
            RecordsError::NoAnswer(_) => {
                "the database did not answer in time; send the request again: an event with an id is accepted once, however often you send it"
            }
            _ => "the database does not answer; nothing was stored; send the request again",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable", detail)
    }

    /// Adds a field at fault.
    #[must_use]
    pub fn with(mut self, index: Option<usize>, error: FieldError) -> Self {
        let FieldError { field, message } = error;
        if self.errors.len() < MOST_FAULTS {
            self.errors.push(Fault { index, line: None, column: None, field, message });
        } else {
            self.more_errors += 1;
        }
        self
    }

    /// Adds a mistake in a text.
    #[must_use]
    pub fn with_mistake(mut self, Mistake { line, column, field, message }: Mistake) -> Self {
        if self.errors.len() < MOST_FAULTS {
            self.errors.push(Fault { index: None, line: Some(line), column: Some(column), field, message });
        } else {
            self.more_errors += 1;
        }
        self
    }

    /// Whether a field is at fault.
    pub fn has_faults(&self) -> bool {
        !self.errors.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, axum::Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
