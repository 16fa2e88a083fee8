//! Flows that people change while the program runs: versions, on and off, runs that are listed and stopped.

use std::collections::BTreeMap;

use clienty_sync::app::{App, Tuning};
use ghl_sandbox::WebhookFaults;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::records::{NewKey, Places, RUN_OUTCOMES, Role, RunFilter};

use super::Flowing;
use crate::support::api::{Answer, Api};
use crate::support::postgres::PostgresServer;
use crate::support::test_app::Setup;

/// A step for nowhere: the run ends at once.
fn at_once(on: &str, about: &str) -> String {
    format!(
        "about = \"{about}\"\non = \"{on}\"\n\n[[step]]\nwait = \"1d\"\nonly_if.event.locationId.is = \"nowhere\"\n"
    )
}

const WAITS: &str =
    "[[step]]\nname = \"rest\"\nwait = \"1d\"\n\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"reached\"\n";

struct Editor {
    flowing: Flowing,
    api: Api,
}

impl Editor {
    async fn start(setup: Setup) -> Self {
        let flowing = Flowing::start(setup, WebhookFaults::default()).await;
        let api = key(&flowing, vec![Role::Admin], Places::All).await;
        Self { flowing, api }
    }

    async fn put(&self, name: &str, toml: &str, header: Option<(&str, &str)>) -> Answer {
        let shape = |request: reqwest::RequestBuilder| {
            let request = request.bearer_auth(&self.api.key).header("content-type", "application/toml");
            let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            request.body(toml.to_owned())
        };
        self.api.request("PUT", &format!("/v1/flows/{name}"), shape).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&self.api.key).body(body.to_string());
        self.api.request("POST", path, shape).await
    }

    /// Starts a run by hand, and returns its id.
    async fn begin(&self, flow: &str, contact: &str) -> String {
        let body = json!({"locationId": self.flowing.location, "contactId": contact});
        let answer = self.post(&format!("/v1/flows/{flow}/run"), body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["runId"].as_str().unwrap().to_owned()
    }

    async fn shown(&self, run: &str) -> Value {
        self.api.get(&format!("/v1/flow-runs/{run}")).await.json()
    }

    async fn finish(self) {
        self.flowing.finish().await;
    }
}

async fn key(flowing: &Flowing, roles: Vec<Role>, locations: Places) -> Api {
    let new = NewKey { roles, locations, reads_people: true, ..NewKey::of_all("flows") };
    let (_, text) = flowing.app.app.records.create_key(&new).await.unwrap();
    Api::new(&format!("http://{}", flowing.server.address), text.expose_secret())
}

