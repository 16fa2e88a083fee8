//! `flow_step`: continues the run of a flow, up to the next step that takes time.
//!
//! A step with an event or a call becomes a job of its own, accepted in the transaction that closes
//! this one; when that job is done, it creates the next `flow_step`. A wait postpones this job.
//! This job makes no calls: ordinary jobs make the calls of a flow, under the location's limit.
//! A script runs here, before the transaction and not in it: the step is reached first, stored, and
//! then computed by the next run of this job, so nothing waits for it and a crash repeats it alone.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use job_engine::NewJob;
use serde_json::Value;

use super::{Environment, JobError, new_job};
use crate::events::FieldError;
use crate::flows::{
    Again, Condition, Flow, Known, MissingValue, ORIGIN_GHL, On, Request, Step, StepAction, Work, WorkOf, object_of,
};
use crate::http_steps::{NotReady, Sent};
use crate::records::{AcceptError, Bringing, ContactRow, FlowRun, Run, Touch, Tx};
use crate::scripts::Ran;
use sync_model::time_zone;

/// How long a run waits for other flows' calls to be answered.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// Between two looks.
const SOON: Duration = Duration::from_secs(1);

/// What comes of a step.
enum Came {
    /// It is over, and the one behind it is next: done, with what it answered, or passed over.
    Over(Option<Value>),
    /// It takes time.
    Pause(Pause),
    /// It can't be done.
    Failed(JobError),
}

/// What a step has done outside of a transaction.
enum Alone {
    /// A script ran.
    Ran(Ran),
    /// A request was sent.
    Sent(Sent),
}

/// What the run waits for.
enum Pause {
    /// This time, in ms since 1970.
    Until(i64),
    /// The end of this job, which was accepted.
    Job(NewJob),
    /// What a person decides.
    Failed(JobError),
}

pub(super) async fn run(environment: &Environment, run: &Run) -> Result<(), JobError> {
    let connection = environment.records.connection(&run.key.location_id).await?;
    if !connection.as_ref().is_some_and(|connection| connection.is_connected()) {
        return Err(JobError::NotConnected);
    }
    let Some(at) = environment.records.flow_run(&run.key.record_id).await?.filter(|at| at.outcome.is_none()) else {
        return Ok(environment.records.begin(run).await?.close_run(&[]).await?);
    };
    let row = match &at.contact_id {
        None => None,
        Some(id) => match environment.records.find_contact(&at.location_id, id).await? {
            None => match arrived(environment, &at.location_id, id).await? {
                None => {
                    let mut tx = environment.records.begin(run).await?;
                    tx.save_flow_run(&FlowRun { outcome: Some("skipped".to_owned()), ..at }).await?;
                    return Ok(tx.close_run(&[]).await?);
                }
                row => row,
            },
            row => row,
        },
    };
    let contact = match &row {
        None => None,
        Some(row) => Some(environment.records.as_readers_see(row).await?),
    };
    let flow = Flow::read(&at.flow, &at.definition);
    let flow = flow.map_err(|mistakes| failed(&format!("flow {}", at.flow), &in_a_line(&mistakes)))?;
    let zone = connection.and_then(|connection| time_zone::zone(connection.time_zone.as_deref()?).ok());
    let scan = ScanProgress { environment, flow, row, contact, zone: zone.unwrap_or(TimeZone::UTC) };
    let came = scan.alone(run, &at).await?;
    let mut tx = environment.records.begin(run).await?;
    match scan.go(&mut tx, at, came).await? {
        None => Ok(tx.close_run(&[]).await?),
        Some(Pause::Job(job)) => {
            tx.close_run(&[]).await?;
            if let Err(error) = environment.queue.push(&[job]).await {
                tracing::warn!(%error, "the job of a flow's step was not enqueued; the requeuer enqueues it");
            }
            Ok(())
        }
        Some(Pause::Failed(error)) => {
            tx.keep_open().await?;
            Err(error)
        }
        Some(Pause::Until(until_ms)) => {
            tx.keep_open().await?;
            let left = until_ms.saturating_sub(environment.clock.now_ms());
            Err(JobError::Deferred { wait: Duration::from_millis(u64::try_from(left).unwrap_or(0)) })
        }
    }
}

