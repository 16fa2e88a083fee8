//! Listening for pushes: a step that the server keeps until there is work.
//!
//! BLPOP and the step are sent together, over a connection of their own: all that is behind a blocking command waits. So the server takes the step
//! in the moment at which a push leaves its marker, and what it claims is what wakes the worker: an exchange less than to be woken and then to ask.
//! Where the worker's machine went without a word, what it is given once so is lost as with any answer that never arrives: until the lease is over, at
//! the price of one counted crash.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::AsyncConnectionConfig;
use ::redis::aio::MultiplexedConnection;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{RESPONSE_TIMEOUT, RedisShard, wire};
use crate::queue::{QueueError, Step, Stepped};

#[derive(Default)]
pub(super) struct Ear {
    connection: Mutex<Option<MultiplexedConnection>>,
    /// How the server calls that connection; 0 where there is none.
    id: AtomicU64,
    /// The server's clock, in ms, some time after an instant of ours.
    clock: std::sync::Mutex<Option<(Instant, u64)>>,
}

impl Ear {
    pub(super) fn keep_time(&self, sent: Instant, now: u64) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((sent, now));
    }

    /// The latest instant, of those known, before which the server's clock did not say `now`: an answer may lie here long before it is read.
    fn before(&self, now: u64) -> Option<Instant> {
        let (sent, then) = (*self.clock.lock().unwrap_or_else(PoisonError::into_inner))?;
        // Both are whole ms, rounded down.
        Some((sent + Duration::from_millis(now.checked_sub(then + 1)?)).min(Instant::now()))
    }
}

impl RedisShard {
    pub(crate) async fn listen(&self, step: &Step, most: Duration) -> Result<(u64, Stepped), QueueError> {
        let mut kept = self.ear.connection.lock().await;
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.open_ear(most).await?,
        };
        let mut call = ::redis::pipe();
        // BLPOP reads 0 as for ever.
        let seconds = most.as_secs_f64().max(0.001);
        call.cmd("BLPOP").arg(format!("{}wake", self.prefix)).arg(seconds).ignore();
        call.add_command(wire::step(self.call("step"), step));
        let sent = Instant::now();
        let (reply,): (Vec<Bytes>,) = call.query_async(&mut connection).await?;
        *kept = Some(connection);
        wire::stepped(reply, |now| self.ear.before(now).map_or(sent, |before| before.max(sent)))
    }

    /// Lets the step that listens be taken at once.
    pub(crate) async fn hush(&self) -> Result<(), QueueError> {
        let mut unblock = ::redis::cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(self.ear.id.load(Ordering::SeqCst));
        Ok(unblock.query_async(&mut self.connection.clone()).await?)
    }

    async fn open_ear(&self, most: Duration) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(5)))
            .set_response_timeout(Some(most.max(Duration::from_secs(60)) + RESPONSE_TIMEOUT));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        // It may be another server than the last one.
        self.meet(&mut connection).await?;
        let id = ::redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
        self.ear.id.store(id, Ordering::SeqCst);
        Ok(connection)
    }
}
