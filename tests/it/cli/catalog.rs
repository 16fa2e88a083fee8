//! `catalog`: operations and triggers are found, checked and called; and what a lost reply leads to.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::{Installation, document};
use crate::support::program::{clienty_sync, run};
use crate::support::redis::RedisServer;
use crate::support::wait_until_async;

const TASK: &str = r#"{"title": "Call Grandmother", "dueDate": "2026-03-01T09:00:00Z", "completed": false}"#;

fn texts(ended: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&ended.stdout), text(&ended.stderr))
}

/// The arguments that create [`TASK`] for the first contact.
fn create_task(installation: &Installation) -> Vec<String> {
    let parameter = format!("contactId={}", installation.contacts[0]);
    let arguments =
        ["catalog", "call", "create-task", "--location", &installation.location, "--param", &parameter, "--body", TASK];
    arguments.map(str::to_owned).into()
}

fn call(installation: &Installation, more: &[&str]) -> Output {
    let arguments = create_task(installation);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    installation.run(&arguments)
}

/// How often the sandbox has [`TASK`].
async fn created(installation: &Installation) -> usize {
    let path = format!("/_sandbox/locations/{}/state", installation.location);
    let state = Api::new(&installation.ghl, "").get(&path).await.json();
    state["tasks"].as_array().unwrap().iter().filter(|task| task["title"] == "Call Grandmother").count()
}

