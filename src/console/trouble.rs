//! A page that says what went wrong, and what to do.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sync_workers::records::RecordsError;
use tokio::time::timeout;

use super::visitor::Visitor;
use super::{PATIENCE, assets};
use crate::gateway::Reads;

/// Why there is no page.
#[derive(Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

#[derive(Template)]
#[template(path = "console/trouble.html")]
struct Page<'a> {
    version: &'static str,
    status: u16,
    title: &'a str,
    detail: &'a str,
    is_signed_out: bool,
}

impl Trouble {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into() }
    }

    /// 404, for what is not there and for what the key may not see.
    pub(super) fn no_such(what: &str) -> Self {
        let detail = format!("There is no such {what} here, or this key does not see it.");
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    pub(super) fn busy() -> Self {
        let detail =
            "The database has too much to do to make this page. The work itself goes on. Open it again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too busy", detail)
    }

    /// 409: what was shown is so no more.
    pub(super) fn moved_on(state: &str) -> Self {
        let detail = format!("It is {state} by now, so nothing was done. Go back and look at it again.");
        Self::new(StatusCode::CONFLICT, "It has moved on", detail)
    }

    pub(super) fn no_queue() -> Self {
        let detail = "The queue does not answer, so nothing was done. Do it again once it does: the page Now tells.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "No queue", detail)
    }

    pub(super) fn internal() -> Self {
        let detail = "It is logged under the x-request-id of this answer. Open the page again.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something failed here", detail)
    }
}

impl From<RecordsError> for Trouble {
    fn from(error: RecordsError) -> Self {
        if matches!(error, RecordsError::Cursor) {
            return Self::no_such("page of this list");
        }
        tracing::error!(error = &error as &dyn std::error::Error, "a page of the console failed");
        if error.is_passing() { Self::busy() } else { Self::internal() }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Self { status, title, detail } = &self;
        let is_signed_out = *status == StatusCode::UNAUTHORIZED;
        let page = Page { version: assets::version(), status: status.as_u16(), title, detail, is_signed_out };
        match page.render() {
            Ok(html) => (*status, axum::response::Html(html)).into_response(),
            Err(_) => (*status, self.detail).into_response(),
        }
    }
}

/// What a question comes to, unless the database takes too long: then it is not waited for.
pub(super) async fn in_time<T>(question: impl Future<Output = Result<T, RecordsError>>) -> Result<T, Trouble> {
    match timeout(PATIENCE, question).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::busy()),
    }
}

/// Every other address under `/ui`.
pub(super) async fn no_page(_: Visitor<Reads>) -> Trouble {
    Trouble::no_such("page")
}
