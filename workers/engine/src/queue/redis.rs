//! The queue in Redis: functions that the server runs, over keys that `shard.lua` describes.
//!
//! A server that was replaced or lost its disk does not know them, and is reported them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::ConnectionLike;
use ::redis::{Cmd, FromRedisValue, RedisError, Value};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::trace::Trace;
use super::{LaneView, Pushed, QueueError, Settlement, Share, Step, Stepped, Wait};
use crate::envelope;
use crate::job::{Key, NewJob, Priority};
use crate::limit::{Claiming, ColdStart, Limit};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};

mod deployment;
mod endpoint;
mod fitness;
mod library;
mod listener;
mod meta;
mod shard_connection;
#[cfg(test)]
mod simulated;
mod wire;

pub use deployment::Namespace;
use deployment::{Deployment, Look};
pub use endpoint::{Endpoint, Tls, Trouble};
use library::Library;
use listener::Listener;
pub(crate) use shard_connection::Cluster;
pub use shard_connection::masters;
use shard_connection::{Kept, Owner, ShardConnection};
use wire::millis;

/// Far above any function's time; the client's own default of 500 ms gives up on a busy machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Names how the keys are laid out: another version's state is none of ours, and the queue is disposable (law 1).
pub(super) const LAYOUT: &str = "6";
/// Jobs that one push touches (law 10).
const PUSH_CHUNK: usize = 100;
/// Pushes under way at once: the next one is written while the server runs this one.
const PUSHES_UNDER_WAY: usize = 3;

/// One shard in Redis.
pub(crate) struct RedisShard {
    shard_connection: ShardConnection,
    listener: Listener,
    prefix: String,
    limit: Limit,
    claiming: Claiming,
    /// Cleared once the shard has answered: from then on lost state is spent state.
    first_meeting: AtomicBool,
    /// The highest epoch that this process knows of, from claims and from the store of records.
    seen_epoch: AtomicU64,
    /// The highest epoch that this shard has given to this process.
    claimed_epoch: AtomicU64,
    clock_steps: AtomicU64,
    /// Whose queue it is, where others could come by.
    deployment: Option<Arc<Deployment>>,
    library: Library,
    /// Asks for the server's time.
    time: Cmd,
    /// Where it is written what the functions do, and calls since then.
    trace: Option<Trace>,
    traced_calls: AtomicU64,
}

/// All shards of a queue at one Redis. Nothing is asked yet.
pub(crate) fn shards(
    endpoint: &Endpoint,
    namespace: &Namespace,
    count: usize,
    limit: Limit,
    claiming: Claiming,
    meeting: ColdStart,
) -> Result<Vec<RedisShard>, QueueError> {
    let home = Cluster::new(endpoint)?;
    let deployment = Deployment::new(&home, namespace, count)?.map(Arc::new);
    let shard = |number| {
        Ok(RedisShard {
            shard_connection: ShardConnection::new(Arc::clone(&home))?,
            listener: Listener::default(),
            prefix: format!("{}:{LAYOUT}:{{{number}}}:", namespace.prefix),
            limit,
            claiming,
            first_meeting: (meeting == ColdStart::Unspent).into(),
            seen_epoch: AtomicU64::new(0),
            claimed_epoch: AtomicU64::new(0),
            clock_steps: AtomicU64::new(0),
            deployment: deployment.clone(),
            library: Library::new(),
            time: ::redis::cmd("TIME"),
            trace: None,
            traced_calls: AtomicU64::new(0),
        })
    };
    (0..count).map(shard).collect()
}

/// Whether the server fits the queue: reads alone.
///
/// # Errors
/// [`QueueError::Unfit`] with what is wrong, [`QueueError::Redis`] where it does not answer.
pub async fn examine(endpoint: &Endpoint, namespace: &Namespace, shards: usize) -> Result<(), QueueError> {
    let limit = Limit { burst: 1, interval: Duration::ZERO, call_timeout: Duration::ZERO, reserve: 0, daily: 1 };
    let shards = self::shards(endpoint, namespace, shards, limit, Claiming::default(), ColdStart::Spent)?;
    if let Some(deployment) = shards.first().and_then(|shard| shard.deployment.as_ref()) {
        deployment.examine().await?;
    }
    for shard in &shards {
        // A look at a key finds the node that owns the shard.
        shard.ping().await?;
        let check = |owner: Arc<Owner>| async move {
            fitness::check(&mut owner.connection.clone(), &shard.library, &shard.prefix).await
        };
        shard.shard_connection.ask(check).await?;
    }
    Ok(())
}

