//! A run of the hooks' queue: one message to one hook about one record, and what its answer means.
//!
//! | answer | means |
//! |---|---|
//! | 2xx | accepted |
//! | 410 | the hook is disabled, a subscription deleted |
//! | 429, 502, 503, 504 | nothing is sent to the receiver for `Retry-After`, or half a minute; no attempt is spent |
//! | any other, or none | an attempt is spent; ten of them are made over three days. After 20 in a row one message a minute probes |
//!
//! If nothing was accepted for 120 hours, the hook is disabled.

use std::time::Duration;

use job_engine::{Handler, Job, Outcome, Permits};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use tokio::time::Instant;

use super::message::{Message, message};
use super::metrics::DeliveryOutcome;
use super::schedule::{DISABLED_AFTER, HOLD, LONGEST_HOLD};
use super::{HookError, Hooks, secrets};
use crate::records::{Hook, HookKind, Owed, OwedChange, Settled, Tried};
use crate::signing;
use outbound::outside::{Answer, OutsideError};

/// After a fault of our own database or vault, which spends no try of anybody.
const OWN_FAULT: Duration = Duration::from_secs(2);
/// After a panic.
const PANICKED: Duration = Duration::from_secs(60);

/// Runs the jobs of the hooks' queue.
pub struct Deliverer {
    hooks: Hooks,
}

/// A message on its way: of whose changes, and which.
struct Sending<'a> {
    hook: &'a Hook,
    changes: &'a [&'a OwedChange],
    /// Whether there are more unsent changes of the contact.
    more: bool,
}

impl Deliverer {
    /// For these hooks.
    #[must_use]
    pub fn new(hooks: Hooks) -> Self {
        Self { hooks }
    }

    async fn deliver(&self, job: &Job, permits: &Permits) -> Result<Outcome, HookError> {
        let Some(pending) = self.hooks.records.pending_to_hook(&job.key.lane, &job.key.record).await? else {
            return Ok(Outcome::Done);
        };
        let now_ms = self.hooks.clock.now_ms();
        let (due, waits) = first_record(&pending, now_ms);
        let Some(first) = due.first() else { return Ok(Outcome::Snooze { after: waits }) };
        let records = &self.hooks.records;
        let record = records.shown_record(&first.location_id, &first.record, &first.record_id).await?;
        let changes: Vec<OwedChange> = due.iter().map(|change| (*change).clone()).collect();
        let sending = Sending { hook: &pending.hook, changes: &due, more: due.len() < pending.changes.len() };
        let Some(message) =
            message(&pending.hook.id, &pending.hook.events, pending.hook.reads_people, &changes, record.as_ref())
        else {
            return self.settle(&sending, &Tried::default(), Settled::Dropped, DeliveryOutcome::Dropped).await;
        };
        let Ok(permit) = permits.take() else { return Ok(Outcome::Released) };
        let began = Instant::now();
        let answer = self.hooks.send(&pending.hook, &message).await?;
        permit.answered();
        self.hooks.metrics.took(began.elapsed());
        let took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        tracing::debug!(hook.id = pending.hook.id, hook.event = message.event, took_ms, "a message was sent to a hook");
        self.conclude(&sending, answer, took_ms).await
    }

    /// What an answer means.
    async fn conclude(
        &self,
        sending: &Sending<'_>,
        answer: Result<Answer, OutsideError>,
        took_ms: i64,
    ) -> Result<Outcome, HookError> {
        let (status, error) = match &answer {
            Ok(answer) if answer.status.is_success() => (Some(answer.status), None),
            Ok(answer) => (Some(answer.status), Some(format!("the receiver answered {}", answer.status.as_u16()))),
            Err(error) => (None, Some(error.to_string())),
        };
        let tried = Tried { status: status.map(|status| status.as_u16()), error, took_ms };
        let now_ms = self.hooks.clock.now_ms();
        let at_ms = |after: Duration| now_ms.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        match status {
            Some(status) if status.is_success() => {
                self.settle(sending, &tried, Settled::Sent, DeliveryOutcome::Sent).await
            }
            Some(StatusCode::GONE) => self.ended(sending.hook).await,
            Some(
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT,
            ) => {
                let asked = answer.ok().and_then(|answer| answer.retry_after);
                let hold = asked.unwrap_or(HOLD).clamp(Duration::from_secs(1), LONGEST_HOLD);
                let settled = Settled::Held { at_ms: at_ms(hold) };
                self.settle(sending, &tried, settled, DeliveryOutcome::Throttled).await?;
                Ok(Outcome::Throttled { hold })
            }
            _ => {
                // Each change has its ten tries: the newest one decides.
                let failed = sending.changes.iter().map(|change| change.attempts).min().unwrap_or(0) + 1;
                match self.hooks.schedule.wait(u32::try_from(failed).unwrap_or(u32::MAX)) {
                    Some(after) => {
                        let settled = Settled::Again { at_ms: at_ms(after) };
                        self.settle(sending, &tried, settled, DeliveryOutcome::Failed).await?;
                        Ok(Outcome::Retry { after })
                    }
                    None => {
                        let more = self.settle(sending, &tried, Settled::GivenUp, DeliveryOutcome::GivenUp).await?;
                        Ok(if sending.more { more } else { Outcome::Dead })
                    }
                }
            }
        }
    }

