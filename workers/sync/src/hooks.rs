//! Hooks send changes over HTTP, at once, signed, and in order.
//!
//! The way of a change: a transaction writes it to the change feed; the [`pump`] finds the hooks
//! that get it and writes that down; a queue of its own has a job for each hook and contact;
//! [`deliver`] builds the message from the current record, and sends it through the [client for
//! outside addresses](outbound::outside). A slow receiver takes no worker of GHL's jobs, and 10,000
//! hooks are fair to each other: each is a lane.
//!
//! What is promised: a hook gets each of its changes, or the numbers of the messages show a gap. A
//! message that is not accepted is sent again, and all open changes of one record are one message.
//! Messages about one contact are sent one after the other. The trap: if an answer is lost, the
//! message is sent twice, with the same `webhook-id`.

use std::time::Duration;

use jiff::Timestamp;
use job_engine::{Key, NewJob, Priority, Queue};
use secrecy::SecretString;
use serde::Serialize;
use sync_model::clock::Clock;

use crate::records::{Hook, HookEdit, NewHook, NoHook, OwedKey, Records, RecordsError};
use crate::signing;
use crate::vault::{Vault, VaultError};
use outbound::outside::{Door, Refused};

mod deliver;
pub(crate) mod message;
mod metrics;
mod pump;
pub mod samples;
mod schedule;
pub(crate) mod secrets;
mod trial;
mod why;

pub use crate::records::read_message_id;
pub use deliver::Deliverer;
pub use metrics::HookMetrics;
pub use pump::run;
pub use schedule::Schedule;
pub use trial::Trial;

/// The kind of the jobs.
const KIND: &str = "deliver";
/// For how long the secret before a rotation signs as well, unless something else is said.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// All that hooks need. Clones share it.
#[derive(Clone)]
pub struct Hooks {
    /// Where they are kept.
    pub records: Records,
    /// Sends their messages.
    pub door: Door,
    /// None without a master key: no secret can be sealed or opened.
    pub vault: Option<Vault>,
    /// None if another process has it: its pump finds unsent messages within half a minute.
    pub queue: Option<Queue>,
    /// The time of day.
    pub clock: Clock,
    /// When a message is sent again.
    pub schedule: Schedule,
    /// What is counted.
    pub metrics: HookMetrics,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The address may not be called.
    #[error("the address {0}")]
    Address(#[from] Refused),
    /// There may be no more.
    #[error(transparent)]
    NoHook(NoHook),
    /// No secret can be sealed.
    #[error("no master key is set, so the secret of a hook can't be kept: set CLIENTY_MASTER_KEYS")]
    NoMasterKey,
    /// A secret could not be made, sealed or opened.
    #[error("the secret of the hook: {0}")]
    Secret(String),
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<VaultError> for HookError {
    fn from(error: VaultError) -> Self {
        Self::Secret(error.to_string())
    }
}

impl From<signing::BadSecret> for HookError {
    fn from(error: signing::BadSecret) -> Self {
        Self::Secret(error.to_string())
    }
}

impl From<NoHook> for HookError {
    fn from(error: NoHook) -> Self {
        match error {
            NoHook::Records(error) => Self::Records(error),
            error => Self::NoHook(error),
        }
    }
}

/// A hook, and by what its receiver checks its messages; shown once.
#[derive(Debug)]
pub struct Made {
    /// The hook.
    pub hook: Hook,
    /// A secret (`whsec_`), or a public key (`whpk_`).
    pub verifier: SecretString,
}

/// What a recovery opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Changes since then for the hook, including those that had arrived.
    pub changes: usize,
}

impl Hooks {
    /// Makes a hook.
    ///
    /// # Errors
    /// [`HookError`].
    pub async fn create(&self, mut new: NewHook) -> Result<Made, HookError> {
        new.url = self.door.target(&new.url)?.url().as_str().to_owned();
        let (id, secret) = (Hook::new_id(), new.signature.new_secret()?);
        let verifier = signing::verifier(&secret)?;
        let sealed = self.vault()?.seal(&secret, &secrets::owner(&id))?;
        Ok(Made { hook: self.records.create_hook(&id, &new, &sealed).await?, verifier })
    }

