//! What the queue's functions do, a line of JSON each, for whoever checks it against the model (`workers/engine/model`).
//!
//! With `CLIENTY_TRACE_QUEUE=FILE` each process appends to that file; the processes of one queue all do so, or none. Without it nothing is done, and the
//! functions in Redis are those that know of no trace. In Redis a function itself keeps the line, so that one whose answer is lost is not missing, and
//! whoever calls next fetches it: a trace costs half of the speed.
//!
//! A line has the call, what it was reported and answered, the queue's time, and how the lanes stand that it has touched. Names of lanes and records are in
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

#[cfg(test)]
mod tests {
    use queue_model::replay::Replay;

    use super::*;
    use crate::job::{Key, NewJob, Priority};
    use crate::limit::{Claiming, ColdStart, Limit};
    use crate::queue::{Driver, Queue, Step};

    /// As with a process that writes its own file each, and each a part of the lines.
    #[tokio::test]
    async fn what_is_written_to_files_is_a_trace() {
        let second = std::time::Duration::from_secs(1);
        let limit = Limit { burst: 10, interval: second, call_timeout: second, reserve: 2, daily: 1000 };
        let path = std::env::temp_dir().join(format!("trace-{}", uuid::Uuid::new_v4()));
        let trace = Trace::file(File::create(&path).unwrap());
        let mut queue = Queue::memory(2, limit, Claiming::default(), ColdStart::Unspent);
        let inner = Arc::get_mut(&mut queue.inner).unwrap();
        inner.shards.iter_mut().for_each(|shard| shard.driver.trace(&trace));
        assert!(matches!(inner.shards[0].driver, Driver::Memory(_)));
        for n in 0..20 {
            let key = Key { lane: format!("lane \"{n}\""), kind: "kind".into(), record: "é\n".into() };
            queue.push(&[NewJob::new(key, Priority::Realtime, 1)]).await.unwrap();
        }
        let mut claimed = 0;
        for shard in 0..2 {
            claimed += queue.step(shard, &Step { claim: 20, ..Step::default() }).await.unwrap().jobs.len();
        }
        assert_eq!(claimed, 20);
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        // In whatever order they are read, and where some are read twice.
        let mut lines: Vec<_> = written.lines().collect();
        lines.reverse();
        let again = lines[..10].to_vec();
        lines.extend(again);
        let mut replay = Replay::default();
        lines.iter().for_each(|line| replay.read(line).unwrap());
        assert_eq!(replay.end(), Ok((22, 0)));
    }
}
