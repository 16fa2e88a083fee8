//! The samples of the pages for integrators: each runs as its page shows it, against an installation.

use std::fs;
use std::process::Command;

use super::{read, root};
use crate::support::api::Api;
use crate::support::curl::curl;
use crate::support::folder::Folder;
use crate::support::installation::Installation;
use crate::support::program::run;
use crate::support::receiver::Receiver;

/// What the TypeScript program says of types, which no Node.js that tests have to run with reads.
const TYPES: [&str; 5] = ["?: object", ": Promise<any>", ": number", ": string", ": any"];

fn page(name: &str) -> String {
    read(&root().join("docs").join(name))
}

/// The samples of a page that are fenced and of this language.
fn fenced(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let samples = page.split(opening.as_str()).skip(1).filter_map(|rest| rest.split_once("```"));
    samples.map(|(sample, _)| sample.to_owned()).collect()
}

/// The curl lines of a page that are indented, each with the lines that it goes on in.
fn curls(page: &str) -> Vec<String> {
    let mut curls: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in page.lines() {
        let line = line.strip_prefix("    ").unwrap_or_default();
        if goes_on && let Some(last) = curls.last_mut() {
            *last = format!("{last}\n{line}");
        } else if line.starts_with("curl ") {
            curls.push(line.to_owned());
        } else {
            continue;
        }
        goes_on = line.ends_with('\\');
    }
    curls
}

/// The variables that docs/INTEGRATOR.md sets.
fn variables<'a>(installation: &'a Installation, api: &'a Api) -> [(&'static str, &'a str); 4] {
    let (location, contact) = (installation.location.as_str(), installation.contacts[0].as_str());
    [("URL", api.url.as_str()), ("KEY", api.key.as_str()), ("LOCATION", location), ("CONTACT", contact)]
}

/// Runs a program that must succeed, and returns what it printed.
fn output(program: &str, file: &std::path::Path, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    // No proxy of the tester's stands between the two.
    command.arg(file).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(variables.iter().copied());
    let ended = run(command);
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn samples_are_found() {
    assert_eq!(curls("    curl -s \\\n      -d 1\n    x\n\ncurl\n    curl a"), ["curl -s \\\n  -d 1", "curl a"]);
    assert_eq!(fenced("```sh\na\n```\n```ts\nb\n```\n", "ts"), ["b\n"]);
}

#[tokio::test]
async fn the_curl_lines_of_the_first_event_work() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let (location, contact) = (installation.location.as_str(), installation.contacts[0].as_str());
    let variables = variables(&installation, &api);
    let lines = curls(&page("INTEGRATOR.md"));
    let [select, job, show] = lines.as_slice() else { panic!("{lines:#?}") };
    let first = curls(&page("HTTP-API.md"));
    let [same] = first.as_slice() else { panic!("{first:#?}") };

    let same = same.replace("LOCATION_ID", location).replace("CONTACT_ID", contact);
    for line in [select, &same] {
        let selected = curl(line, &variables, &[&api]).await;
        assert_eq!(selected.status, 202, "{}", selected.text);
        let id = selected.json()["accepted"][0]["jobId"].as_str().unwrap().to_owned();
        api.job_in_state(&id, "done").await;
        let job = curl(&job.replace("JOB_ID", &id), &variables, &[&api]).await;
        assert_eq!(job.json()["state"], "done", "{}", job.text);
    }
    let view = curl(show, &variables, &[&api]).await;
    assert_eq!(view.json()["contact"]["id"], contact, "{}", view.text);

    let lines = curls(&page("MERGING.md"));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for line in lines {
        let answer = curl(&line, &variables, &[&api]).await;
        assert_eq!(answer.status, 200, "{line}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_programs_of_the_first_event_create_a_task() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    api.pulled(&installation.location, &installation.contacts[0]).await;
    let (page, folder) = (page("INTEGRATOR.md"), Folder::new("samples"));
    let variables = variables(&installation, &api);

    let samples = fenced(&page, "python");
    let [python] = samples.as_slice() else { panic!("{samples:#?}") };
    let file = folder.path().join("first.py");
    fs::write(&file, python).unwrap();
    let printed = output("python3", &file, &variables);
    assert!(printed.starts_with("done None\n") && printed.contains("'taskId': '"), "{printed}");

    let samples = fenced(&page, "typescript");
    let [typescript] = samples.as_slice() else { panic!("{samples:#?}") };
    assert!(TYPES.iter().all(|of_type| typescript.contains(of_type)), "{typescript}");
    let plain = TYPES.iter().fold(typescript.clone(), |program, of_type| program.replace(of_type, ""));
    let file = folder.path().join("first.mjs");
    fs::write(&file, plain).unwrap();
    let printed = output("node", &file, &variables);
    assert!(printed.starts_with("done null\n") && printed.contains(" taskId: '"), "{printed}");
}

#[tokio::test]
async fn the_first_message_of_a_hook_arrives() {
    let to_this_machine = [("CLIENTY_HOOKS_ALLOW_HTTP", "on"), ("CLIENTY_OUTSIDE_ALLOW_NETS", "127.0.0.1/32")];
    let installation = Installation::new(&to_this_machine).await;
    let (_program, api) = installation.serve("up");
    let (page, receiver) = (page("HOOKS.md"), Receiver::start().await);
    let command = "keys create --name hooks --role admin";
    assert!(page.contains(&format!("`clienty-sync {command}`")));
    let made = installation.json(&command.split(' ').collect::<Vec<_>>());
    let key = made["key"].as_str().unwrap();
    let lines = fenced(&page, "sh");
    let [create, test] = lines.as_slice() else { panic!("{lines:#?}") };

    let create = create.replace("https://example.com/clienty", &receiver.url);
    assert!(create.contains(&receiver.url), "{create}");
    let variables = [("CLIENTY_URL", api.url.as_str()), ("CLIENTY_API_KEY", key)];
    let created = curl(&create, &variables, &[&api]).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let hook = created.json();
    receiver.knows(hook["secret"].as_str().unwrap());
    let id = hook["id"].as_str().unwrap();
    let variables = [("CLIENTY_URL", api.url.as_str()), ("CLIENTY_API_KEY", key), ("HOOK_ID", id)];
    let trial = curl(test, &variables, &[&api]).await;
    assert_eq!(trial.json()["taken"], true, "{}", trial.text);
    assert_eq!(receiver.came().len(), 1);
    receiver.assert_all_verified();
}

#[tokio::test]
async fn the_curl_lines_of_the_sandbox_work() {
    let installation = Installation::new(&[]).await;
    let sandbox = Api::new(&installation.ghl, "");
    let lines = curls(&page("SANDBOX.md"));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for line in lines {
        let answer = curl(&line.replace("localhost:4010", &installation.ghl), &[], &[&sandbox]).await;
        assert_eq!(answer.status, 204, "{line}: {}", answer.text);
    }
}
