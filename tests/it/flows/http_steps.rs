//! HTTP steps: what is sent, signed and read, what is sent again, and what of secrets is seen.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use sync_workers::http_steps::seal;
use sync_workers::records::{JobState, KeyPlace, NewKey, Places, Role};
use sync_workers::signing::Signature;

use super::Flowing;
use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::installation::{Installation, document};
use crate::support::receiver::{Does, Receiver};
use crate::support::test_app::Setup;
use crate::support::wait_until_async;

/// Requests may go to this machine, unencrypted.
pub(super) const DOORS: &[(&str, &str)] =
    &[("CLIENTY_HOOKS_ALLOW_HTTP", "on"), ("CLIENTY_OUTSIDE_ALLOW_NETS", "127.0.0.1/32")];

const ASKS: &str = r#"
[[step]]
name = "score"
http = "URL?q={contact.email}"
method = "POST"
headers.authorization = "Bearer {secret.TOKEN}"
body.contact = "{contact}"
body.of = "{contact.firstName | upper}"
sign = "receiver"
MORE

[[step]]
event = "note.created"
data.noteText = "The score is {score.result.points}"
"#;

struct Asking {
    flowing: Flowing,
    receiver: Receiver,
    contact: String,
}

impl Asking {
    async fn start(more: &str) -> Self {
        let receiver = Receiver::start().await;
        let text: &'static str = ASKS.replace("URL", &receiver.url).replace("MORE", more).leak();
        let flows: &'static [(&'static str, &'static str)] = vec![("asks", text)].leak();
        let flowing = Flowing::start(Setup { flows, settings: DOORS, ..Setup::default() }, Default::default()).await;
        let secret = Signature::V1.new_secret().unwrap();
        receiver.knows(secret.expose_secret());
        set(&flowing, "receiver", &secret).await;
        set(&flowing, "TOKEN", &SecretString::from("s3cr3t")).await;
        let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada", "email": "a&b@x.de"})).await;
        flowing.settle().await;
        Self { flowing, receiver, contact }
    }

    async fn begin(&self) -> String {
        self.flowing.begin("asks", Some(&self.contact)).await
    }

    async fn dead(&self) -> String {
        let dead = async || self.flowing.app.app.records.dead_flow_runs().await.unwrap();
        self.flowing.app.wait_until("the run is dead", async || !dead().await.is_empty()).await;
        dead().await.remove(0).reason.unwrap()
    }

    fn notes(&self) -> Vec<String> {
        self.flowing.held("notes", &self.contact, "body")
    }
}

async fn set(flowing: &Flowing, name: &str, secret: &SecretString) {
    let vault = clienty_sync::app::vault(&flowing.app.app.config).unwrap();
    let sealed = seal(&vault, name, secret).unwrap();
    flowing.app.app.records.set_flow_secret(name, &sealed).await.unwrap();
}

