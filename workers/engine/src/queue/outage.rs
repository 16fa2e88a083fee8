//! Reports once that the queue does not answer, and once that it does again, however many callers and shards find out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::QueueError;

/// What is known of the shards that do not answer.
pub(crate) struct Outage {
    /// What the queue is called, as a process may have several.
    name: &'static str,
    down: Mutex<Down>,
}

#[derive(Default)]
struct Down {
    since: Option<Instant>,
    /// Why, by shard.
    shards: HashMap<usize, String>,
}

impl Outage {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, down: Mutex::default() }
    }

    /// A call of a worker failed. Reported where that is news.
    pub(crate) fn failed(&self, shard: usize, error: &QueueError) {
        // The operating system has many words for a server that is not there.
        let reason = if error.is_passing() { String::new() } else { error.to_string() };
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.name;
        let is_news = !down.shards.values().any(|known| *known == reason);
        down.since.get_or_insert_with(Instant::now);
        down.shards.insert(shard, reason);
        if is_news {
            tracing::warn!(%error, queue.shard = shard, "{name} does not answer; workers wait, and try again until it does");
        } else {
            tracing::debug!(%error, queue.shard = shard, "{name} still does not answer");
        }
    }

    /// A call of a worker was answered.
    pub(crate) fn answered(&self, shard: usize) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.since.is_none() || down.shards.remove(&shard).is_none() || !down.shards.is_empty() {
            return;
        }
        let down_for = down.since.take().map(|since| since.elapsed().as_secs());
        tracing::info!(queue.down_secs = down_for, "{} answers again", self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_news_once_and_again_with_another_reason() {
        let outage = Outage::of("the queue");
        let known = || outage.down.lock().unwrap().shards.len();
        let refused = || QueueError::Redis(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
        outage.failed(0, &refused());
        outage.failed(1, &refused());
        assert_eq!(known(), 2);
        outage.failed(1, &QueueError::Unfit("no".into()));
        assert_eq!(known(), 2);
        outage.answered(0);
        assert!(outage.down.lock().unwrap().since.is_some(), "the other shard is still down");
        outage.answered(1);
        assert!(outage.down.lock().unwrap().since.is_none());
    }
}
