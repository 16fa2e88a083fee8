//! What tests stand on: servers and programs that live as long as the value that holds them.

pub(crate) mod api;
#[path = "../../workers/engine/src/queue/conformance/authority.rs"]
pub(crate) mod authority;
pub(crate) mod cluster;
pub(crate) mod deployment;
pub(crate) mod disk_faults;
pub(crate) mod entries;
pub(crate) mod folder;
pub(crate) mod gate;
pub(crate) mod ghl_signer;
pub(crate) mod installation;
pub(crate) mod leash;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod redis;
pub(crate) mod test_app;
pub(crate) mod wire;

use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to start or to end on a busy machine before that counts as never.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is yes. It panics with what `describe` tells when the answer stays no.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool, describe: impl FnOnce() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}\n{}", describe());
        thread::sleep(Duration::from_millis(10));
    }
}

/// [`wait_until`] for what is asked over HTTP.
pub(crate) async fn wait_until_async(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
