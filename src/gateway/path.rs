//! The ids in a path.

use axum::extract::{FromRequestParts, Path, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use sync_model::ids;

use super::Problem;
use crate::triggers::FieldError;

/// As axum's [`Path`], with a problem instead of plain text: 404 by name for what can be no id, as nothing has it.
pub(super) struct Ids<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let no_such = || Problem::not_found("an id in the path holds what no id can hold");
        let given = RawPathParams::from_request_parts(parts, state).await.map_err(|_| no_such())?;
        let wrong = given.iter().filter_map(|(name, id)| Some((name, ids::check(id).err()?)));
        let wrong = wrong.map(|(name, bad)| FieldError { field: field_of(name), message: bad.to_string() });
        let wrong: Vec<_> = wrong.collect();
        if !wrong.is_empty() {
            return Err(wrong.into_iter().fold(no_such(), |problem, error| problem.with(None, error)));
        }
        let Path(ids) = Path::from_request_parts(parts, state).await.map_err(|_| no_such())?;
        Ok(Self(ids))
    }
}

/// The name of a place in the routes, as producers spell it.
fn field_of(place: &str) -> String {
    match place {
        "operation" | "flow" => place.to_owned(),
        record => format!("{record}Id"),
    }
}
