//! What tests stand on: servers and programs that live as long as the value that holds them.

pub(crate) mod api;
#[path = "../../workers/engine/src/queue/conformance/authority.rs"]
pub(crate) mod authority;
pub(crate) mod cluster;
pub(crate) mod curl;
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
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod test_app;
pub(crate) mod wire;

use std::thread;
use std::time::Duration;

/// How often an answer may still be no before it counts as never. Asks, and not seconds: where the machine is busy each takes longer, as does what is
/// waited for.
pub(crate) struct Patience {
    left: u32,
    pause: Duration,
}

impl Patience {
    /// A minute on an idle machine.
    pub(crate) fn usual() -> Self {
        Self { left: 6_000, pause: Duration::from_millis(10) }
    }

    /// Four, for what takes a whole system its time.
    pub(crate) fn long() -> Self {
        Self { left: 4_800, pause: Duration::from_millis(50) }
    }

    /// Whether there is any left, after one more no.
    fn lasts(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    /// [`Patience::lasts`], after the pause before the next ask.
    pub(crate) async fn lasts_on(&mut self) -> bool {
        tokio::time::sleep(self.pause).await;
        self.lasts()
    }
}

/// Asks until the answer is yes. It panics with what `describe` shows when the answer stays no.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool, describe: impl FnOnce() -> String) {
    let mut patience = Patience::usual();
    while !is_so() {
        thread::sleep(patience.pause);
        if !patience.lasts() {
            panic!("waited in vain until {what}\n{}", describe());
        }
    }
}

/// [`wait_until`] for what is asked over HTTP.
pub(crate) async fn wait_until_async(what: &str, is_so: impl AsyncFn() -> bool) {
    let mut patience = Patience::usual();
    while !is_so().await {
        assert!(patience.lasts_on().await, "waited in vain until {what}");
    }
}
