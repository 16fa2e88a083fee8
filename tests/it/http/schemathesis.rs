//! The gateway against what schemathesis makes of its own document: requests at the bounds of every schema, beyond them, at random, and one
//! after another with the ids that earlier answers gave. `make` installs it in the versions of `tests/schemathesis/requirements.txt`.

use std::path::Path;
use std::process::Command;

use clienty_sync::gateway::OPENAPI;

use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;
use crate::support::program::run;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis");

/// The location and the contact of the document's examples.
const EXAMPLES: [&str; 2] = ["ve9EPM428h8vShlRW1KT", "ocQHyuzHvysMo5N5VsXc"];

/// Keys that schemathesis would end, its own among them; and what this address does not serve.
const LEFT_OUT: &str = "^(/v1/keys/|/metrics$)";

#[tokio::test]
async fn over_sqlite_every_answer_is_as_documented() {
    answers_are_as_documented(&[]).await;
}

#[tokio::test]
async fn over_postgres_every_answer_is_as_documented() {
    let database = PostgresServer::start();
    answers_are_as_documented(&[("DATABASE_URL", &database.url())]).await;
}

/// SCHEMATHESIS_SEED repeats a run, SCHEMATHESIS_EXAMPLES makes a longer one.
async fn answers_are_as_documented(settings: &[(&str, &str)]) {
    let program = Path::new(FOLDER).join(".venv/bin/st");
    assert!(program.exists(), "schemathesis is not installed: run `make schemathesis`");
    // One client sends as fast as it can; what a flood is answered with has tests of its own.
    let own = [
        ("CLIENTY_KEY_RATE", "1000000"),
        ("CLIENTY_KEY_BURST", "10000000"),
        ("GHL_CLIENT_ID", "app-client"),
        ("GHL_CLIENT_SECRET", "secret-of-the-app"),
        ("GHL_REDIRECT_URI", "https://sync.example.com/oauth/callback"),
    ];
    let installation = Installation::new(&[settings, &own].concat()).await;
    let (_up, api) = installation.serve("up");
    let Installation { location, contacts, .. } = &installation;
    installation.json(&["import", "--location", location]);
    let key = installation.json(&["keys", "create", "--name", "schemathesis", "--role", "admin"]);
    let key = key["key"].as_str().unwrap();

    let folder = installation.data_folder();
    let [of_location, of_contact] = EXAMPLES;
    let document = OPENAPI.replace(of_location, location).replace(of_contact, &contacts[0]);
    std::fs::write(folder.join("openapi.json"), document).unwrap();
    let own = format!(
        "[parameters]\n\"path.locationId\" = {location:?}\n\"path.contactId\" = {:?}\n\"query.wait\" = 0\n\n",
        contacts[0]
    );
    let shared = std::fs::read_to_string(Path::new(FOLDER).join("schemathesis.toml")).unwrap();
    std::fs::write(folder.join("schemathesis.toml"), format!("{own}{shared}")).unwrap();

    #[expect(clippy::disallowed_methods, reason = "what a run is asked for is no setting of the program")]
    let wish = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let mut schemathesis = Command::new(program);
    schemathesis.current_dir(&folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    schemathesis.args(["--config-file", "schemathesis.toml", "run", "openapi.json", "--url", &api.url]);
    schemathesis.args(["--header", &format!("Authorization: Bearer {key}"), "--exclude-path-regex", LEFT_OUT]);
    schemathesis.args(["--seed", &wish("SCHEMATHESIS_SEED", "1"), "-n", &wish("SCHEMATHESIS_EXAMPLES", "5")]);
    // Time-outs are not what is asked about: a machine with more to do answers later.
    schemathesis.args(["--request-timeout", "120", "--suppress-health-check", "all", "--warnings", "off"]);
    let ended = run(schemathesis);
    let reported = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(ended.status.success(), "the answers differ from the document:\n{reported}");
    // One that the gateway turned away at the door would find nothing.
    assert_eq!(api.with_key(key).get("/v1/me").await.status, 200, "its key was in force to the end");
    assert!(reported.contains(" passed"), "{reported}");
}
