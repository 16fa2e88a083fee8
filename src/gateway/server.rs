//! The HTTP server: an accept loop over hyper that no client can hold up.
//!
//! Each connection has a state with a deadline ([`connection`]), and one tick a second closes those that are past it. If all
//! connections are taken, the one that does least makes room for the next: first one that never sent a whole request, then one that
//! waits between two requests, then one that sends a body without a key. A few connections are held in reserve beyond the limit;
//! there `/healthz` is answered and everything else gets 429. So thousands of silent or slow clients lock no other client out.
//!
//! axum's own server has neither deadlines nor limits.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Router};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tower::ServiceExt;

use super::Problem;

mod bodies;
mod connection;
mod limits;
mod socket;

use bodies::{UntilAnswered, UntilRead};
use connection::Connections;
pub(super) use connection::{Connection, Phase};
pub use limits::ServerLimits;
use socket::Watched;

/// Connections beyond the limit, for health alone.
const RESERVE: usize = 32;
/// The largest head of a request, and of what is read or written at once.
const BUFFER: usize = 32 * 1024;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How long requests in progress may take once the server stops.
const GRACE: Duration = Duration::from_secs(8);
/// How long an answered client may keep sending what is not read, and how much of it. Without this, a client that is still sending
/// sees a reset connection and never the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Between two looks at who can be spared.
const MOMENT: Duration = Duration::from_millis(50);
/// After an accept that failed, as it does if the process has no file descriptor left.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// An address that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("can't listen at {address} ({setting}): {source}")]
pub struct ListenError {
    address: SocketAddr,
    /// The setting or argument to change.
    setting: &'static str,
    source: std::io::Error,
}

impl ListenError {
    /// Whether another program has the address.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.source.kind() == std::io::ErrorKind::AddrInUse
    }
}

/// Takes the address (port 0: any free one) that `setting` names. Apart from [`Server::start`], so that a process whose address is
/// taken ends before it claims a job.
///
/// # Errors
/// When the address can't be had.
pub async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, setting, source })
}

/// Signals a waiting request that the server is about to stop.
#[derive(Clone)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    pub(super) async fn wait(mut self) {
        // A dropped sender means that no signal can come any more: that, too, is the end.
        let _ = self.0.wait_for(|stops| *stops).await;
    }
}

/// A server that is listening.
pub struct Server {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves `routes` within `limits`.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn start(listener: TcpListener, routes: Router, limits: ServerLimits) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let stopping = Stopping(stopping);
        let routes = routes.layer(Extension(stopping.clone()));
        let serving = Serving {
            listener,
            routes,
            limits,
            stopping,
            connections: Arc::new(Connections::default()),
            places: Arc::new(Semaphore::new(limits.connections)),
            reserve: Arc::new(Semaphore::new(RESERVE)),
        };
        Ok(Self { address, stop, task: tokio::spawn(serving.run()) })
    }

    /// Takes no new request, waits for those in progress, and cuts off those that take too long.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the HTTP server panicked");
        }
    }
}

struct Serving {
    listener: TcpListener,
    routes: Router,
    limits: ServerLimits,
    stopping: Stopping,
    connections: Arc<Connections>,
    places: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

impl Serving {
    async fn run(self) {
        let mut tasks = JoinSet::new();
        let mut stopping = pin!(self.stopping.clone().wait());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => break,
                _ = tick.tick() => self.connections.close_overdue(Instant::now(), &self.limits),
                Some(_) = tasks.join_next() => {}
                accepted = self.accept() => {
                    if let Some((socket, place)) = accepted {
                        tasks.spawn(self.serve(socket, place));
                    }
                }
            }
        }
        let Self { listener, connections, .. } = self;
        drop(listener);
        connections.close_unasked();
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            tracing::warn!(http.connections = tasks.len(), "requests are not done after {GRACE:?}: cutting them off");
        }
        tasks.shutdown().await;
    }

    /// The next connection, with its place. None if there is none to be had now.
    async fn accept(&self) -> Option<(TcpStream, Place)> {
        // The place first: a connection that is accepted and then waits would have no deadline.
        let place = self.place().await;
        match self.listener.accept().await {
            Ok((socket, _)) => Some((socket, place)),
            Err(error) => {
                // The peer may be gone again. What else can fail is a lack of file descriptors: waiting connections cost some.
                if error.kind() != std::io::ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "a connection can't be accepted");
                    self.connections.make_room(Instant::now());
                    sleep(AFTER_ERROR).await;
                }
                None
            }
        }
    }
}

