//! Flows: what each run does once, when one begins, and what stops it.

mod backtest;
mod commands;
mod durable;
mod ending;
mod first_seen;
mod gallery;
mod happenings;
mod history;
mod http_steps;
mod in_ghl;
mod kept;
mod scripts;
mod steps;
mod trial;
mod triggers;
mod webhooks;

use clienty_sync::gateway::Server;
use ghl_sandbox::{WebhookFaults, Webhooks};
use serde_json::{Map, Value};
use sync_workers::records::{FlowRun, Knows, NewRun};

use crate::support::test_app::{Setup, TestApp};

/// A system that runs flows, and a GHL that reports its changes.
struct Flowing {
    app: TestApp,
    server: Server,
    webhooks: Webhooks,
    location: String,
}

impl Flowing {
    async fn start(setup: Setup, faults: WebhookFaults) -> Self {
        let app = TestApp::working(setup).await;
        let location = app.location().id;
        let (server, webhooks) = app.with_webhooks(faults).await;
        Self { app, server, webhooks, location }
    }

    async fn calm(flows: &'static [(&'static str, &'static str)]) -> Self {
        Self::start(Setup { flows, ..Setup::default() }, WebhookFaults::default()).await
    }

    /// A contact that is known here.
    async fn known(&self) -> String {
        let contact = self.app.contacts(&self.location).remove(0);
        self.app.report("contact.selected", &contact, serde_json::json!({})).await;
        self.settle().await;
        contact
    }

    /// Starts a run by hand.
    async fn begin(&self, flow: &str, contact: Option<&str>) -> String {
        let records = &self.app.app.records;
        let flow = self.app.app.config.flows.loaded.iter().find(|known| known.name == flow).unwrap();
        let knows =
            Knows { event: Value::Object(Map::new()), set: flow.set.clone(), answers: Map::new(), ..Knows::default() };
        let new = NewRun { flow, location_id: &self.location, contact_id: contact, knows };
        let (id, key) = records.start_flow(new).await.unwrap().unwrap();
        self.app.app.queue.push(&[sync_workers::jobs::new_job(&key, job_engine::Priority::Interactive)]).await.unwrap();
        id
    }

    async fn run(&self, id: &str) -> FlowRun {
        self.app.app.records.flow_run(id).await.unwrap().unwrap()
    }

    /// How many runs of a flow ended so, or are `underWay`.
    async fn runs(&self, flow: &str, outcome: &str) -> i64 {
        let counts = self.app.app.records.flow_counts().await.unwrap();
        counts.get(flow).and_then(|counts| counts.get(outcome)).copied().unwrap_or(0)
    }

    /// Waits until a run has ended.
    async fn ended(&self, id: &str) -> FlowRun {
        self.app.wait_until("the run ends", async || self.run(id).await.outcome.is_some()).await;
        self.run(id).await
    }

    async fn settle(&self) {
        for _ in 0..3 {
            // What a run does GHL reports, and that may lead to more.
            self.app.wait_until("all webhooks are delivered", async || self.webhooks.stats().pending == 0).await;
            self.app.settle().await;
        }
    }

    fn held(&self, list: &str, contact: &str, field: &str) -> Vec<String> {
        let mut texts: Vec<_> =
            self.app.held(list, contact).iter().map(|one| one[field].as_str().unwrap().to_owned()).collect();
        texts.sort();
        texts
    }

    /// How many notes say that their step was reached.
    fn reached(&self, contact: &str) -> usize {
        self.held("notes", contact, "body").iter().filter(|note| *note == "reached").count()
    }

    fn tags(&self, contact: &str) -> Vec<String> {
        let state = self.app.state(&self.location);
        let contact = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact).unwrap().clone();
        contact["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app.finish().await;
    }

    async fn finish_with_dead(self, dead: usize) {
        self.server.stop().await;
        self.app.finish_with_dead(dead).await;
    }
}
