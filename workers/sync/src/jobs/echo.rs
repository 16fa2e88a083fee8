//! Pulls that webhooks asked for, and that need no call: what they say is our own write (law 8), or is all that changed.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{JobError, Task};
use crate::decide::echo::{Known, Told, Verdict, judge};
use crate::decide::fields::fields;
use crate::ghl::WireTime;
use crate::mapping::contact::told;

/// The webhooks that hold the whole contact.
const WHOLE: [&str; 4] = ["ContactCreate", "ContactUpdate", "ContactDndUpdate", "ContactTagUpdate"];

/// Whether the run's webhooks leave nothing to ask GHL for; what they say is stored then.
pub(super) async fn suffices(task: &Task<'_>) -> Result<bool, JobError> {
    let records = &task.environment.records;
    let webhooks = records.webhooks_of(&task.run.ids).await?;
    let is_whole = |kind: &str| WHOLE.contains(&kind);
    // Another event of the run may want what no webhook holds: tasks, notes, appointments.
    if webhooks.len() != task.run.ids.len() || !webhooks.iter().all(|webhook| is_whole(&webhook.event_type)) {
        return Ok(false);
    }
    let Some(row) = records.find_contact(task.location(), task.record()).await? else { return Ok(false) };
    let Some(base) = row.base.as_ref().filter(|_| row.is_shown() && !row.is_unread()) else { return Ok(false) };
    let (ours, held) = (fields(&row.doc), fields(base));
    let known = Known { ours: &ours, base: Some(&held), base_at: base.date_updated, prints: &row.prints };
    let mut news = None;
    for webhook in &webhooks {
        let body: Value = serde_json::from_str(&webhook.body).unwrap_or_default();
        let Some(told) = told(&body, &held) else { return Ok(false) };
        let at = body.get("timestamp").and_then(WireTime::read).and_then(|at| at.instant_in(&TimeZone::UTC));
        match (judge(&Told { fields: &told, at }, &known), at) {
            (Verdict::Echo, _) => {}
            // Of several that tell news, only GHL knows which came last.
            (Verdict::Apply(fields), Some(at)) if webhooks.len() == 1 => news = Some((fields, at)),
            (Verdict::Apply(_) | Verdict::Pull, _) => return Ok(false),
        }
    }
    if let Some((fields, at)) = news {
        let mut tx = records.begin(&task.run).await?;
        tx.contact_told(&row.row_id, &fields, at).await?;
        tx.keep_open().await?;
    }
    Ok(true)
}
