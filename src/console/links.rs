//! Links that open the console once: `demo` and `up` print one for the person before the terminal, who has no key at hand.
//!
//! A link lives in the memory of its process, for a quarter of an hour and for one use, and it opens only at an address of the same machine. Whoever
//! uses it gets a key of its own that ends by itself, so that the audit shows who did what, and `keys revoke` ends it early.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

/// How long a link waits for its use.
const LASTS: Duration = Duration::from_secs(15 * 60);
/// Links that wait at most: the oldest makes way.
const MOST: usize = 16;

/// The links of a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Links(Arc<Mutex<Vec<Link>>>);

#[derive(Debug)]
struct Link {
    /// What leaks from memory opens nothing.
    hash: Vec<u8>,
    ends: Instant,
}

impl Links {
    /// A new link, as the end of its path `/ui/open/…`.
    #[must_use]
    pub fn issue(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MOST {
            links.remove(0);
        }
        links.push(Link { hash: hash_of(&secret), ends: Instant::now() + LASTS });
        secret
    }

    /// Whether the link was good; it is good no more.
    pub(super) fn spend(&self, secret: &str) -> bool {
        let now = Instant::now();
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| now < link.ends);
        let hash = hash_of(secret);
        let before = links.len();
        links.retain(|link| link.hash != hash);
        links.len() < before
    }
}

fn hash_of(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_link_is_good_once_and_for_a_quarter_of_an_hour() {
        let links = Links::default();
        let (first, second) = (links.issue(), links.issue());
        assert_ne!(first, second);
        assert!(!links.spend("something"));
        assert!(links.spend(&first) && !links.spend(&first));
        tokio::time::advance(LASTS).await;
        assert!(!links.spend(&second));
    }

    #[tokio::test(start_paused = true)]
    async fn links_that_nobody_uses_make_way() {
        let links = Links::default();
        let issued: Vec<_> = (0..MOST + 1).map(|_| links.issue()).collect();
        assert!(!links.spend(&issued[0]) && links.spend(&issued[1]));
    }
}
