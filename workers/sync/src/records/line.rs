//! A line: tasks that wait at the same time for the same work are done together.
//!
//! A statement for sixty rows costs little more than one for a single row, and a transaction for
//! sixty runs little more than one for a single run. So the first that finds the line idle leads:
//! its task takes all that wait, answers them, and takes those that came meanwhile, until none
//! waits. There is no timer: an idle line works at once, and a busy one works for as many as have
//! come.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::RecordsError;
use super::sql::ROWS;

/// So many go together at most, as many rows as one statement has: more would gain hardly anything, and each waits for all.
pub(super) const TOGETHER: usize = ROWS;

/// Where they wait. Clones share it.
#[derive(Debug)]
pub(super) struct Line<Q, A>(Arc<Mutex<Waiting<Q, A>>>);

#[derive(Debug)]
struct Waiting<Q, A> {
    asked: Vec<Asked<Q, A>>,
    /// Whether a task is at work that will take them.
    is_led: bool,
}

/// A question, and who waits for the answer.
#[derive(Debug)]
pub(super) struct Asked<Q, A> {
    pub(super) question: Q,
    answer: oneshot::Sender<Result<A, RecordsError>>,
}

impl<Q, A> Asked<Q, A> {
    /// A caller that no longer waits needs no answer.
    pub(super) fn answer(self, answer: Result<A, RecordsError>) {
        let _ = self.answer.send(answer);
    }
}

impl<Q, A> Clone for Line<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q, A> Default for Line<Q, A> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting { asked: Vec::new(), is_led: false })))
    }
}

/// The leader's turn. A leader that panics must not leave the others without one for ever.
struct Turn<Q, A>(Line<Q, A>);

impl<Q, A> Drop for Turn<Q, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting = Waiting { asked: Vec::new(), is_led: false };
        }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Line<Q, A> {
    /// Waits for the answer to a question, which `lead` gives together with others'. It takes those that go together, and answers them all.
    ///
    /// # Errors
    /// Those of the answer, or that the leader was cut off.
    pub(super) async fn ask<F>(
        &self,
        question: Q,
        lead: impl Fn(Vec<Asked<Q, A>>) -> F + Send + 'static,
        belongs_to_series: fn(&[Asked<Q, A>], &Q) -> bool,
    ) -> Result<A, RecordsError>
    where
        F: Future<Output = ()> + Send,
    {
        let (answer, reported) = oneshot::channel();
        if self.join(Asked { question, answer }) {
            let turn = Turn(self.clone());
            // On its own: a caller that goes away must not take the others' work with it.
            tokio::spawn(async move {
                loop {
                    // Who is about to ask does so first.
                    yield_now().await;
                    let Some(asked) = turn.0.next(belongs_to_series) else { return };
                    lead(asked).await;
                }
            });
        }
        reported.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }

    /// Whether the caller has to see to it that somebody leads.
    fn join(&self, asked: Asked<Q, A>) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.asked.push(asked);
        !std::mem::replace(&mut waiting.is_led, true)
    }

    /// Those that go next, the oldest first. None: the leader's work is over.
    fn next(&self, belongs_to_series: fn(&[Asked<Q, A>], &Q) -> bool) -> Option<Vec<Asked<Q, A>>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for asked in std::mem::take(&mut waiting.asked) {
            if asked.answer.is_closed() {
                // Nobody waits for it any more.
                continue;
            }
            match taken.is_empty() || taken.len() < TOGETHER && belongs_to_series(&taken, &asked.question) {
                true => taken.push(asked),
                false => left.push(asked),
            }
        }
        waiting.asked = left;
        waiting.is_led = !taken.is_empty();
        (!taken.is_empty()).then_some(taken)
    }
}

impl<Q: Clone + Send + Sync + 'static, A: Send + 'static> Line<Q, A> {
    /// [`Line::ask`] for questions that one look answers, in their order. Where the look fails of what one of them asks for, each gets its own.
    ///
    /// # Errors
    /// Those of the look.
    pub(super) async fn look<F>(
        &self,
        question: Q,
        look: impl Fn(Vec<Q>) -> F + Clone + Send + Sync + 'static,
    ) -> Result<A, RecordsError>
    where
        F: Future<Output = Result<Vec<A>, RecordsError>> + Send,
    {
        let lead = move |asked: Vec<Asked<Q, A>>| {
            let look = look.clone();
            async move { answer_all(asked, &look).await }
        };
        self.ask(question, lead, |_, _| true).await
    }
}

async fn answer_all<Q: Clone, A, F>(asked: Vec<Asked<Q, A>>, look: &impl Fn(Vec<Q>) -> F)
where
    F: Future<Output = Result<Vec<A>, RecordsError>>,
{
    match look(asked.iter().map(|one| one.question.clone()).collect()).await {
        Ok(answers) => asked.into_iter().zip(answers).for_each(|(one, answer)| one.answer(Ok(answer))),
        Err(error) if asked.len() == 1 || error.is_passing() => answer_alike(asked, error),
        Err(_) => {
            for one in asked {
                let answer = look(vec![one.question.clone()]).await;
                one.answer(answer.and_then(|answers| answers.into_iter().next().ok_or(RecordsError::Raced)));
            }
        }
    }
}

/// Reports all of them of the error.
pub(super) fn answer_alike<Q, A>(asked: Vec<Asked<Q, A>>, error: RecordsError) {
    match <[_; 1]>::try_from(asked) {
        Ok([one]) => one.answer(Err(error)),
        Err(asked) => {
            let error = Arc::new(error);
            asked.into_iter().for_each(|one| one.answer(Err(RecordsError::Shared(Arc::clone(&error)))));
        }
    }
}
