//! Batches that wait for SQLite's one writer share a transaction, and with it the one fsync that makes them durable.
//!
//! With `synchronous = full` a commit waits for the disk, and it costs the same for one batch as for a hundred. So a batch
//! that finds the writer busy waits with the others; whoever is first has a task of its own that takes all of them, runs
//! each behind a savepoint, commits once, and only then answers each. A single batch waits for nobody.
//!
//! Isolation: a batch that is refused is rolled back to its savepoint and leaves the others alone. When the database
//! itself fails, SQLite may have ended the transaction by itself: then nothing of the group is kept, and all are told.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::accept::{ACCEPT_DUE, AcceptError, Accepted, Trigger, take_in};
use super::{Records, RecordsError, Write};

/// Events of one transaction at most, unless a single batch has more: who reads waits for nobody, but who writes does.
const MOST_EVENTS: usize = 1_000;

/// How often a batch that lost a race begins anew.
const MAX_RACES: u8 = 3;

type Outcome = Result<Vec<Accepted>, AcceptError>;

/// Where batches wait. Clones of [`Records`] share it.
#[derive(Debug, Default)]
pub(super) struct Group(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<Batch>,
    /// Whether a task is at work that will take them.
    is_led: bool,
}

#[derive(Debug)]
struct Batch {
    triggers: Vec<Trigger>,
    /// Used once the writer has its turn; from then on the work takes as long as it takes.
    begun: oneshot::Sender<()>,
    answer: oneshot::Sender<Outcome>,
}

impl Group {
    /// Lets a batch wait. Whether the caller has to see to it that somebody leads.
    fn join(&self, batch: Batch) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.batches.push(batch);
        !std::mem::replace(&mut waiting.is_led, true)
    }

    /// The batches of the next transaction, in the order in which they came. None: the leader's work is over.
    fn next(&self) -> Option<Vec<Batch>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits for the answer of these any more.
        waiting.batches.retain(|batch| !batch.answer.is_closed());
        let mut events = 0;
        let most = waiting.batches.iter().take_while(|batch| {
            let is_first = events == 0;
            events += batch.triggers.len().max(1);
            is_first || events <= MOST_EVENTS
        });
        let count = most.count();
        if count == 0 {
            waiting.is_led = false;
            return None;
        }
        Some(waiting.batches.drain(..count).collect())
    }
}

/// The leader's turn. A leader that panics must not leave the others without one for ever.
struct Turn(Arc<Group>);

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
        }
    }
}

impl Records {
    /// Accepts one batch together with those that wait beside it.
    pub(super) async fn accept_in_group(&self, triggers: &[Trigger]) -> Outcome {
        let (answer, told) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        if self.group.join(Batch { triggers: triggers.to_vec(), begun, answer }) {
            // On its own: a caller that goes away must not take the others' transaction with it.
            tokio::spawn(lead(self.clone()));
        }
        if timeout(ACCEPT_DUE, has_begun).await.is_err() {
            // Dropped with it: the end at which the answer would arrive, so whoever leads passes it over.
            return Err(RecordsError::NoTurn(ACCEPT_DUE).into());
        }
        told.await.unwrap_or_else(|_| Err(RecordsError::from(sqlx::Error::WorkerCrashed).into()))
    }
}

async fn lead(records: Records) {
    let turn = Turn(Arc::clone(&records.group));
    loop {
        // The turn to write first: while it is waited for, more batches gather.
        let write = records.write().await;
        let Some(batches) = turn.0.next() else { return };
        let begin = |Batch { triggers, begun, answer }: Batch| {
            let _ = begun.send(());
            (triggers, answer)
        };
        let (triggers, answers): (Vec<_>, Vec<_>) = batches.into_iter().map(begin).unzip();
        let outcomes = match write {
            Ok(write) => run(write, &triggers).await,
            Err(error) => Err(error),
        };
        match outcomes {
            // Who does not listen any more sends it again, and is told that it is a duplicate.
            Ok(outcomes) => answers.into_iter().zip(outcomes).for_each(|(answer, outcome)| {
                let _ = answer.send(outcome);
            }),
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(RecordsError::Shared(Arc::clone(&error)).into()));
                }
            }
        }
    }
}

/// Each batch behind a savepoint, and one commit. An error means that nothing was kept of any.
async fn run(mut write: Write, batches: &[Vec<Trigger>]) -> Result<Vec<Outcome>, RecordsError> {
    let mut outcomes = Vec::with_capacity(batches.len());
    for triggers in batches {
        let mut races = 0;
        outcomes.push(loop {
            match isolated(&mut write, triggers).await? {
                Err(AcceptError::Records(error)) if error.is_race() && races < MAX_RACES => races += 1,
                outcome => break outcome,
            }
        });
    }
    write.commit().await?;
    Ok(outcomes)
}

/// One batch. The outer error is one of the whole transaction.
async fn isolated(write: &mut Write, triggers: &[Trigger]) -> Result<Outcome, RecordsError> {
    sqlx::query("savepoint batch").execute(write.conn()).await?;
    let outcome = match take_in(write, triggers).await {
        Ok(accepted) => write.settle().await.map(|()| accepted).map_err(AcceptError::Records),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(accepted) => {
            sqlx::query("release batch").execute(write.conn()).await?;
            Ok(Ok(accepted))
        }
        // The transaction may be over without our doing; what ran after it would be committed at once.
        Err(AcceptError::Records(error)) if error.is_passing() && !error.is_race() => Err(error),
        Err(error) => {
            write.abandon();
            sqlx::query("rollback to batch").execute(write.conn()).await?;
            sqlx::query("release batch").execute(write.conn()).await?;
            Ok(Err(error))
        }
    }
}
