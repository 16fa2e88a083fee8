//! The queue in Redis: functions that the server runs, over keys that `shard.lua` describes.
//!
//! A server that was replaced or lost its disk does not know them, and is told them again.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use ::redis::{AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, RedisError, Value};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::{LaneView, Pushed, QueueError, Step, Stepped};
use crate::envelope;
use crate::job::{NewJob, Priority};
use crate::limit::{Claiming, FirstMeeting, Limit};

mod ear;
mod library;
mod meta;
#[cfg(test)]
mod simulated;
mod wire;

use ear::Ear;
use library::Library;
use wire::millis;

/// Far above any function's time; the client's own default of 500 ms gives up on a busy machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Names how the keys are laid out: another version's state is none of ours, and the queue is disposable (law 1).
const LAYOUT: &str = "5";
/// Jobs that one push touches (law 10).
const PUSH_CHUNK: usize = 100;
/// Pushes under way at once: the next one is written while the server runs this one.
const PUSHES_UNDER_WAY: usize = 3;

/// One shard in Redis.
pub(crate) struct RedisShard {
    connection: ConnectionManager,
    client: Client,
    ear: Ear,
    prefix: String,
    limit: Limit,
    claiming: Claiming,
    /// Cleared once the shard has answered: from then on lost state is spent state.
    first_meeting: AtomicBool,
    library: Library,
    /// When the server was last looked at; none where the connection is new, or may be.
    met: std::sync::Mutex<Option<Instant>>,
}

/// Opens the client and makes sure that somebody answers.
pub(crate) async fn connect(url: &str) -> Result<Client, QueueError> {
    let url = url.into_connection_info()?;
    // A step is sent while the answer to another is on its way: it must not wait for that.
    let settings = url.tcp_settings().clone().set_nodelay(true);
    let client = Client::open(url.set_tcp_settings(settings))?;
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_secs(5)));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    ::redis::cmd("PING").query_async::<()>(&mut connection).await?;
    Ok(client)
}

