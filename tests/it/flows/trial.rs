//! `flows try` and `flows test`, asked of the real program: no database, no token, no call.

use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::installation::document;
use crate::support::program::{clienty_sync, run};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/flows");

#[test]
fn the_example_is_tried_with_a_contact_of_a_file() {
    let folder = Folder::new("trial");
    let file = |name: &str, value: Value| {
        let file = folder.path().join(name);
        std::fs::write(&file, value.to_string()).unwrap();
        file.display().to_string()
    };
    let contact = file("ada.json", json!({"contact": {"id": "C1", "name": "Ada", "email": "ada@x.de"}, "tasks": []}));
    let welcome = format!("{SAMPLES}/welcome.toml");
    let command = ["flows", "try", &welcome, "--contact", &contact, "--now", "2026-03-02T09:00:00Z"];
    // A folder in which no database may appear.
    let data = folder.path().join("data");
    let settings = [("CLIENTY_DATA_DIR", data.to_str().unwrap())];
    let tried = run(clienty_sync(&[&command[..], &["--json"]].concat(), &settings));
    assert!(tried.status.success() && !data.exists(), "{tried:?}");
    let tried = document(&tried);
    assert_eq!(tried["outcome"], "done");
    let states: Vec<_> =
        tried["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "done", "skipped", "skipped", "done", "done"]);
    assert_eq!(tried["steps"][1]["data"]["title"], "Call Ada");
    let text = String::from_utf8(run(clienty_sync(&command, &settings)).stdout).unwrap();
    for line in [
        "only_if.contact.email.is_set holds: \"ada@x.de\"",
        "data.title {contact.name} = \"Ada\"",
        "data.dueDate {in 1d} = \"2026-03-03T09:00:00Z\"",
        "skipped: its conditions do not hold",
        "the run would be done",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let wrong = file("wrong.json", json!({"emai": "ada@x.de"}));
    let refused = run(clienty_sync(&["flows", "try", &welcome, "--contact", &wrong], &settings));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("--contact.emai is no field of a contact; did you mean email?"), "{error}");
}

#[test]
fn tests_of_flows_pass_or_say_file_line_expected_and_got() {
    let settings = [("CLIENTY_FLOWS_DIR", SAMPLES)];
    let passed = run(clienty_sync(&["flows", "test", "--json"], &settings));
    let shown = document(&passed);
    assert_eq!((passed.status.code(), &shown["passed"], &shown["ok"]), (Some(0), &json!(3), &json!(true)), "{shown:#}");

    let folder = Folder::new("tests");
    let sample = std::fs::read_to_string(format!("{SAMPLES}/welcome.toml")).unwrap();
    std::fs::write(folder.path().join("welcome.toml"), sample).unwrap();
    let test = "[[test]]\nname = \"greets\"\ngiven.contact.email = \"a@x.de\"\nexpect.step.1.data.tags = [\"hello\"]\n";
    let file = folder.path().join("welcome.test.toml");
    std::fs::write(&file, test).unwrap();
    let settings = [("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap())];
    let failed = run(clienty_sync(&["flows", "test"], &settings));
    let text = String::from_utf8(failed.stdout).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{text}");
    let line = format!("{}:4 greets: step.1.data.tags expected [\"hello\"], got [\"welcomed\"]\n", file.display());
    assert!(text.contains(&line) && text.contains("0 passed, 1 failed"), "{text}");
    // It is no flow.
    let checked = run(clienty_sync(&["flows", "check", "--json"], &settings));
    assert_eq!(document(&checked)["flows"], json!(["welcome"]));

    std::fs::write(&file, "[[test]]\nexpect.outcom = \"done\"\n").unwrap();
    let wrong = run(clienty_sync(&["flows", "test", "--json"], &settings));
    let shown = document(&wrong);
    assert_eq!((wrong.status.code(), &shown["ok"]), (Some(1), &json!(false)));
    assert_eq!(shown["errors"][0]["place"], format!("{}:2:8", file.display()), "{shown:#}");
}
