//! Batches that wait for SQLite's one writer share a transaction, and with it the one fsync that
//! makes them durable.
//!
//! With `synchronous = full` a commit waits for the disk, and it costs the same for one batch as
//! for a hundred. So a batch that finds the writer busy waits with the others. The first one starts
//! a task that takes all of them, runs each behind a savepoint, commits once, and only then answers
//! each. A single batch does not wait.
//!
//! Isolation: a batch that is refused is rolled back to its savepoint and leaves the others alone.
//! If the database itself fails, SQLite may have ended the transaction: then nothing of the group
//! is kept, and all get the error.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::accept::{ACCEPT_DUE, AcceptError, Accepted, take_in};
use super::event_ids::ProducerId;
use super::{Records, RecordsError, Write};
use crate::events::IncomingEvent;

/// Events of one transaction at most, unless a single batch has more: readers do not wait, but writers do.
const MOST_EVENTS: usize = 1_000;

/// How often a batch that lost a race starts again.
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
    /// Transactions so far.
    rounds: u64,
}

#[derive(Debug)]
struct Batch {
    producer: ProducerId,
    triggers: Vec<IncomingEvent>,
    /// Used once the writer has its turn; from then on the work takes as long as it takes.
    begun: oneshot::Sender<()>,
    answer: oneshot::Sender<Outcome>,
}

impl Group {
    /// Lets a batch wait. Returns whether the caller has to start a leader.
    fn join(&self, batch: Batch) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.batches.push(batch);
        !std::mem::replace(&mut waiting.is_led, true)
    }

    /// The batches of the next transaction. None: the leader's work is over.
    ///
    /// Every other time the small ones go first, else the old ones: a single event never waits behind many large batches, and a large
    /// one never for ever.
    fn next(&self) -> Option<Vec<Batch>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No caller waits for the answer of these any more.
        waiting.batches.retain(|batch| !batch.answer.is_closed());
        if waiting.batches.is_empty() {
            waiting.is_led = false;
            return None;
        }
        waiting.rounds += 1;
        let mut order: Vec<usize> = (0..waiting.batches.len()).collect();
        if waiting.rounds.is_multiple_of(2) {
            order.sort_by_key(|place| waiting.batches[*place].triggers.len());
        }
        let mut events = 0;
        order.retain(|place| {
            let is_first = events == 0;
            let grown = events + waiting.batches[*place].triggers.len().max(1);
            let fits = is_first || grown <= MOST_EVENTS;
            events = if fits { grown } else { events };
            fits
        });
        // The highest place first, so that the others keep theirs; then in the order of arrival again.
        order.sort_unstable_by(|one, other| other.cmp(one));
        let mut taken: Vec<_> = order.into_iter().map(|place| waiting.batches.remove(place)).collect();
        taken.reverse();
        Some(taken)
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
    pub(super) async fn accept_in_group(&self, producer: &ProducerId, triggers: &[IncomingEvent]) -> Outcome {
        let (answer, reported) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        if self.group.join(Batch { producer: producer.clone(), triggers: triggers.to_vec(), begun, answer }) {
            // On its own: a caller that goes away must not take the others' transaction with it.
            tokio::spawn(lead(self.clone()));
        }
        if timeout(ACCEPT_DUE, has_begun).await.is_err() {
            // Dropped with it: the end at which the answer would arrive, so the leader skips it.
            return Err(RecordsError::NoTurn(ACCEPT_DUE).into());
        }
        reported.await.unwrap_or_else(|_| Err(RecordsError::from(sqlx::Error::WorkerCrashed).into()))
    }
}

async fn lead(records: Records) {
    let turn = Turn(Arc::clone(&records.group));
    loop {
        // The turn to write first: while it is waited for, more batches gather.
        let write = records.write().await;
        let Some(batches) = turn.0.next() else { return };
        let begin = |Batch { producer, triggers, begun, answer }: Batch| {
            let _ = begun.send(());
            ((producer, triggers), answer)
        };
        let (sent, answers): (Vec<_>, Vec<_>) = batches.into_iter().map(begin).unzip();
        let outcomes = match write {
            Ok(write) => run(write, &sent).await,
            Err(error) => Err(error),
        };
        match outcomes {
            // A caller that no longer waits sends it again, and gets the answer "duplicate".
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
async fn run(mut write: Write, batches: &[(ProducerId, Vec<IncomingEvent>)]) -> Result<Vec<Outcome>, RecordsError> {
    let mut outcomes = Vec::with_capacity(batches.len());
    for (producer, triggers) in batches {
        let mut races = 0;
        outcomes.push(loop {
            match isolated(&mut write, producer, triggers).await? {
                Err(AcceptError::Records(error)) if error.is_race() && races < MAX_RACES => races += 1,
                outcome => break outcome,
            }
        });
    }
    write.commit().await?;
    Ok(outcomes)
}

/// One batch. The outer error is one of the whole transaction.
async fn isolated(
    write: &mut Write,
    producer: &ProducerId,
    triggers: &[IncomingEvent],
) -> Result<Outcome, RecordsError> {
    sqlx::query("savepoint batch").execute(write.conn()).await?;
    let outcome = match take_in(write, producer, triggers).await {
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

#[cfg(test)]
mod tests {
    use job_engine::Priority;
    use serde_json::json;

    use super::*;
    use crate::events::NewEvent;
    use sync_model::change::Change;
    use sync_model::job::JobKind;

    /// Lets batches of these sizes wait, and returns which go together.
    fn rounds(sizes: &[usize]) -> Vec<Vec<usize>> {
        let event = NewEvent {
            id: None,
            occurred_at: None,
            source: "api".to_owned(),
            event_type: "contact.selected".to_owned(),
            location_id: "loc1".to_owned(),
            contact_id: Some("c1".to_owned()),
            data: json!({}),
        };
        let change = Change::None { record_id: "c1".to_owned() };
        let trigger = IncomingEvent { event, kind: JobKind::PullContact, priority: Priority::Interactive, change };
        let group = Group::default();
        let mut listening = Vec::new();
        for (place, size) in sizes.iter().enumerate() {
            let ((answer, reported), (begun, has_begun)) = (oneshot::channel(), oneshot::channel());
            listening.push((reported, has_begun));
            let producer = ProducerId::Program(String::new());
            let leads = group.join(Batch { producer, triggers: vec![trigger.clone(); *size], begun, answer });
            assert_eq!(leads, place == 0, "one leads");
        }
        let taken = std::iter::from_fn(|| group.next());
        let taken = taken.map(|batches| batches.iter().map(|batch| batch.triggers.len()).collect()).collect();
        let (answer, reported) = oneshot::channel();
        drop(reported);
        let producer = ProducerId::Program(String::new());
        let (begun, _) = oneshot::channel();
        assert!(group.join(Batch { producer, triggers: Vec::new(), begun, answer }), "the next one leads");
        assert!(group.next().is_none(), "nobody waits for its answer");
        taken
    }

    #[test]
    fn batches_go_together_up_to_a_bound_and_a_large_one_goes_alone() {
        assert_eq!(rounds(&[1, 1, 5]), [[1, 1, 5]]);
        assert_eq!(rounds(&[1_000, 1, 999]), [vec![1_000], vec![1, 999]]);
        assert_eq!(rounds(&[2_000]), [[2_000]]);
    }

    #[test]
    fn a_small_one_waits_for_one_large_one_and_a_large_one_not_for_ever() {
        assert_eq!(rounds(&[1_000, 1_000, 1_000, 1]), [vec![1_000], vec![1], vec![1_000], vec![1_000]]);
    }
}
