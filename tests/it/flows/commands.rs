//! `flows list|check|run`, asked of the real program.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::installation::{Installation, document};
use crate::support::program::{clienty_sync, run};
use crate::support::wait_until_async;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/flows");

fn reported(ended: &Output) -> String {
    String::from_utf8(ended.stderr.clone()).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new("flows");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const BROKEN: &str = "abuot = \"x\"\n\n[[step]]\nname = \"tag\"\nevent = \"contact.taged\"\n\n[[step]]\ncall = \"create_task\"\nbody.title = \"Call {contact.nmae}\"\nbody.body = \"Since {contact.tags | date}\"\n";

#[test]
fn every_mistake_is_reported_with_file_line_and_column() {
    let folder = folder(&[
        ("broken.toml", BROKEN),
        ("torn.toml", "about = \n[[step]]\nwait = \"1d\"\n"),
        ("good.toml", "[[step]]\nwait = \"1d\"\n"),
    ]);
    let settings = [("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap())];
    let file = |name: &str| folder.path().join(name).display().to_string();
    let expected = [
        (format!("{}:1:1", file("broken.toml")), "abuot"),
        (format!("{}:5:1", file("broken.toml")), "step[0].event"),
        (format!("{}:8:1", file("broken.toml")), "step[1].call"),
        (format!("{}:9:6", file("broken.toml")), "step[1].body.title"),
        (format!("{}:10:6", file("broken.toml")), "step[1].body.body"),
    ];
    for command in [&["flows", "check"][..], &["config", "check"]] {
        let ended = run(clienty_sync(&[command, &["--json"]].concat(), &settings));
        assert_eq!(ended.status.code(), Some(2), "{command:?}: {ended:?}");
        let errors = document(&ended)["errors"].clone();
        for (place, key) in &expected {
            let is_reported = |error: &Value| error["place"] == *place && error["key"] == *key;
            assert!(errors.as_array().unwrap().iter().any(is_reported), "{place} {key}: {errors:#}");
        }
        assert_eq!(errors.as_array().unwrap().len(), expected.len() + 1, "{errors:#}");
        assert!(
            errors
                .as_array()
                .unwrap()
                .iter()
                .any(|error| error["place"].as_str().unwrap().starts_with(&file("torn.toml:1")))
        );
        let reported = reported(&ended);
        assert!(reported.contains("did you mean contact.tagged?") && reported.contains("create-task"), "{reported}");
        assert!(reported.contains("{contact.tags | date}, character 17: date takes"), "{reported}");
    }
    let ended = run(clienty_sync(&["flows", "check", &file("good.toml")], &[]));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    // Who looks at jobs can do so all the same.
    let data = Folder::new("data");
    let more = [settings[0], ("CLIENTY_DATA_DIR", data.path().to_str().unwrap())];
    assert_eq!(run(clienty_sync(&["migrate"], &more)).status.code(), Some(0));
    assert_eq!(run(clienty_sync(&["jobs", "stats"], &more)).status.code(), Some(0));
    // Only the flows of the broken files are out.
    let listed = document(&run(clienty_sync(&["flows", "list", "--json"], &more)))["flows"].clone();
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|flow| (&flow["name"], &flow["state"])).collect();
    let (broken, enabled) = (json!("broken"), json!("enabled"));
    let (good, torn) = (json!("good"), json!("torn"));
    assert_eq!(states, [(&broken, &broken), (&good, &enabled), (&torn, &broken)]);
    assert!(listed[0]["mistakes"][1].as_str().unwrap().contains("broken.toml:5:1"), "{listed:#}");
    let checks = document(&run(clienty_sync(&["doctor", "--json"], &more)))["checks"].clone();
    let check = checks.as_array().unwrap().iter().find(|check| check["name"] == "flows").unwrap().clone();
    assert!(check["state"] == "failed" && check["found"].as_str().unwrap().contains("broken.toml:5:1"), "{check}");
}

#[test]
fn the_samples_are_right_and_the_page_shows_them_as_they_are() {
    let ended = run(clienty_sync(&["flows", "check", "--json"], &[("CLIENTY_FLOWS_DIR", SAMPLES)]));
    assert_eq!((ended.status.code(), &document(&ended)["ok"]), (Some(0), &json!(true)), "{ended:?}");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FLOWS.md")).unwrap();
    let sample = std::fs::read_to_string(format!("{SAMPLES}/welcome.toml")).unwrap();
    let shown: String =
        sample.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect();
    assert!(page.contains(&shown), "docs/FLOWS.md shows another welcome.toml");
}

#[tokio::test]
async fn the_example_of_the_page_is_rehearsed_runs_and_is_listed() {
    let installation = Installation::new(&[("CLIENTY_FLOWS_DIR", SAMPLES)]).await;
    let contact = installation.contacts[0].clone();
    let (mut up, api) = installation.serve("up");
    let view = api.pulled(&installation.location, &contact).await;
    let run_it = ["flows", "run", "welcome", "--location", &installation.location, "--contact", &contact];
    let rehearsed = installation.json(&[&run_it[..], &["--dry-run"]].concat());
    let steps = rehearsed["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 6);
    let title = steps[1]["event"]["data"]["title"].as_str().unwrap();
    assert!(title.starts_with("Call ") && title.contains(view["contact"]["name"].as_str().unwrap()), "{rehearsed:#}");
    assert_eq!(steps[3]["call"]["wish"]["body"]["businessId"], "{company.buiseness.id}");
    assert_eq!(installation.json(&["flows", "list"])["flows"][0]["runs"]["underWay"], 0, "nothing was started");

    let started = installation.json(&run_it);
    assert_eq!(started["state"], "waiting", "{started:#}");
    let outcomes: Vec<_> =
        started["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["step 1", "step 2", "company", "step 4"]);
    let listed = installation.json(&["flows", "list"])["flows"][0].clone();
    assert_eq!(
        (&listed["name"], &listed["on"], &listed["runs"]["underWay"]),
        (&json!("welcome"), &json!("contact.created"), &json!(1))
    );
    let state = Api::new(&installation.ghl, "")
        .get(&format!("/_sandbox/locations/{}/state", installation.location))
        .await
        .json();
    let tasks = state["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|task| task["contactId"] == *contact && task["title"] == title);
    assert_eq!(tasks.count(), 1);
    let plain = installation.run(&run_it);
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(text.contains("company          done") && text.contains("waits until"), "{text}");
    up.terminate();
    up.wait();
}

#[tokio::test]
async fn a_run_that_cannot_begin_says_all_that_is_wrong_and_a_dead_one_why() {
    let files = folder(&[(
        "doomed.toml",
        "[set]\ntask = \"none\"\nmany = 3\n\n[[step]]\nname = \"look\"\ncall = \"get-task\"\nparameters.taskId = \"{set.task}\"\n",
    )]);
    let installation = Installation::new(&[("CLIENTY_FLOWS_DIR", files.path().to_str().unwrap())]).await;
    let (mut up, api) = installation.serve("up");
    let contact = installation.contacts[0].clone();
    api.pulled(&installation.location, &contact).await;
    let doomed = ["flows", "run", "doomed", "--location", &installation.location];
    let ended = installation.run(&[&doomed[..], &["--set", "taks=x", "--set", "many=several"]].concat());
    let reported_all = reported(&ended);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(["--contact", "taks", "many"].iter().all(|word| reported_all.contains(word)), "{reported_all}");
    let ended = installation.run(&["flows", "run", "nothing", "--location", &installation.location]);
    assert!(ended.status.code() == Some(1) && reported(&ended).contains("there is no flow nothing"), "{ended:?}");
    let ended = installation.run(&[&doomed[..], &["--contact", "nobody"]].concat());
    assert!(ended.status.code() == Some(1) && reported(&ended).contains("contact.selected"), "{ended:?}");

    let ended = installation.run(&[&doomed[..], &["--contact", &contact, "--set", "task=other", "--json"]].concat());
    let dead = document(&ended);
    assert_eq!((ended.status.code(), &dead["state"]), (Some(1), &json!("dead")), "{ended:?}");
    let job = dead["jobId"].as_str().unwrap();
    let explained = installation.json(&["jobs", "explain", job]);
    assert_eq!(
        (&explained["flow"], &explained["flowStep"], &explained["flowRunId"]),
        (&json!("doomed"), &json!("look"), &dead["runId"])
    );
    assert_eq!(api.get(&format!("/v1/jobs/{job}")).await.json()["flow"], "doomed");
    assert_eq!(installation.json(&["flows", "list"])["flows"][0]["deadJobs"], json!([job]));
    installation.json(&["jobs", "discard", job]);
    wait_until_async("the run is closed", async || {
        installation.json(&["flows", "list"])["flows"][0]["runs"]["discarded"] == 1
    })
    .await;
    up.terminate();
    up.wait();
}
