//! Why a field holds what it holds: the chain from its value back to something outside of the program.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Row as _};
use sync_model::decide::fields::Record;
use sync_model::decide::merge::Side;
use sync_model::record::{Appointment, Contact};

use super::super::conflicts::KeptConflict;
use super::super::feed::Origin;
use super::super::ledger::timestamp;
use super::super::sql::sql;
use super::super::webhooks::{StoredWebhook, WEBHOOK_SOURCE, of_jobs, stored};
use super::super::{Records, RecordsError};
use super::listing::is_of;
use super::read::{Held, Scan};
use super::{Row, Via};
use crate::flows;

/// A field's value, and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// The same for as long as the record lives.
    pub record_id: String,
    /// The field's name within the record.
    pub field: String,
    /// What it holds now, or held when the record was deleted; null for nothing. Of a list, all of it.
    pub value: Value,
    /// From the value back to what came from outside. Empty where that is longer ago than the history goes back, and nobody knows who edited it.
    pub chain: Vec<Link>,
    /// What was before then is forgotten; none where nothing is.
    pub history_since: Option<Timestamp>,
}

/// A link of the chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "step")]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Link {
    /// The change that gave the field its value.
    Change { history_id: String, at: Timestamp, from: Value, to: Value, origin: Option<Origin>, is_new: bool },
    /// Both sides had edited the field, and a merge decided between them.
    Merge {
        conflict_id: String,
        winner: String,
        ours: Value,
        theirs: Value,
        found_at: Timestamp,
        undone_at: Option<Timestamp>,
    },
    /// GHL's answer to a write of this job.
    Reply { job_id: Option<String>, at: Timestamp },
    /// The record was read in GHL by this job.
    Look { job_id: Option<String>, at: Timestamp },
    /// A list of GHL's showed it to this job.
    List { job_id: Option<String>, kind: Option<String>, at: Timestamp },
    /// GHL sent this webhook. Its hash is the SHA-256 of the body as it came, in base64url.
    Webhook {
        webhook_id: String,
        r#type: Option<String>,
        received_at: Option<Timestamp>,
        sha256: Option<String>,
        signature_checked: bool,
    },
    /// An event that was accepted.
    Event { job_id: Option<String>, event_id: Option<String>, r#type: Option<String>, accepted_at: Option<Timestamp> },
    /// A step of a flow.
    Flow { run_id: String, flow: Option<String> },
    /// A rule of the settings.
    Rule { rule: String },
    /// A provider of enrichment gave it, or what it gave was taken back.
    Enrichment { job_id: Option<String>, provider: String, at: Timestamp },
    /// The job that was to write another value was closed by hand.
    Operator { job_id: Option<String>, at: Timestamp, why: Option<String> },
    /// The last edit of the field that is known, of before the history.
    LastEdit { at: Timestamp, by: Side },
    /// Who did it: `key`, `program`, `producer` where nobody keeps which, `cli`, `flow`, `rule`, `enrichment`, `operator`, `ghl`, or `ghlUser` where GHL names one.
    Actor { kind: &'static str, id: Option<String>, name: Option<String> },
}

/// A row of the ledger that a change belongs to.
struct Cause {
    source: String,
    event_id: Option<String>,
    event_type: String,
    kind: String,
    created_at: Timestamp,
    discarded_at: Option<Timestamp>,
    discarded_by: Option<String>,
    discarded_why: Option<String>,
}

/// Conflicts of a contact that are looked through for those of one field.
const MOST_CONFLICTS: i64 = 500;

impl Records {
    /// Where the value of a field came from, of the contact or of what hangs on it; none where there is no such record.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn why(
        &self,
        location_id: &str,
        contact_id: &str,
        record_id: Option<&str>,
        field: &str,
    ) -> Result<Option<Why>, RecordsError> {
        let Some(mut scan) = self.scan_back(location_id, contact_id).await? else { return Ok(None) };
        let Some((record_id, held)) = scan.record(record_id) else { return Ok(None) };
        let name = scan.name(field.to_owned());
        let (value, record) = (value_of(&held, &name), held.kind.clone());
        let mut chain = Vec::new();
        let last_edit = scan.contact.as_ref().filter(|row| row.row_id == record_id).and_then(|row| {
            let of = row.last_edits.iter().filter(|(edited, _)| is_of(edited, &name));
            of.map(|(_, edit)| *edit).max_by_key(|edit| edit.at)
        });
        while let Some((row, changes)) = scan.step()? {
            if row.record_id != record_id {
                continue;
            }
            let change = changes.into_iter().find(|change| is_of(&change.field, &name));
            if change.is_none() && !row.is_new {
                continue;
            }
            let (from, to) = change.map(|change| (change.from, change.to)).unwrap_or_default();
            let (history_id, at) = (row.seq.to_string(), timestamp(row.at_ms));
            chain.push(Link::Change { history_id, at, from, to, origin: row.origin, is_new: row.is_new });
            // A merge that left the value as it was says why it stands.
            let contact = scan.contact.as_ref().map_or(row.contact_id.as_str(), |contact| &contact.contact_id);
            let found = self.list_conflicts(location_id, Some(contact), None, MOST_CONFLICTS).await?.items;
            let since =
                found.into_iter().filter(|one| one.row_id == record_id && is_about(one, &name) && one.found_at >= at);
            chain.extend(since.map(merge));
            let mut connection = self.pool.acquire().await?;
            caused(&mut connection, &row, &scan, &mut chain).await?;
            break;
        }
        if chain.is_empty() {
            chain.extend(last_edit.map(|edit| Link::LastEdit { at: timestamp(edit.at), by: edit.by }));
        }
        let history_since = (scan.forgotten_ms > 0).then(|| timestamp(scan.forgotten_ms));
        Ok(Some(Why { record, record_id, field: field.to_owned(), value, chain, history_since }))
    }
}