async fn is_in_force_from_its_commit_on(setup: Setup) {
    let editor = Editor::start(setup).await;
    let flowing = &editor.flowing;
    let contact = flowing.known().await;
    let tagged = async |tag: &str| {
        flowing.app.contact_by_hand(Some(&contact), json!({"tags": [tag]})).await;
        flowing.settle().await;
    };
    let made = editor.put("gold", &at_once("contact.tagged=*", "first"), Some(("if-none-match", "*"))).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{}", made.text);
    tagged("a").await;
    assert_eq!(flowing.runs("gold", "done").await, 1);

    // Two editors: the later one has not seen what the earlier one wrote.
    let second = editor.put("gold", &at_once("contact.tagged=*", "second"), Some(("if-match", "\"1\""))).await;
    assert_eq!((second.status, second.header("etag")), (200, "\"2\""), "{}", second.text);
    let late = editor.put("gold", &at_once("contact.tagged=*", "other"), Some(("if-match", "\"1\""))).await;
    assert!(late.problem(412)["type"] == "/problems/flow-changed", "{}", late.text);
    assert_eq!(editor.put("gold", "", Some(("if-none-match", "*"))).await.status, 422);
    assert_eq!(editor.put("gold", &at_once("contact.tagged=*", "x"), Some(("if-none-match", "*"))).await.status, 412);
    let same = editor.put("gold", &at_once("contact.tagged=*", "second"), None).await;
    assert_eq!(same.header("etag"), "\"2\"", "the same text is no version");
    tagged("b").await;

    let off = editor.post("/v1/flows/gold/disable", json!({"why": "too many"})).await;
    assert_eq!((off.status, off.header("etag")), (200, "\"2-off\""), "{}", off.text);
    assert_eq!((&off.json()["state"], &off.json()["why"]), (&json!("disabled"), &json!("too many")));
    tagged("c").await;
    assert_eq!(flowing.runs("gold", "done").await, 2, "none since it is off");
    let wanted = json!({"locationId": flowing.location, "contactId": contact});
    assert!(editor.post("/v1/flows/gold/run", wanted).await.problem(409)["type"] == "/problems/flow-disabled");
    assert_eq!(editor.post("/v1/flows/gold/enable", json!({})).await.json()["state"], "enabled");
    tagged("d").await;
    let runs = flowing.app.app.records.list_flow_runs(&RunFilter::default(), 100).await.unwrap();
    assert_eq!(runs.iter().rev().map(|run| run.version).collect::<Vec<_>>(), [Some(1), Some(2), Some(2)]);
    assert_eq!(runs[2].definition["about"], "first", "a run keeps the text that it began with");

    let gone = editor.api.request("DELETE", "/v1/flows/gold", |request| request.bearer_auth(&editor.api.key)).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    tagged("e").await;
    assert_eq!((flowing.runs("gold", "done").await, editor.api.get("/v1/flows/gold").await.status), (3, 404));
    let versions = editor.api.get("/v1/flows/gold/versions").await.json()["versions"].clone();
    let versions: Vec<_> =
        versions.as_array().unwrap().iter().map(|one| (one["version"].clone(), one["deleted"].clone())).collect();
    assert_eq!(versions, [(json!(3), json!(true)), (json!(2), json!(false)), (json!(1), json!(false))]);
    let again = editor.put("gold", &at_once("contact.tagged=*", "third"), None).await;
    assert_eq!((again.status, again.header("etag")), (201, "\"4\""), "a number is never another text's");
    let acts = flowing.app.app.records.list_audit(&Default::default(), None, 100).await.unwrap().items;
    let count = |action: &str| acts.iter().filter(|act| act.action == action).count();
    let counts = ["flow.write", "flow.disable", "flow.enable", "flow.delete"].map(count);
    assert_eq!(counts, [3, 1, 1, 1], "{acts:#?}");
    editor.finish().await;
}

#[tokio::test]
async fn a_version_is_in_force_from_its_commit_on() {
    is_in_force_from_its_commit_on(Setup::default()).await;
}

#[tokio::test]
async fn a_version_is_in_force_from_its_commit_on_over_postgres() {
    let server = PostgresServer::start();
    let setup = Setup { database_url: Some(server.create_database("flows")), ..Setup::default() };
    is_in_force_from_its_commit_on(setup).await;
}

#[tokio::test]
async fn every_mistake_is_answered_with_its_line_and_column() {
    let editor = Editor::start(Setup::default()).await;
    let wrong = "abuot = \"x\"\n\n[[step]]\nname = \"tag\"\nevent = \"contact.taged\"\n\n[[step]]\ncall = \"create_task\"\nbody.title = \"Call {contact.nmae}\"\n";
    let errors = editor.put("broken", wrong, None).await.problem(422)["errors"].clone();
    let places = |errors: &Value| -> Vec<_> {
        let errors = errors.as_array().unwrap().iter();
        errors.map(|one| (one["line"].clone(), one["column"].clone(), one["field"].clone())).collect()
    };
    let expected = [
        (json!(1), json!(1), json!("abuot")),
        (json!(5), json!(1), json!("step[0].event")),
        (json!(8), json!(1), json!("step[1].call")),
        (json!(9), json!(6), json!("step[1].body.title")),
    ];
    assert_eq!(places(&errors), expected);
    let body = json!({ "toml": wrong });
    let checked = editor.post("/v1/flows/broken/check", body).await;
    assert_eq!(
        (checked.status, &checked.json()["ok"], places(&checked.json()["errors"])),
        (200, &json!(false), expected.to_vec())
    );
    assert_eq!(editor.api.get("/v1/flows/broken").await.status, 404, "nothing was kept");
    for (name, toml) in [("Broken", WAITS), ("torn", "about = \n"), ("empty", ""), ("long", &"# x\n".repeat(20_000))] {
        assert_eq!(editor.put(name, toml, None).await.status, 422, "{name}");
    }
    let many = "[[step]]\nwait = \"1d\"\n".repeat(51);
    assert_eq!(editor.put("many", &many, None).await.faults(422), [(None, "step".to_owned())]);
    let elsewhere = format!("locations = [\"nowhere\"]\n{WAITS}");
    assert_eq!(editor.put("elsewhere", &elsewhere, None).await.faults(422), [(None, "locations".to_owned())]);
    editor.finish().await;
}

