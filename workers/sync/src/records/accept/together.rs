//! Single events that edit nothing, as most are that producers send: those that come at the same time share a transaction.
//!
//! None of them writes anything before it is known to be accepted. So if one is refused, it alone gets the error, and the others go again.

use sync_model::change::Change;

use super::super::line::{Asked, answer_alike};
use super::super::{Records, RecordsError, order};

use super::{AcceptError, Accepted, ProducerId, Refusal, take_in};
use crate::events::IncomingEvent;

/// A larger batch has its own transaction: no other event waits for it, and its own events share its commit.
const FEW: usize = 10;

/// A batch of one producer, and what becomes of it.
pub(in super::super) type Batch = (ProducerId, Vec<IncomingEvent>);
pub(in super::super) type Outcome = Result<Vec<Accepted>, AcceptError>;

type Arriving = Asked<Batch, Outcome>;

/// Whether the batch is of few events that edit nothing.
pub(super) fn is_plain(triggers: &[IncomingEvent]) -> bool {
    triggers.len() <= FEW && triggers.iter().all(|trigger| matches!(trigger.change, Change::None { .. }))
}

impl Records {
    /// Accepts a plain batch together with those that wait beside it.
    pub(super) async fn accept_together(&self, producer: &ProducerId, triggers: &[IncomingEvent]) -> Outcome {
        let records = self.clone();
        let lead = move |arriving| {
            let records = records.clone();
            async move { records.take_in_together(arriving).await }
        };
        self.lines.events.ask((producer.clone(), triggers.to_vec()), lead, |_, _| true).await?
    }

    async fn take_in_together(&self, mut group: Vec<Arriving>) {
        // Those of one producer side by side, each in the order of arrival.
        group.sort_by_key(|one| one.question.0.to_string());
        while !group.is_empty() {
            let batches: Vec<_> = group.iter().map(|one| &one.question).collect();
            match self.try_take_in(&batches).await {
                Ok(accepted) => {
                    let mut accepted = accepted.into_iter();
                    for one in group {
                        let own = accepted.by_ref().take(one.question.1.len()).collect();
                        one.answer(Ok(Ok(own)));
                    }
                    return;
                }
                Err((event, AcceptError::Records(error))) => {
                    debug_assert_eq!(event, 0, "a failure without its own event");
                    if error.is_passing() && !error.is_race() {
                        return answer_alike(group, error);
                    }
                    return group.into_iter().for_each(|one| self.accept_apart(one));
                }
                Err((event, error)) => {
                    // It counts the events before those of its producer as well.
                    let mut first = 0;
                    let is_of = |one: &Arriving| {
                        let began = first;
                        first += one.question.1.len();
                        (began..first).contains(&event)
                    };
                    let Some(place) = group.iter().position(is_of) else { return };
                    let began = first - group[place].question.1.len();
                    group.remove(place).answer(Ok(Err(error.at(event - began))));
                }
            }
        }
    }

    fn accept_apart(&self, one: Arriving) {
        let records = self.clone();
        tokio::spawn(async move {
            let outcome = records.accept_alone(&one.question.0, &one.question.1).await;
            one.answer(Ok(outcome));
        });
    }

    /// All of them, or the place among all events of the one that is refused.
    async fn try_take_in(&self, batches: &[&Batch]) -> Result<Vec<Accepted>, (usize, AcceptError)> {
        let failed = |error: RecordsError| (0, AcceptError::Records(error));
        let mut write = self.write_over(&self.often).await.map_err(failed)?;
        let all: Vec<IncomingEvent> = batches.iter().flat_map(|(_, triggers)| triggers.clone()).collect();
        order::take_turns(&mut write, &all).await.map_err(failed)?;
        let mut accepted = Vec::with_capacity(all.len());
        for of_one in batches.chunk_by(|one, next| one.0 == next.0) {
            let count: usize = of_one.iter().map(|(_, triggers)| triggers.len()).sum();
            let own = &all[accepted.len()..accepted.len() + count];
            let outcome = take_in(&mut write, &of_one[0].0, own).await;
            let own = outcome.map_err(|error| match error {
                AcceptError::Records(_) => (0, error),
                AcceptError::Refused(Refusal { index, .. })
                | AcceptError::IdReused(Refusal { index, .. })
                | AcceptError::Unmapped { index, .. } => (accepted.len() + index, error),
            })?;
            accepted.extend(own);
        }
        write.commit().await.map_err(failed)?;
        Ok(accepted)
    }
}

impl AcceptError {
    /// The same of the event at that place.
    fn at(self, index: usize) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(Refusal { index, ..refusal }),
            Self::IdReused(refusal) => Self::IdReused(Refusal { index, ..refusal }),
            Self::Unmapped { field, message, .. } => Self::Unmapped { index, field, message },
            error => error,
        }
    }
}