    /// Changes a hook; none if there is no such hook. Its unsent messages stay in their order.
    ///
    /// # Errors
    /// [`HookError`].
    pub async fn edit(&self, id: &str, mut edit: HookEdit) -> Result<Option<Hook>, HookError> {
        if let Some(url) = &mut edit.url {
            *url = self.door.target(url)?.url().as_str().to_owned();
        }
        Ok(self.records.edit_hook(id, &edit).await?)
    }

    /// Gives a hook another secret, beside which the present one signs for as long as `overlap`; none where there is no such hook.
    ///
    /// # Errors
    /// [`HookError`].
    pub async fn rotate(&self, id: &str, overlap: Duration) -> Result<Option<Made>, HookError> {
        let Some(hook) = self.records.hook(id).await? else { return Ok(None) };
        let secret = hook.signature.new_secret()?;
        let verifier = signing::verifier(&secret)?;
        let sealed = self.vault()?.seal(&secret, &secrets::owner(id))?;
        let until_ms = self.clock.now_ms().saturating_add(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
        self.records.rotate_hook(id, &sealed, until_ms).await?;
        Ok(self.records.hook(id).await?.map(|hook| Made { hook, verifier }))
    }

    /// Enables a disabled hook, and sends what it missed since it was disabled, as far as the feed goes back; none if there is no such hook.
    ///
    /// # Errors
    /// [`HookError`].
    pub async fn enable(&self, id: &str) -> Result<Option<Hook>, HookError> {
        let Some(before) = self.records.hook(id).await? else { return Ok(None) };
        if self.records.enable_hook(id).await?
            && let Some(since) = before.disabled_at
        {
            match self.recover(id, since).await {
                Ok(_) => {}
                // Changes that the feed no longer has can't be sent; the receiver sees a gap.
                Err(HookError::Records(RecordsError::Pruned)) => {
                    tracing::warn!(hook.id = id, "the feed does not go back to when the hook was disabled");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.records.hook(id).await?)
    }

    /// Sends a hook the messages again that did not arrive since a time; none if there is no such hook.
    ///
    /// # Errors
    /// [`RecordsError::Pruned`] if the feed does not go back that far.
    pub async fn recover(&self, id: &str, since: Timestamp) -> Result<Option<Recovered>, HookError> {
        let Some(mut recovery) = self.records.begin_recovery(id, since.as_millisecond()).await? else {
            return Ok(None);
        };
        while let Some(jobs) = self.records.recover_more(&mut recovery).await? {
            self.enqueue(&jobs).await;
        }
        Ok(Some(Recovered { changes: recovery.changes }))
    }

    /// Sends a message again, whatever its state; false if there is none.
    ///
    /// # Errors
    /// [`HookError::Records`].
    pub async fn resend(&self, id: &str, message: i64) -> Result<bool, HookError> {
        let Some(key) = self.records.resend_to_hook(id, message).await? else { return Ok(false) };
        self.enqueue(&[key]).await;
        Ok(true)
    }

    /// The database holds the messages: if the queue does not answer, the pump enqueues them later.
    async fn enqueue(&self, keys: &[OwedKey]) {
        let Some(queue) = &self.queue else { return };
        let now_ms = self.clock.now_ms();
        let jobs: Vec<_> = keys.iter().map(|key| job(key, now_ms)).collect();
        if let Err(error) = queue.push(&jobs).await {
            tracing::warn!(%error, jobs = jobs.len(), "messages of hooks were not enqueued; the pump enqueues them");
        }
    }

    fn vault(&self) -> Result<&Vault, HookError> {
        self.vault.as_ref().ok_or(HookError::NoMasterKey)
    }
}

/// The queue's view of what a hook is to learn of a contact.
fn job(key: &OwedKey, now_ms: i64) -> NewJob {
    let OwedKey { hook_id, contact_key, due_at_ms } = key.clone();
    let key = Key { lane: hook_id, kind: KIND.to_owned(), record: contact_key };
    let delay = due_at_ms.map_or(0, |due| u64::try_from(due - now_ms).unwrap_or(0));
    NewJob { delay: Duration::from_millis(delay), ..NewJob::new(key, Priority::Realtime, 1) }
}