impl Scan {
    /// The record of that id, else the contact.
    pub(super) fn record(&self, record_id: Option<&str>) -> Option<(String, Held)> {
        let is_wanted = |id: &String| match record_id {
            Some(wanted) => id == wanted,
            None => self.contact.as_ref().is_some_and(|row| row.row_id == *id),
        };
        self.records.iter().find(|(id, _)| is_wanted(id)).map(|(id, held)| (id.clone(), held.clone()))
    }
}

/// What the record holds in a field; of a list, all of its items.
pub(super) fn value_of(held: &Held, name: &str) -> Value {
    if let Some(value) = held.fields.get(name) {
        return value.clone();
    }
    let sets = if held.kind == Contact::NAME { Contact::SETS } else { &[] };
    let lists = if held.kind == Contact::NAME { Contact::KEYED } else { &[] };
    let items = held.fields.iter().filter(|(field, _)| is_of(field, name));
    let items = items.filter_map(|(field, value)| Some((field.split_once('.')?.1, value)));
    if sets.contains(&name) {
        items.map(|(item, _)| item).collect::<Vec<_>>().into()
    } else if lists.contains(&name) {
        items.map(|(id, value)| json!({"id": id, "value": value})).collect::<Vec<_>>().into()
    } else {
        Value::Null
    }
}

/// Whether a conflict is about the field, on its own or as one of several that belong together.
fn is_about(conflict: &KeptConflict, name: &str) -> bool {
    let together = if conflict.record == Appointment::NAME { Appointment::TOGETHER } else { &[] };
    is_of(&conflict.field, name) || (together.contains(&conflict.field.as_str()) && together.contains(&name))
}

fn merge(conflict: KeptConflict) -> Link {
    let KeptConflict { id, winner, ours, theirs, found_at, undone_at, .. } = conflict;
    Link::Merge { conflict_id: id, winner, ours, theirs, found_at, undone_at }
}

