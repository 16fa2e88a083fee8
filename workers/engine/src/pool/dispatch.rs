//! Runs one claimed job and puts its outcome on the desk: the service that apalis calls.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::Task;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Service;

use super::alone::Alone;
use super::slots::{Held, Slots};
use super::{Handler, MAX_CRASHES, Stop};
use crate::job::{Job, SUSPECT};
use crate::outcome::Outcome;

pub(super) struct Dispatch<H> {
    handler: Arc<H>,
    desk: Arc<Slots>,
    alone: Arc<Alone>,
    stop: watch::Receiver<Stop>,
}

/// A worker whose handler panics twice goes on: its leases would live on without it.
fn panicked(handler: &impl Handler, job: &Job) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| handler.panicked(job)));
    outcome.unwrap_or(Outcome::Retry { after: PANICKED_TWICE })
}

/// Long enough that such a job does not keep a worker busy.
const PANICKED_TWICE: Duration = Duration::from_secs(60);

impl<H: Handler> Dispatch<H> {
    pub(super) fn new(handler: Arc<H>, desk: Arc<Slots>, alone: Arc<Alone>, stop: watch::Receiver<Stop>) -> Self {
        Self { handler, desk, alone, stop }
    }
}

impl<H: Handler> Service<Task<Held>> for Dispatch<H> {
    type Response = ();
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<(), Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Held>) -> Self::Future {
        let (handler, desk, alone) = (Arc::clone(&self.handler), Arc::clone(&self.desk), Arc::clone(&self.alone));
        let mut stop = self.stop.clone();
        Box::pin(async move {
            let Held { job, permits } = task.args;
            let began = Instant::now();
            let run = async {
                if job.crashes >= MAX_CRASHES {
                    let reason = format!(
                        "it was running when {} workers died, and ran alone when the last one did",
                        job.crashes
                    );
                    return handler.dead_letter(job.clone(), &reason).await;
                }
                if job.crashes >= SUSPECT {
                    return alone.run(&job, Box::pin(handler.run(job.clone(), permits.clone()))).await;
                }
                let _beside = alone.beside().await;
                // Not by way of a variable: a run is large, and would be kept twice.
                handler.run(job.clone(), permits.clone()).await
            };
            let outcome = tokio::select! {
                ended = AssertUnwindSafe(run).catch_unwind() => ended.unwrap_or_else(|_| panicked(&*handler, &job)),
                Ok(_) = stop.wait_for(|stop| *stop == Stop::Now) => Outcome::Released,
            };
            // Before anybody reads what it sent.
            permits.close();
            let reported = catch_unwind(AssertUnwindSafe(|| handler.ended(&job, &outcome, began.elapsed(), &permits)));
            if reported.is_err() {
                tracing::error!(
                    job.kind = job.key.kind,
                    "the report of an ended run panicked; the queue gets the outcome"
                );
            }
            desk.end(job, outcome, &permits);
            Ok(())
        })
    }
}
