//! Commands beside a running demo, without an address and without a key.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::demo::Demo;
use crate::support::program::{clienty_sync, run};

/// A command of a shell over the same data folder that knows nothing else of the demo.
fn beside(demo: &Demo, arguments: &[&str]) -> Output {
    run(clienty_sync(arguments, &[("CLIENTY_DATA_DIR", demo.data().to_str().unwrap())]))
}

fn done(demo: &Demo, arguments: &[&str]) -> Value {
    let output = beside(demo, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn commands_find_the_demo_that_runs_over_the_same_data_folder() {
    let demo = Demo::start_with(&[]);
    let selected = done(&demo, &["send", "contact.selected", "--contact", &demo.contact, "--wait", "--json"]);
    assert_eq!(selected["job"]["state"], "done", "{selected}");
    let change = done(&demo, &["tail", "--from", "start", "--count", "1", "--json"]);
    assert_eq!(change["ghlId"], demo.contact.as_str(), "{change}");
    let jobs = done(&demo, &["jobs", "list", "--json"]);
    assert!(jobs.to_string().contains("pull_contact"), "{jobs}");
    let locations = done(&demo, &["locations", "list", "--json"]);
    assert!(locations.to_string().contains(&demo.location), "{locations}");
    done(&demo, &["hooks", "list", "--json"]);
}

#[test]
fn a_hook_is_listened_to_without_a_key() {
    let demo = Demo::start_with(&[]);
    let data = demo.data();
    let settings = [("CLIENTY_DATA_DIR", data.to_str().unwrap())];
    let listening = ["hooks", "listen", "--create-for", "contact.*", "--port", "0", "--count", "1", "--json"];
    let mut listening = clienty_sync(&listening, &settings).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap());
    let mut about = String::new();
    while serde_json::from_str::<Value>(&about).is_err() {
        assert!(lines.read_line(&mut about).unwrap() > 0, "{about}");
    }
    done(&demo, &["send", "contact.selected", "--contact", &demo.contact, "--wait", "--json"]);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["verified"], true, "{line}");
    assert_eq!(listening.wait().unwrap().code(), Some(0));
}

#[test]
fn what_it_leaves_is_its_users_alone_and_goes_with_it() {
    let mut demo = Demo::start_with(&[]);
    let file = demo.data().join("demo.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Records of one's own come first: the file of a database that is none is not passed over.
    let own = demo.data().join("clienty.db");
    fs::write(&own, "").unwrap();
    let reported = beside(&demo, &["send", "contact.selected"]);
    assert!(String::from_utf8_lossy(&reported.stderr).contains("no API key"), "{reported:?}");
    fs::remove_file(own).unwrap();
    // Nor does what others may read or have put there count.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let reported = beside(&demo, &["send", "contact.selected"]);
    assert!(String::from_utf8_lossy(&reported.stderr).contains("no API key"), "{reported:?}");

    demo.program.terminate();
    assert_eq!(demo.program.wait().code(), Some(0));
    assert!(!file.exists() && !demo.data().exists(), "the file and the folder that it made are gone");
}

#[test]
fn a_demo_that_was_killed_is_not_found() {
    let mut demo = Demo::start_with(&[]);
    let file = demo.data().join("demo.json");
    demo.program.kill();
    assert!(file.exists(), "nobody could remove it");
    let reported = beside(&demo, &["tail"]);
    assert_eq!(reported.status.code(), Some(1), "{reported:?}");
    assert!(String::from_utf8_lossy(&reported.stderr).contains("no API key"), "{reported:?}");
}