/// No process is reported, and none is started anew.
#[tokio::test]
async fn a_change_is_in_force_in_every_process() {
    let server = PostgresServer::start();
    let setup = Setup { database_url: Some(server.create_database("flows")), ..Setup::default() };
    let editor = Editor::start(setup).await;
    let flowing = &editor.flowing;
    let other = App::open_tuned(flowing.app.app.config.clone(), Tuning::default()).await.unwrap();
    let in_force = async || {
        let flows = other.records.flows_in_force().await.unwrap();
        flows.iter().map(|flow| (flow.name.clone(), flow.version)).collect::<Vec<_>>()
    };
    assert_eq!(in_force().await, []);
    for (toml, version) in [("first", 1), ("second", 2)] {
        editor.put("gold", &at_once("contact.created", toml), None).await;
        let expected = [("gold".to_owned(), Some(version))];
        flowing.app.wait_until("the other process knows", async || in_force().await == expected).await;
    }
    editor.post("/v1/flows/gold/disable", json!({})).await;
    flowing.app.wait_until("the other process knows", async || in_force().await.is_empty()).await;
    other.records.close().await;
    editor.finish().await;
}

/// Whatever is written while runs begin, each run is of one version, and of one that was in force.
#[tokio::test]
async fn each_run_has_one_version_while_versions_rain() {
    let server = PostgresServer::start();
    let setup = Setup { database_url: Some(server.create_database("flows")), contacts: 2, ..Setup::default() };
    let editor = Editor::start(setup).await;
    let flowing = &editor.flowing;
    let contact = flowing.known().await;
    const ROUNDS: usize = 12;
    let write = async {
        for round in 0..ROUNDS {
            editor.put("rain", &at_once("note.created", &format!("round {round}")), None).await;
            tokio::task::yield_now().await;
        }
    };
    let happen = async {
        for round in 0..ROUNDS {
            let note = json!({"clientyNoteId": format!("n{round}"), "noteText": "x"});
            flowing.app.report("note.created", &contact, note).await;
        }
    };
    tokio::join!(write, happen);
    flowing.settle().await;
    let mut texts = BTreeMap::new();
    for run in flowing.app.app.records.list_flow_runs(&RunFilter::default(), 1000).await.unwrap() {
        let about = run.definition["about"].as_str().unwrap().to_owned();
        let version = run.version.unwrap();
        assert_eq!(about, format!("round {}", version - 1));
        assert_eq!(texts.insert(run.id.clone(), version), None);
    }
    assert!(texts.len() <= ROUNDS, "each happening starts one run: {texts:?}");
    editor.finish().await;
}