#[tokio::test]
async fn a_request_is_signed_like_a_hook_and_its_answer_is_used() {
    let asking = Asking::start("").await;
    asking.receiver.does(Does::Say(r#"{"result": {"points": 7}}"#));
    let id = asking.begin().await;
    let run = asking.flowing.ended(&id).await;
    asking.flowing.settle().await;
    assert_eq!((run.outcome.as_deref(), asking.notes()), (Some("done"), vec!["The score is 7".to_owned()]), "{run:?}");
    let came = asking.receiver.came();
    assert_eq!((came.len(), came[0].method.as_str(), came[0].id.as_str()), (1, "POST", &*format!("{id}.0")));
    assert_eq!(came[0].path, "/hook?q=a%26b%40x.de");
    assert_eq!(came[0].authorization, "Bearer s3cr3t");
    assert_eq!((&came[0].body["of"], &came[0].body["contact"]["email"]), (&json!("ADA"), &json!("a&b@x.de")));
    asking.receiver.assert_all_verified();
    // A run keeps the name of a secret alone.
    let kept = run.definition.to_string();
    assert!(kept.contains("{secret.TOKEN}") && !kept.contains("s3cr3t"), "{kept}");
    asking.flowing.finish().await;
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_sent_again_if_its_answer_is_lost() {
    let asking = Asking::start("").await;
    asking.receiver.does(Does::HangUp);
    asking.begin().await;
    let reason = asking.dead().await;
    assert!(reason.contains("flow asks, score: it is unknown whether the address did it"), "{reason}");
    assert!(!reason.contains("127.0.0.1") && !reason.contains("x.de"), "{reason}");
    // Nor by a person, who can't know better.
    let dead = asking.flowing.app.jobs_in(JobState::Dead).await.remove(0).id;
    asking.flowing.app.app.records.revive_jobs(&[dead]).await.unwrap();
    asking.flowing.app.settle().await;
    asking.dead().await;
    assert_eq!(asking.receiver.came().len(), 1);
    assert!(asking.notes().is_empty());
    asking.flowing.finish_with_dead(1).await;
}

#[tokio::test]
async fn what_the_receiver_knows_by_its_id_is_sent_again_until_it_answers() {
    let asking = Asking::start("again = \"replay-safe\"").await;
    asking.receiver.does(Does::HangUp);
    let id = asking.begin().await;
    wait_until_async("it was sent twice", async || asking.receiver.came().len() >= 2).await;
    asking.receiver.does(Does::AskLater(429, 0));
    let before = asking.receiver.came().len();
    wait_until_async("it was asked to wait", async || asking.receiver.came().len() > before).await;
    asking.receiver.does(Does::Say(r#"{"result": {"points": 9}}"#));
    assert_eq!(asking.flowing.ended(&id).await.outcome.as_deref(), Some("done"));
    asking.flowing.settle().await;
    assert_eq!(asking.notes(), ["The score is 9"]);
    let ids: Vec<_> = asking.receiver.came().into_iter().map(|came| came.id).collect();
    assert!(ids.iter().all(|one| *one == format!("{id}.0")), "{ids:?}");
    asking.flowing.finish().await;
}

#[tokio::test]
async fn a_refusal_and_an_answer_that_is_no_json_end_the_run_dead_at_that_step() {
    for (does, wanted) in [
        (Does::Answer(404), "the address answered 404"),
        (Does::Answer(302), "the address answered 302"),
        (Does::Say("<html>"), "its body is no JSON"),
        (Does::Answer(500), "it is unknown whether the address did it"),
    ] {
        let asking = Asking::start("").await;
        asking.receiver.does(does);
        asking.begin().await;
        let reason = asking.dead().await;
        assert!(reason.contains(wanted), "{does:?}: {reason}");
        assert_eq!(asking.receiver.came().len(), 1, "{does:?}");
        asking.flowing.finish_with_dead(1).await;
    }
}

#[tokio::test]
async fn a_private_address_and_a_missing_secret_are_refused() {
    let asking = Asking::start("").await;
    asking.flowing.app.app.records.remove_flow_secret("TOKEN").await.unwrap();
    asking.begin().await;
    let reason = asking.dead().await;
    assert!(reason.contains("there is no secret TOKEN: `clienty-sync flows secret set TOKEN --file F`"), "{reason}");
    assert!(asking.receiver.came().is_empty());
    asking.flowing.finish_with_dead(1).await;

    // Without the settings that open the door.
    let flows = &[("inside", "[[step]]\nhttp = \"https://169.254.169.254/latest\"\n")];
    let flowing = Flowing::calm(flows).await;
    flowing.begin("inside", None).await;
    let dead = async || flowing.app.app.records.dead_flow_runs().await.unwrap();
    flowing.app.wait_until("the run is dead", async || !dead().await.is_empty()).await;
    let reason = dead().await.remove(0).reason.unwrap();
    assert!(reason.contains("must not be an address of a private network"), "{reason}");
    flowing.finish_with_dead(1).await;
}

#[tokio::test]
async fn secrets_are_set_listed_and_removed_and_never_shown() {
    let installation = Installation::new(&[]).await;
    let folder = Folder::new("secrets");
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cr3t\n").unwrap();
    let file = file.display().to_string();
    let mut shown = installation.json(&["flows", "secret", "set", "TOKEN", "--file", &file]).to_string();
    let made = installation.json(&["flows", "secret", "set", "receiver", "--generate"]);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let listed = installation.json(&["flows", "secret", "list"]);
    let names: Vec<_> = listed["secrets"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["TOKEN", "receiver"]);
    let rotated = installation.json(&["secrets", "rotate"]);
    assert_eq!(rotated["left"], json!([]), "{rotated}");
    let audited = installation.json(&["audit", "list"]);
    assert!(audited.to_string().contains("flow-secret.set"), "{audited}");
    for text in [listed.to_string(), rotated.to_string(), audited.to_string()] {
        shown.push_str(&text);
    }
    assert!(!shown.contains("s3cr3t") && !shown.contains(made["secret"].as_str().unwrap()), "{shown}");
    installation.json(&["flows", "secret", "remove", "TOKEN"]);
    assert_eq!(installation.run(&["flows", "secret", "remove", "TOKEN"]).status.code(), Some(1));
    let bytes = std::fs::read(installation.data_folder().join("clienty.db")).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"s3cr3t"));
}

#[tokio::test]
async fn a_key_that_does_not_see_every_location_writes_no_flow_with_a_secret() {
    let flowing = Flowing::calm(&[]).await;
    let place = KeyPlace::Location(flowing.location.clone());
    let new = NewKey { roles: vec![Role::Admin], locations: Places::Listed(vec![place]), ..NewKey::of_all("tenant") };
    let (_, text) = flowing.app.app.records.create_key(&new).await.unwrap();
    let api = Api::new(&format!("http://{}", flowing.server.address), text.expose_secret());
    let put = async |step: &str| {
        let toml =
            format!("locations = [\"{}\"]\n[[step]]\nhttp = \"https://example.com/x\"\n{step}", flowing.location);
        let shape = |request: reqwest::RequestBuilder| {
            request.bearer_auth(&api.key).header("content-type", "application/toml").body(toml.clone())
        };
        api.request("PUT", "/v1/flows/theirs", shape).await
    };
    let refused = put("headers.authorization = \"{secret.TOKEN}\"\n").await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.text.contains("which only keys that see every location may use"), "{}", refused.text);
    assert_eq!(put("sign = \"TOKEN\"\n").await.status, 422);
    assert_eq!(put("").await.status, 201);
    flowing.finish().await;
}

const SLOW: &str = r#"
[[step]]
event = "note.created"
data.noteText = "before"

[[step]]
name = "sum"
script = "slow.rhai"

[[step]]
name = "once"
http = "URL"
method = "POST"
body.sum = "{sum.sum}"

[[step]]
event = "note.created"
data.noteText = "after"
"#;

const ADDS: &str = "fn run(input) { let sum = 0; for i in 0..400000 { sum += i; } #{ sum: sum } }";

/// A script is computed again, and nothing else; a request that must not be sent twice is not.
#[tokio::test]
async fn kill_9_in_a_script_and_in_a_request_repeats_nothing_outside() {
    let receiver = Receiver::start().await;
    receiver.does(Does::SayNothing);
    let folder = Folder::new("slow");
    std::fs::write(folder.path().join("slow.toml"), SLOW.replace("URL", &receiver.url)).unwrap();
    std::fs::write(folder.path().join("slow.rhai"), ADDS).unwrap();
    let settings = [
        ("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap()),
        ("CLIENTY_SCRIPTS_OPERATIONS", "2000000"),
        ("CLIENTY_SCRIPTS_TIME_MS", "1000"),
    ];
    let installation = Installation::new(&[&settings[..], DOORS].concat()).await;
    let (location, contact) = (installation.location.clone(), installation.contacts[0].clone());
    let (mut up, api) = installation.serve("up");
    api.pulled(&location, &contact).await;
    let begun = ["flows", "run", "slow", "--location", &location, "--contact", &contact, "--timeout", "0", "--json"];
    let reported = document(&installation.run(&begun));
    let reported = reported["error"].as_str().unwrap_or_else(|| panic!("{reported}")).to_owned();
    let run = reported.split(' ').nth(1).unwrap().to_owned();
    // Killed once the first step is done: most often within the script. More often would make the job one that kills its workers.
    let notes = async || {
        let state = Api::new(&installation.ghl, "").get(&format!("/_sandbox/locations/{location}/state")).await.json();
        state["notes"].as_array().unwrap().iter().map(|note| note["body"].clone()).collect::<Vec<_>>()
    };
    wait_until_async("the first step is done", async || notes().await.iter().any(|note| note == "before")).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    up.kill();
    due_at_once(&installation).await;
    up = installation.serve("up").0;
    wait_until_async("the request is sent", async || !receiver.came().is_empty()).await;
    up.kill();
    due_at_once(&installation).await;
    let (mut up, _) = installation.serve("up");
    wait_until_async("the run is dead", async || installation.json(&["flows", "show", &run])["outcome"] == "dead")
        .await;
    let notes = notes().await;
    let times = |text: &str| notes.iter().filter(|note| *note == text).count();
    assert_eq!((times("before"), times("after"), receiver.came().len()), (1, 0, 1), "{notes:?}");
    assert_eq!(receiver.came()[0].body, json!({"sum": 79_999_800_000_i64}));
    let shown: Value = installation.json(&["flows", "show", &run]);
    assert!(shown["why"].as_str().unwrap().contains("it is unknown whether the address did it"), "{shown}");
    up.terminate();
    up.wait();
}

/// What a killed process held is let go after its lease.
async fn due_at_once(installation: &Installation) {
    let mut connection = SqliteConnection::connect(&installation.database_url()).await.unwrap();
    sqlx::query("update jobs set due_at = 1 where due_at is not null").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
