//! The queue in Redis: functions that the server runs, over keys that `shard.lua` describes.
//!
//! A server that was replaced or lost its disk does not know them, and is told them again. Waiting for work blocks a connection of its own:
//! a blocking command would stall everything else on a shared one.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Client, Cmd, RedisError, Value};
use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{LaneView, Pushed, QueueError, Settlement, Step, Stepped, Wait};
use crate::envelope;
use crate::job::{Job, NewJob, Priority};
use crate::limit::{Breaker, Claiming, DAY_BIN, FirstMeeting, Limit};
use crate::permit::Permits;
use crate::verdict::Verdict;

mod library;
mod meta;
#[cfg(test)]
mod simulated;

use library::Library;

/// Far above any function's time; the client's own default of 500 ms gives up on a busy machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Names how the keys are laid out: another version's state is none of ours, and the queue is disposable (law 1).
const LAYOUT: &str = "3";
/// Jobs that one push touches (law 10).
const PUSH_CHUNK: usize = 100;
/// Pushes under way at once: the next one is written while the server runs this one.
const PUSHES_UNDER_WAY: usize = 3;

/// One shard in Redis.
pub(crate) struct RedisShard {
    connection: ConnectionManager,
    client: Client,
    blocking: Mutex<Option<MultiplexedConnection>>,
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
    let client = Client::open(url)?;
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
            blocking: Mutex::new(None),
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
        let (mut incarnation, mut told) = (0, Vec::with_capacity(jobs.len()));
        for chunks in order.chunks(PUSH_CHUNK * PUSHES_UNDER_WAY) {
            let under_way = chunks.chunks(PUSH_CHUNK).map(|chunk| self.push_chunk(jobs, &packed, chunk));
            for (born, pushed) in try_join_all(under_way.collect::<Vec<_>>()).await? {
                incarnation = born;
                told.extend(pushed);
            }
        }
        let mut answers = vec![Pushed::Queued; jobs.len()];
        for (&position, answer) in order.iter().zip(told) {
            answers[position] = answer;
        }
        Ok((incarnation, answers))
    }

    /// Pushes the jobs at these positions, those of one lane side by side.
    async fn push_chunk(
        &self,
        jobs: &[NewJob],
        packed: &[Vec<u8>],
        positions: &[usize],
    ) -> Result<(u64, Vec<Pushed>), QueueError> {
        let mut call = self.call("push");
        for lane in positions.chunk_by(|&one, &next| jobs[one].key.lane == jobs[next].key.lane) {
            call.arg(&jobs[lane[0]].key.lane).arg(lane.len());
            for &position in lane {
                let NewJob { key, delay, .. } = &jobs[position];
                call.arg(millis(*delay)).arg(envelope::slot(key)).arg(&packed[position]);
            }
        }
        self.run(&call).await.and_then(pushed)
    }

    pub(crate) async fn step(&self, step: &Step) -> Result<(u64, Stepped), QueueError> {
        let Step { finished, settlements, claim } = step;
        let mut call = self.call("step");
        call.arg(*claim).arg(finished.len()).arg(finished);
        for lane in settlements.chunk_by(|one, next| one.job.key.lane == next.job.key.lane) {
            call.arg(&lane[0].job.key.lane).arg(lane.len());
            for Settlement { job, verdict, permits } in lane {
                call.arg(envelope::slot(&job.key)).arg(&settled(job, verdict, permits)[..]);
            }
        }
        let reply: Vec<Bytes> = self.run(&call).await?;
        let [incarnation, now, epoch, wait, late, claimed @ ..] = &reply[..] else {
            return Err(QueueError::Reply("a step without its head"));
        };
        let (now, epoch) = (number(now)?, number(epoch)?);
        let wait = match &wait[..] {
            b"-1" => Wait::ForPush,
            b"0" => Wait::More,
            ms => Wait::For(Duration::from_millis(number(ms)?)),
        };
        let late = late.split(|byte| *byte == b',').filter(|text| !text.is_empty());
        let late = late.map(|text| Ok(usize::try_from(number(text)?).unwrap_or(usize::MAX)));
        let late = late.collect::<Result<_, QueueError>>()?;
        Ok((number(incarnation)?, Stepped { jobs: jobs(claimed, now, epoch)?, epoch, wait, late }))
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

    pub(crate) async fn work_arrived(&self, most: Duration) -> Result<(), QueueError> {
        let mut slot = self.blocking.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(Duration::from_secs(5)))
                    .set_response_timeout(Some(most.max(Duration::from_secs(60)) + RESPONSE_TIMEOUT));
                self.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        // BLPOP reads 0 as for ever.
        let seconds = most.as_secs_f64().max(0.001);
        let woken: Option<(String, String)> =
            ::redis::cmd("BLPOP").arg(format!("{}wake", self.prefix)).arg(seconds).query_async(&mut connection).await?;
        drop(woken);
        *slot = Some(connection);
        Ok(())
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
        self.library.call(function, &self.prefix, &self.limits(self.first_meeting.load(Ordering::SeqCst)))
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
            let mut meet = self.call("meet");
            meet.arg(millis(self.spent()));
            if self.library.run::<u8>(&mut connection, &meet).await? == 1 {
                tracing::warn!(
                    "the queue's Redis is a replica that was promoted; its shard rests, as last writes may be lost"
                );
            }
            self.set_met(Some(asked));
        }
        self.library.run(&mut connection, call).await
    }

    fn set_met(&self, met: Option<Instant>) {
        *self.met.lock().unwrap_or_else(PoisonError::into_inner) = met;
    }

    /// How long calls that nobody knows of may count: a ms that began counts as a whole.
    fn spent(&self) -> Duration {
        let Limit { interval, call_timeout, .. } = self.limit;
        interval + call_timeout + self.claiming.lease + Duration::from_millis(1)
    }

    fn limits(&self, unspent: bool) -> Vec<u8> {
        let Limit { burst, interval, call_timeout, reserve, daily } = self.limit;
        let Claiming { lease, turn, batch: _, breaker: Breaker { failures, probe_after } } = self.claiming;
        let spent = if unspent { Duration::ZERO } else { self.spent() };
        let short = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).to_be_bytes();
        let mut packed = Vec::with_capacity(39);
        packed.extend(burst.to_be_bytes());
        packed.extend(reserve.to_be_bytes());
        packed.extend(turn.to_be_bytes());
        packed.extend([short(interval), short(call_timeout), short(lease), short(spent)].concat());
        packed.push(failures);
        packed.extend(short(probe_after));
        packed.extend([daily.to_be_bytes(), self.limit.daily_reserve().to_be_bytes(), short(DAY_BIN)].concat());
        packed
    }
}

