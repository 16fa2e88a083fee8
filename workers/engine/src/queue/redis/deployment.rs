//! Whose queue it is: a record in Redis that names the deployment, and how its keys are laid out.
//!
//! Two deployments under one prefix would take each other's jobs, and processes that split the queue differently would each count calls on their own
//! (law 2). So each process looks before its first call, and again every few seconds: whoever does not fit is refused. Where no process of the other
//! shape is alive any more, its keys are removed and the new shape begins at rest.
//!
//!   <prefix>:{deployment}                  "<id> <layout> <shards>"
//!   <prefix>:{deployment}:<layout>.<shards>  there while a process of that shape is alive

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, cmd};
use tokio::time::Instant;

use super::LAYOUT;
use super::shard_connection::{Cluster, ShardConnection};
use crate::queue::QueueError;

/// How long a process counts as alive that was not known of. Each looks far more often.
const ALIVE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Keys that one look for those of another shape passes.
const SCAN: usize = 1000;

/// Under which keys a queue lives, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Starts the name of every key. Queues with different prefixes know nothing of each other.
    pub prefix: String,
    /// Names the deployment, the same in all of its processes; none where nobody else can come by.
    pub deployment: Option<String>,
}

impl From<&str> for Namespace {
    fn from(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), deployment: None }
    }
}

/// How the keys are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    layout: String,
    shards: usize,
}

/// What the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    id: String,
    shape: Shape,
}

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Ours,
    /// The keys of another shape were removed: whoever sent calls by them is counted nowhere.
    TakenOver,
}

pub(super) struct Deployment {
    shard_connection: ShardConnection,
    prefix: String,
    record: Record,
    looked: Mutex<Option<Instant>>,
    taken_over: AtomicBool,
}

impl Deployment {
    /// None where the namespace names no deployment.
    pub(super) fn new(home: &Arc<Cluster>, namespace: &Namespace, shards: usize) -> Result<Option<Self>, QueueError> {
        let Some(id) = namespace.deployment.clone() else { return Ok(None) };
        let record = Record { id, shape: Shape { layout: LAYOUT.to_owned(), shards } };
        let (shard_connection, prefix) = (ShardConnection::new(Arc::clone(home))?, namespace.prefix.clone());
        Ok(Some(Self { shard_connection, prefix, record, looked: Mutex::default(), taken_over: false.into() }))
    }

    /// Looks whether the queue is ours, unless that was done just now; makes the record where there is none.
    pub(super) async fn look(&self, is_new_connection: bool) -> Result<Look, QueueError> {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_new_connection && looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN) {
            return Ok(Look::Ours);
        }
        let asked = Instant::now();
        let mut known: Option<String> = self.query(cmd("GET").arg(self.key())).await?;
        if known.is_none() {
            let mut set = cmd("SET");
            set.arg(self.key()).arg(self.record.to_string()).arg("NX").arg("GET");
            // Where another process was faster, what it has set.
            known = self.query(&set).await?;
        }
        let look = match known.as_deref().map(Record::parse) {
            None => Look::Ours,
            Some(Some(known)) if known == self.record => Look::Ours,
            Some(known) => self.take_over(known).await?,
        };
        let mut alive = cmd("SET");
        alive.arg(self.alive(&self.record.shape)).arg(1).arg("PX").arg(super::millis(ALIVE));
        match self.query::<()>(&alive).await {
            // As where the memory is used up: steps, which free some, have to go on.
            Err(QueueError::Redis(error)) if !error.is_io_error() => {
                tracing::debug!(%error, "this process could not report to the queue that it is alive");
            }
            reported => reported?,
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(look)
    }

    /// What [`Deployment::look`] would say, without writing anything.
    pub(super) async fn examine(&self) -> Result<(), QueueError> {
        let known: Option<String> = self.query(cmd("GET").arg(self.key())).await?;
        match known.as_deref().map(Record::parse) {
            None => Ok(()),
            Some(Some(known)) if known == self.record => Ok(()),
            Some(known) => self.refuse(known.as_ref()).await,
        }
    }