/// A place among the connections.
struct Place {
    _permit: OwnedSemaphorePermit,
    /// Beyond the limit: health alone is answered.
    in_reserve: bool,
}

impl Serving {
    /// Waits for a place; at the limit, makes room for one.
    async fn place(&self) -> Place {
        loop {
            if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
                return Place { _permit: permit, in_reserve: false };
            }
            let makes_room = self.connections.make_room(Instant::now());
            if !makes_room && let Ok(permit) = Arc::clone(&self.reserve).try_acquire_owned() {
                return Place { _permit: permit, in_reserve: true };
            }
            // Neither semaphore is ever closed. Who could not be spared yet can be after a moment.
            tokio::select! {
                Ok(permit) = Arc::clone(&self.places).acquire_owned() => return Place { _permit: permit, in_reserve: false },
                Ok(permit) = Arc::clone(&self.reserve).acquire_owned(), if makes_room => {
                    return Place { _permit: permit, in_reserve: true };
                }
                () = sleep(MOMENT) => {}
            }
        }
    }

    /// Serves one connection to its end, or until it has to close.
    fn serve(&self, socket: TcpStream, place: Place) -> impl Future<Output = ()> + Send + 'static {
        let connection = self.connections.open();
        let (routes, stopping) = (self.routes.clone(), self.stopping.clone());
        async move {
            let in_reserve = place.in_reserve;
            // Answers are written whole: to wait for more to send with them only delays them.
            let _ = socket.set_nodelay(true);
            let closing = Arc::clone(&connection);
            let serving = async {
                let answer = service_fn(|request: Request<Incoming>| {
                    // Boxed: hyper's connection can be taken apart only if it can be moved.
                    Box::pin(answer(routes.clone(), Arc::clone(&connection), in_reserve, request))
                });
                let io = TokioIo::new(Watched::new(socket, Arc::clone(&connection)));
                let mut hyper = http1::Builder::new().max_buf_size(BUFFER).serve_connection(io, answer);
                let mut stopping = pin!(stopping.wait());
                let mut is_stopping = false;
                let ended = poll_fn(|cx| {
                    if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                        is_stopping = true;
                        Pin::new(&mut hyper).graceful_shutdown();
                    }
                    hyper.poll_without_shutdown(cx)
                });
                if ended.await.is_ok() {
                    linger(hyper.into_parts().io.into_inner(), &connection).await;
                }
            };
            tokio::select! {
                () = serving => {}
                () = closing.closed() => {}
            }
            drop(place);
        }
    }
}

/// Answers one request.
async fn answer(
    routes: Router,
    connection: Arc<Connection>,
    in_reserve: bool,
    request: Request<Incoming>,
) -> Result<Response<UntilAnswered>, Infallible> {
    connection.enter(Phase::Busy);
    let response = if in_reserve && request.uri().path() != "/healthz" {
        // 429, which GHL repeats after in any case.
        let detail = "this server has as many connections as it takes; send the request again";
        close_after(Problem::too_many("Too many connections", detail, 1).into_response())
    } else {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(Arc::clone(&connection));
        let left = Arc::new(AtomicBool::new(!body.is_end_stream()));
        let body = Body::new(UntilRead::new(body, Arc::clone(&left)));
        let Ok(response) = routes.oneshot(Request::from_parts(parts, body)).await;
        // The connection can't be used again, and the client should not try.
        if left.load(Ordering::Relaxed) { close_after(response) } else { response }
    };
    debug_assert_ne!(response.status(), StatusCode::SWITCHING_PROTOCOLS, "no route takes over a connection");
    Ok(response.map(|body| UntilAnswered::new(body, connection)))
}

fn close_after(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

/// Ends the sending side, and reads on for a moment, until the client has seen the answer.
async fn linger(mut socket: Watched, connection: &Connection) {
    connection.enter(Phase::Lingering);
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut forgotten = vec![0; BUFFER];
    let mut length = 0;
    let read_on = async {
        while length < LINGER_BYTES {
            match socket.read(&mut forgotten).await {
                Ok(0) | Err(_) => break,
                Ok(more) => length += more,
            }
        }
    };
    let _ = timeout(LINGER, read_on).await;
}
