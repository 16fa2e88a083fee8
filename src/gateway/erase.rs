//! `DELETE /v1/locations/{locationId}/contacts/{contactId}/data`: erases one person's data, and gives a receipt.

use axum::Json;
use axum::http::StatusCode;
use sync_workers::records::{Receipt, RecordsError};

use super::Problem;
use super::allowed::{Allowed, Decides};
use super::path::Ids;

/// Asked for again, it gives the same receipt.
pub(super) async fn erase(
    allowed: Allowed<Decides>,
    Ids((location, contact)): Ids<(String, String)>,
) -> Result<Json<Receipt>, Problem> {
    let erased = allowed.records().erase(&location, &contact).await.map_err(|error| match error {
        RecordsError::Unwiped => {
            let detail = "the records are erased, but open reads kept their old copies in the database's log; \
                          send the request again for the receipt";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Erasure still running", detail)
        }
        error => Problem::records(&error),
    })?;
    erased.map(Json).ok_or_else(|| Problem::not_found("the location is not connected and has no records"))
}