#[tokio::test]
async fn a_run_is_reported_in_sentences_and_stopped() {
    let editor = Editor::start(Setup::default()).await;
    let flowing = &editor.flowing;
    let contact = flowing.known().await;
    assert_eq!(editor.put("slow", WAITS, None).await.status, 201);
    let run = editor.begin("slow", &contact).await;
    flowing.app.wait_until("the run waits", async || flowing.run(&run).await.wait_until_ms.is_some()).await;
    let shown = editor.shown(&run).await;
    let sentences: Vec<_> = shown["steps"].as_array().unwrap().iter().map(|step| step["sentence"].clone()).collect();
    assert_eq!(sentences, ["waits 1d: under way", "writes a note “reached”: to come"]);
    assert!(shown["outcome"] == "underWay" && shown["why"].as_str().unwrap().contains("waits until"), "{shown:#}");
    let stopped = editor.post(&format!("/v1/flow-runs/{run}/stop"), json!({})).await.json();
    assert_eq!((&stopped["outcome"], &stopped["steps"][1]["state"]), (&json!("stopped"), &json!("notReached")));
    assert!(stopped["stoppedBy"].as_str().unwrap().starts_with("key:"), "{stopped}");
    let again = editor.post(&format!("/v1/flow-runs/{run}/stop"), json!({})).await;
    assert!(again.problem(409)["type"] == "/problems/flow-run-over");
    assert_eq!(flowing.run(&run).await.knows, Default::default(), "what it knew is forgotten");

    let second = editor.begin("slow", &contact).await;
    flowing.app.wait_until("the run waits", async || flowing.run(&second).await.wait_until_ms.is_some()).await;
    let off = editor.post("/v1/flows/slow/disable", json!({"stop": true})).await.json();
    assert_eq!((&off["stoppedRuns"], &editor.shown(&second).await["outcome"]), (&json!(1), &json!("stopped")));
    // A wait is a job put off; nothing of it is left.
    flowing.settle().await;
    assert_eq!(flowing.reached(&contact), 0);
    let listed = editor
        .api
        .get(&format!("/v1/flows/slow/runs?outcome=stopped&locationId={}&contactId={contact}", flowing.location))
        .await;
    assert_eq!(listed.json()["runs"].as_array().unwrap().len(), 2, "{}", listed.text);
    for outcome in RUN_OUTCOMES.into_iter().filter(|outcome| *outcome != "stopped") {
        let none = editor.api.get(&format!("/v1/flow-runs?flow=slow&outcome={outcome}")).await;
        assert_eq!(none.json()["runs"], json!([]), "{outcome}");
    }
    let page = editor.api.get("/v1/flow-runs?limit=1").await.json();
    assert_eq!((&page["runs"][0]["id"], &page["nextCursor"]), (&json!(second), &json!(second)));
    let page = editor.api.get(&format!("/v1/flow-runs?limit=1&cursor={second}")).await.json();
    assert_eq!(page["runs"][0]["id"], json!(run));
    let listed = editor.api.get("/v1/flows").await.json();
    assert_eq!((&listed["flows"][0]["name"], &listed["flows"][0]["runs"]["stopped"]), (&json!("slow"), &json!(2)));
    editor.finish().await;
}

#[tokio::test]
async fn a_dead_run_says_why_and_goes_on_or_ends_as_it_is_reported() {
    let editor = Editor::start(Setup::default()).await;
    let flowing = &editor.flowing;
    let contact = flowing.known().await;
    editor.put("bad", "[[step]]\nname = \"look\"\ncall = \"get-task\"\nparameters.taskId = \"none\"\n", None).await;
    let run = editor.begin("bad", &contact).await;
    flowing.settle().await;
    let shown = editor.shown(&run).await;
    assert_eq!((&shown["outcome"], &shown["steps"][0]["state"]), (&json!("dead"), &json!("dead")), "{shown:#}");
    assert!(shown["why"].as_str().unwrap().contains("dead letter"), "{shown:#}");
    let dead = editor.api.get("/v1/flow-runs?outcome=dead").await.json();
    assert_eq!((&dead["runs"][0]["id"], &dead["runs"][0]["deadJobId"]), (&json!(run), &shown["steps"][0]["jobId"]));
    let retried = editor.post(&format!("/v1/flow-runs/{run}/retry"), json!({})).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    flowing.settle().await;
    assert_eq!(editor.shown(&run).await["outcome"], "dead", "GHL has no such task still");
    let discarded = editor.post(&format!("/v1/flow-runs/{run}/discard"), json!({})).await.json();
    assert_eq!(discarded["outcome"], "discarded");
    assert!(
        editor.post(&format!("/v1/flow-runs/{run}/retry"), json!({})).await.problem(409)["type"]
            == "/problems/flow-run-not-dead"
    );

    // One that is stopped leaves no dead letter behind.
    let run = editor.begin("bad", &contact).await;
    flowing.settle().await;
    assert_eq!(editor.post(&format!("/v1/flow-runs/{run}/stop"), json!({})).await.json()["outcome"], "stopped");
    editor.finish().await;
}

