//! What commands share that speak to a running gateway, as every other program does: they work beside `demo`, `up`, and from another machine.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

#[cfg(feature = "sandbox")]
use super::demo::beside::Beside;
use super::serve::reachable;
use crate::config::Config;

/// Beside what a request asks the gateway to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the gateway is, and who asks.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address of the gateway [default: CLIENTY_LISTEN]
    #[arg(long, value_name = "URL", env = "CLIENTY_URL", hide_env_values = true)]
    url: Option<String>,
    /// API key; prefer the variable, since other users of the machine can read the arguments of a command
    #[arg(long, value_name = "KEY", env = "CLIENTY_API_KEY", hide_env_values = true)]
    key: Option<SecretString>,
}

/// A gateway that is asked over HTTP.
pub(super) struct Remote {
    client: Client,
    url: String,
    key: SecretString,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    /// There is no answer, or not in time.
    #[error("can't reach the gateway at {url}: {reason}. Is it running? --url or CLIENTY_URL names another address")]
    Unreachable { url: String, reason: String },
    /// It answered with a problem.
    #[error("{}", in_words(.0))]
    Refused(Value),
}

impl Remote {
    pub(super) fn new(config: &Config, arguments: Arguments) -> anyhow::Result<Self> {
        let Arguments { mut url, key } = arguments;
        let mut key = key.filter(|key| !key.expose_secret().is_empty());
        if url.is_none() && key.is_none() {
            (url, key) = of_a_demo(config);
        }
        let Some(key) = key else {
            bail!(
                "no API key: set CLIENTY_API_KEY; a `demo` over the same data folder needs none, `clienty-sync keys create --name NAME` makes one"
            )
        };
        let url = url.unwrap_or_else(|| format!("http://{}", reachable(config.gateway.listen)));
        let url = url.trim_end_matches('/').to_owned();
        let client = Client::builder().build().context("can't make an HTTP client")?;
        Ok(Self { client, url, key })
    }

    pub(super) async fn fetch(
        &self,
        path: &str,
        query: &[(&str, String)],
        wait: Duration,
    ) -> Result<Value, RemoteError> {
        self.send(self.request(Method::GET, path).query(query).timeout(PATIENCE + wait)).await
    }

    pub(super) async fn submit(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.send(self.request(Method::POST, path).json(body).timeout(PATIENCE)).await
    }

    /// Deletes what is at the path.
    pub(super) async fn remove(&self, path: &str) -> Result<(), RemoteError> {
        self.send(self.request(Method::DELETE, path).timeout(PATIENCE)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(self.key.expose_secret())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, RemoteError> {
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            let reason = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
            RemoteError::Unreachable {
                url: self.url.clone(),
                reason: reason.map(ToString::to_string).unwrap_or_default(),
            }
        };
        let reply = request.send().await.map_err(unreachable)?;
        let status = reply.status();
        let text = reply.text().await.map_err(unreachable)?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        match serde_json::from_str(&text) {
            Ok(document) if status.is_success() => Ok(document),
            Ok(problem) => Err(RemoteError::Refused(problem)),
            Err(_) => Err(RemoteError::Unreachable { url: self.url.clone(), reason: no_gateway(status) }),
        }
    }

    /// The location that is meant where none is named: the only one that the key sees.
    pub(super) async fn location(&self, named: Option<String>) -> anyhow::Result<String> {
        if let Some(named) = named {
            return Ok(named);
        }
        let known = self.fetch("/v1/locations", &[], Duration::ZERO).await?;
        let known: Vec<_> = known["locations"].as_array().into_iter().flatten().collect();
        match known.as_slice() {
            [one] => Ok(one["locationId"].as_str().unwrap_or_default().to_owned()),
            [] => bail!("this key sees no location: `clienty-sync connect` connects one"),
            many => bail!("--location is needed: this key sees {} locations", many.len()),
        }
    }
}

/// Address and key of a demo that runs beside.
#[cfg(feature = "sandbox")]
fn of_a_demo(config: &Config) -> (Option<String>, Option<SecretString>) {
    Beside::find(config).map(|demo| (demo.url(), demo.key())).unzip()
}

#[cfg(not(feature = "sandbox"))]
fn of_a_demo(_: &Config) -> (Option<String>, Option<SecretString>) {
    (None, None)
}

fn no_gateway(status: StatusCode) -> String {
    format!("the server that answers with {status} is not a gateway of clienty-sync")
}

/// A problem document as a sentence, and a line for each field at fault.
fn in_words(problem: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{}: {}", text(&problem["title"]), text(&problem["detail"]))];
    for error in problem["errors"].as_array().into_iter().flatten() {
        lines.push(format!("  {} {}", text(&error["field"]), text(&error["message"])));
    }
    lines.join("\n")
}
