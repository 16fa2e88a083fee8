//! A producer and reader: HTTP with an API key.

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::Patience;

/// The HTTP API at an address, with a key.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) key: String,
    /// Where the process serves its metrics.
    monitoring: Option<String>,
    client: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Api {
    pub(crate) fn new(url: &str, key: &str) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        Self { url: url.to_owned(), key: key.to_owned(), monitoring: None, client }
    }

    /// The API of a process, by what it prints when it starts.
    pub(crate) fn started(reported: &Value, key: &str) -> Self {
        let monitoring = reported["metrics"].as_str().unwrap().strip_suffix("/metrics").unwrap().to_owned();
        Self { monitoring: Some(monitoring), ..Self::new(reported["url"].as_str().unwrap(), key) }
    }

    /// A request to the address for those who run the process.
    pub(crate) async fn monitoring(&self, path: &str) -> Answer {
        let monitoring = self.monitoring.as_ref().expect("the process has said where its metrics are");
        self.send(self.client.get(format!("{monitoring}{path}"))).await
    }

    /// The metrics, once they have the line.
    pub(crate) async fn metrics_with(&self, line: &str) -> String {
        let mut patience = Patience::usual();
        loop {
            let text = self.monitoring("/metrics").await.text;
            if text.contains(line) {
                return text;
            }
            assert!(patience.lasts_on().await, "waited in vain for {line} in\n{text}");
        }
    }

    /// The same API, asked with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.key)).await
    }

    /// `POST /v1/events` with any body.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.client.post(format!("{}/v1/events", self.url)).bearer_auth(&self.key).body(body)).await
    }

    /// A request without the key and whatever `shape` adds.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        shape: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        self.send(shape(request)).await
    }

    /// Sends events that must be accepted, and returns what the answer says of each.
    pub(crate) async fn accepted(&self, events: &Value) -> Vec<Value> {
        let answer = self.post(events.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["accepted"].as_array().unwrap().clone()
    }

    /// Sends one event that must be accepted, and waits until its job is done.
    pub(crate) async fn done(&self, event: &Value) -> Value {
        let accepted = self.accepted(event).await;
        self.job_in_state(accepted[0]["jobId"].as_str().unwrap(), "done").await
    }

    /// Waits until the job is in the state.
    pub(crate) async fn job_in_state(&self, id: &str, state: &str) -> Value {
        let mut patience = Patience::usual();
        loop {
            let job = self.get(&format!("/v1/jobs/{id}")).await.json();
            if job["state"] == state {
                return job;
            }
            assert!(patience.lasts_on().await, "waited in vain until the job is {state}: {job}");
        }
    }

    /// Selects a contact and waits until it is stored; then its view.
    pub(crate) async fn pulled(&self, location: &str, contact: &str) -> Value {
        self.done(&json!({"type": "contact.selected", "locationId": location, "contactId": contact})).await;
        let answer = self.get(&format!("/v1/locations/{location}/contacts/{contact}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem (RFC 9457) that this answer must be.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {problem}");
        }
        problem
    }

    /// The positions and fields that the problem names.
    pub(crate) fn faults(&self, status: u16) -> Vec<(Option<u64>, String)> {
        let problem = self.problem(status);
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let fault = |error: &Value| {
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "no message: {error}");
            (error["index"].as_u64(), error["field"].as_str().unwrap().to_owned())
        };
        errors.iter().map(fault).collect()
    }
}
