//! Runs that the pool aborts when it is forced to stop: their ledger rows are released, or they
//! would read `running` until another process took them.

use std::sync::{Mutex, PoisonError};

use crate::records::{Records, RecordsError, Run};

/// Runs that were dropped before their end.
#[derive(Default)]
pub(super) struct InFlight(Mutex<Vec<Run>>);

/// A run in progress. Dropped before [`UnderWay::end`], it was interrupted.
pub(super) struct UnderWay<'a> {
    run: Option<Run>,
    in_flight: &'a InFlight,
}

impl InFlight {
    pub(super) fn watch(&self, run: &Run) -> UnderWay<'_> {
        UnderWay { run: Some(run.clone()), in_flight: self }
    }

    /// Gives back the rows that no other run has taken meanwhile, without an attempt spent.
    pub(super) async fn give_back(&self, records: &Records) {
        let runs = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for run in runs {
            match records.release_run(&run, None, None).await {
                Ok(()) | Err(RecordsError::LostRun(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, "a run was not released in the ledger; the requeuer finds it")
                }
            }
        }
    }
}

impl UnderWay<'_> {
    pub(super) fn end(mut self) {
        self.run = None;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // A panic while the ledger was written: the row keeps its epoch, since its retry is in the queue, and takes it over.
        if let Some(run) = self.run.take().filter(|_| !std::thread::panicking()) {
            self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        }
    }
}
