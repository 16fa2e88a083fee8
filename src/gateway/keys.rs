//! What one API key may ask for: so much a second, so much at once, and its turn.
//!
//! A key is known here once the database has let it pass. From then on a flood of it is answered 429 without any work: a bucket of
//! tokens for its events and other requests, a part of the memory for bodies, and a number of requests at once. What is let in is
//! worked on in turn with the requests of other keys ([`Turns`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use sync_workers::records::ApiKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::ServerLimits;
use super::body::{self, Memory};
use super::turns::Turns;
use crate::config;

/// Keys that are remembered; beyond that, those that asked for nothing for a while are forgotten.
const REMEMBERED: usize = 1024;
/// Requests that are worked on at once and read.
const READERS: usize = 8;
/// The same for those that write. SQLite has one writer at a time, which takes all that wait into one transaction, small batches before large
/// ones: who wait there share the way to the disk.
const SQLITE_WRITERS: usize = 8;
const WRITERS: usize = 8;
/// Requests whose key is looked up for the first time.
const STRANGERS: usize = 4;

/// The keys that have asked for something.
#[derive(Debug)]
pub(super) struct Keys {
    rate: f64,
    burst: f64,
    /// Of the memory and of the connections, one key has at most half.
    memory_each: usize,
    requests_each: usize,
    /// What all bodies of keys share.
    pub(super) memory: Memory,
    pub(super) reads: Arc<Turns>,
    pub(super) writes: Arc<Turns>,
    pub(super) strangers: Arc<Semaphore>,
    /// By the hash of the whole key: who knows only its id spends nothing of it.
    known: Mutex<HashMap<[u8; 32], Arc<Key>>>,
    last_id: AtomicU64,
    /// The events of keys that may send so many in a minute, by their ids: secrets of one key share them.
    events: Mutex<HashMap<String, Bucket>>,
}

/// A key that has asked for something.
#[derive(Debug)]
pub(super) struct Key {
    /// In the order in which keys came; means nothing elsewhere.
    pub(super) id: u64,
    bucket: Mutex<Bucket>,
    requests: Arc<Semaphore>,
    pub(super) memory: Memory,
    /// The last hour in which its use was noted, as its first second since 1970.
    noted_hour: AtomicI64,
}

impl Keys {
    pub(super) fn new(settings: &config::Gateway, is_sqlite: bool) -> Self {
        let config::Gateway { key_rate, key_burst, body_memory, .. } = settings;
        let connections = ServerLimits::of(settings).connections;
        Self {
            rate: f64::from(*key_rate),
            burst: f64::from(*key_burst),
            memory_each: body_memory / 2,
            requests_each: (connections / 2).max(1),
            memory: body::memory(*body_memory),
            reads: Turns::new(READERS),
            writes: Turns::new(if is_sqlite { SQLITE_WRITERS } else { WRITERS }),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
            known: Mutex::default(),
            last_id: AtomicU64::new(0),
            events: Mutex::default(),
        }
    }

    /// Takes events of a minute from a key that may send so many; or how long it takes until they fit. More at once than a minute has are let in
    /// after a quiet minute, and the next ones wait for them.
    pub(super) fn take_events(&self, key: &ApiKey, events: usize) -> Result<(), Duration> {
        let Some(most) = key.events_per_minute.map(f64::from) else { return Ok(()) };
        let mut all = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = Bucket { rate: most / 60.0, burst: most, tokens: most, at: now };
        let bucket = all.entry(key.id.clone()).or_insert(full);
        bucket.take_all(events as f64, now)
    }