#[tokio::test]
async fn a_dry_run_reads_as_sentences_and_sends_nothing() {
    let editor = Editor::start(Setup::default()).await;
    let flowing = &editor.flowing;
    let contact = flowing.known().await;
    let toml = "[set]\nwho = \"Bob\"\n\n[[step]]\nevent = \"task.created\"\ndata.title = \"Call {contact.id} for {set.who}\"\ndata.dueDate = \"{in 1d}\"\n\n[[step]]\nwait = \"2d\"\n";
    editor.put("plan", toml, None).await;
    let body = json!({"locationId": flowing.location, "contactId": contact, "set": {"who": "Ada"}, "dryRun": true});
    let reported = editor.post("/v1/flows/plan/run", body).await;
    assert_eq!(reported.status, 200, "{}", reported.text);
    let sentences: Vec<_> =
        reported.json()["steps"].as_array().unwrap().iter().map(|step| step["sentence"].clone()).collect();
    assert_eq!(sentences, [json!(format!("creates a task “Call {contact} for Ada”")), json!("waits 2d")]);
    assert_eq!(editor.api.get("/v1/flow-runs").await.json()["runs"], json!([]));
    for (wrong, field) in [
        (json!({"locationId": flowing.location}), "contactId"),
        (json!({"locationId": flowing.location, "contactId": contact, "set": {"who": 7}}), "set.who"),
        (json!({"locationId": flowing.location, "contactId": contact, "set": {"whom": "x"}}), "set.whom"),
        (json!({"contactId": contact}), "locationId"),
    ] {
        assert_eq!(editor.post("/v1/flows/plan/run", wrong).await.faults(422), [(None, field.to_owned())]);
    }
    editor.finish().await;
}

/// A flow for some locations runs in no other, and who does not see them does not see it.
#[tokio::test]
async fn a_flow_runs_where_it_says_and_is_seen_by_who_sees_that() {
    let editor = Editor::start(Setup { locations: 2, ..Setup::default() }).await;
    let flowing = &editor.flowing;
    let contact = flowing.known().await;
    let elsewhere = flowing.app.sandbox.locations()[1].id.clone();
    let text = |location: &str| format!("locations = [\"{location}\"]\n{}", at_once("note.created", "x"));
    editor.put("here", &text(&flowing.location), None).await;
    editor.put("there", &text(&elsewhere), None).await;
    flowing.app.report("note.created", &contact, json!({"clientyNoteId": "n1", "noteText": "x"})).await;
    flowing.settle().await;
    assert_eq!((flowing.runs("here", "done").await, flowing.runs("there", "done").await), (1, 0));
    let place = sync_workers::records::KeyPlace::Location(flowing.location.clone());
    let tenant = key(flowing, vec![Role::Admin], Places::Listed(vec![place])).await;
    let names = |listed: Value| -> Vec<_> {
        listed["flows"].as_array().unwrap().iter().map(|flow| flow["name"].clone()).collect()
    };
    assert_eq!(names(tenant.get("/v1/flows").await.json()), ["here"]);
    assert_eq!(tenant.get("/v1/flows/there").await.status, 404);
    let tenant = Editor { api: tenant, flowing: editor.flowing };
    assert_eq!(
        tenant.put("all", &at_once("note.created", "x"), None).await.faults(422),
        [(None, "locations".to_owned())]
    );
    assert_eq!(tenant.put("too", &text(&elsewhere), None).await.faults(422), [(None, "locations".to_owned())]);
    let text = text(&tenant.flowing.location);
    assert!(tenant.put("there", &text, None).await.problem(409)["type"] == "/problems/flow-name-taken");
    assert_eq!(tenant.put("mine", &text, None).await.status, 201);
    tenant.finish().await;
}

