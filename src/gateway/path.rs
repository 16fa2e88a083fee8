//! The ids in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Problem;

/// As axum's [`Path`], with a problem instead of plain text where the path can't be read, as `/v1/jobs/%FF`.
pub(super) struct Ids<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let no_such = || Problem::not_found("an id in the path holds what no id can hold");
        // PostgreSQL keeps no NUL in a text, and would fail at one instead of finding nothing.
        if parts.uri.path().contains("%00") {
            return Err(no_such());
        }
        let Path(ids) = Path::from_request_parts(parts, state).await.map_err(|_| no_such())?;
        Ok(Self(ids))
    }
}
