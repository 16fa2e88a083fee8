//! `demo`: the first thing anybody runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::curl::curl;
use crate::support::folder::Folder;
use crate::support::installation::{document, started};
use crate::support::program::{Program, clienty_sync, run};
use crate::support::wait_until_async;

const ADDRESSES: [(&str, &str); 2] = [("CLIENTY_LISTEN", "127.0.0.1:0"), ("CLIENTY_METRICS_LISTEN", "127.0.0.1:0")];

pub(super) struct Demo {
    pub(super) program: Program,
    pub(super) about: Value,
    pub(super) api: Api,
    pub(super) location: String,
    pub(super) contact: String,
    folder: Folder,
}

impl Demo {
    fn start() -> Self {
        Self::start_with(&[])
    }

    pub(super) fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new("demo");
        let data = folder.path().join("data");
        let data = [("CLIENTY_DATA_DIR", data.to_str().unwrap())];
        let (program, about) = started(&["demo"], &[settings, &data, &ADDRESSES].concat(), &folder);
        let text = |name: &str| about[name].as_str().unwrap_or_else(|| panic!("no {name}: {about}")).to_owned();
        let api = Api::started(&about, &text("apiKey"));
        let (location, contact) = (text("locationId"), text("contactId"));
        Self { program, api, location, contact, about, folder }
    }

    /// The data folder of the settings under which it was started.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Sends a printed line, which must be accepted.
    pub(super) async fn curl(&self, line: &str) -> Value {
        let sandbox = Api::new(self.about["sandbox"].as_str().unwrap(), "");
        let answer = curl(line, &[], &[&self.api, &sandbox]).await;
        assert!([200, 202].contains(&answer.status), "{line}: {}", answer.text);
        answer.json()
    }

    async fn in_ghl(&self) -> Value {
        let sandbox = Api::new(self.about["sandbox"].as_str().unwrap(), "");
        sandbox.get(&format!("/_sandbox/locations/{}/state", self.location)).await.json()
    }

    async fn view(&self) -> Value {
        self.api.get(&format!("/v1/locations/{}/contacts/{}", self.location, self.contact)).await.json()
    }
}

#[tokio::test]
async fn the_printed_lines_select_a_contact_and_show_it() {
    let mut demo = Demo::start();
    let accepted = demo.curl(demo.about["select"].as_str().unwrap()).await;
    demo.api.job_in_state(accepted["accepted"][0]["jobId"].as_str().unwrap(), "done").await;
    let view = demo.curl(demo.about["show"].as_str().unwrap()).await;
    assert_eq!(view["contact"]["id"], demo.contact);
    assert!(view["tasks"].is_array() && view["notes"].is_array() && view["appointments"].is_array(), "{view}");

    demo.program.terminate();
    assert_eq!(demo.program.wait().code(), Some(0));
}

#[tokio::test]
async fn an_edit_in_ghl_arrives_in_the_records_without_any_event_of_clientys() {
    let demo = Demo::start();
    demo.curl(demo.about["edit"].as_str().unwrap()).await;
    let path = format!("/v1/locations/{}/contacts/{}", demo.location, demo.contact);
    wait_until_async("the edit is in the records", async || {
        let answer = demo.api.get(&path).await;
        answer.status == 200 && answer.json()["contact"]["city"] == "Paderborn"
    })
    .await;
    let metrics = demo.api.monitoring("/metrics").await.text;
    assert!(!metrics.contains("source=\"api\""), "{metrics}");
}

#[tokio::test]
async fn a_created_task_arrives_in_ghl_once_and_in_the_view_with_both_ids() {
    let demo = Demo::start();
    demo.api.pulled(&demo.location, &demo.contact).await;
    let event = json!({
        "id": "task-1", "type": "task.created", "locationId": demo.location, "contactId": demo.contact,
        "data": {"clientyTaskId": "clienty-1", "title": "Call back at noon", "dueDate": "2035-06-01T12:00:00Z"},
    });
    demo.api.done(&event).await;
    demo.api.accepted(&event).await;

    let state = demo.in_ghl().await;
    let tasks = state["tasks"].as_array().unwrap();
    let made: Vec<_> = tasks.iter().filter(|task| task["title"] == "Call back at noon").collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!((&made[0]["contactId"], &made[0]["completed"]), (&json!(demo.contact), &json!(false)));

    let view = demo.view().await;
    let task = view["tasks"].as_array().unwrap().iter().find(|task| task["clientyTaskId"] == "clienty-1").unwrap();
    assert_eq!(task["taskId"], *made[0].get("id").or(made[0].get("_id")).unwrap());
    assert_eq!((&task["status"], &task["dueDate"]), (&json!("open"), &json!("2035-06-01T12:00:00Z")));

    let completed =
        json!({"type": "task.completed", "locationId": demo.location, "data": {"clientyTaskId": "clienty-1"}});
    demo.api.done(&completed).await;
    wait_until_async("the task is completed in GHL", async || {
        let state = demo.in_ghl().await;
        state["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|task| task["title"] == "Call back at noon" && task["completed"] == true)
    })
    .await;
    let view = demo.view().await;
    let task = view["tasks"].as_array().unwrap().iter().find(|task| task["clientyTaskId"] == "clienty-1").unwrap();
    assert_eq!((&task["status"], &task["completed"]), (&json!("completed"), &json!(true)));
}

#[test]
fn once_reports_what_it_did_and_ends_well() {
    let ended = run(clienty_sync(&["demo", "--once", "--json", "--contacts", "8"], &[]));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let summary = document(&ended);
    let keys: BTreeSet<_> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = ["appointments", "contacts", "ghlCalls", "mismatches", "notes", "seconds", "tasks", "throttled"];
    assert_eq!(keys, promised.into());
    assert_eq!((&summary["contacts"], &summary["mismatches"]), (&json!(8), &json!(0)));
    assert!(summary["ghlCalls"].as_u64().unwrap() > 0 && summary["seconds"].is_f64(), "{summary}");
}

#[test]
fn for_people_it_says_how_to_go_on() {
    let folder = Folder::new("demo-for-people");
    let data = ("CLIENTY_DATA_DIR", folder.path().to_str().unwrap());
    let settings = [data, ("CLIENTY_LISTEN", "127.0.0.1:0"), ("RUST_LOG", "off")];
    let mut program = Program::start(clienty_sync(&["demo"], &settings));
    program.wait_for_line("Ctrl-C ends the demo");
    let reported = program.output();
    for part in ["is up at http://127.0.0.1:", "API key: cs_", "contact.selected", "curl -s"] {
        assert!(reported.contains(part), "{reported}");
    }
}

#[tokio::test]
async fn the_demo_fingerprints_a_link_that_opens_the_console_once() {
    let demo = Demo::start();
    let link = demo.about["console"].as_str().expect("a link").to_owned();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let opened = client.get(&link).send().await.unwrap();
    assert_eq!((opened.status().as_u16(), &opened.headers()["location"]), (303, &"/ui".parse().unwrap()));
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let now = client.get(format!("{}/ui", demo.api.url)).header("cookie", cookie).send().await.unwrap();
    assert_eq!(now.status(), 200);
    assert!(now.text().await.unwrap().contains("<h1>Now</h1>"));
    assert_eq!(client.get(&link).send().await.unwrap().status(), 401, "once");
}