    /// The key of this text, if it was let pass before.
    pub(super) fn known(&self, text: &str) -> Option<Arc<Key>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&hash_of(text)).map(Arc::clone)
    }

    /// Remembers a key that was let pass.
    pub(super) fn remember(&self, text: &str) -> Arc<Key> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if known.len() >= REMEMBERED {
            // A bucket that is full again is as good as a new one.
            known.retain(|_, key| Arc::strong_count(key) > 1 || !key.bucket(|bucket| bucket.is_full(now)));
        }
        let key = || Key {
            id: self.last_id.fetch_add(1, Ordering::Relaxed),
            bucket: Mutex::new(Bucket { rate: self.rate, burst: self.burst, tokens: self.burst, at: now }),
            requests: Arc::new(Semaphore::new(self.requests_each)),
            memory: body::memory(self.memory_each),
            noted_hour: AtomicI64::new(i64::MIN),
        };
        Arc::clone(known.entry(hash_of(text)).or_insert_with(|| Arc::new(key())))
    }
}

impl Key {
    /// Takes the token of one request; or how long it takes until there is one.
    pub(super) fn take(&self) -> Result<(), Duration> {
        self.bucket(|bucket| bucket.take(Instant::now()))
    }

    /// Takes the tokens of more events. A batch that was let in is never refused halfway: what it costs beyond what there is, the
    /// next requests wait for.
    pub(super) fn charge(&self, events: usize) {
        self.bucket(|bucket| bucket.tokens -= events as f64);
    }

    /// A place among the requests of this key.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests).try_acquire_owned().ok()
    }

    /// Whether this is the first request to ask so in that hour.
    pub(super) fn is_new_hour(&self, hour: i64) -> bool {
        self.noted_hour.swap(hour, Ordering::Relaxed) != hour
    }

    fn bucket<T>(&self, act: impl FnOnce(&mut Bucket) -> T) -> T {
        act(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tokens that come in at a rate, up to a burst.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    burst: f64,
    /// Below 0 after a batch that cost more than there was.
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.take_all(1.0, now)
    }

    /// As many tokens; where there never are so many, all that there can be have to be there.
    fn take_all(&mut self, tokens: f64, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        let needed = tokens.min(self.burst);
        if self.tokens < needed {
            return Err(Duration::from_secs_f64((needed - self.tokens) / self.rate));
        }
        self.tokens -= tokens;
        Ok(())
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= self.burst
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.at = now;
    }
}

fn hash_of(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket { rate: 10.0, burst: 5.0, tokens: 5.0, at: Instant::now() };
        for _ in 0..5 {
            assert_eq!(bucket.take(Instant::now()), Ok(()));
        }
        assert_eq!(bucket.take(Instant::now()), Err(Duration::from_millis(100)));
        let mut taken = 0;
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(20)).await;
            taken += usize::from(bucket.take(Instant::now()).is_ok());
        }
        assert!((19..=20).contains(&taken), "2 s at 10/s gave {taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_takes_nothing_and_what_never_fits_waits_for_a_full_bucket() {
        let mut bucket = Bucket { rate: 1.0, burst: 60.0, tokens: 60.0, at: Instant::now() };
        assert_eq!(bucket.take_all(40.0, Instant::now()), Ok(()));
        assert_eq!(bucket.take_all(30.0, Instant::now()), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take_all(20.0, Instant::now()), Ok(()));
        assert_eq!(bucket.take_all(1000.0, Instant::now()), Err(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(bucket.take_all(120.0, Instant::now()), Ok(()));
        assert_eq!(bucket.take_all(1.0, Instant::now()), Err(Duration::from_secs(61)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_beyond_the_burst_is_paid_by_what_comes_after_it() {
        let mut bucket = Bucket { rate: 100.0, burst: 200.0, tokens: 200.0, at: Instant::now() };
        assert_eq!(bucket.take(Instant::now()), Ok(()));
        bucket.tokens -= 999.0;
        let wait = bucket.take(Instant::now()).unwrap_err();
        assert_eq!(wait.as_secs(), 8);
        tokio::time::advance(wait + Duration::from_millis(1)).await;
        assert_eq!(bucket.take(Instant::now()), Ok(()));
    }
}
