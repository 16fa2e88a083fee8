//! A request's body, whole, within bounds of length, time and memory.
//!
//! What a `Content-Length` says is looked at before a byte is read. The memory of all bodies that are being received or worked on is
//! bounded together: each byte that has come takes its part, and it is given back when the request is answered. So a client that
//! announces much and sends little costs little.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Problem;
use super::server::{Connection, Phase};

/// What one permit stands for, in bytes.
const UNIT: usize = 1024;

/// The memory of bodies: one permit a KiB.
pub(super) type Memory = Arc<Semaphore>;

/// So many bytes of memory for bodies.
pub(super) fn memory(bytes: usize) -> Memory {
    Arc::new(Semaphore::new(bytes / UNIT))
}

/// What a body may cost.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// The most bytes of one body.
    pub(super) length: usize,
    /// How long it may take to come.
    pub(super) time: Duration,
    /// What all bodies share, and what the part of this sender is.
    pub(super) memory: Vec<Memory>,
    /// Whether the sender has shown a key.
    pub(super) trusted: bool,
}

/// A body, and the memory that it takes.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    memory: Held,
}

/// Memory of bodies, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<OwnedSemaphorePermit>);

impl Received {
    pub(super) fn into_parts(self) -> (Vec<u8>, Held) {
        (self.bytes, self.memory)
    }
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    InFlight,
    /// It took too long.
    Slow,
    /// There is no memory for it now.
    NoMemory,
}

impl Unread {
    /// As an answer. `length` is the most bytes of one body.
    pub(super) fn problem(self, length: usize) -> Problem {
        match self {
            Self::TooLarge => {
                let detail = format!("a body has at most {length} bytes; send less at once");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", detail)
            }
            Self::InFlight => Problem::new(StatusCode::BAD_REQUEST, "Incomplete request body", "send it again"),
            Self::Slow => {
                let detail = "the body did not arrive in time; send it again over a faster connection, or in parts";
                Problem::new(StatusCode::REQUEST_TIMEOUT, "The body is too slow", detail)
            }
            Self::NoMemory => {
                Problem::busy("Too many bodies at once", "there is no memory for the body; send it again")
            }
        }
    }
}

/// Reads the body of a request.
pub(super) async fn receive(request: Request, bounds: &Bounds) -> Result<(Request, Received), Unread> {
    let (parts, body) = request.into_parts();
    if announced(&parts.headers).is_some_and(|length| length > bounds.length) {
        return Err(Unread::TooLarge);
    }
    let connection = parts.extensions.get::<Arc<Connection>>();
    let enter = |phase| {
        if let Some(connection) = connection {
            connection.enter(phase);
        }
    };
    enter(Phase::Body { trusted: bounds.trusted });
    let received = whole(body, bounds).await;
    enter(Phase::Busy);
    Ok((Request::from_parts(parts, Body::empty()), received?))
}

/// What the `Content-Length` says; one that can't be read has been refused before.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn whole(body: Body, bounds: &Bounds) -> Result<Received, Unread> {
    let deadline = Instant::now() + bounds.time;
    let mut received = Received { bytes: Vec::new(), memory: Held::default() };
    let mut units = 0;
    let mut stream = body.into_data_stream();
    while let Some(chunk) = timeout_at(deadline, stream.next()).await.map_err(|_| Unread::Slow)? {
        let chunk = chunk.map_err(|_| Unread::InFlight)?;
        let length = received.bytes.len() + chunk.len();
        if length > bounds.length {
            return Err(Unread::TooLarge);
        }
        let more = length.div_ceil(UNIT) - units;
        units += more;
        received.memory.take(&bounds.memory, more)?;
        received.bytes.extend_from_slice(&chunk);
    }
    Ok(received)
}

impl Held {
    /// Takes so many units more of each memory.
    fn take(&mut self, memory: &[Memory], units: usize) -> Result<(), Unread> {
        let units = u32::try_from(units).map_err(|_| Unread::TooLarge)?;
        for (place, memory) in memory.iter().enumerate() {
            let more = Arc::clone(memory).try_acquire_many_owned(units).map_err(|_| Unread::NoMemory)?;
            match self.0.get_mut(place) {
                Some(held) => held.merge(more),
                None => self.0.push(more),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures_util::stream;

    use super::*;

    fn bounds(length: usize, memory: Vec<Memory>) -> Bounds {
        Bounds { length, time: Duration::from_secs(10), memory, trusted: false }
    }

    /// A body of these chunks; `ends`: whether it is complete after them.
    fn request(chunks: &[usize], ends: bool) -> Request {
        let sent =
            chunks.iter().map(|length| Ok::<_, axum::Error>(Bytes::from(vec![b'x'; *length]))).collect::<Vec<_>>();
        let sent = stream::iter(sent);
        let body = if ends { Body::from_stream(sent) } else { Body::from_stream(sent.chain(stream::pending())) };
        Request::new(body)
    }

    #[tokio::test]
    async fn a_body_takes_memory_by_what_has_come_and_gives_it_back() {
        let (all, own) = (memory(8 * UNIT), memory(4 * UNIT));
        let bounds = bounds(100 * UNIT, vec![Arc::clone(&all), Arc::clone(&own)]);
        let (_, received) = receive(request(&[1, UNIT, 10], true), &bounds).await.unwrap();
        assert_eq!((received.bytes.len(), all.available_permits(), own.available_permits()), (UNIT + 11, 6, 2));
        assert_eq!(receive(request(&[2 * UNIT, 1], true), &bounds).await.unwrap_err(), Unread::NoMemory);
        assert_eq!((all.available_permits(), own.available_permits()), (6, 2), "what was refused holds nothing");
        drop(received);
        assert_eq!((all.available_permits(), own.available_permits()), (8, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up_after_its_time() {
        let memory = memory(8 * UNIT);
        let bounds = bounds(100 * UNIT, vec![Arc::clone(&memory)]);
        assert_eq!(receive(request(&[10], false), &bounds).await.unwrap_err(), Unread::Slow);
        assert_eq!(memory.available_permits(), 8);
    }

    #[tokio::test]
    async fn what_is_announced_as_too_long_is_refused_unread() {
        let bounds = bounds(100, vec![]);
        let mut announced = request(&[], false);
        announced.headers_mut().insert(header::CONTENT_LENGTH, "101".parse().unwrap());
        assert_eq!(receive(announced, &bounds).await.unwrap_err(), Unread::TooLarge);
        assert_eq!(receive(request(&[60, 41], false), &bounds).await.unwrap_err(), Unread::TooLarge);
        assert_eq!(receive(request(&[60, 40], true), &bounds).await.unwrap().1.bytes.len(), 100);
    }
}
