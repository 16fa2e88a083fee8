//! What the end of a job means for the run of which it is a step.

use serde_json::{Value, json};
use sync_model::job::{JobKey, JobKind};

use super::super::ledger::timestamp;
use super::super::notices::Notice;
use super::super::runs::Run;
use super::super::sql::sql;
use super::super::{RecordsError, Write, page};
use super::{FlowRun, Logged, in_flight, next, save, step_of, touched};
use crate::flows::{self, Flow};

/// The jobs of a run are done: the flows of which they are steps go on, with what they answered.
pub(in crate::records) async fn done(write: &mut Write, run: &Run) -> Result<(), RecordsError> {
    for (job_id, event_id) in &run.steps {
        let Some((id, Some(step))) = step_of(&run.key, flows::SOURCE, Some(event_id.as_str())) else { continue };
        let Some(mut of) = in_flight(write, id).await?.filter(|of| of.step == step) else { continue };
        page::flush(write).await?;
        let answer = match run.key.kind == JobKind::CallOperation.as_str() {
            true => {
                let reply = reply(write, job_id).await?;
                touched::touch(write, &of.location_id, &reply).await?;
                reply
            }
            false => ids_of(write, &run.key).await?,
        };
        of.passed(&Flow::read(&of.flow, &of.definition).ok(), Some(answer), write.now_ms);
        if save(write, &of).await? {
            write.pending.push(next(&of.location_id, &of.id, of.priority));
        }
    }
    Ok(())
}

/// The jobs of a run were given up, and with them the steps that they are, until a person decides. For the numbers only: which runs are
/// dead is read from the ledger.
pub(in crate::records) async fn given_up(write: &mut Write, run: &Run) -> Result<(), RecordsError> {
    let own = (run.key.kind == JobKind::FlowStep.as_str()).then(|| run.key.record_id.clone());
    let steps = run
        .steps
        .iter()
        .filter_map(|(_, event_id)| Some(step_of(&run.key, flows::SOURCE, Some(event_id.as_str()))?.0.to_owned()));
    for id in own.into_iter().chain(steps) {
        if let Some(of) = in_flight(write, &id).await? {
            let about = json!({"flow": of.flow, "step": of.step});
            let notice = Notice::new("flow.failed", "flow-run", &of.id).at(&of.location_id).with(about);
            write.notice(match &of.contact_id {
                Some(contact_id) => notice.of(contact_id),
                None => notice,
            });
            write.ended.push((of.flow, "dead".to_owned()));
        }
    }
    Ok(())
}

/// A person closed a dead job for good: the run ends with it.
pub(in crate::records) async fn discarded(
    write: &mut Write,
    key: &JobKey,
    source: &str,
    event_id: Option<&str>,
) -> Result<(), RecordsError> {
    if let Some((id, _)) = step_of(key, source, event_id) {
        let now_ms = write.now_ms;
        let end = sqlx::query(sql!("end_flow_run")).bind("discarded").bind(id).bind(now_ms);
        end.fetch_optional(write.conn()).await?;
    }
    Ok(())
}

/// A contact is erased: its runs end where they are and forget what they know. Returns how many there were.
pub(in crate::records) async fn erased(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
) -> Result<u64, RecordsError> {
    let query = sqlx::query_scalar(sql!("flow_runs_of_contact")).bind(location_id).bind(contact_id);
    let ids: Vec<String> = query.fetch_all(write.conn()).await?;
    for id in &ids {
        let step = in_flight(write, id).await?.map_or(0, |run| run.step);
        let now_ms = write.now_ms;
        let end = sqlx::query(sql!("end_flow_run")).bind("erased").bind(id).bind(now_ms);
        end.fetch_optional(write.conn()).await?;
        let event_id = format!("{id}.{step}");
        let close = sqlx::query(sql!("close_flow_jobs")).bind(now_ms).bind(id).bind(event_id).bind(location_id);
        close.execute(write.conn()).await?;
    }
    sqlx::query(sql!("erase_triggers")).bind(location_id).bind(contact_id).execute(write.conn()).await?;
    Ok(ids.len() as u64)
}

