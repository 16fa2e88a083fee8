//! Whoever is informed by hooks: a server that verifies each message as its libraries do, takes it or does something else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Patience;

/// What it does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Take,
    /// Takes it, and answers this JSON.
    Say(&'static str),
    /// Answers so, and takes nothing.
    Answer(u16),
    /// Answers 429 or the like, and to be asked again after so many seconds.
    AskLater(u16, u64),
    /// Has read it, and closes the connection without a word.
    HangUp,
    /// Has read it, and says nothing for a minute.
    SayNothing,
    /// Takes it, and its answer gets lost.
    TakeAndHangUp,
}

/// A message that came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) id: String,
    pub(crate) signature: String,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: Value,
    /// By one of the secrets that the receiver knows.
    pub(crate) is_verified: bool,
    /// Whether it was taken.
    pub(crate) is_taken: bool,
}

#[derive(Default)]
struct Kept {
    secrets: Mutex<Vec<String>>,
    came: Mutex<Vec<Came>>,
    does: Mutex<Option<Does>>,
}

/// A receiver; closed with the value.
pub(crate) struct Receiver {
    pub(crate) url: String,
    kept: Arc<Kept>,
    server: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let kept = Arc::<Kept>::default();
        let routes = Router::new().fallback(receive).with_state(Arc::clone(&kept));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, kept, server }
    }

    /// It checks messages by this secret, too.
    pub(crate) fn knows(&self, secret: &str) {
        locked(&self.kept.secrets).push(secret.to_owned());
    }

    /// What it does from now on.
    pub(crate) fn does(&self, does: Does) {
        *locked(&self.kept.does) = Some(does);
    }

    /// All that came, taken or not.
    pub(crate) fn came(&self) -> Vec<Came> {
        locked(&self.kept.came).clone()
    }

    /// The bodies of those that were taken.
    pub(crate) fn taken(&self) -> Vec<Value> {
        self.came().into_iter().filter(|came| came.is_taken).map(|came| came.body).collect()
    }

    /// Waits for what came to be so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut patience = Patience::long();
        loop {
            let taken = self.taken();
            if is_so(&taken) {
                return taken;
            }
            assert!(patience.lasts_on().await, "waited in vain until {what}; came {:#?}", self.came());
        }
    }

    /// Every message was signed, also those that were not taken.
    pub(crate) fn assert_all_verified(&self) {
        let forged: Vec<_> = self.came().into_iter().filter(|came| !came.is_verified).collect();
        assert!(forged.is_empty(), "{forged:#?}");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a message says that it accounts for: each change, with the one before it.
pub(crate) fn accounted(body: &Value) -> Vec<(i64, Option<i64>)> {
    let pair = |seq: &Value, previous: &Value| (seq.as_i64().unwrap(), previous.as_i64());
    let includes = body["includes"].as_array().cloned().unwrap_or_default();
    let mut all: Vec<_> = includes.iter().map(|item| pair(&item[0], &item[1])).collect();
    all.push(pair(&body["sequence"], &body["previous"]));
    all
}

/// The changes before others that are missing, as a receiver sees it.
pub(crate) fn missing_values(bodies: &[Value]) -> Vec<i64> {
    let all: Vec<_> = bodies.iter().flat_map(accounted).collect();
    let had = |seq: i64| all.iter().any(|(had, _)| *had == seq);
    let mut missing_values: Vec<i64> =
        all.iter().filter_map(|(_, previous)| *previous).filter(|seq| !had(*seq)).collect();
    missing_values.sort_unstable();
    missing_values.dedup();
    missing_values
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(kept): State<Arc<Kept>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let is_verified = locked(&kept.secrets)
        .iter()
        .any(|secret| Webhook::new(secret).is_ok_and(|webhook| webhook.verify(&body, &headers).is_ok()));
    let does = locked(&kept.does).unwrap_or(Does::Take);
    locked(&kept.came).push(Came {
        id: text("webhook-id"),
        signature: text("webhook-signature"),
        method: method.to_string(),
        path: uri.to_string(),
        authorization: text("authorization"),
        // Only steps of flows send requests without one.
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
        is_verified,
        is_taken: matches!(does, Does::Take | Does::Say(_) | Does::TakeAndHangUp),
    });
    match does {
        Does::Take => StatusCode::NO_CONTENT.into_response(),
        Does::Say(json) => ([("content-type", "application/json")], json).into_response(),
        Does::Answer(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Does::AskLater(status, seconds) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
            response
        }
        // The connection's task ends, and no hook of panics learns of it.
        Does::HangUp | Does::TakeAndHangUp => std::panic::resume_unwind(Box::new(())),
        Does::SayNothing => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}
