//! `GET /v1/locations/{location}/contacts/{contact}/enrichment`: what was looked up about a person, where, on what ground, and what came of it.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use sync_workers::enrich::Withheld;

use super::allowed::{Allowed, ReadsPeople};
use super::path::Ids;
use super::{Gateway, Problem};

/// The answer to a request under Article 14 or 15 of the GDPR, as far as enrichment goes.
pub(super) async fn show(
    allowed: Allowed<ReadsPeople>,
    Ids((location, contact)): Ids<(String, String)>,
    State(gateway): State<Gateway>,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let problem = |error| Problem::records(&error);
    if !records.sees(&location).await.map_err(problem)? {
        return Err(Problem::unknown_location());
    }
    let Some((row, fields)) = records.enrichments(&location, &contact).await.map_err(problem)? else {
        return Err(match records.erasure(&location, &contact).await.map_err(problem)? {
            None => Problem::not_found(
                "there is no such contact, or it was deleted; a `contact.selected` event fetches one from GHL",
            ),
            Some(receipt) => Problem::not_found(format!(
                "the contact's data was erased at {}, receipt {}; nothing of what was looked up is kept",
                receipt.erased_at, receipt.id
            )),
        });
    };
    let asked = records.questions(&location, &row.contact_id).await.map_err(problem)?;
    let withheld = gateway.enrichment.withheld(&row.doc).map(Withheld::as_str);
    Ok(Json(json!({
        "contactId": row.contact_id,
        "ground": gateway.enrichment.consent.to_string(),
        "withheld": withheld,
        "fields": fields,
        "asked": asked,
    })))
}
