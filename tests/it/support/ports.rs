//! Ports for servers of tests.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port of this machine that nobody listens on, another one at each call.
///
/// It lies below the range from which systems number outgoing connections: a server that a test stops and starts again
/// finds its port still free.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test runs at the same time begin at different places.
        let offset = process::id().wrapping_mul(211).wrapping_add(step) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("all are below 32,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("all {COUNT} ports from {FIRST} on are taken");
}
