//! The sandbox over its port, as a client meets it.

mod changes;
mod contacts;
mod door;
mod faults;
mod seed;
mod tasks_and_notes;
mod webhooks;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

use super::{Sandbox, SandboxConfig};

const VERSION: &str = "2021-07-28";

/// A sandbox, and a client with the token of its first location.
struct Bench {
    sandbox: Sandbox,
    client: Client,
    token: String,
    location: String,
}

impl Bench {
    async fn start(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let first = sandbox.locations().remove(0);
        Self { sandbox, client: Client::new(), token: first.token, location: first.id }
    }

    async fn plain() -> Self {
        Self::start(SandboxConfig::default()).await
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url());
        self.client.request(method, url).bearer_auth(&self.token).header("Version", VERSION)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.call(Method::GET, path).send().await.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.call(method, path).json(&body).send().await.unwrap()).await
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