impl RedisShard {
    /// Who comes to an empty queue later than it meant to can't say any more that nobody has sent a call.
    pub(crate) fn came_late(&self) {
        self.first_meeting.store(false, Ordering::SeqCst);
    }

    /// From now on each call of a function leaves a line.
    pub(crate) fn trace(&mut self, trace: Trace) {
        (self.library, self.trace) = (self.library.traced(), Some(trace));
    }

    /// Fetches the lines that functions have left, those of others too; now and then, since it takes as long as a call.
    async fn fetch_trace(&self, connection: &mut (impl ConnectionLike + Send)) {
        const AT_ONCE: usize = 100;
        const EVERY: u64 = 4;
        let Some(trace) = &self.trace else { return };
        if !self.traced_calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(EVERY) {
            return;
        }
        let key = format!("{}trace", self.prefix);
        loop {
            let mut get = ::redis::cmd("LRANGE");
            get.arg(&key).arg(0).arg(AT_ONCE - 1);
            // What can't be fetched now is fetched later; and what two fetch at once is in the trace twice, rather than not at all where one of them dies.
            let Ok(lines) = get.query_async::<Vec<String>>(connection).await else { return };
            let mut fetched = ::redis::pipe();
            for line in &lines {
                trace.take(line);
                fetched.lrem(&key, 1, line).ignore();
            }
            let removed = lines.is_empty() || fetched.query_async::<()>(connection).await.is_ok();
            if lines.len() < AT_ONCE || !removed {
                return;
            }
        }
    }

    /// Epochs go on above this one from the next meeting on.
    pub(crate) fn know_epoch(&self, seen: u64) {
        self.seen_epoch.fetch_max(seen, Ordering::SeqCst);
    }

    pub(crate) async fn raise_epoch(&self, seen: u64) -> Result<(), QueueError> {
        self.know_epoch(seen);
        self.shard_connection.ask(|owner| async move { self.meet(&mut owner.connection.clone(), false).await }).await
    }

    pub(crate) async fn alone(&self, key: Option<&Key>, epochs: &[u64], is_alone: bool) -> Result<(), QueueError> {
        let mut call = self.call("alone");
        call.arg(key.map(envelope::slot).unwrap_or_default()).arg(u8::from(is_alone)).arg(epochs);
        self.run::<()>(&call).await
    }

    pub(crate) async fn push(&self, jobs: &[NewJob]) -> Result<(u64, Vec<Pushed>), QueueError> {
        let packed = jobs.iter().map(envelope::pack).collect::<Result<Vec<_>, _>>()?;
        // Jobs of one lane are reported together, in their order: each lane is then looked up once.
        let mut order: Vec<_> = (0..jobs.len()).collect();
        order.sort_by_key(|&position| &jobs[position].key.lane);
        let packed = &packed;
        // Owned, since of a closure over borrowed chunks the compiler can't show that its future is Send.
        let calls = order.chunks(PUSH_CHUNK).map(<[usize]>::to_vec).map(|chunk| async move {
            let call = wire::push(self.call("push"), jobs, packed, &chunk);
            self.run(&call).await.and_then(wire::pushed)
        });
        let reported: Vec<_> = stream::iter(calls).buffered(PUSHES_UNDER_WAY).try_collect().await?;
        let incarnation = reported.last().map_or(0, |(born, _)| *born);
        let mut answers = vec![Pushed::Queued; jobs.len()];
        for (&position, answer) in order.iter().zip(reported.into_iter().flat_map(|(_, pushed)| pushed)) {
            answers[position] = answer;
        }
        Ok((incarnation, answers))
    }

    pub(crate) async fn step(&self, step: &Step, share: &Share) -> Result<(u64, Stepped), QueueError> {
        let sent = Instant::now();
        let measured = self.shard_connection.owner().measured();
        let (owner, reply) = self.run_reported(&wire::step(self.call("step"), step, share, measured)).await?;
        let mut kept_time = Kept::Steady;
        let stepped = wire::stepped(reply, |time| {
            kept_time = owner.keep_time(sent, time);
            sent
        })?;
        self.believed(stepped, kept_time).await
    }