/// What the change came from, as far as that is kept.
async fn caused(
    connection: &mut AnyConnection,
    row: &Row,
    scan: &Scan,
    chain: &mut Vec<Link>,
) -> Result<(), RecordsError> {
    let (at, job_id) = (timestamp(row.at_ms), row.caused_by.clone());
    let job = match &job_id {
        Some(id) => cause(connection, id).await?,
        None => None,
    };
    let kind = job.as_ref().map(|job| job.kind.clone());
    match row.via.clone() {
        Some(Via::Webhook { webhook_id }) => {
            let found = sqlx::query(sql!("webhook")).bind(&webhook_id).fetch_optional(&mut *connection).await?;
            let found = found.as_ref().map(stored).transpose()?;
            return reported(webhook_id, found, chain);
        }
        Some(Via::Rule { rule }) => {
            chain.push(Link::Rule { rule: rule.clone() });
            chain.push(Link::Actor { kind: "rule", id: None, name: Some(rule) });
            return Ok(());
        }
        Some(Via::Enrichment { provider }) => {
            chain.push(Link::Enrichment { job_id, provider: provider.clone(), at });
            chain.push(Link::Actor { kind: "enrichment", id: None, name: Some(provider) });
            return Ok(());
        }
        Some(Via::Operator) => {
            let closed = job.filter(|job| job.discarded_at.is_some());
            let at = closed.as_ref().and_then(|job| job.discarded_at).unwrap_or(at);
            let (by, why) = closed.map(|job| (job.discarded_by, job.discarded_why)).unwrap_or_default();
            chain.push(Link::Operator { job_id, at, why });
            chain.push(Link::Actor { kind: "operator", id: None, name: by });
            return Ok(());
        }
        Some(Via::Reply) => chain.push(Link::Reply { job_id: job_id.clone(), at }),
        Some(Via::List) => chain.push(Link::List { job_id: job_id.clone(), kind, at }),
        Some(Via::Look) => chain.push(Link::Look { job_id: job_id.clone(), at }),
        Some(Via::Event) | None => {}
    }
    let is_event = matches!(row.via, Some(Via::Event));
    let Some(job) = job else {
        if is_event {
            chain.push(Link::Event { job_id, event_id: None, r#type: None, accepted_at: None });
        }
        return actor(connection, row.key_id.clone(), row.origin, chain).await;
    };
    match job.source.as_str() {
        WEBHOOK_SOURCE => {
            let ids: Vec<String> = job_id.into_iter().collect();
            match of_jobs(connection, &ids).await?.pop() {
                Some((_, webhook)) => reported(webhook.id.clone(), Some(webhook), chain),
                None => actor(connection, None, Some(Origin::Ghl), chain).await,
            }
        }
        flows::SOURCE => {
            let run_id = job.event_id.as_deref().and_then(|id| id.split_once('.')).map(|(run, _)| run.to_owned());
            let run_id = run_id.unwrap_or_default();
            let flow: Option<String> =
                sqlx::query_scalar(sql!("flow_of_run")).bind(&run_id).fetch_optional(&mut *connection).await?;
            chain.push(Link::Flow { run_id: run_id.clone(), flow: flow.clone() });
            chain.push(Link::Actor { kind: "flow", id: Some(run_id), name: flow });
            Ok(())
        }
        source if is_event || ["api", "cli"].contains(&source) => {
            let (event_id, accepted_at) = (job.event_id.clone(), Some(job.created_at));
            let is_cli = source == "cli";
            chain.push(Link::Event { job_id, event_id, r#type: Some(job.event_type), accepted_at });
            // The reply to an event's write is as much the work of who sent that.
            let is_of_event = |earlier: &&Row| earlier.caused_by == row.caused_by && earlier.key_id.is_some();
            let key = row.key_id.clone().or_else(|| scan.earlier().find(is_of_event)?.key_id.clone());
            let producer = match (&key, &row.caused_by, &job.event_id) {
                (None, Some(job_id), Some(event_id)) => {
                    let query = sqlx::query_scalar(sql!("producer_of_event")).bind(event_id).bind(job_id);
                    query.fetch_optional(&mut *connection).await?
                }
                _ => None::<String>,
            };
            let producer = producer.as_deref().and_then(|producer| producer.split_once(':'));
            let key = key.or_else(|| producer.filter(|(kind, _)| *kind == "key").map(|(_, id)| id.to_owned()));
            let program = producer.filter(|(kind, _)| *kind == "program").map(|(_, name)| name.to_owned());
            match (key, is_cli) {
                (None, true) => chain.push(Link::Actor { kind: "cli", id: None, name: None }),
                // Of a fetch without an id of its own nobody keeps whose it was.
                (None, false) if !is_event && program.is_none() => {
                    chain.push(Link::Actor { kind: "producer", id: None, name: None });
                }
                (None, false) => {
                    let name = program.filter(|name| !name.is_empty());
                    chain.push(Link::Actor { kind: "program", id: None, name });
                }
                (key, _) => return actor(connection, key, Some(Origin::Clienty), chain).await,
            }
            Ok(())
        }
        _ => actor(connection, None, row.origin, chain).await,
    }
}

/// The webhook, and whom it names.
fn reported(webhook_id: String, webhook: Option<StoredWebhook>, chain: &mut Vec<Link>) -> Result<(), RecordsError> {
    let user = webhook.as_ref().and_then(user_of);
    // Of one that was emptied nobody knows what it said.
    let kept = webhook.as_ref().filter(|webhook| webhook.body != "{}");
    chain.push(Link::Webhook {
        webhook_id,
        r#type: webhook.as_ref().map(|webhook| webhook.event_type.clone()),
        received_at: webhook.as_ref().map(|webhook| webhook.received_at),
        sha256: kept.map(|webhook| URL_SAFE_NO_PAD.encode(digest(&SHA256, webhook.body.as_bytes()))),
        // What is not signed by GHL is not kept.
        signature_checked: true,
    });
    let kind = if user.is_some() { "ghlUser" } else { "ghl" };
    chain.push(Link::Actor { kind, id: user, name: None });
    Ok(())
}

/// The user of GHL's that a webhook names as whose act it was.
fn user_of(webhook: &StoredWebhook) -> Option<String> {
    let said = webhook.said();
    let record = said.get("appointment").unwrap_or(&said);
    let named = [&record["userId"], &record["createdBy"]["userId"], &record["createdBy"], &record["user"]["id"]];
    named.into_iter().filter_map(Value::as_str).find(|id| !id.is_empty()).map(str::to_owned)
}

async fn actor(
    connection: &mut AnyConnection,
    key: Option<String>,
    origin: Option<Origin>,
    chain: &mut Vec<Link>,
) -> Result<(), RecordsError> {
    let (kind, name) = match (&key, origin) {
        (Some(key), _) => {
            let query = sqlx::query_scalar(sql!("name_of_key")).bind(key);
            ("key", query.fetch_optional(connection).await?)
        }
        (None, Some(Origin::Clienty)) => ("program", None),
        (None, Some(Origin::Flow)) => ("flow", None),
        (None, Some(Origin::Enrichment)) => ("enrichment", None),
        (None, Some(Origin::Ghl) | None) => ("ghl", None),
    };
    chain.push(Link::Actor { kind, id: key, name });
    Ok(())
}

async fn cause(connection: &mut AnyConnection, job_id: &str) -> Result<Option<Cause>, RecordsError> {
    let row = sqlx::query(sql!("cause_of_change")).bind(job_id).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Cause {
        source: row.try_get("source")?,
        event_id: row.try_get("event_id")?,
        event_type: row.try_get("event_type")?,
        kind: row.try_get("kind")?,
        created_at: timestamp(row.try_get("created_at")?),
        discarded_at: row.try_get::<Option<i64>, _>("discarded_at")?.map(timestamp),
        discarded_by: row.try_get("discarded_by")?,
        discarded_why: row.try_get("discarded_why")?,
    }))
}