/// By which the record is known that a job is about: in the words of events.
pub(super) async fn ids_of(write: &mut Write, key: &JobKey) -> Result<Value, RecordsError> {
    let JobKey { kind, location_id, record_id } = key;
    let (ghl, own) = match JobKind::parse(kind) {
        Some(JobKind::PullContact | JobKind::EnrichContact) => return Ok(json!({"contactId": record_id})),
        Some(JobKind::PushContact) => {
            let query = sqlx::query_as(sql!("ids_of_contact")).bind(location_id).bind(record_id);
            let ids: Option<(String, Option<String>)> = query.fetch_optional(write.conn()).await?;
            let ids = ids.map(|(id, own)| json!({"contactId": id, "clientyContactId": own}));
            return Ok(ids.unwrap_or(json!({})));
        }
        Some(JobKind::PushTask) => ("taskId", "clientyTaskId"),
        Some(JobKind::PushNote) => ("noteId", "clientyNoteId"),
        Some(JobKind::PushAppointment) => ("appointmentId", "clientyAppointmentId"),
        _ => return Ok(json!({})),
    };
    let query = sqlx::query_as(sql!("ids_of_entry")).bind(location_id).bind(record_id);
    let ids: Option<(String, Option<String>, Option<String>)> = query.fetch_optional(write.conn()).await?;
    Ok(ids.map_or(json!({}), |(contact, id, of_clienty)| json!({"contactId": contact, ghl: id, own: of_clienty})))
}

/// The record that a job is about, as readers see it; null where it is none that is kept, or is deleted.
pub(super) async fn record_of(write: &mut Write, key: &JobKey) -> Result<Value, RecordsError> {
    let statement = match JobKind::parse(&key.kind) {
        Some(JobKind::PushContact) => sql!("doc_of_contact"),
        Some(JobKind::PushTask | JobKind::PushNote | JobKind::PushAppointment) => sql!("doc_of_entry"),
        _ => return Ok(Value::Null),
    };
    let query = sqlx::query_scalar(statement).bind(&key.location_id).bind(&key.record_id);
    let doc: Option<String> = query.fetch_optional(write.conn()).await?;
    let mut record: Value = doc.and_then(|doc| serde_json::from_str(&doc).ok()).unwrap_or_default();
    if let (Some(record), Value::Object(ids)) = (record.as_object_mut(), ids_of(write, key).await?) {
        record.extend(ids);
    }
    Ok(record)
}

async fn reply(write: &mut Write, job_id: &str) -> Result<Value, RecordsError> {
    let reply: Option<Option<String>> =
        sqlx::query_scalar(sql!("reply")).bind(job_id).fetch_optional(write.conn()).await?;
    let reply: Option<Value> = reply.flatten().and_then(|text| serde_json::from_str(&text).ok());
    Ok(reply.map_or(json!({}), |reply| reply["body"].clone()))
}

impl FlowRun {
    /// The step is over: done, with its answer, or passed over. What no later step speaks of is not kept.
    pub fn passed(&mut self, flow: &Option<Flow>, answer: Option<Value>, now_ms: i64) {
        self.log.push(Logged { step: self.step, done: answer.is_some(), at: timestamp(now_ms) });
        let name = flow.as_ref().and_then(|flow| {
            let name = flow.steps.get(self.step)?.name.as_deref()?;
            flow.reports_of(self.step, name).then_some(name)
        });
        if let Some(name) = name {
            // Null is for those that were passed over.
            let answer = answer.map(|answer| if answer.is_null() { json!({}) } else { answer });
            self.knows.answers.insert(name.to_owned(), answer.unwrap_or(Value::Null));
        }
        self.step += 1;
        self.wait_until_ms = None;
    }
}
