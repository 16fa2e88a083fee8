//! The queue in Redis: four small scripts, each prefixed with `shard.lua`, where every key is described.
//!
//! Scripts are lost when the server restarts, so a NOSCRIPT answer loads them again. Waiting for work blocks a connection of its own:
//! a blocking command would stall everything else on a shared one.

use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, Value};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::{LaneView, Pushed, QueueError, Settlement, Step, Stepped, Wait};
use crate::envelope::{self, Envelope};
use crate::job::{Job, Key, NewJob};
use crate::limit::{Breaker, Claiming, DAY_BIN, FirstMeeting, Limit};
use crate::verdict::Verdict;

mod meta;
mod script;

use script::Script;

/// Far above any script's time; the client's own default of 500 ms gives up on a busy machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Jobs a push script touches (law 10).
const PUSH_CHUNK: usize = 100;

/// One shard in Redis.
pub(crate) struct RedisShard {
    connection: ConnectionManager,
    client: Client,
    blocking: Mutex<Option<MultiplexedConnection>>,
    prefix: String,
    limit: Limit,
    claiming: Claiming,
    /// Cleared once the shard has answered: from then on lost state is spent state.
    first_meeting: std::sync::atomic::AtomicBool,
    push: Script,
    step: Script,
    heartbeat: Script,
    steer: Script,
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
            prefix: format!("{prefix}:{{{number}}}:"),
            limit,
            claiming,
            first_meeting: (meeting == FirstMeeting::Unspent).into(),
            push: Script::new(include_str!("redis/push.lua")),
            step: Script::new(include_str!("redis/step.lua")),
            heartbeat: Script::new(include_str!("redis/heartbeat.lua")),
            steer: Script::new(include_str!("redis/steer.lua")),
        })
    }

    pub(crate) async fn push(&self, jobs: &[NewJob]) -> Result<(u64, Vec<Pushed>), QueueError> {
        let mut packed = Vec::with_capacity(jobs.len());
        for job in jobs {
            packed.push((job.delay, envelope::pack(&job.into())?));
        }
        let mut incarnation = 0;
        let mut answers = Vec::with_capacity(jobs.len());
        for chunk in packed.chunks(PUSH_CHUNK) {
            let arguments = chunk.iter().flat_map(|(delay, bytes)| [decimal(millis(*delay)), bytes.clone()]);
            let (born, pushed): (String, Vec<u8>) = {
                let reply: Vec<Value> = self.call(&self.push, arguments.collect()).await?;
                let mut reply = reply.into_iter();
                let born =
                    ::redis::from_redis_value(reply.next().ok_or(QueueError::Reply("a push without incarnation"))?)
                        .map_err(RedisError::from)?;
                let pushed: Result<Vec<u8>, _> = reply.map(::redis::from_redis_value).collect();
                (born, pushed.map_err(RedisError::from)?)
            };
            incarnation = born.parse().map_err(|_| QueueError::Reply("an incarnation that is no number"))?;
            answers.extend(pushed.into_iter().map(|answer| match answer {
                0 => Pushed::Queued,
                1 => Pushed::Coalesced,
                _ => Pushed::AfterRunning,
            }));
        }
        Ok((incarnation, answers))
    }

    pub(crate) async fn step(&self, step: &Step) -> Result<(u64, Stepped), QueueError> {
        let Step { finished, settlements, claim } = step;
        let mut arguments = vec![decimal(*claim as u64), decimal(finished.len() as u64)];
        arguments.extend(finished.iter().map(|epoch| decimal(*epoch)));
        for settlement in settlements {
            arguments.extend(self.settlement(settlement)?);
        }
        let reply: Vec<Bytes> = self.call(&self.step, arguments).await?;
        let [incarnation, now, epoch, wait, late, claimed @ ..] = &reply[..] else {
            return Err(QueueError::Reply("a step without its head"));
        };
        let (now, epoch) = (number(now)?, number(epoch)?);
        let jobs = claimed.iter().map(|stored| job(stored, now, epoch)).collect::<Result<_, _>>()?;
        let wait = match &wait[..] {
            b"-1" => Wait::ForPush,
            b"0" => Wait::More,
            ms => Wait::For(Duration::from_millis(number(ms)?)),
        };
        let late = late.split(|byte| *byte == b',').filter(|text| !text.is_empty());
        let late = late.map(|text| Ok(usize::try_from(number(text)?).unwrap_or(usize::MAX)));
        let late = late.collect::<Result<_, QueueError>>()?;
        Ok((number(incarnation)?, Stepped { jobs, epoch, wait, late }))
    }

    fn settlement(&self, settlement: &Settlement) -> Result<[Vec<u8>; 5], QueueError> {
        let Settlement { job, verdict, permits } = settlement;
        let (letter, delay, attempt) = match verdict {
            Verdict::Done | Verdict::Dead => (b'D', Duration::ZERO, job.attempt),
            Verdict::Retry { after } => (b'R', *after, job.attempt.saturating_add(1)),
            Verdict::Snooze { after } => (b'R', *after, job.attempt),
            Verdict::Throttled { hold } => (b'T', *hold, job.attempt),
            Verdict::Broken { probe_after } => (b'B', *probe_after, job.attempt),
            Verdict::Released => (b'H', Duration::ZERO, job.attempt),
        };
        let replacement = if attempt == job.attempt { Vec::new() } else { repack(job, attempt)? };
        let mut numbers = Vec::with_capacity(16);
        numbers.extend(u16::try_from(permits.used()).unwrap_or(u16::MAX).to_be_bytes());
        let told = permits.remaining().map_or(u16::MAX, |left| u16::try_from(left).unwrap_or(u16::MAX - 1));
        numbers.extend(told.to_be_bytes());
        for duration in [delay, permits.since_last_call()] {
            numbers.extend(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).to_be_bytes());
        }
        numbers.extend(permits.daily_remaining().unwrap_or(u32::MAX).to_be_bytes());
        let Key { lane, kind, record } = &job.key;
        let slot = format!("{lane}\0{kind}/{record}").into_bytes();
        Ok([slot, decimal(job.epoch), vec![letter], numbers, replacement])
    }

    pub(crate) async fn heartbeat(&self, epochs: &[u64]) -> Result<Vec<bool>, QueueError> {
        self.call(&self.heartbeat, epochs.iter().map(|epoch| decimal(*epoch)).collect()).await
    }

    pub(crate) async fn steer(&self, lane: &str, pause: bool) -> Result<(), QueueError> {
        let verb: &[u8] = if pause { b"pause" } else { b"resume" };
        self.call(&self.steer, vec![lane.as_bytes().to_vec(), verb.to_vec()]).await
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
        let mut connection = self.connection.clone();
        let key = format!("{}h", self.prefix);
        let (time, packed): ((u64, u64), Option<Bytes>) = ::redis::pipe()
            .cmd("TIME")
            .cmd("HGET")
            .arg(key)
            .arg(format!("L{lane}"))
            .query_async(&mut connection)
            .await?;
        let view = |packed: Bytes| meta::view(lane, &packed, &self.limit, time.0 * 1000 + time.1 / 1000);
        packed.map(view).transpose()
    }

    pub(crate) async fn lanes(&self) -> Result<Vec<LaneView>, QueueError> {
        let mut connection = self.connection.clone();
        let (seconds, micros): (u64, u64) = ::redis::cmd("TIME").query_async(&mut connection).await?;
        let now = seconds * 1000 + micros / 1000;
        let mut lanes = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let (next, fields): (u64, Vec<(Bytes, Bytes)>) = ::redis::cmd("HSCAN")
                .arg(format!("{}h", self.prefix))
                .arg(cursor)
                .arg("MATCH")
                .arg("L*")
                .arg("COUNT")
                .arg(500)
                .query_async(&mut connection)
                .await?;
            for (field, packed) in fields {
                lanes.push(meta::view(&String::from_utf8_lossy(&field[1..]), &packed, &self.limit, now)?);
            }
            if next == 0 {
                return Ok(lanes);
            }
            cursor = next;
        }
    }

    async fn call<T: ::redis::FromRedisValue>(
        &self,
        script: &Script,
        arguments: Vec<Vec<u8>>,
    ) -> Result<T, QueueError> {
        use std::sync::atomic::Ordering;
        let unspent = self.first_meeting.load(Ordering::SeqCst);
        let reply = script.call(&mut self.connection.clone(), &self.prefix, self.limits(unspent), arguments).await?;
        self.first_meeting.store(false, Ordering::SeqCst);
        Ok(reply)
    }

    fn limits(&self, unspent: bool) -> Vec<u8> {
        let Limit { burst, interval, call_timeout, reserve, daily } = self.limit;
        let Claiming { lease, turn, batch: _, breaker: Breaker { failures, probe_after } } = self.claiming;
        let spent = if unspent { Duration::ZERO } else { interval + call_timeout + lease };
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

/// A claimed job from its stored envelope: the time of its push (f64, ms), then the packed one.
fn job(stored: &Bytes, now: u64, epoch: u64) -> Result<Job, QueueError> {
    let Some((pushed, _)) = stored.split_first_chunk::<8>() else {
        return Err(QueueError::Reply("a claim without time"));
    };
    let waited = Duration::try_from_secs_f64((now as f64 - f64::from_be_bytes(*pushed)) / 1000.0).unwrap_or_default();
    let Envelope { key, priority, cost, crashes, attempt, payload } = envelope::unpack(&stored.slice(8..))?;
    Ok(Job { key, priority, cost, crashes, attempt, waited, payload, epoch })
}

fn repack(job: &Job, attempt: u16) -> Result<Vec<u8>, QueueError> {
    let Job { key, priority, cost, crashes, attempt: _, waited: _, payload, epoch: _ } = job.clone();
    Ok(envelope::pack(&Envelope { key, priority, cost, crashes, attempt, payload })?)
}

fn decimal(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number(text: &[u8]) -> Result<u64, QueueError> {
    let text = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    text.ok_or(QueueError::Reply("a text where a number belongs"))
}

fn is_missing_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
