//! Bodies that note when they end: a request's when it was read, an answer's when it was written.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::{Connection, Phase};

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

/// The body of a request, of which something is left until it was read to its end.
pub(super) struct UntilRead {
    body: Incoming,
    left: Arc<AtomicBool>,
}

impl UntilRead {
    pub(super) fn new(body: Incoming, left: Arc<AtomicBool>) -> Self {
        Self { body, left }
    }
}

impl HttpBody for UntilRead {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<hyper::Error> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.left.store(false, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, until whose end the connection is busy, and then writes what is left of it.
pub(super) struct UntilAnswered {
    body: Body,
    connection: Arc<Connection>,
}

impl UntilAnswered {
    pub(super) fn new(body: Body, connection: Arc<Connection>) -> Self {
        Self { body, connection }
    }
}

impl HttpBody for UntilAnswered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<axum::Error> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for UntilAnswered {
    fn drop(&mut self) {
        self.connection.enter(Phase::Writing);
    }
}
