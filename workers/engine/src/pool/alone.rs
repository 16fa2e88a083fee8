//! Suspects run alone (law 11): the third crash of a job proves nothing where sixty others ran beside it. So whatever else the process runs ends
//! first, and what it claims waits until the suspect has ended. The queue is reported, so that a crash meanwhile counts for the suspect, and for no other.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, RwLock, RwLockReadGuard};
use tokio::time::interval;

use super::slots::Slots;
use crate::job::Job;
use crate::queue::Queue;

/// How often what was claimed meanwhile is noted too.
const NOTE_AGAIN: Duration = Duration::from_secs(1);

/// Lets the jobs of a process run side by side, and suspects alone.
pub(super) struct Alone {
    queue: Queue,
    /// By their shards.
    desks: Vec<Arc<Slots>>,
    running: RwLock<()>,
    /// One suspect at a time asks for all of `running`, so that others have their turn between two of them.
    suspect: Mutex<()>,
}

impl Alone {
    pub(super) fn new(queue: &Queue, desks: &[Arc<Slots>]) -> Self {
        Self { queue: queue.clone(), desks: desks.to_vec(), running: RwLock::default(), suspect: Mutex::default() }
    }

    /// The turn of a job that nobody suspects, beside others.
    pub(super) async fn beside(&self) -> RwLockReadGuard<'_, ()> {
        self.running.read().await
    }

    /// Runs a suspect when nothing else runs.
    pub(super) async fn run<T>(&self, job: &Job, mut run: Pin<Box<impl Future<Output = T>>>) -> T {
        let _next = self.suspect.lock().await;
        let _alone = self.running.write().await;
        tracing::info!(
            job.kind = job.key.kind,
            job.crashes = job.crashes,
            "a job that was running when workers died runs alone"
        );
        self.note(job, true).await;
        let mut claimed_meanwhile = interval(NOTE_AGAIN);
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                _ = claimed_meanwhile.tick() => self.note(job, true).await,
            }
        };
        self.note(job, false).await;
        ended
    }

    /// Where the queue does not answer, a crash proves nothing: the job stays a suspect.
    async fn note(&self, job: &Job, is_alone: bool) {
        let own = self.queue.shard_of(&job.key.lane);
        for (shard, desk) in self.desks.iter().enumerate() {
            let epochs: Vec<_> = desk.leases().into_iter().map(|(epoch, _)| epoch).collect();
            if epochs.is_empty() {
                continue;
            }
            let key = (shard == own).then_some(&job.key);
            if let Err(error) = self.queue.alone(shard, key, &epochs, is_alone).await {
                tracing::debug!(%error, "could not report to the queue that a job runs alone");
            }
        }
    }
}
