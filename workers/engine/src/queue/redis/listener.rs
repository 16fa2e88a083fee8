//! Listening for pushes: a step that the server keeps until there is work.
//!
//! BLPOP and the step are sent together, over a connection of their own: all that is behind a blocking command waits. So the server takes the step
//! in the moment at which a push leaves its marker, and what it claims is what wakes the worker: an exchange less than to be woken and then to ask.
//! Where the worker's machine went without a word, what it is given once so is lost as with any answer that never arrives: until the lease is over, at
//! the price of one counted crash.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::shard_connection::{Kept, Owner};
use super::{RESPONSE_TIMEOUT, RedisShard, wire};
use crate::queue::{QueueError, Share, Step, Stepped};

/// How long after the end of its wait an answer may come: a proxy may have swallowed the connection without a word.
const OVERDUE: Duration = Duration::from_secs(2);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn overdue() -> QueueError {
    QueueError::Redis(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
}

#[derive(Default)]
pub(super) struct Listener {
    connection: Mutex<Option<(Arc<Owner>, MultiplexedConnection)>>,
    /// Whose connection that is, and how it calls it.
    id: std::sync::Mutex<Option<(Arc<Owner>, u64)>>,
}

impl Listener {
    fn id(&self) -> std::sync::MutexGuard<'_, Option<(Arc<Owner>, u64)>> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RedisShard {
    pub(crate) async fn listen(
        &self,
        step: &Step,
        share: &Share,
        most: Duration,
    ) -> Result<(u64, Stepped), QueueError> {
        loop {
            if let Some(received) = self.shard_connection.ask(|owner| self.listen_at(owner, step, share, most)).await? {
                return Ok(received);
            }
        }
    }

    /// None where meanwhile another node owns the shard.
    async fn listen_at(
        &self,
        owner: Arc<Owner>,
        step: &Step,
        share: &Share,
        most: Duration,
    ) -> Result<Option<(u64, Stepped)>, QueueError> {
        let mut kept = self.listener.connection.lock().await;
        let mut connection = match kept.take() {
            Some((of, connection)) if Arc::ptr_eq(&of, &owner) => connection,
            _ => self.open_ear(&owner).await?,
        };
        let mut call = ::redis::pipe();
        // BLPOP reads 0 as for ever.
        let seconds = most.as_secs_f64().max(0.001);
        call.cmd("BLPOP").arg(format!("{}wake", self.prefix)).arg(seconds).ignore();
        call.add_command(wire::step(self.call("step"), step, share, owner.measured()));
        let sent = Instant::now();
        let (reply,): (Vec<Bytes>,) = tokio::select! {
            biased;
            reply = call.query_async(&mut connection) => reply?,
            () = sleep(most + OVERDUE) => return Err(overdue()),
            // One that went without a word would be listened to until the end.
            () = self.shard_connection.left(&owner) => return Ok(None),
        };
        self.fetch_trace(&mut connection).await;
        *kept = Some((Arc::clone(&owner), connection));
        let mut kept_time = Kept::Steady;
        let stepped = wire::stepped(reply, |time| {
            let before = owner.before(time.now);
            kept_time = owner.keep_time(sent, time);
            before.map_or(sent, |before| before.max(sent))
        })?;
        self.believed(stepped, kept_time).await.map(Some)
    }

    /// Lets the step that listens be taken at once.
    pub(crate) async fn unblock(&self) -> Result<(), QueueError> {
        let Some((owner, id)) = self.listener.id().clone() else { return Ok(()) };
        let mut unblock = ::redis::cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(id);
        Ok(unblock.query_async(&mut owner.connection.clone()).await?)
    }

    async fn open_ear(&self, owner: &Arc<Owner>) -> Result<MultiplexedConnection, QueueError> {
        // What blocks is bounded where it is asked.
        let mut connection = owner.connect(LONGEST).await?;
        // It may be another server than the last one.
        let known = async {
            self.meet(&mut connection, false).await?;
            Ok::<_, QueueError>(::redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?)
        };
        let id = timeout(RESPONSE_TIMEOUT, known).await.unwrap_or_else(|_| Err(overdue()))?;
        *self.listener.id() = Some((Arc::clone(owner), id));
        Ok(connection)
    }
}
