//! Webhooks of the simulated GHL: signed, with all that goes wrong on their way.
//!
//! A delivery is repeated after every answer that is not 2xx, and after none, up to 12 times; after
//! a 429 six times. This follows GHL's documents of 30 August 2026; before, GHL repeated after a
//! 429 alone, which `retries: 0` simulates. A seeded random choice decides what is lost, doubled,
//! delayed, late, odd or signed wrongly. There is no order: many are on their way at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::lone::lone_surrogates;
use super::{Changed, Sandbox};

mod body;
mod signing;

pub use signing::SigningKey;

/// How often GHL repeats a delivery that was answered 429.
const REPETITIONS: u32 = 6;
/// How often one that was answered otherwise, or not at all.
const RETRIES: u32 = 12;
/// Between two of them.
const BETWEEN: Duration = Duration::from_secs(10 * 60);
/// How long GHL waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Deliveries on their way at once.
const AT_ONCE: usize = 32;

/// Where webhooks go, and how well they travel.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The URL that receives the webhooks.
    pub url: String,
    /// The same seed gives the same key and the same throws of the dice.
    pub seed: u64,
    /// How often each fault happens.
    pub faults: WebhookFaults,
    /// Between two deliveries of a webhook that was refused.
    pub retry_interval: Duration,
    /// How often a delivery is repeated that was refused otherwise than by a 429; GHL does it 12 times, and did not until the summer of 2026.
    pub retries: u32,
}

impl WebhookConfig {
    /// No faults, and GHL's patience.
    #[must_use]
    pub fn new(url: impl Into<String>, seed: u64) -> Self {
        Self { url: url.into(), seed, faults: WebhookFaults::default(), retry_interval: BETWEEN, retries: RETRIES }
    }
}

/// How often each fault happens, in webhooks per mille; each is thrown for on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WebhookFaults {
    /// It never arrives.
    pub lose: u16,
    /// It arrives twice.
    pub duplicate: u16,
    /// It is held back for a part of `delay_ms`, and others overtake it.
    pub delay: u16,
    /// Its signature is of another body.
    pub bad_signature: u16,
    /// A task that is new, completed or deleted comes without its contact and its text, as was seen at GHL.
    pub bare_task: u16,
    /// It bears the time of `late_hours` ago, as a repetition that comes so late does.
    pub late: u16,
    /// How late a late webhook comes, in hours.
    pub late_hours: u16,
    /// A text in it ends in a lone surrogate, as texts do that JavaScript has cut.
    pub odd: u16,
    /// Its body breaks off; the signature is of what is left.
    pub broken: u16,
    /// The longest that one is held back.
    pub delay_ms: u64,
}

impl Default for WebhookFaults {
    fn default() -> Self {
        Self {
            lose: 0,
            duplicate: 0,
            delay: 0,
            bad_signature: 0,
            bare_task: 0,
            late: 0,
            late_hours: 48,
            odd: 0,
            broken: 0,
            delay_ms: 1000,
        }
    }
}

/// What became of the webhooks so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStats {
    /// Changes that GHL has a webhook for.
    pub changes: u64,
    /// Deliveries, repetitions and duplicates among them.
    pub deliveries: u64,
    /// Deliveries by the status of the answer; 0 for none.
    pub answers: BTreeMap<u16, u64>,
    /// Webhooks that the dice lost.
    pub lost: u64,
    /// Deliveries that nobody took, and that are not repeated.
    pub given_up: u64,
    /// Deliveries that are held back, on their way, or wait to be repeated.
    pub pending: u64,
}

/// Webhooks being sent. Dropping it ends that.
pub struct Webhooks {
    faults: Arc<Mutex<WebhookFaults>>,
    stats: Arc<Mutex<WebhookStats>>,
    task: JoinHandle<()>,
}