/// Runs by the thousand that a flow has begun: so many within an hour, and so many in each of the hours of the week before.
fn runs(flow: &str, recent: i64, usual: i64) -> String {
    let week = usual * 167;
    format!(
        "insert into flow_runs (id, flow, location_id, definition, knows, priority, started_at, outcome)
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {recent} + {week})
         select '{flow}-' || i, '{flow}', 'L', '{{}}', '{{}}', 1,
            cast(strftime('%s', 'now') as integer) * 1000 - case when i <= {recent} then 60000 else 7200000 end, 'done' from n"
    )
}

#[tokio::test]
async fn a_flow_that_runs_away_is_switched_off_with_the_reason_and_others_are_not() {
    let editor = Editor::start(Setup::default()).await;
    let (records, app) = (&editor.flowing.app.app.records, &editor.flowing.app);
    let table = [("wild", 1001, 0), ("busy", 1500, 160), ("calm", 1000, 0), ("wilder", 1500, 100), ("known", 5000, 0)];
    for (name, recent, usual) in table {
        editor.put(name, WAITS, None).await;
        app.sql(runs(name, recent, usual).leak()).await;
    }
    app.sql("update flows set created_at = 1, state_at = 1").await;
    // Somebody has seen it, and let it go on.
    editor.post("/v1/flows/known/disable", json!({})).await;
    editor.post("/v1/flows/known/enable", json!({})).await;
    let mut paused: Vec<_> = records.pause_runaway_flows().await.unwrap().into_iter().map(|(name, _)| name).collect();
    paused.sort();
    assert_eq!(paused, ["wild", "wilder"]);
    let shown = editor.api.get("/v1/flows/wild").await.json();
    assert_eq!(
        (&shown["state"], &shown["why"]),
        (&json!("disabled"), &json!("it began 1001 runs within an hour, and usually begins 0"))
    );
    assert_eq!(records.pause_runaway_flows().await.unwrap(), [], "once");
    editor.finish().await;
}

/// A broken file takes its own flow out, and a file that is edited is in force without a restart.
#[tokio::test]
async fn a_file_is_its_own_flow_alone() {
    const FILES: &[(&str, &str)] = &[("good", WAITS), ("broken", "on = \"contact.creatd\"\n[[step]]\nwait = \"1d\"\n")];
    let editor = Editor::start(Setup { flows: FILES, ..Setup::default() }).await;
    let listed = editor.api.get("/v1/flows").await.json();
    let reported: Vec<_> =
        listed["flows"].as_array().unwrap().iter().map(|flow| (flow["name"].clone(), flow["state"].clone())).collect();
    assert_eq!(reported, [(json!("broken"), json!("broken")), (json!("good"), json!("enabled"))]);
    assert!(listed["flows"][0]["mistakes"][0].as_str().unwrap().contains("broken.toml:1:1"), "{listed:#}");
    for name in ["good", "broken"] {
        assert!(editor.put(name, WAITS, None).await.problem(409)["type"] == "/problems/flow-is-a-file");
        let off = editor.post(&format!("/v1/flows/{name}/disable"), json!({})).await;
        assert!(off.problem(409)["type"] == "/problems/flow-is-a-file");
    }
    let App { config, records, .. } = &editor.flowing.app.app;
    let watch = tokio::spawn(clienty_sync::flows::watch::run(config.flows.dir.clone(), records.clone()));
    let has = async |name: &str| records.flows_in_force().await.unwrap().iter().any(|flow| flow.name == name);
    assert!(!has("broken").await);
    let file = config.flows.dir.join("broken.toml");
    editor
        .flowing
        .app
        .wait_until("the mended file is in force", async || {
            // The watcher may have looked before the first edit.
            std::fs::write(&file, format!("{WAITS}# mended\n")).unwrap();
            has("broken").await
        })
        .await;
    std::fs::remove_file(&file).unwrap();
    editor.flowing.app.wait_until("it is gone", async || !has("broken").await).await;
    watch.abort();
    editor.finish().await;
}
