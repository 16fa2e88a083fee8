//! The sandbox over its port, as a client meets it.

mod calendars;
mod changes;
mod contacts;
mod documents;
mod edits;
mod every_operation;
mod faults;
mod middleware;
mod seed;
mod tasks_and_notes;
mod versions;
mod webhooks;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

use super::{Sandbox, SandboxConfig};
use documents::Documents;

const VERSION: &str = "2021-07-28";
const CALENDARS_VERSION: &str = "2021-04-15";

/// A sandbox, and a client with the token of its first location.
struct Bench {
    sandbox: Sandbox,
    client: Client,
    token: String,
    location: String,
    /// `v3` where a route has it, or the dated one that it has.
    version: Option<&'static str>,
}

impl Bench {
    async fn start(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let first = sandbox.locations().remove(0);
        Self { sandbox, client: Client::new(), token: first.token, location: first.id, version: None }
    }

    async fn plain() -> Self {
        Self::start(SandboxConfig::default()).await
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url());
        self.client.request(method, url).bearer_auth(&self.token).header("Version", self.version_of(path))
    }

    fn version_of(&self, path: &str) -> &'static str {
        let dated = if path.starts_with("/calendars/") { CALENDARS_VERSION } else { VERSION };
        let has_v3 = ["/contacts/", "/locations/", "/calendars/"].iter().any(|area| path.starts_with(area));
        self.version.filter(|_| has_v3).unwrap_or(dated)
    }

    /// The reply, once it was found to be of the documented shape.
    async fn answered(&self, method: &Method, path: &str, call: RequestBuilder) -> (u16, Value) {
        let (status, body) = answer(call.send().await.unwrap()).await;
        if let Some(documents) = Documents::get() {
            documents.check(if self.version_of(path) == "v3" { "v3" } else { "dated" }, method, path, status, &body);
        }
        (status, body)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.answered(&Method::GET, path, self.call(Method::GET, path)).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.answered(&Method::DELETE, path, self.call(Method::DELETE, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.answered(&method, path, self.call(method.clone(), path).json(&body)).await
    }

    /// Edits its records as a user of GHL does.
    async fn edit(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/_sandbox/locations/{}/{path}", self.sandbox.url(), self.location);
        let reply = self.client.request(method, url).json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    fn state(&self) -> Value {
        self.sandbox.state(&self.location).unwrap()
    }

    fn contact(&self) -> String {
        self.state()["contacts"][0]["id"].as_str().unwrap().to_owned()
    }
}

async fn answer(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

fn header(response: &Response, name: &str) -> u64 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}