impl RedisShard {
    pub(crate) async fn new(
        client: &Client,
        prefix: &str,
        number: usize,
        limit: Limit,
        claiming: Claiming,
        meeting: FirstMeeting,
    ) -> Result<Self, QueueError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(Duration::from_secs(5)))
            .set_max_delay(Duration::from_secs(1));
        Ok(Self {
            connection: client.get_connection_manager_with_config(config).await?,
            client: client.clone(),
            ear: Ear::default(),
            prefix: format!("{prefix}:{LAYOUT}:{{{number}}}:"),
            limit,
            claiming,
            first_meeting: (meeting == FirstMeeting::Unspent).into(),
            library: Library::new(),
            met: std::sync::Mutex::new(None),
        })
    }

    pub(crate) async fn push(&self, jobs: &[NewJob]) -> Result<(u64, Vec<Pushed>), QueueError> {
        let packed = jobs.iter().map(envelope::pack).collect::<Result<Vec<_>, _>>()?;
        // Jobs of one lane are told together, in their order: each lane is then looked up once.
        let mut order: Vec<_> = (0..jobs.len()).collect();
        order.sort_by_key(|&position| &jobs[position].key.lane);
        let packed = &packed;
        // Owned, since of a closure over borrowed chunks the compiler can't tell that its future is Send.
        let calls = order.chunks(PUSH_CHUNK).map(<[usize]>::to_vec).map(|chunk| async move {
            let call = wire::push(self.call("push"), jobs, packed, &chunk);
            self.run(&call).await.and_then(wire::pushed)
        });
        let told: Vec<_> = stream::iter(calls).buffered(PUSHES_UNDER_WAY).try_collect().await?;
        let incarnation = told.last().map_or(0, |(born, _)| *born);
        let mut answers = vec![Pushed::Queued; jobs.len()];
        for (&position, answer) in order.iter().zip(told.into_iter().flat_map(|(_, pushed)| pushed)) {
            answers[position] = answer;
        }
        Ok((incarnation, answers))
    }

    pub(crate) async fn step(&self, step: &Step) -> Result<(u64, Stepped), QueueError> {
        let sent = Instant::now();
        let reply = self.run(&wire::step(self.call("step"), step)).await?;
        wire::stepped(reply, |now| {
            self.ear.keep_time(sent, now);
            sent
        })
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
        let mut connection = self.connection.clone();
        let key = format!("{}h", self.prefix);
        let kinds: Option<String> = ::redis::cmd("HGET").arg(key).arg("kinds").query_async(&mut connection).await?;
        let kinds = kinds.unwrap_or_default();
        Ok(kinds.split('/').filter_map(|kind| kind.strip_prefix('p')).map(str::to_owned).collect())
    }

    pub(crate) async fn ping(&self) -> Result<(), QueueError> {
        Ok(::redis::cmd("PING").query_async(&mut self.connection.clone()).await?)
    }

    pub(crate) async fn lane(&self, lane: &str) -> Result<Option<LaneView>, QueueError> {
        let key = format!("{}l", self.prefix);
        let mut connection = self.connection.clone();
        let packed: Option<Bytes> = ::redis::cmd("HGET").arg(key).arg(lane).query_async(&mut connection).await?;
        let Some(packed) = packed else { return Ok(None) };
        Ok(self.views(vec![(lane.to_owned(), packed)]).await?.pop())
    }

    pub(crate) async fn lanes(&self) -> Result<Vec<LaneView>, QueueError> {
        let mut connection = self.connection.clone();
        let mut lanes = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = ::redis::cmd("HSCAN");
            scan.arg(format!("{}l", self.prefix)).arg(cursor).arg("COUNT").arg(200);
            let (next, packed) = scan.query_async::<(u64, Vec<(String, Bytes)>)>(&mut connection).await?;
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
        asked.cmd("TIME");
        for (lane, _) in &packed {
            for class in Priority::ALL {
                asked.cmd("LLEN").arg(format!("{}q{}:{lane}", self.prefix, class as u8));
            }
        }
        let mut answers: Vec<Value> = asked.query_async(&mut self.connection.clone()).await?;
        let lengths = answers.split_off(1);
        let (seconds, micros): (u64, u64) =
            ::redis::from_redis_value(answers.swap_remove(0)).map_err(RedisError::from)?;
        let lengths: Vec<u32> =
            lengths.into_iter().map(::redis::from_redis_value).collect::<Result<_, _>>().map_err(RedisError::from)?;
        let (waiting, _) = lengths.as_chunks::<{ Priority::ALL.len() }>();
        let view = |((lane, packed), waiting): ((String, Bytes), &[u32; 3])| {
            meta::view(lane, &packed, *waiting, &self.limit, seconds * 1000 + micros / 1000)
        };
        packed.into_iter().zip(waiting).map(view).collect()
    }

    fn call(&self, function: &str) -> Cmd {
        let spent = if self.first_meeting.load(Ordering::SeqCst) { Duration::ZERO } else { self.spent() };
        self.library.call(function, &self.prefix, &wire::limits(&self.limit, &self.claiming, spent))
    }

    async fn run<T: ::redis::FromRedisValue>(&self, call: &Cmd) -> Result<T, QueueError> {
        let reply = self.run_met(call).await;
        match &reply {
            Ok(_) => self.first_meeting.store(false, Ordering::SeqCst),
            // It may be another server that answers next.
            Err(_) => self.set_met(None),
        }
        reply
    }

    async fn run_met<T: ::redis::FromRedisValue>(&self, call: &Cmd) -> Result<T, QueueError> {
        let mut connection = self.connection.clone();
        // Now and then on a good connection too: a master takes a new id when its first replica comes.
        let met = *self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if met.is_none_or(|met| met.elapsed() >= self.claiming.lease / 4) {
            let asked = Instant::now();
            self.meet(&mut connection).await?;
            self.set_met(Some(asked));
        }
        self.library.run(&mut connection, call).await
    }

    async fn meet(&self, connection: &mut (impl ConnectionLike + Send)) -> Result<(), QueueError> {
        let mut meet = self.call("meet");
        meet.arg(millis(self.spent()));
        if self.library.run::<u8>(connection, &meet).await? == 1 {
            tracing::warn!(
                "the queue's Redis is a replica that was promoted; its shard rests, as last writes may be lost"
            );
        }
        Ok(())
    }

    fn set_met(&self, met: Option<Instant>) {
        *self.met.lock().unwrap_or_else(PoisonError::into_inner) = met;
    }

    /// How long calls that nobody knows of may count: a ms that began counts as a whole.
    fn spent(&self) -> Duration {
        let Limit { interval, call_timeout, .. } = self.limit;
        interval + call_timeout + self.claiming.lease + Duration::from_millis(1)
    }
}
