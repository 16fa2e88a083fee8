//! The console in Chromium: `tests/browser`, run by node against a gateway and workers over PostgreSQL and Redis, and the sandbox before them.
//!
//! Stories from an alarm to mended, with JavaScript and without; the keyboard alone; every page looked through by axe in light, in dark and 360 px
//! wide. `make` installs what they need by the lock file, so no test needs a network. CONSOLE_SHOTS=FOLDER keeps pictures, STORY=WORDS runs one.

use std::fs;
use std::path::Path;
use std::process::Command;

use ghl_sandbox::{Limits, SandboxConfig, WebhookFaults};
use secrecy::ExposeSecret;
use serde_json::Value;
use sync_workers::records::{NewKey, Role};

use crate::support::deployment::{Deployment, Shape};
use crate::support::program::run;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

#[tokio::test(flavor = "multi_thread")]
async fn the_console_works_in_a_browser() {
    let installed = Path::new(SCRIPTS).join("node_modules/playwright-core/package.json");
    assert!(installed.exists(), "playwright is not installed: run `make browser`");
    let limits = Limits { burst: 100, ..Limits::default() };
    let sandbox = SandboxConfig { locations: 2, contacts: 12, limits, ..SandboxConfig::default() };
    let system = Deployment::start(Shape::Workers(1), sandbox, WebhookFaults::default(), &[]).await;
    let key = async |role: Role| {
        let new = NewKey { roles: vec![role], ..NewKey::of_all(format!("{role} of the browser")) };
        let (key, text) = system.records.create_key(&new).await.unwrap();
        (key.id, text.expose_secret().to_owned())
    };
    let ((_, admin), (_, reader), (doomed_id, doomed)) =
        (key(Role::Admin).await, key(Role::Reader).await, key(Role::Operator).await);
    let location = system.sandbox.locations().remove(0);
    let mut node = Command::new("node");
    // No proxy of the tester's stands between the two.
    node.arg("run.js").current_dir(SCRIPTS).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for name in ["CHROMIUM", "CONSOLE_SHOTS", "STORY", "HOME"] {
        std::env::var_os(name).map(|value| node.env(name, value));
    }
    node.env("CONSOLE_URL", &system.api.url).env("CONSOLE_KEY", &admin).env("CONSOLE_READER", &reader);
    node.env("CONSOLE_DOOMED", &doomed).env("CONSOLE_DOOMED_ID", &doomed_id);
    node.env("CONSOLE_LOCATION", &location.id).env("GHL_URL", system.sandbox.url()).env("GHL_TOKEN", &location.token);
    let ended = tokio::task::spawn_blocking(move || run(node)).await.unwrap();
    let reported = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    println!("{reported}");
    assert!(ended.status.success(), "{reported}");
    assert!(
        reported.lines().filter(|line| line.starts_with("ok ")).count() >= 20 || std::env::var_os("STORY").is_some(),
        "{reported}"
    );
}

/// What the browser is driven by is what `npm ci` makes of the lock file, and nothing else.
#[test]
fn what_drives_the_browser_is_pinned() {
    let lock: Value = serde_json::from_slice(&fs::read(Path::new(SCRIPTS).join("package-lock.json")).unwrap()).unwrap();
    for (name, package) in lock["packages"].as_object().unwrap().iter().filter(|(name, _)| !name.is_empty()) {
        assert!(package["integrity"].is_string(), "{name} is not pinned by its content");
    }
}