impl Webhooks {
    /// Sends a webhook for each change from now on.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn send(config: WebhookConfig, sandbox: &Sandbox) -> reqwest::Result<Self> {
        let changes = sandbox.changes();
        let WebhookConfig { url, seed, faults, retry_interval, retries } = config;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let (faults, stats) = (Arc::new(Mutex::new(faults)), Arc::default());
        let road = Arc::new(Road {
            client,
            url,
            key: SigningKey::from_seed(seed),
            retry_interval,
            retries,
            turns: Semaphore::new(AT_ONCE),
            stats: Arc::clone(&stats),
        });
        let dice = Dice { rng: StdRng::seed_from_u64(seed), faults: Arc::clone(&faults) };
        Ok(Self { faults, stats, task: tokio::spawn(send_all(road, dice, changes)) })
    }

    /// What became of them so far.
    #[must_use]
    pub fn stats(&self) -> WebhookStats {
        lock(&self.stats).clone()
    }

    /// Replaces the faults from the next change on.
    pub fn set_faults(&self, faults: WebhookFaults) {
        *lock(&self.faults) = faults;
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One webhook, the same in all its deliveries.
struct Webhook {
    body: Vec<u8>,
    signature: String,
    /// GHL keeps it over repetitions.
    delivery_id: String,
    held_back: Duration,
}

/// What the dice decide about one webhook.
struct Fate {
    lost: bool,
    duplicate: bool,
    held_back: Duration,
    bad_signature: bool,
    bare_task: bool,
    late_hours: u16,
    odd: bool,
    broken: bool,
}

struct Dice {
    rng: StdRng,
    faults: Arc<Mutex<WebhookFaults>>,
}

impl Dice {
    /// Throws for every fault: a changed setting of one does not move the throws of another.
    fn fate(&mut self) -> Fate {
        let faults = lock(&self.faults).clone();
        let mut strikes = |per_mille: u16| self.rng.random_range(0..1000) < per_mille;
        let (lost, duplicate, delay) = (strikes(faults.lose), strikes(faults.duplicate), strikes(faults.delay));
        let (bad_signature, bare_task) = (strikes(faults.bad_signature), strikes(faults.bare_task));
        let (late, odd, broken) = (strikes(faults.late), strikes(faults.odd), strikes(faults.broken));
        let late_hours = if late { faults.late_hours } else { 0 };
        let part = self.rng.random_range(0.0..1.0);
        let held_back = if delay { Duration::from_millis(faults.delay_ms).mul_f64(part) } else { Duration::ZERO };
        Fate { lost, duplicate, held_back, bad_signature, bare_task, late_hours, odd, broken }
    }
}

/// The way to whoever listens.
struct Road {
    client: reqwest::Client,
    url: String,
    key: SigningKey,
    retry_interval: Duration,
    retries: u32,
    turns: Semaphore,
    stats: Arc<Mutex<WebhookStats>>,
}

async fn send_all(road: Arc<Road>, mut dice: Dice, mut changes: UnboundedReceiver<Changed>) {
    let mut travelling = JoinSet::new();
    loop {
        tokio::select! {
            // What has arrived is forgotten.
            Some(_) = travelling.join_next() => {}
            change = changes.recv() => {
                let Some(change) = change else { break };
                let fate = dice.fate();
                let Some(body) = body::of(&change, fate.bare_task, fate.late_hours) else { continue };
                let copies = if fate.duplicate { 2 } else { 1 };
                {
                    let mut stats = lock(&road.stats);
                    stats.changes += 1;
                    if fate.lost {
                        stats.lost += 1;
                        continue;
                    }
                    stats.pending += copies;
                }
                let mut body = odd_text(&body.to_string(), fate.odd).into_bytes();
                if fate.broken {
                    body.truncate(body.len() / 2);
                }
                let signed = if fate.bad_signature { road.key.sign(b"something else") } else { road.key.sign(&body) };
                let webhook = Arc::new(Webhook {
                    body,
                    signature: signed,
                    delivery_id: Uuid::new_v4().to_string(),
                    held_back: fate.held_back,
                });
                for _ in 0..copies {
                    travelling.spawn(deliver(Arc::clone(&road), Arc::clone(&webhook)));
                }
            }
        }
    }
    while travelling.join_next().await.is_some() {}
}

/// Delivers a webhook, and again while it is refused.
async fn deliver(road: Arc<Road>, webhook: Arc<Webhook>) {
    tokio::time::sleep(webhook.held_back).await;
    let mut status = 0;
    for repetition in 0..=RETRIES.max(road.retries) {
        if repetition > 0 {
            tokio::time::sleep(road.retry_interval).await;
        }
        status = road.post(&webhook).await;
        let mut stats = lock(&road.stats);
        stats.deliveries += 1;
        *stats.answers.entry(status).or_default() += 1;
        let most = match status {
            200..300 => 0,
            429 => REPETITIONS,
            _ => road.retries,
        };
        if repetition >= most {
            break;
        }
    }
    let mut stats = lock(&road.stats);
    stats.pending -= 1;
    stats.given_up += u64::from(!(200..300).contains(&status));
}

impl Road {
    /// The status of the answer; 0 for none.
    async fn post(&self, webhook: &Webhook) -> u16 {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let request = self.client.post(&self.url).body(webhook.body.clone());
        let request = request
            .header("content-type", "application/json")
            .header("deliveryId", &webhook.delivery_id)
            .header("x-ghl-signature", &webhook.signature)
            .header("x-wh-signature", "N/A");
        match request.send().await {
            Ok(answer) => answer.status().as_u16(),
            Err(error) => {
                tracing::debug!(%error, "a webhook was not delivered");
                0
            }
        }
    }
}

/// The webhook as text; an odd one has a text that ends in a lone surrogate, which JSON can say and no Rust text can.
fn odd_text(body: &str, is_odd: bool) -> String {
    let odd = if is_odd { body.replacen("{", r#"{"cut":"Cut \ud83d","#, 1) } else { body.to_owned() };
    lone_surrogates(&odd)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
