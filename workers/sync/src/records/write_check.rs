//! Whether the database accepts writes, for `/readyz`.
//!
//! A full or read-only disk answers every read, so only a write shows it. It is a real write, with
//! a commit that reaches the disk, but it is done once a second at most, and not at all while other
//! writes succeed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Records, RecordsError};

/// How long a write proves that the next one will work.
const FRESH: Duration = Duration::from_secs(1);

/// When the last look was, and what it saw.
type Look = (Instant, Result<(), Arc<RecordsError>>);

/// What is known of writes. Clones of [`Records`] share it.
#[derive(Debug, Default)]
pub(super) struct WriteCheck {
    /// The last commit of a transaction of this process.
    committed: Mutex<Option<Instant>>,
    /// The last check, which others wait for while it is made.
    checked: tokio::sync::Mutex<Option<Look>>,
}

impl WriteCheck {
    /// A transaction was committed.
    pub(super) fn note_commit(&self) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_proven(&self) -> bool {
        let committed = *self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.is_some_and(|at| at.elapsed() < FRESH)
    }
}

impl Records {
    /// Writes one row and commits it, unless that was done a moment ago.
    ///
    /// # Errors
    /// [`RecordsError::Database`] when the database does not take writes: its disk is full, or read-only, or it is gone.
    pub async fn check_write(&self) -> Result<(), RecordsError> {
        if self.writes.is_proven() {
            return Ok(());
        }
        let mut checked = self.writes.checked.lock().await;
        let known = checked.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, outcome)| outcome.clone());
        let outcome = match known {
            Some(outcome) => outcome,
            None => {
                let outcome = self.write_something().await.map_err(Arc::new);
                *checked = Some((Instant::now(), outcome.clone()));
                outcome
            }
        };
        outcome.map_err(RecordsError::Shared)
    }

    async fn write_something(&self) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        sqlx::query(CHECK).bind(now_ms).execute(write.conn()).await?;
        write.commit().await
    }
}

const CHECK: &str = "insert into write_checks (id, checked_at) values (1, $1)
    on conflict (id) do update set checked_at = excluded.checked_at";
