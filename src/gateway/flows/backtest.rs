//! What a flow would have done in the last days.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::{find, not_an_object, wrong_fields};
use crate::flows::backtest::{Asked, MOST_DAYS, NoBacktest, backtest as ask};
use crate::gateway::allowed::{Allowed, Reads};
use crate::gateway::deadline::in_time;
use crate::gateway::json::json_of;
use crate::gateway::path::Ids;
use crate::gateway::{Gateway, Problem};
use crate::triggers::{FieldError, Fields};

/// So long it may look back, within the deadline of a request: what was not looked at is said.
const BUDGET: Duration = Duration::from_millis(1_500);
const DAYS: u32 = 7;

/// `POST /v1/flows/{flow}/backtest` `{days?}`: how often it would have run, and how many calls that would have cost. Nothing is sent or kept.
pub(in crate::gateway) async fn backtest(
    allowed: Allowed<Reads>,
    State(gateway): State<Gateway>,
    Ids(name): Ids<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let found = find(records, &name).await?;
    let days = if body.is_empty() { DAYS } else { days(&json_of(&body)?)? };
    let flow = found.flow().ok_or_else(|| {
        let detail = "the flow is broken: GET /v1/flows names what is wrong";
        Problem::new(StatusCode::CONFLICT, "The flow is disabled", detail)
    })?;
    let limit = gateway.settings.iter().find(|setting| setting.key == "ghl.daily_limit");
    let daily_limit = limit.and_then(|limit| limit.value.as_deref()?.parse().ok()).unwrap_or(u32::MAX);
    let asked = Asked { days, budget: BUDGET, daily_limit };
    let reported = in_time(ask(records, &flow, gateway.webhooks.clock.now(), &asked)).await?;
    reported.map(Json).map_err(|error| match error {
        NoBacktest::Records(error) => Problem::records(&error),
        NoBacktest::NotEnqueued(why) => {
            wrong_fields(vec![FieldError { field: "on".to_owned(), message: why.to_owned() }])
        }
    })
}

fn days(body: &Value) -> Result<u32, Problem> {
    let object = body.as_object().ok_or_else(|| not_an_object(body))?;
    let mut fields = Fields::new(object, "");
    let days = fields.whole("days", 1..=u64::from(MOST_DAYS));
    let errors = fields.finish();
    if !errors.is_empty() {
        return Err(wrong_fields(errors));
    }
    Ok(days.and_then(|days| u32::try_from(days).ok()).unwrap_or(DAYS))
}