    /// Whether another one's record may be replaced.
    async fn refuse(&self, known: Option<&Record>) -> Result<(), QueueError> {
        let Self { prefix, record, .. } = self;
        let Some(known) = known.filter(|known| known.id == record.id) else {
            return Err(QueueError::Unfit(format!(
                "another deployment uses this Redis with the key prefix `{prefix}`: give each its own CLIENTY_QUEUE_PREFIX. If its database was \
                 replaced by this one for good, stop all processes and run `redis-cli DEL '{}'`",
                self.key()
            )));
        };
        if !self.query::<bool>(cmd("EXISTS").arg(self.alive(&known.shape))).await? {
            return Ok(());
        }
        Err(QueueError::Unfit(if known.shape.layout == record.shape.layout {
            format!(
                "processes of this deployment are running with {} shards, and this one has {}: set CLIENTY_QUEUE_SHARDS to the same number in all, or stop \
                 the others and try again after {ALIVE:?}",
                known.shape.shards, record.shape.shards
            )
        } else {
            format!(
                "processes of this deployment are running whose version keeps the queue in another layout ({}, here {}): stop them and try again after {ALIVE:?}",
                known.shape.layout, record.shape.layout
            )
        }))
    }

    async fn take_over(&self, known: Option<Record>) -> Result<Look, QueueError> {
        self.refuse(known.as_ref()).await?;
        let Some(Record { shape: before, .. }) = known else { return Ok(Look::Ours) };
        let Shape { layout, shards } = &self.record.shape;
        tracing::warn!(
            queue.shards = shards,
            queue.shards.before = before.shards,
            queue.layout = layout,
            queue.layout.before = before.layout,
            "the queue is split again; every location waits until earlier calls no longer count, and open jobs are pushed again"
        );
        let mut layouts = vec![&before.layout, layout];
        layouts.dedup();
        for layout in layouts {
            for number in 0..before.shards.max(*shards) {
                self.remove(&format!("{}:{layout}:{{{number}}}:", self.prefix)).await?;
            }
        }
        self.query::<()>(cmd("SET").arg(self.key()).arg(self.record.to_string())).await?;
        self.taken_over.store(true, Ordering::SeqCst);
        Ok(Look::TakenOver)
    }

    /// Whether this process has removed the keys of another shape.
    pub(super) fn was_taken_over(&self) -> bool {
        self.taken_over.load(Ordering::SeqCst)
    }

    /// Removes all keys of a shard, at the node where it lives, some at a time.
    async fn remove(&self, shard: &str) -> Result<(), QueueError> {
        let shard_connection = ShardConnection::new(Arc::clone(self.shard_connection.home()))?;
        // SCAN names no key, so it is not sent on: a look at a key of the shard finds the node.
        query::<bool>(&shard_connection, cmd("EXISTS").arg(format!("{shard}h"))).await?;
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{shard}*")).arg("COUNT").arg(SCAN);
            let (next, keys): (u64, Vec<Vec<u8>>) = query(&shard_connection, &scan).await?;
            if !keys.is_empty() {
                query::<()>(&shard_connection, cmd("UNLINK").arg(keys)).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    fn key(&self) -> String {
        format!("{}:{{deployment}}", self.prefix)
    }

    fn alive(&self, Shape { layout, shards }: &Shape) -> String {
        format!("{}:{layout}.{shards}", self.key())
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        query(&self.shard_connection, command).await
    }
}

async fn query<T: FromRedisValue>(shard_connection: &ShardConnection, command: &Cmd) -> Result<T, QueueError> {
    shard_connection.ask(|owner| async move { Ok(command.query_async(&mut owner.connection.clone()).await?) }).await
}

impl Record {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (id, layout, shards) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
        Some(Self { id: id.to_owned(), shape: Shape { layout: layout.to_owned(), shards } })
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, shape: Shape { layout, shards } } = self;
        write!(f, "{id} {layout} {shards}")
    }
}
