//! How a run begins: in the transaction that takes in what starts it, and once for each trigger.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ghl::json::clip;
use job_engine::Priority;
use serde_json::{Map, json};
use sync_model::decide::rules::Trigger;
use sync_model::ids;
use sync_model::job::{JobKey, JobKind};
use uuid::Uuid;

use super::super::change::Edited;
use super::super::contacts::{self, ContactRow};
use super::super::runs::FollowUp;
use super::super::sql::sql;
use super::super::{NewWebhook, RecordsError, Write, erase};
use super::{Knows, ending, happened, next};
use crate::events::IncomingEvent;
use crate::flows::{Flow, IN_A_CHANGE, ORIGIN_CLIENTY, On};

/// How deep the body of a webhook may nest that starts a run.
const DEPTH: usize = 100;

/// What starts a run.
pub(in crate::records) struct Start<'a> {
    pub(in crate::records) location_id: &'a str,
    pub(in crate::records) contact_id: Option<&'a str>,
    /// By which a repetition is known.
    pub(in crate::records) trigger: Option<&'a str>,
    pub(in crate::records) knows: Knows,
    pub(in crate::records) priority: Priority,
}

/// Starts a run; nothing where one was started by the same trigger.
pub(in crate::records) async fn start(
    write: &mut Write,
    flow: &Flow,
    start: &Start<'_>,
) -> Result<Option<String>, RecordsError> {
    let Start { location_id, contact_id, trigger, knows, priority } = start;
    if !flow.runs_in(location_id) {
        return Ok(None);
    }
    let mut hash = None;
    if let Some(text) = *trigger {
        let as_text = sqlx::query_scalar(sql!("started_as_text")).bind(*location_id).bind(&flow.name).bind(text);
        let earlier: i64 = as_text.fetch_one(write.conn()).await?;
        if earlier > 0 {
            return Ok(None);
        }
        hash = Some(hash_of(&[location_id, &flow.name, text]));
    }
    let id = Uuid::now_v7().to_string();
    let now_ms = write.now_ms;
    let started = sqlx::query(sql!("start_flow"))
        .bind(&id)
        .bind(&flow.name)
        .bind(*location_id)
        .bind(*contact_id)
        .bind(hash)
        .bind(flow.definition.to_string())
        .bind(json!(knows).to_string())
        .bind(i64::from(*priority as u8))
        .bind(now_ms)
        .bind(flow.version)
        .execute(write.conn())
        .await?;
    if started.rows_affected() == 0 {
        return Ok(None);
    }
    write.pending.push(next(location_id, &id, *priority));
    Ok(Some(id))
}

/// Something happened to a contact in GHL: starts the flow, once; a tag that was lost or came again starts it `again`.
pub(in crate::records) async fn start_for(
    write: &mut Write,
    row: &ContactRow,
    flow: &Flow,
    on: &Trigger,
    again: bool,
) -> Result<bool, RecordsError> {
    let (event_type, tag) = match on {
        Trigger::Created => ("contact.created", None),
        Trigger::Tagged(tag) => ("contact.tagged", Some(tag)),
        Trigger::Untagged(tag) => ("contact.untagged", Some(tag)),
    };
    let mut event = json!({"type": event_type, "locationId": row.location_id, "contactId": row.contact_id});
    let mut trigger = format!("{event_type} {}", row.contact_id);
    if let Some(tag) = tag {
        event["tag"] = tag.as_str().into();
        trigger = format!("{trigger} {}", indexed(tag));
    }
    let knows = Knows { event, set: flow.set.clone(), answers: Map::new(), ..Knows::default() };
    let (location_id, contact_id) = (row.location_id.as_str(), Some(row.contact_id.as_str()));
    let first = Start { location_id, contact_id, trigger: Some(&trigger), knows, priority: Priority::Realtime };
    if start(write, flow, &first).await?.is_some() {
        return Ok(true);
    }
    let trigger = format!("{trigger} {}", Uuid::now_v7());
    Ok(again && start(write, flow, &Start { trigger: Some(&trigger), ..first }).await?.is_some())
}

/// A text as it stands in an index, which has no room for a long one.
fn indexed(text: &str) -> Cow<'_, str> {
    if text.len() <= ids::LONGEST {
        return text.into();
    }
    hash_of(&[text]).into()
}