    /// What a step brought, unless the server's clock was set forward before it: then tokens and leases came to their ends too early, and others too may
    /// have claimed by them. So nothing of it is run, and the shard rests until no call counts that was sent before.
    async fn believed(
        &self,
        (incarnation, stepped): (u64, Stepped),
        kept_time: Kept,
    ) -> Result<(u64, Stepped), QueueError> {
        self.know_epoch(stepped.epoch);
        self.claimed_epoch.fetch_max(stepped.epoch, Ordering::SeqCst);
        let forward = match kept_time {
            Kept::Steady => return Ok((incarnation, stepped)),
            Kept::WasSet => {
                tracing::warn!("the clock of the queue's Redis was set; the queue's time continues without a jump");
                self.clock_steps.fetch_add(1, Ordering::SeqCst);
                return Ok((incarnation, stepped));
            }
            Kept::Forward(by) => by,
        };
        tracing::warn!(
            queue.clock.forward_ms = millis(forward),
            "the clock of the queue's Redis was set forward; its shard waits until earlier calls no longer count"
        );
        self.clock_steps.fetch_add(1, Ordering::SeqCst);
        let released = stepped.jobs.iter().map(|job| Settlement {
            job: job.clone(),
            outcome: Outcome::Released,
            permits: Permits::new(u32::from(job.cost), Lease::begin(stepped.begun, Duration::ZERO)),
        });
        let finished = if stepped.jobs.is_empty() { Vec::new() } else { vec![stepped.epoch] };
        let release = Step { settlements: released.collect(), finished, ..Step::default() };
        // What can't be reported now: that it is to rest is reported first, and leases end by themselves.
        self.shard_connection.ask(|owner| async move { self.meet(&mut owner.connection.clone(), true).await }).await?;
        if !release.settlements.is_empty() {
            let reply = self.run(&wire::step(self.call("step"), &release, &Share::default(), None)).await?;
            wire::stepped(reply, |_| stepped.begun)?;
        }
        let wait = Wait::For(self.spent());
        Ok((incarnation, Stepped { jobs: Vec::new(), epoch: 0, wait, ..stepped }))
    }

    /// How often this process has found the server's clock to be set.
    pub(crate) fn clock_steps(&self) -> u64 {
        self.clock_steps.load(Ordering::SeqCst)
    }

    pub(crate) async fn heartbeat(&self, epochs: &[u64]) -> Result<Vec<bool>, QueueError> {
        let mut call = self.call("heartbeat");
        call.arg(epochs);
        self.run(&call).await
    }

    pub(crate) async fn steer(&self, lane: &str, pause: bool) -> Result<(), QueueError> {
        let mut call = self.call("steer");
        call.arg(lane).arg(if pause { "pause" } else { "resume" });
        self.run(&call).await
    }

    pub(crate) async fn steer_kind(&self, kind: &str, pause: bool) -> Result<(), QueueError> {
        let mut call = self.call("kinds");
        call.arg(kind).arg(if pause { "p" } else { "r" });
        self.run::<()>(&call).await
    }

    pub(crate) async fn paused_kinds(&self) -> Result<Vec<String>, QueueError> {
        let mut get = ::redis::cmd("HGET");
        get.arg(format!("{}h", self.prefix)).arg("kinds");
        let kinds: Option<String> = self.query(&get).await?;
        let kinds = kinds.unwrap_or_default();
        Ok(kinds.split('/').filter_map(|kind| kind.strip_prefix('p')).map(str::to_owned).collect())
    }

    pub(crate) async fn ping(&self) -> Result<(), QueueError> {
        // Of a key, so that the node answers that owns it.
        let mut exists = ::redis::cmd("EXISTS");
        exists.arg(format!("{}h", self.prefix));
        self.query(&exists).await
    }

    pub(crate) async fn lane(&self, lane: &str) -> Result<Option<LaneView>, QueueError> {
        let mut get = ::redis::cmd("HGET");
        get.arg(format!("{}l", self.prefix)).arg(lane);
        let packed: Option<Bytes> = self.query(&get).await?;
        let Some(packed) = packed else { return Ok(None) };
        Ok(self.views(vec![(lane.to_owned(), packed)]).await?.pop())
    }