    /// Writes down what became of the message. What is left of the contact comes behind the others of its hook.
    async fn settle(
        &self,
        sending: &Sending<'_>,
        tried: &Tried,
        settled: Settled,
        outcome: DeliveryOutcome,
    ) -> Result<Outcome, HookError> {
        let Sending { hook, changes, more } = sending;
        let seqs: Vec<i64> = changes.iter().map(|change| change.seq).collect();
        let Some(message) = seqs.last() else { return Ok(Outcome::Done) };
        let failing_since = self.hooks.records.settle_hook(&hook.id, &seqs, *message, tried, settled).await?;
        self.hooks.metrics.count(outcome);
        let failing_ms = failing_since.map(|since| self.hooks.clock.now_ms().saturating_sub(since));
        if failing_ms
            .is_some_and(|ms| i128::from(ms) >= i128::try_from(DISABLED_AFTER.as_millis()).unwrap_or(i128::MAX))
        {
            let why = "no delivery succeeded for 120 hours; mend the endpoint, then enable the hook";
            if self.hooks.records.disable_hook(&hook.id, why).await? {
                tracing::warn!(hook.id = hook.id, "a hook is disabled: no delivery succeeded for 120 hours");
                self.hooks.metrics.count(DeliveryOutcome::Disabled);
            }
        }
        Ok(if *more { Outcome::Snooze { after: Duration::ZERO } } else { Outcome::Done })
    }

    /// The receiver wants no more.
    async fn ended(&self, hook: &Hook) -> Result<Outcome, HookError> {
        let records = &self.hooks.records;
        match hook.kind {
            HookKind::Rest => drop(records.delete_hook(&hook.id).await?),
            HookKind::Webhook => drop(records.disable_hook(&hook.id, "the receiver answered 410 Gone").await?),
        }
        tracing::info!(hook.id = hook.id, "a hook ended: its receiver answered 410");
        self.hooks.metrics.count(DeliveryOutcome::Gone);
        Ok(Outcome::Done)
    }
}

/// The open changes of the record whose oldest one is first, so that older changes are sent first; and how long to wait if none is due.
/// Nothing of the contact goes before it.
fn first_record(pending: &Owed, now_ms: i64) -> (Vec<&OwedChange>, Duration) {
    let Some(first) = pending.changes.first() else { return (Vec::new(), Duration::ZERO) };
    // A notice is a message of its own.
    let goes_with_first = |change: &&OwedChange| match first.notice {
        Some(_) => change.seq == first.seq,
        None => change.record_id == first.record_id,
    };
    let of_record: Vec<_> = pending.changes.iter().filter(goes_with_first).collect();
    // A new change is a reason to try at once.
    let due = of_record.iter().map(|change| change.next_at_ms.unwrap_or(now_ms)).min().unwrap_or(now_ms);
    match u64::try_from(due - now_ms) {
        Ok(0) | Err(_) => (of_record, Duration::ZERO),
        Ok(wait) => (Vec::new(), Duration::from_millis(wait)),
    }
}

impl Hooks {
    /// Sends a message to a hook, signed by every secret that is in force.
    pub(super) async fn send(&self, hook: &Hook, message: &Message) -> Result<Result<Answer, OutsideError>, HookError> {
        // The settings may have changed since the address was checked. That is no fault of ours that passes.
        let target = match self.door.target(&hook.url) {
            Ok(target) => target,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let now_ms = self.clock.now_ms();
        let timestamp = now_ms.div_euclid(1000);
        let signatures: Vec<String> = secrets::in_force(self.vault()?, hook, now_ms)?
            .iter()
            .map(|secret| signing::sign(secret, &message.id, timestamp, &message.body))
            .collect::<Result<_, _>>()?;
        let request = self
            .door
            .request(Method::POST, &target)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(message.body.clone());
        Ok(self.door.send(request).await)
    }
}

impl Handler for Deliverer {
    async fn run(&self, job: Job, permits: Permits) -> Outcome {
        match self.deliver(&job, &permits).await {
            Ok(outcome) => outcome,
            // The receiver is not at fault, so nothing is counted against it.
            Err(error) => {
                tracing::warn!(hook.id = job.key.lane, %error, "a message to a hook was not sent; it is sent later");
                Outcome::Snooze { after: OWN_FAULT }
            }
        }
    }

    async fn dead_letter(&self, job: Job, reason: &str) -> Outcome {
        tracing::error!(
            hook.id = job.key.lane,
            reason,
            "messages of a hook killed their worker and are not sent again"
        );
        let pending = match self.hooks.records.pending_to_hook(&job.key.lane, &job.key.record).await {
            Ok(Some(pending)) => pending,
            Ok(None) => return Outcome::Dead,
            Err(_) => return Outcome::Retry { after: PANICKED },
        };
        let changes: Vec<_> = pending.changes.iter().collect();
        let tried = Tried { error: Some(reason.to_owned()), ..Tried::default() };
        let sending = Sending { hook: &pending.hook, changes: &changes, more: false };
        match self.settle(&sending, &tried, Settled::GivenUp, DeliveryOutcome::GivenUp).await {
            Ok(_) => Outcome::Dead,
            Err(_) => Outcome::Retry { after: PANICKED },
        }
    }

    fn ended(&self, job: &Job, outcome: &Outcome, took: Duration, _: &Permits) {
        tracing::trace!(hook.id = job.key.lane, outcome = outcome.as_str(), ?took, "a run of a hook ended");
    }

    fn panicked(&self, job: &Job) -> Outcome {
        tracing::error!(hook.id = job.key.lane, "sending a message to a hook panicked; it is sent again");
        Outcome::Retry { after: PANICKED }
    }
}