async fn strike(installation: &Installation, faults: Value) {
    let sandbox = Api::new(&installation.ghl, "");
    let answer = sandbox.request("POST", "/_sandbox/faults", |request| request.json(&faults)).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

#[test]
fn operations_and_triggers_are_listed_and_shown() {
    let list =
        |arguments: &[&str]| document(&run(clienty_sync(&[&["catalog", "list", "--json"], arguments].concat(), &[])));
    let names = |found: &Value| -> Vec<String> {
        found.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = list(&[]);
    assert!(names(&all["actions"]).len() > 500 && names(&all["triggers"]).len() > 50);
    let contacts = list(&["--area", "contacts", "--actions"]);
    assert!(names(&contacts["actions"]).contains(&"create-task".to_owned()) && names(&contacts["triggers"]).is_empty());
    assert!(contacts["actions"].as_array().unwrap().iter().all(|one| one["area"] == "contacts"));
    assert!(names(&list(&["--search", "no such words anywhere"])["actions"]).is_empty());
    let found = names(&list(&["--search", "Delete contact"])["actions"]);
    assert!(found.contains(&"delete-contact".to_owned()) && !found.contains(&"get-contact".to_owned()), "{found:?}");

    let shown = document(&run(clienty_sync(&["catalog", "show", "create-task", "--json"], &[])));
    assert_eq!((&shown["kind"], &shown["replay"]), (&json!("action"), &json!("guarded")));
    let (text, _) = texts(&run(clienty_sync(&["catalog", "show", "create-task"], &[])));
    assert!(text.contains("POST /contacts/{contactId}/tasks") && text.contains("contacts.write"), "{text}");
    let trigger = names(&all["triggers"]).remove(0);
    assert_eq!(document(&run(clienty_sync(&["catalog", "show", &trigger, "--json"], &[])))["kind"], "trigger");
}

#[test]
fn a_misspelt_name_is_answered_with_those_like_it() {
    let ended = run(clienty_sync(&["catalog", "show", "get_contact"], &[]));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(texts(&ended).1.contains("get-contact"), "{ended:?}");
    let ended = run(clienty_sync(&["catalog", "call", "get_contact", "--location", "L"], &[]));
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(texts(&ended).1.contains("did you mean") && texts(&ended).1.contains("get-contact"), "{ended:?}");
    let ended = run(clienty_sync(&["catalog", "list", "--area", "kontacts"], &[]));
    assert!(texts(&ended).1.contains("there is no area kontacts") && texts(&ended).1.contains("contacts"), "{ended:?}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_list_in_silence() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = clienty_sync(&["catalog", "list"], &[]);
    command.stdout(writer).stderr(std::process::Stdio::piped());
    let ended = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((ended.status.code(), texts(&ended).1), (Some(0), String::new()));
}

#[test]
fn the_page_in_the_repository_is_up_to_date() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docs/catalog.md")).unwrap();
    let (page, _) = texts(&run(clienty_sync(&["catalog", "page"], &[])));
    assert!(page == kept, "make it anew: clienty-sync catalog page > deploy/docs/catalog.md");
}

#[tokio::test]
async fn all_mistakes_of_a_call_are_reported_at_once_and_nothing_is_stored() {
    let installation = Installation::new(&[]).await;
    let body = r#"{"title": 7, "titel": "x", "completed": false}"#;
    let arguments = [
        "catalog",
        "call",
        "create-task",
        "--location",
        &installation.location,
        "--param",
        "color=red",
        "--body",
        body,
    ];
    let ended = installation.run(&arguments);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let (out, reported) = texts(&ended);
    assert_eq!(out, "");
    for field in ["contactId", "color", "title", "titel", "dueDate"] {
        assert!(reported.contains(field), "nothing of {field}: {reported}");
    }
    let with_json = installation.run(&[&arguments[..], &["--json"]].concat());
    assert!(document(&with_json)["mistakes"].as_array().unwrap().len() >= 5, "{with_json:?}");

    let broken = installation.run(&["catalog", "call", "create-task", "--location", "L", "--body", "{\"secret\" 1}"]);
    let (_, reported) = texts(&broken);
    assert!(reported.contains("line 1") && !reported.contains("secret"), "{reported}");
    assert_eq!(installation.job_count(), 0);
}

#[tokio::test]
async fn a_call_fingerprints_the_reply_which_no_log_holds() {
    let installation = Installation::new(&[("RUST_LOG", "debug")]).await;
    let (_program, api) = installation.serve("up");
    let parameter = format!("contactId={}", installation.contacts[0]);
    let arguments = ["catalog", "call", "get-contact", "--location", &installation.location, "--param", &parameter];
    let ended = installation.run(&arguments);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let reply: Value = document(&ended);
    assert_eq!(reply["contact"]["id"], json!(installation.contacts[0]), "{reply}");

    let reported = installation.json(&arguments);
    assert_eq!((&reported["state"], &reported["reply"]["status"]), (&json!("done"), &json!(200)));
    assert_eq!(reported["reply"]["body"]["contact"], reply["contact"]);

    let waiting = installation.json(&[&arguments[..], &["--no-wait"]].concat());
    let id = waiting["jobId"].as_str().unwrap();
    api.job_in_state(id, "done").await;
    let over_http = api.get(&format!("/v1/jobs/{id}/reply")).await.json();
    assert_eq!(over_http["body"]["contact"], reply["contact"]);

    let log = std::fs::read_to_string(installation.data_folder().with_file_name("up.log")).unwrap();
    assert!(!log.is_empty(), "at the level debug something is logged");
    let (_, called) = texts(&ended);
    for field in ["email", "phone", "lastName"] {
        let Some(personal) = reply["contact"][field].as_str().filter(|text| text.len() > 3) else { continue };
        assert!(!log.contains(personal) && !called.contains(personal), "{field} is in a log");
    }
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_is_not_sent_again_not_even_by_hand() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_program, api) = installation.serve("up");
    strike(&installation, json!({"cutAfter": 1000, "writesOnly": true, "atMost": 1})).await;
    let ended = call(&installation, &["--json"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = document(&ended);
    assert_eq!(reported["state"], "dead", "{reported}");
    assert!(reported["error"].as_str().unwrap().contains("create-task"), "{reported}");
    assert_eq!(created(&installation).await, 1);

    let id = reported["jobId"].as_str().unwrap();
    installation.json(&["jobs", "retry", id]);
    api.job_in_state(id, "dead").await;
    assert_eq!(created(&installation).await, 1);

    // Who has looked calls anew.
    assert_eq!(call(&installation, &[]).status.code(), Some(0));
    assert_eq!(created(&installation).await, 2);
}

#[tokio::test]
async fn a_create_that_ghl_refused_may_be_sent_again() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_program, _) = installation.serve("up");
    strike(&installation, json!({"throttle": 1000, "writesOnly": true, "atMost": 1})).await;
    let ended = call(&installation, &[]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(created(&installation).await, 1);
}

#[tokio::test]
async fn a_create_during_which_the_program_is_killed_is_not_sent_again() {
    let installation = Installation::new(&[]).await;
    let (mut program, _) = installation.serve("up");
    strike(&installation, json!({"hangAfter": 1000, "writesOnly": true, "atMost": 1})).await;
    let waiting = document(&call(&installation, &["--no-wait", "--json"]));
    wait_until_async("GHL has created it", async || created(&installation).await == 1).await;
    program.kill();

    let (_program, api) = installation.serve("up");
    let job = api.job_in_state(waiting["jobId"].as_str().unwrap(), "dead").await;
    assert!(job.to_string().contains("create-task"), "{job}");
    assert_eq!(created(&installation).await, 1);
}
