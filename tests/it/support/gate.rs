//! Stands between the client and the sandbox, and holds back what a test wants to be late.
//!
//! The sandbox's own latency moves every call alike; a race needs one call to wait for another. A held call has already been carried
//! out: only its answer is late.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the gate does with the calls of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    /// Their answers wait.
    Hold(Call),
    /// They are answered so, and nothing is carried out.
    Answer(Call, StatusCode, &'static str),
}

type Call = (Method, String);

struct Keeper {
    sandbox: String,
    http: reqwest::Client,
    orders: watch::Sender<Vec<Order>>,
    /// Calls that the sandbox has answered, in order, passed on or not.
    answered: watch::Sender<Vec<Call>>,
}

/// A gate in front of a sandbox; closed with the value.
pub(crate) struct Gate {
    url: String,
    keeper: Arc<Keeper>,
    server: JoinHandle<()>,
}

fn serve(listener: TcpListener, keeper: &Arc<Keeper>) -> JoinHandle<()> {
    let routes = Router::new().fallback(pass).with_state(Arc::clone(keeper));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

impl Gate {
    pub(crate) async fn before(sandbox: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keeper = Arc::new(Keeper {
            sandbox,
            http: reqwest::Client::new(),
            orders: watch::Sender::new(Vec::new()),
            answered: watch::Sender::new(Vec::new()),
        });
        let server = serve(listener, &keeper);
        Self { url, keeper, server }
    }

    /// Nobody listens any more: new connections are refused, as where our own network lets nothing out.
    pub(crate) async fn vanish(&mut self) {
        self.server.abort();
        // An error says that it was aborted.
        let _ = (&mut self.server).await;
    }

    /// It listens again, at its old address.
    pub(crate) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.url.trim_start_matches("http://")).await.unwrap();
        self.server = serve(listener, &self.keeper);
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on answers to `method path` wait for [`Gate::open`].
    pub(crate) fn hold(&self, method: Method, path: &str) {
        self.keeper.orders.send_modify(|orders| orders.push(Order::Hold((method, path.to_owned()))));
    }

    /// From now on `method path` is answered with `status` and no more, until [`Gate::open`].
    pub(crate) fn answer(&self, method: Method, path: &str, status: StatusCode) {
        self.say(method, path, status, "{}");
    }

    /// As [`Gate::answer`], with a body.
    pub(crate) fn say(&self, method: Method, path: &str, status: StatusCode, body: &'static str) {
        let order = Order::Answer((method, path.to_owned()), status, body);
        self.keeper.orders.send_modify(|orders| orders.push(order));
    }

    /// Lets everything through that waits, and all that comes.
    pub(crate) fn open(&self) {
        self.keeper.orders.send_modify(Vec::clear);
    }

    /// Waits until the sandbox has answered `method path` that often.
    pub(crate) async fn answered(&self, method: Method, path: &str, times: usize) {
        let call = (method, path.to_owned());
        let mut answered = self.keeper.answered.subscribe();
        answered.wait_for(|calls| calls.iter().filter(|one| **one == call).count() >= times).await.unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(keeper): State<Arc<Keeper>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let call = (parts.method.clone(), parts.uri.path().to_owned());
    let reported = keeper.orders.borrow().iter().find_map(|order| match order {
        Order::Answer(which, status, body) if *which == call => Some((*status, *body)),
        Order::Answer(..) | Order::Hold(_) => None,
    });
    if let Some((status, body)) = reported {
        return with(status, &HeaderMap::new(), Bytes::from_static(body.as_bytes()));
    }
    let url = format!("{}{}", keeper.sandbox, parts.uri);
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let sent = keeper.http.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let Ok(reply) = sent else { return with(StatusCode::BAD_GATEWAY, &HeaderMap::new(), Bytes::new()) };
    let (status, headers) = (reply.status(), reply.headers().clone());
    let body = reply.bytes().await.unwrap_or_default();
    keeper.answered.send_modify(|calls| calls.push(call.clone()));
    let held = Order::Hold(call);
    // An error means that the gate is gone, and the test with it.
    let _ = keeper.orders.subscribe().wait_for(|orders| !orders.contains(&held)).await;
    with(status, &headers, body)
}

fn with(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Response {
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = status;
    let reported = headers.iter().filter(|(name, _)| is_passed_on(name.as_str()));
    reply.headers_mut().extend(reported.map(|(name, value)| (name.clone(), value.clone())));
    reply
}

fn is_passed_on(header: &str) -> bool {
    header.starts_with("x-ratelimit") || matches!(header, "content-type" | "date")
}