/// What started a run is kept as a hash: a tag may say of a person what is nobody's business, and the run stays when the tag has gone.
fn hash_of(texts: &[&str]) -> String {
    format!("sha256:{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, texts.join("\0").as_bytes())))
}

/// A producer's event was accepted: starts the flows that wait for it. An event is accepted once, and so is what it starts.
pub(in crate::records) async fn start_by_event(
    write: &mut Write,
    trigger: &IncomingEvent,
    key: &JobKey,
    edited: Option<Edited>,
) -> Result<(), RecordsError> {
    let event = &trigger.event;
    let flows = write.flows.clone();
    let said = On::Event(event.event_type.clone());
    for flow in flows.iter().filter(|flow| flow.runs_in(&event.location_id)) {
        // What a producer says is an event whatever it changes. What else the change is only the record reports.
        let by_change = |on: &On| {
            let Edited { changed, .. } = edited.as_ref()?;
            let is_further = matches!(on, On::Event(name) if IN_A_CHANGE.contains(&name.as_str()));
            on.met_by(changed).filter(|_| is_further || matches!(on, On::Changed { .. }))
        };
        let event_type = match &flow.on {
            Some(on) if *on == said => event.event_type.clone(),
            Some(on) => match by_change(on) {
                Some(event_type) => event_type,
                None => continue,
            },
            None => continue,
        };
        let contact_id = match ending::ids_of(write, key).await?["contactId"].as_str() {
            Some(id) => Some(contacts::resolve(write.conn(), &event.location_id, id).await?),
            None => None,
        };
        let mut reported = json!({
            "id": event.id, "type": event_type, "locationId": event.location_id, "contactId": event.contact_id, "data": event.data,
            "record": ending::record_of(write, key).await?, "origin": ORIGIN_CLIENTY,
        });
        if let Some(Edited { changed, before }) = &edited {
            reported["before"] = json!(happened::reported(before, &changed.fields));
        }
        let knows = Knows { event: reported, set: flow.set.clone(), answers: Map::new(), ..Knows::default() };
        let location_id = &event.location_id;
        let by = Start {
            location_id,
            // Of one that is deleted no step can say anything.
            contact_id: contact_id.as_deref().filter(|_| event.event_type != "contact.deleted"),
            trigger: None,
            knows,
            priority: Priority::Realtime,
        };
        start(write, flow, &by).await?;
    }
    Ok(())
}

/// A webhook was taken for the first time: starts the flows that wait for it. Its contact is fetched first where it is not known.
pub(in crate::records) async fn start_by_webhook(write: &mut Write, webhook: &NewWebhook) -> Result<(), RecordsError> {
    let flows = write.flows.clone();
    let waiting: Vec<_> = flows.iter().filter(|flow| flow.on == Some(On::Webhook(webhook.event_type))).collect();
    let Some(location_id) = webhook.location_id.as_deref().filter(|_| !waiting.is_empty()) else { return Ok(()) };
    // What a run knows is put into other documents.
    let event = clip(serde_json::from_str(&webhook.body).unwrap_or_default(), DEPTH);
    // What is no id is no contact's.
    let contact_id = match event["contactId"].as_str().filter(|id| ids::is_id(id)) {
        Some(id) => Some(contacts::resolve(write.conn(), location_id, id).await?),
        None => None,
    };
    if let Some(id) = &contact_id {
        if !erase::erased_among(write.conn(), &[(location_id, id.as_str())]).await?.is_empty() {
            return Ok(());
        }
        if contacts::find(write.conn(), location_id, id).await?.is_none() {
            let (location_id, record_id) = (location_id.to_owned(), id.clone());
            write.pending.push(FollowUp {
                kind: JobKind::PullContact,
                location_id,
                record_id,
                priority: Priority::Realtime,
            });
        }
    }
    for flow in waiting {
        let knows = Knows { event: event.clone(), set: flow.set.clone(), answers: Map::new(), ..Knows::default() };
        let trigger = format!("webhook {}", webhook.id);
        let (contact_id, trigger) = (contact_id.as_deref(), Some(trigger.as_str()));
        start(write, flow, &Start { location_id, contact_id, trigger, knows, priority: Priority::Realtime }).await?;
    }
    Ok(())
}
