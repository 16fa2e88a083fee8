//! GHL's own JavaScript client against the sandbox: `tests/official_client`, run by node as it stands there.
//!
//! What both sides of this repository were built from is the same pages; the client was made by those who made GHL. `make` installs it
//! by its lock file, so no test needs a network.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::ports::free_port;
use crate::support::program::{Program, clienty_sync, run};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/official_client");

/// Operations on contacts: the client has a method for each that GHL's documents have, and each is called.
const ON_CONTACTS: usize = 32;

#[tokio::test]
async fn ghls_own_client_works_with_the_sandbox() {
    let installed = Path::new(SCRIPTS).join("node_modules/@gohighlevel/api-client/package.json");
    assert!(installed.exists(), "GHL's client is not installed: run `make official-client`");
    let folder = Folder::new("official-client");
    let key = folder.path().join("webhooks.pem").display().to_string();
    let port = free_port().to_string();
    let webhooks = format!("http://127.0.0.1:{port}/");
    let arguments =
        ["sandbox", "--port", "0", "--locations", "5", "--webhook-url", &webhooks, "--webhook-key-file", &key];
    let mut sandbox = Program::start(clienty_sync(&arguments, &[]));
    let line = sandbox.wait_for_line("the sandbox is up at ");
    let url = line.split(" at ").last().unwrap();

    let mut node = Command::new("node");
    // No proxy of the tester's stands between the two.
    node.arg("run.js").current_dir(SCRIPTS).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    node.env("GHL_API_URL", url).env("WEBHOOK_PORT", &port).env("WEBHOOK_KEY_FILE", &key);
    let ended = run(node);
    let reported = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(ended.status.success(), "the client and the sandbox do not agree:\n{reported}");

    // A script that did nothing would not fail.
    let api = Api::new(url, "");
    let called = called(&api.get("/_sandbox/stats").await.json());
    let on_contacts: Vec<_> = called.iter().filter(|name| name.contains(" /contacts/")).collect();
    assert_eq!(on_contacts.len(), ON_CONTACTS, "{on_contacts:#?}");
    assert!(called.contains("POST /locations/{locationId}/tasks/search"), "{called:#?}");
    let counts = &api.get("/_sandbox/oauth").await.json()["counts"];
    for what in ["codes", "refreshes", "exchanges", "lists"] {
        assert!(counts[what].as_u64() > Some(0), "no {what}: {counts}");
    }
}

/// The operations that were called, by the names under which the sandbox counts them.
fn called(stats: &Value) -> BTreeSet<String> {
    let locations = stats["locations"].as_object().unwrap().values();
    locations.flat_map(|location| location["operations"].as_object().unwrap().keys().cloned()).collect()
}

/// The client is what `npm ci` makes of the lock file, and nothing else: neither its version nor that of what it needs drifts.
#[test]
fn the_client_is_pinned_with_all_that_it_needs() {
    let read = |file| -> Value { serde_json::from_slice(&fs::read(Path::new(SCRIPTS).join(file)).unwrap()).unwrap() };
    let wanted = read("package.json")["dependencies"]["@gohighlevel/api-client"].as_str().unwrap().to_owned();
    assert!(wanted.starts_with(|first: char| first.is_ascii_digit()), "{wanted} is a range");
    let lock = read("package-lock.json");
    let packages = lock["packages"].as_object().unwrap();
    assert_eq!(packages["node_modules/@gohighlevel/api-client"]["version"], wanted);
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        assert!(package["integrity"].is_string(), "{name} is not pinned by its content");
    }
}