/// A settlement as the step reads it.
fn settled(job: &Job, verdict: &Verdict, permits: &Permits) -> Vec<u8> {
    let (letter, delay) = match verdict {
        Verdict::Done | Verdict::Dead => (b'D', Duration::ZERO),
        Verdict::Retry { after } => (b'F', *after),
        Verdict::Snooze { after } => (b'R', *after),
        Verdict::Throttled { hold } => (b'T', *hold),
        Verdict::Broken { probe_after } => (b'B', *probe_after),
        Verdict::Released => (b'H', Duration::ZERO),
    };
    let mut packed = Vec::with_capacity(25);
    packed.push(letter);
    // Microseconds since 1970: exact in a double, the one number that Lua has.
    packed.extend((job.epoch as f64).to_be_bytes());
    packed.extend(u16::try_from(permits.used()).unwrap_or(u16::MAX).to_be_bytes());
    let told = permits.remaining().map_or(u16::MAX, |left| u16::try_from(left).unwrap_or(u16::MAX - 1));
    packed.extend(told.to_be_bytes());
    for duration in [delay, permits.since_last_call()] {
        packed.extend(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).to_be_bytes());
    }
    packed.extend(permits.daily_remaining().unwrap_or(u32::MAX).to_be_bytes());
    if letter != b'D' {
        packed.extend(&job.stored);
    }
    packed
}

/// What a push answered: the shard's incarnation, and a digit for each job.
fn pushed((born, answers): (Bytes, Bytes)) -> Result<(u64, Vec<Pushed>), QueueError> {
    let answer = |digit: &u8| match digit {
        b'0' => Pushed::Queued,
        b'1' => Pushed::Coalesced,
        _ => Pushed::AfterRunning,
    };
    Ok((number(&born)?, answers.iter().map(answer).collect()))
}

/// The claimed jobs, told lane by lane: its name, the count of its jobs, their stored envelopes.
fn jobs(mut claimed: &[Bytes], now: u64, epoch: u64) -> Result<Vec<Job>, QueueError> {
    let mut jobs = Vec::new();
    while let [lane, count, rest @ ..] = claimed {
        let lane = std::str::from_utf8(lane).map_err(|_| QueueError::Reply("a lane that is no text"))?;
        let count = usize::try_from(number(count)?).unwrap_or(usize::MAX);
        let stored = rest.get(..count).ok_or(QueueError::Reply("a lane with fewer jobs than it says"))?;
        for stored in stored {
            jobs.push(envelope::unpack(lane, stored, now, epoch)?);
        }
        claimed = &rest[count..];
    }
    Ok(jobs)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number(text: &[u8]) -> Result<u64, QueueError> {
    let text = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    text.ok_or(QueueError::Reply("a text where a number belongs"))
}
