//! Stores webhooks together that arrive together: a commit costs the same for one as for a hundred.
//!
//! One task takes all that wait, writes them in one transaction and only then answers each. While
//! it writes, the next ones gather, so the batches grow with the load and a single webhook does not
//! wait for others. The number that waits is bounded: beyond it, and beyond [`DEADLINE`], the
//! sender gets a 429 and repeats the webhook, which costs less than to keep it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use job_engine::{NewJob, Priority};
use sync_workers::jobs;
use sync_workers::records::{JobKey, NewWebhook, RecordsError, Sign, WebhookOutcome, WebhookResult};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::gateway::deadline::DEADLINE;
use crate::producer::Producer;

/// Webhooks of one transaction at most.
const BATCH: usize = 256;
/// Webhooks that wait for one.
const WAITING: usize = 1024;
/// How long a batch may take. A database that hangs must not hold up for ever what comes after it.
const STORE_DUE: Duration = Duration::from_secs(10);
/// How long a contact's job waits for more webhooks of the same burst: GHL sends several for one edit.
const GATHERING: Duration = Duration::from_millis(500);
/// Batches whose jobs are not enqueued yet. If there are more, the requeuer enqueues them.
const NOT_ENQUEUED: usize = 64;

/// Where webhooks are handed in. Clones share the task behind it, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Intake {
    waiting: mpsc::Sender<Waiting>,
}

/// A webhook whose sender waits for the answer.
struct Waiting {
    webhook: NewWebhook,
    answer: oneshot::Sender<Taken>,
}

/// What became of a webhook, and the ledger row that it led to.
pub(super) struct Taken {
    pub(super) result: WebhookResult,
    pub(super) job_id: Option<String>,
}

impl Intake {
    /// Starts the task that stores.
    #[must_use]
    pub fn start(producer: Producer) -> Self {
        let (waiting, taken) = mpsc::channel(WAITING);
        let (not_enqueued, report) = mpsc::channel(NOT_ENQUEUED);
        tokio::spawn(store(producer.clone(), taken, not_enqueued));
        tokio::spawn(enqueue(producer, report));
        Self { waiting }
    }

    /// Stores a webhook; none where that is not possible now. It may have been stored all the same, and then is a duplicate when it
    /// repeats it.
    pub(super) async fn take(&self, webhook: NewWebhook) -> Option<Taken> {
        let (answer, reported) = oneshot::channel();
        self.waiting.try_send(Waiting { webhook, answer }).ok()?;
        timeout(DEADLINE, reported).await.ok()?.ok()
    }
}

async fn store(producer: Producer, mut taken: mpsc::Receiver<Waiting>, not_enqueued: mpsc::Sender<Vec<NewJob>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while taken.recv_many(&mut batch, BATCH).await > 0 {
        // Their senders got a 429 already and will send them again.
        batch.retain(|waiting: &Waiting| !waiting.answer.is_closed());
        let (webhooks, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|Waiting { webhook, answer }| (webhook, answer)).unzip();
        let Ok(outcomes) = timeout(STORE_DUE, accept(&producer, &webhooks)).await else {
            tracing::error!(
                webhooks = webhooks.len(),
                "the database did not answer in time; GHL is asked to send webhooks again"
            );
            continue;
        };
        note(&producer, &webhooks).await;
        let mut keys = HashMap::new();
        for (outcome, answer) in outcomes.into_iter().zip(answers) {
            // Without an outcome the answer is dropped, which the sender sees as a 429.
            let Some(WebhookOutcome { result, job, job_id }) = outcome else { continue };
            keys.extend(job.map(|key| (key, ())));
            // A sender that no longer waits sends the webhook again, and gets the answer "duplicate".
            let _ = answer.send(Taken { result, job_id });
        }
        let mut jobs: Vec<_> = keys.into_keys().map(|key| job(&key)).collect();
        // Runs of flows that webhooks have started.
        jobs.extend(
            producer.records().take_pending().iter().map(|pending| jobs::new_job(&pending.key(), pending.priority)),
        );
        if !jobs.is_empty() && not_enqueued.try_send(jobs).is_err() {
            tracing::warn!("webhooks were accepted, but their jobs were not enqueued; the requeuer enqueues them");
        }
    }
}

/// What became of each; none of those that could not be stored. One that the database can't hold must not take the others with it.
async fn accept(producer: &Producer, webhooks: &[NewWebhook]) -> Vec<Option<WebhookOutcome>> {
    let records = producer.records();
    let failed = |error: &RecordsError| {
        tracing::error!(error = error as &dyn std::error::Error, webhooks = webhooks.len(), "webhooks can't be stored");
    };
    match records.accept_webhooks(webhooks).await {
        Ok(outcomes) => outcomes.into_iter().map(Some).collect(),
        Err(error) if error.is_passing() || webhooks.len() == 1 => {
            failed(&error);
            webhooks.iter().map(|_| None).collect()
        }
        Err(error) => {
            failed(&error);
            let mut outcomes = Vec::with_capacity(webhooks.len());
            for webhook in webhooks {
                let one = records.accept_webhooks(std::slice::from_ref(webhook)).await;
                outcomes.push(one.ok().and_then(|mut outcomes| outcomes.pop()));
            }
            outcomes
        }
    }
}

/// Notes of which locations GHL sent something; for people, so a failure is no matter.
async fn note(producer: &Producer, webhooks: &[NewWebhook]) {
    let locations: BTreeSet<&str> = webhooks.iter().filter_map(|webhook| webhook.location_id.as_deref()).collect();
    for location in locations {
        if let Err(error) = producer.records().note_activity(location, Sign::Webhook).await {
            tracing::debug!(%error, "the time of a location's last webhook was not stored");
        }
    }
}

/// Enqueues jobs, separate from the storing: a queue that does not answer must not delay GHL.
async fn enqueue(producer: Producer, mut report: mpsc::Receiver<Vec<NewJob>>) {
    while let Some(jobs) = report.recv().await {
        if let Err(error) = producer.queue().push(&jobs).await {
            tracing::warn!(%error, jobs = jobs.len(), "accepted, but the jobs were not enqueued; the requeuer enqueues them");
        }
    }
}

fn job(key: &JobKey) -> NewJob {
    NewJob { delay: GATHERING, ..jobs::new_job(key, Priority::Realtime) }
}
