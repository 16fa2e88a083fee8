//! `send` and `tail` beside a demo, completions and manual pages.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::demo::Demo;
use crate::support::folder::Folder;
use crate::support::program::{clienty_sync, run};

/// The command with the address and the key of a demo.
fn beside(demo: &Demo, arguments: &[&str]) -> Output {
    let text = |name: &str| demo.about[name].as_str().unwrap();
    run(clienty_sync(arguments, &[("CLIENTY_URL", text("url")), ("CLIENTY_API_KEY", text("apiKey"))]))
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_event_is_sent_and_its_outcome_and_its_change_are_shown() {
    let demo = Demo::start_with(&[]);
    let contact = demo.contact.as_str();
    // The only location that the key sees is meant.
    let selected = beside(&demo, &["send", "contact.selected", "--contact", contact, "--wait", "--json"]);
    assert_eq!(selected.status.code(), Some(0), "{selected:?}");
    let selected: Value = serde_json::from_slice(&selected.stdout).unwrap();
    assert_eq!((&selected["job"]["state"], &selected["job"]["kind"]), (&"done".into(), &"pull_contact".into()));

    let note =
        ["send", "note.created", "--contact", contact, "--field", "noteText=Likes tea", "--field", "clientyNoteId=n1"];
    let sent = beside(&demo, &[&note[..], &["--location", &demo.location, "--wait"]].concat());
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert!(text(&sent).starts_with("push_note done, job "), "{sent:?}");

    let seen = beside(&demo, &["tail", "--from", "start", "--location", &demo.location, "--count", "1", "--json"]);
    assert_eq!(seen.status.code(), Some(0), "{seen:?}");
    let change: Value = serde_json::from_slice(&seen.stdout).unwrap();
    assert_eq!((&change["record"], &change["ghlId"]), (&"contact".into(), &contact.into()));
    let seen = text(&beside(&demo, &["tail", "--from", "start", "--count", "1"]));
    assert!(seen.contains("contact") && seen.contains(contact) && seen.lines().count() == 1, "{seen}");
}

#[test]
fn messages_of_a_hook_are_received_verified_and_printed() {
    let demo = Demo::start_with(&[]);
    let variables = ["url", "apiKey"].map(|name| demo.about[name].as_str().unwrap().to_owned());
    let variables = [("CLIENTY_URL", variables[0].as_str()), ("CLIENTY_API_KEY", variables[1].as_str())];
    let listening = ["hooks", "listen", "--create-for", "contact.*,task.created", "--count", "1", "--json"];
    let mut listening = clienty_sync(&listening, &variables).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap());
    let mut about = String::new();
    while serde_json::from_str::<Value>(&about).is_err() {
        assert!(lines.read_line(&mut about).unwrap() > 0, "{about}");
    }
    let about: Value = serde_json::from_str(&about).unwrap();
    let hooks = text(&beside(&demo, &["hooks", "listen", "--help"]));
    assert!(hooks.contains("--create-for"), "{hooks}");
    let selected = beside(&demo, &["send", "contact.selected", "--contact", &demo.contact, "--wait"]);
    assert_eq!(selected.status.code(), Some(0), "{selected:?}");
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let came: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&came["verified"], &came["message"]["type"]), (&true.into(), &"contact.created".into()), "{came}");
    assert_eq!(listening.wait().unwrap().code(), Some(0));
    // It ends so only where its hook was deleted.
    assert!(about["hookId"].is_string() && about["listening"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let wrong = beside(&demo, &["hooks", "listen", "--create-for", "contact.vanished"]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
}

#[test]
fn what_stands_in_the_way_is_named_with_its_remedy() {
    let demo = Demo::start_with(&[]);
    let errors = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let wrong = beside(&demo, &["send", "contact.chosen"]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(errors(&wrong).contains("type"), "{wrong:?}");
    let wrong = beside(&demo, &["send", "contact.updated", "--contact", "c", "--data", "[1]"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(errors(&wrong).contains("--data must be an object"), "{wrong:?}");
    let dead = beside(&demo, &["send", "contact.selected", "--contact", "nobody", "--wait"]);
    assert_eq!(dead.status.code(), Some(1), "{dead:?}");
    assert!(text(&dead).starts_with("pull_contact dead, job "), "{dead:?}");
    let wrong = beside(&demo, &["tail", "--from", "yesterday"]);
    assert!(errors(&wrong).contains("cursor"), "{wrong:?}");

    let url = demo.about["url"].as_str().unwrap();
    let no_key = run(clienty_sync(&["send", "contact.selected"], &[("CLIENTY_URL", url), ("CLIENTY_API_KEY", "")]));
    assert_eq!(no_key.status.code(), Some(1), "{no_key:?}");
    assert!(errors(&no_key).contains("CLIENTY_API_KEY"), "{no_key:?}");
    let other = run(clienty_sync(&["tail"], &[("CLIENTY_URL", url), ("CLIENTY_API_KEY", "cs_wrong")]));
    assert!(errors(&other).contains("No valid API key"), "{other:?}");
    let nobody = [("CLIENTY_URL", "http://127.0.0.1:1"), ("CLIENTY_API_KEY", "cs_x")];
    let nobody = run(clienty_sync(&["tail"], &nobody));
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(errors(&nobody).contains("can't reach the gateway at http://127.0.0.1:1"), "{nobody:?}");
}

#[test]
fn shells_complete_the_commands_and_man_has_a_page_for_each() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(clienty_sync(&["completions", shell], &[]));
        assert_eq!(script.status.code(), Some(0), "{shell}");
        assert!(text(&script).contains("reconcile"), "{shell}");
        std::fs::write(folder.path().join(shell), script.stdout).unwrap();
    }
    let script: Value =
        serde_json::from_slice(&run(clienty_sync(&["completions", "bash", "--json"], &[])).stdout).unwrap();
    assert!(script["script"].as_str().unwrap().contains("reconcile"), "{script}");
    // A real shell, which every machine has.
    let asked = "source ./bash; COMP_WORDS=(clienty-sync jobs re); COMP_CWORD=2; _clienty__sync clienty-sync re jobs; echo ${COMPREPLY[@]}";
    let completed = run({
        let mut bash = Command::new("bash");
        bash.args(["-c", asked]).current_dir(folder.path());
        bash
    });
    assert_eq!(text(&completed).trim(), "retry resume", "{completed:?}");

    let pages = folder.path().join("man");
    let ended = run(clienty_sync(&["man", pages.to_str().unwrap(), "--json"], &[]));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let written: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(written["folder"], pages.to_str().unwrap());
    for (page, word) in [("clienty-sync.1", "reconcile"), ("clienty-sync-jobs-list.1", "watch")] {
        let page = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(page.contains(word), "{page}");
    }
}
