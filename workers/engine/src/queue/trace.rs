//! What the queue's functions do, a line of JSON each, for whoever checks it against the model (`workers/engine/model`).
//!
//! With `CLIENTY_TRACE_QUEUE=FILE` each process appends to that file; the processes of one queue all do so, or none. Without it nothing is done, and the
//! functions in Redis are those that know of no trace. In Redis a function itself keeps the line, so that one whose answer is lost is not missing, and
//! whoever calls next fetches it: a trace costs half of the speed.
//!
//! A line has the call, what it was told and answered, the queue's time, and how the lanes stand that it has touched. Names of lanes and records are in
//! it, payloads are not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Takes the lines.
#[derive(Clone)]
pub(crate) struct Trace(Arc<dyn Fn(&str) + Send + Sync>);

impl Trace {
    #[cfg(test)]
    pub(crate) fn to(take: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// To the file that the environment names, if it does.
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for tests of the whole program, which no configuration has"
    )]
    pub(crate) fn by_environment() -> Option<Self> {
        static TRACE: OnceLock<Option<Trace>> = OnceLock::new();
        let open = || {
            let path = std::env::var("CLIENTY_TRACE_QUEUE").ok().filter(|path| !path.is_empty())?;
            match OpenOptions::new().create(true).append(true).open(&path) {
                Ok(file) => Some(Self::file(file)),
                Err(error) => {
                    tracing::warn!(%error, path, "the queue is not traced: its file can't be opened");
                    None
                }
            }
        };
        TRACE.get_or_init(open).clone()
    }

    fn file(file: File) -> Self {
        let file = Mutex::new(file);
        Self(Arc::new(move |line| {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // One write a line: other processes append to it too. A trace that is cut is found when it is checked.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }))
    }

    pub(crate) fn take(&self, line: &str) {
        (self.0)(line);
    }
}
