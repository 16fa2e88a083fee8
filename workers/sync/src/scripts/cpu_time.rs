//! How long this thread had a processor: a script is not ended because the machine is busy with others.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

/// A moment, from which time is counted.
pub(super) struct CpuTime {
    /// Nanoseconds by then; none if the system does not report.
    used: Option<u64>,
    at: Instant,
}

thread_local! {
    /// Of the thread that opened it.
    static REPORTED: RefCell<Option<File>> = RefCell::new(File::open("/proc/thread-self/schedstat").ok());
}

impl CpuTime {
    pub(super) fn now() -> Self {
        Self { used: used(), at: Instant::now() }
    }

    /// Never more than what passed on the wall, which is what it is if the system does not report.
    pub(super) fn elapsed(&self) -> Duration {
        let passed = self.at.elapsed();
        match (self.used, used()) {
            (Some(then), Some(now)) => Duration::from_nanos(now.saturating_sub(then)).min(passed),
            _ => passed,
        }
    }
}

/// The first number of the file, in nanoseconds.
fn used() -> Option<u64> {
    REPORTED.with_borrow(|file| {
        let mut text = [0; 64];
        let read = file.as_ref()?.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text[..read]).ok()?.split_whitespace().next()?.parse().ok()
    })
}
