//! Hooks: whoever wants to learn of changes is informed over HTTP, by real messages to a real receiver.

mod failing;
mod making;
mod notices;
mod processes;
mod reporting;

use clienty_sync::gateway::Server;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::records::{NewKey, Role};

use crate::support::api::{Answer, Api};
use crate::support::receiver::Receiver;
use crate::support::test_app::{Setup, TestApp};

/// Messages may go to this machine, unencrypted.
const TO_THIS_MACHINE: &[(&str, &str)] =
    &[("CLIENTY_HOOKS_ALLOW_HTTP", "on"), ("CLIENTY_OUTSIDE_ALLOW_NETS", "127.0.0.1/32")];

fn setup() -> Setup {
    Setup { settings: TO_THIS_MACHINE, ..Setup::default() }
}

/// A working system that GHL reports changes, with a gateway.
async fn working() -> (TestApp, Server, ghl_sandbox::Webhooks, Api) {
    let app = TestApp::working(setup()).await;
    let (server, webhooks) = app.with_webhooks(Default::default()).await;
    let api = api(&app, &server, "first").await;
    (app, server, webhooks, api)
}

/// The API with a new key.
async fn api(app: &TestApp, server: &Server, name: &str) -> Api {
    key(app, server, NewKey { roles: vec![Role::Admin], ..NewKey::of_all(name) }).await
}

async fn key(app: &TestApp, server: &Server, new: NewKey) -> Api {
    let (_, key) = app.app.records.create_key(&new).await.unwrap();
    Api::new(&format!("http://{}", server.address), key.expose_secret())
}

/// A request with a JSON body and the key.
async fn send(api: &Api, method: &str, path: &str, body: Value) -> Answer {
    api.request(method, path, |request| request.bearer_auth(&api.key).json(&body)).await
}

/// Makes a hook that reports the receiver of these events, with more fields; the hook.
async fn hook(api: &Api, receiver: &Receiver, events: &[&str], more: Value) -> Value {
    let mut body = json!({"url": receiver.url, "events": events});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = send(api, "POST", "/v1/hooks", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let hook = answer.json();
    if let Some(secret) = hook["secret"].as_str() {
        receiver.knows(secret);
    }
    hook
}

/// The path of a hook.
fn path(hook: &Value) -> String {
    format!("/v1/hooks/{}", hook["id"].as_str().unwrap())
}