/// The contact, which was not known a moment ago; none where GHL has no such contact. While a job fetches it, the run waits.
async fn arrived(environment: &Environment, location_id: &str, id: &str) -> Result<Option<ContactRow>, JobError> {
    let records = &environment.records;
    match records.bringing(location_id, id).await? {
        Bringing::UnderWay => Err(JobError::Deferred { wait: SOON }),
        // The job may have stored it since the first look.
        ended => match records.find_contact(location_id, id).await? {
            None if ended == Bringing::GivenUp => {
                Err(failed(&format!("contact {id}"), "the job that fetches it is a dead letter; retry that one first"))
            }
            row => Ok(row),
        },
    }
}

/// A run's way through its steps.
struct ScanProgress<'a> {
    environment: &'a Environment,
    flow: Flow,
    row: Option<ContactRow>,
    /// The contact as it is now.
    contact: Option<Value>,
    /// Of the location; UTC while nobody knows it.
    zone: TimeZone,
}

impl ScanProgress<'_> {
    /// Up to what takes time; none where the run has ended.
    async fn go(&self, tx: &mut Tx, mut at: FlowRun, mut alone: Option<Alone>) -> Result<Option<Pause>, JobError> {
        let now_ms = self.environment.clock.now_ms();
        // Perhaps by its own last step.
        let is_gone = self.row.as_ref().is_some_and(|row| !row.is_visible()) && at.step < self.flow.steps.len();
        let begins = at.step == 0 && at.wait_until_ms.is_none();
        let is_idle = begins && (self.is_own(tx, &at).await? || !all_hold(&self.flow.only_if, &self.known(&at)));
        if is_gone || is_idle {
            at.outcome = Some("skipped".to_owned());
        }
        while at.outcome.is_none() {
            if at.step >= self.flow.steps.len() {
                at.outcome = Some("done".to_owned());
                break;
            }
            let alone = alone.take();
            if let Some(Alone::Ran(ran)) = &alone
                && !ran.printed.is_empty()
            {
                at.knows.printed.insert(self.flow.title(at.step), ran.printed.clone());
            }
            // Of what is unknown the mark stays.
            at.knows.sent = match &alone {
                Some(Alone::Sent(Sent::Unknown(_))) => Some(at.step),
                _ => None,
            };
            match self.step(tx, &at, alone).await? {
                Came::Over(answer) => at.passed(&Some(self.flow.clone()), answer, now_ms),
                Came::Failed(error) => {
                    tx.save_flow_run(&at).await?;
                    return Ok(Some(Pause::Failed(error)));
                }
                Came::Pause(pause) => {
                    if let Pause::Until(until_ms) = pause {
                        at.wait_until_ms = Some(until_ms);
                    }
                    tx.save_flow_run(&at).await?;
                    return Ok(Some(pause));
                }
            }
        }
        tx.save_flow_run(&at).await?;
        Ok(None)
    }

    /// Whether the run was started by what a flow did in GHL.
    async fn is_own(&self, tx: &mut Tx, at: &FlowRun) -> Result<bool, JobError> {
        let event = &at.knows.event;
        let object = match &self.flow.on {
            Some(On::Webhook(_)) => object_of(event),
            // A contact is changed by an event of a flow, never by a call of it, and so is no news.
            Some(On::Event(_) | On::Changed { .. }) if event["origin"] == ORIGIN_GHL => {
                ["taskId", "noteId", "appointmentId"].iter().find_map(|id| event["data"][*id].as_str())
            }
            _ => None,
        };
        let Some(object) = object else { return Ok(false) };
        let is_young = self.environment.clock.now().duration_since(at.started_at) < PATIENCE;
        match tx.touched(object).await? {
            Touch::Own => Ok(true),
            Touch::News => Ok(false),
            Touch::Unknown if is_young => Err(JobError::Deferred { wait: SOON }),
            Touch::Unknown => Ok(false),
        }
    }

    /// Does what the step does outside of a transaction, if the run has reached such a step.
    async fn alone(&self, run: &Run, at: &FlowRun) -> Result<Option<Alone>, JobError> {
        let is_gone = self.row.as_ref().is_some_and(|row| !row.is_visible());
        let step = self.flow.steps.get(at.step).filter(|_| at.wait_until_ms.is_some() && !is_gone);
        let Some(step) = step.filter(|step| matches!(step.action, StepAction::Script(_) | StepAction::Http(_))) else {
            return Ok(None);
        };
        let of = self.work_of(at);
        // What can't be filled is said by the step itself.
        match (&step.action, step.work(&of, &self.known(at)).ok().flatten()) {
            (StepAction::Script(script), Some(Work::Script(_, input))) => {
                Ok(Some(Alone::Ran(self.environment.scripts.run(&script.source, input).await?)))
            }
            (_, Some(Work::Http(request))) => {
                Ok(Some(Alone::Sent(self.send(run, at, &request, &of.event_id()).await?)))
            }
            _ => Ok(None),
        }
    }

    /// Sends a request. One that must not be sent twice is marked before: who finds the mark does not send it.
    async fn send(&self, run: &Run, at: &FlowRun, request: &Request, id: &str) -> Result<Sent, JobError> {
        if at.knows.sent == Some(at.step) {
            return Ok(Sent::Unknown(
                "an earlier run sent it and did not live to see the answer, or lost it".to_owned(),
            ));
        }
        let ready = match self.environment.http_steps.ready(request, id).await {
            Ok(ready) => ready,
            Err(NotReady::Refused(reason)) => return Ok(Sent::Refused(reason)),
            Err(NotReady::Busy) => return Err(JobError::Deferred { wait: SOON }),
            Err(NotReady::Records(error)) => return Err(error.into()),
        };
        if request.again == Again::Guarded {
            let mut marked = at.clone();
            marked.knows.sent = Some(at.step);
            let mut tx = self.environment.records.begin(run).await?;
            tx.save_flow_run(&marked).await?;
            tx.keep_open().await?;
        }
        Ok(ready.send().await)
    }

    fn work_of<'a>(&'a self, at: &'a FlowRun) -> WorkOf<'a> {
        WorkOf {
            flow: &self.flow.name,
            run: &at.id,
            step: at.step,
            location_id: &at.location_id,
            contact_id: self.row.as_ref().map(|row| row.contact_id.as_str()),
            priority: at.priority,
        }
    }

    async fn step(&self, tx: &mut Tx, at: &FlowRun, alone: Option<Alone>) -> Result<Came, JobError> {
        let (known, now_ms) = (self.known(at), self.environment.clock.now_ms());
        let Some(step) = self.flow.steps.get(at.step) else { return Ok(Came::Over(None)) };
        let place = format!("flow {}, {}", self.flow.name, self.flow.title(at.step));
        // Who waits has passed the conditions of the wait.
        if at.wait_until_ms.is_none() && !(is_turn(step, at) && all_hold(&step.only_if, &known)) {
            return Ok(Came::Over(None));
        }
        if let StepAction::Wait(wait) = &step.action {
            let until_ms = at
                .wait_until_ms
                .unwrap_or_else(|| wait.until(self.environment.clock.now(), &self.zone).as_millisecond());
            return Ok(if until_ms <= now_ms {
                Came::Over(Some(Value::Null))
            } else {
                Came::Pause(Pause::Until(until_ms))
            });
        }
        let of = self.work_of(at);
        if matches!(step.action, StepAction::Call(_)) && self.row.as_ref().is_some_and(ContactRow::is_pending) {
            return Err(JobError::AwaitsContact { wait: SOON });
        }
        let work = match step.work(&of, &known) {
            Ok(Some(work)) => work,
            Ok(None) | Err(MissingValue::PassedOver { .. }) => return Ok(Came::Over(None)),
            Err(missing) => return Err(failed(&place, &missing.to_string())),
        };
        if let Work::Script(script, _) = &work {
            return Ok(match alone {
                Some(Alone::Ran(Ran { answer: Ok(answer), .. })) => Came::Over(Some(answer.into())),
                Some(Alone::Ran(Ran { answer: Err(failure), .. })) => Came::Failed(failed(&place, &failure.of(script))),
                _ => Came::Pause(Pause::Until(now_ms)),
            });
        }
        if let Work::Http(_) = &work {
            return Ok(match alone {
                Some(Alone::Sent(Sent::Answered(answer))) => Came::Over(Some(answer)),
                Some(Alone::Sent(Sent::Refused(reason))) => Came::Failed(failed(&place, &reason)),
                Some(Alone::Sent(Sent::Later { reason, wait })) => {
                    Came::Failed(JobError::Outside { place, reason, wait })
                }
                Some(Alone::Sent(Sent::Unknown(reason))) => {
                    let reason = format!(
                        "it is unknown whether the address did it ({reason}), so it is not sent again: look there; `jobs discard` ends the run"
                    );
                    Came::Failed(failed(&place, &reason))
                }
                _ => Came::Pause(Pause::Until(now_ms)),
            });
        }
        let trigger = of.trigger(&work).map_err(|mistakes| failed(&place, &in_a_line(&mistakes)))?;
        let Some(trigger) = trigger else { return Ok(Came::Over(None)) };
        let (source, event_type) = (trigger.event.source.clone(), trigger.event.event_type.clone());
        if let Work::Call(_, request) = &work {
            tx.touch(request).await?;
        }
        let accepted = match tx.accept(trigger).await {
            Ok(accepted) => accepted,
            Err(AcceptError::Refused(refusal) | AcceptError::IdReused(refusal)) => {
                return Err(failed(&place, &format!("{}: {}", refusal.field, refusal.message)));
            }
            Err(AcceptError::Unmapped { field, message, .. }) => {
                return Err(failed(&place, &format!("{field}: {message}")));
            }
            Err(AcceptError::Records(error)) => return Err(error.into()),
        };
        let Some(accepted) = accepted else { return Ok(Came::Over(None)) };
        self.environment.metrics.event_accepted(&source, &event_type);
        Ok(Came::Pause(Pause::Job(new_job(&accepted.key, accepted.priority))))
    }

    fn known<'a>(&'a self, at: &'a FlowRun) -> Known<'a> {
        Known {
            now: self.environment.clock.now(),
            contact: self.contact.as_ref(),
            event: &at.knows.event,
            set: &at.knows.set,
            answers: &at.knows.answers,
            is_dry_run: false,
        }
    }
}

/// Whether the step in whose place it is done was skipped.
fn is_turn(step: &Step, at: &FlowRun) -> bool {
    let was_done = |other: usize| at.log.iter().any(|logged| logged.step == other && logged.done);
    !step.instead_of.is_some_and(was_done)
}

/// In earnest there is nothing that can't be reported.
fn all_hold(conditions: &[Condition], known: &Known<'_>) -> bool {
    conditions.iter().all(|condition| condition.holds(known).unwrap_or(false))
}

fn failed(place: &str, reason: &str) -> JobError {
    JobError::FlowStep { place: place.to_owned(), reason: reason.to_owned() }
}

fn in_a_line(mistakes: &[FieldError]) -> String {
    let each = mistakes.iter().map(|FieldError { field, message }| format!("{field} {message}"));
    each.collect::<Vec<_>>().join("; ")
}