    pub(crate) async fn lanes(&self) -> Result<Vec<LaneView>, QueueError> {
        let mut lanes = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = ::redis::cmd("HSCAN");
            scan.arg(format!("{}l", self.prefix)).arg(cursor).arg("COUNT").arg(200);
            let (next, packed) = self.query::<(u64, Vec<(String, Bytes)>)>(&scan).await?;
            lanes.extend(self.views(packed).await?);
            if next == 0 {
                return Ok(lanes);
            }
            cursor = next;
        }
    }

    /// Reads packed lanes, and how long their lists are.
    async fn views(&self, packed: Vec<(String, Bytes)>) -> Result<Vec<LaneView>, QueueError> {
        let mut asked = ::redis::pipe();
        asked.add_command(self.time.clone()).cmd("HGET").arg(format!("{}h", self.prefix)).arg("shard");
        for (lane, _) in &packed {
            for class in Priority::ALL {
                asked.cmd("LLEN").arg(format!("{}q{}:{lane}", self.prefix, class as u8));
            }
        }
        let asked = &asked;
        let ask = |owner: Arc<Owner>| async move { Ok(asked.query_async(&mut owner.connection.clone()).await?) };
        let mut answers: Vec<Value> = self.shard_connection.ask(ask).await?;
        let lengths = answers.split_off(2);
        let (Some(shard), Some(time)) = (answers.pop(), answers.pop()) else {
            return Err(QueueError::Reply("less than it was asked"));
        };
        let (seconds, micros): (u64, u64) = ::redis::from_redis_value(time).map_err(RedisError::from)?;
        let shard: Option<Bytes> = ::redis::from_redis_value(shard).map_err(RedisError::from)?;
        let shard = meta::shard(shard.as_deref(), seconds * 1000 + micros / 1000);
        let lengths: Vec<u32> =
            lengths.into_iter().map(::redis::from_redis_value).collect::<Result<_, _>>().map_err(RedisError::from)?;
        let (waiting, _) = lengths.as_chunks::<{ Priority::ALL.len() }>();
        let view = |((lane, packed), waiting): ((String, Bytes), &[u32; 3])| {
            meta::view(lane, &packed, *waiting, &self.limit, shard)
        };
        packed.into_iter().zip(waiting).map(view).collect()
    }

    fn call(&self, function: &str) -> Cmd {
        let spent = if self.first_meeting.load(Ordering::SeqCst) { Duration::ZERO } else { self.spent() };
        self.library.call(function, &self.prefix, &wire::limits(&self.limit, &self.claiming, spent))
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.shard_connection
            .ask(|owner| async move { Ok(command.query_async(&mut owner.connection.clone()).await?) })
            .await
    }

    async fn run<T: FromRedisValue>(&self, call: &Cmd) -> Result<T, QueueError> {
        Ok(self.run_reported(call).await?.1)
    }

    /// The reply, and who gave it.
    async fn run_reported<T: FromRedisValue>(&self, call: &Cmd) -> Result<(Arc<Owner>, T), QueueError> {
        let run = |owner: Arc<Owner>| async move {
            let reply = self.run_met(&owner, call).await?;
            Ok((owner, reply))
        };
        let reported = self.shard_connection.ask(run).await?;
        self.first_meeting.store(false, Ordering::SeqCst);
        Ok(reported)
    }

    async fn run_met<T: FromRedisValue>(&self, owner: &Owner, call: &Cmd) -> Result<T, QueueError> {
        let mut connection = owner.connection.clone();
        // Now and then on a good connection too: a master takes a new id when its first replica comes.
        if owner.met().is_none_or(|met| met.elapsed() >= self.claiming.lease / 4) {
            let asked = Instant::now();
            self.get_to_know(owner, &mut connection).await?;
            owner.set_met(asked);
        }
        let reply = self.library.run(&mut connection, call).await;
        self.fetch_trace(&mut connection).await;
        reply
    }

    /// Looks whether the server is fit for the queue, whether the queue is ours, and whether it is the server that our state was written to.
    async fn get_to_know(
        &self,
        owner: &Owner,
        connection: &mut (impl ConnectionLike + Send),
    ) -> Result<(), QueueError> {
        let is_new = !owner.is_fit();
        if is_new {
            fitness::check(connection, &self.library, &self.prefix).await?;
        }
        if let Some(deployment) = &self.deployment
            && (deployment.look(is_new).await? == Look::TakenOver || deployment.was_taken_over())
        {
            self.came_late();
        }
        self.meet(connection, false).await?;
        self.shard_connection.learn(owner, is_new).await
    }

    async fn meet(
        &self,
        connection: &mut (impl ConnectionLike + Send),
        clock_went_forward: bool,
    ) -> Result<(), QueueError> {
        let mut meet = self.call("meet");
        meet.arg(u8::from(clock_went_forward)).arg(self.seen_epoch.load(Ordering::SeqCst));
        meet.arg(self.claimed_epoch.load(Ordering::SeqCst));
        if self.library.run::<u8>(connection, &meet).await? == 1 {
            tracing::warn!(
                "the queue's Redis has an older state, or is a replica that was promoted; its shard waits, as the last writes may be lost"
            );
        }
        Ok(())
    }

    /// How long calls that nobody knows of may count: a ms that began counts as a whole.
    fn spent(&self) -> Duration {
        let Limit { interval, call_timeout, .. } = self.limit;
        interval + call_timeout + self.claiming.lease + Duration::from_millis(1)
    }
}
