//! Nothing secret is reported, whatever happens; and the master keys change while workers run.

use std::path::Path;

use serde_json::{Value, json};
use sync_workers::records::{Holder, Options, Records};

use super::site::Site;
use crate::jobs::privacy::everything_in;
use crate::support::api::Api;
use crate::support::installation::MASTER_KEY;
use crate::support::program::{Program, clienty_sync, run};
use crate::support::redis::RedisServer;
use crate::support::wait_until_async;

/// Of Redis and of PostgreSQL: they stand in URLs.
const PASSWORDS: [&str; 2] = ["hunter2-of-redis", "hunter2-of-postgres"];
const STRANGE_KEY: &str = "cs_a-key-that-nobody-was-given";
const NEW_KEY: &str = "k2:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

fn document(site: &Site, arguments: &[&str]) -> Value {
    let ended = run(clienty_sync(&[arguments, &["--json"]].concat(), &site.settings()));
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn files(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { files(&path) } else { std::fs::read(path).unwrap() });
    }
    bytes
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_run_reports_no_secret_and_the_keys_rotate_meanwhile() {
    let mut redis = RedisServer::start();
    let redis_url = redis.url_with(PASSWORDS[0]);
    let mut site = Site::new(&[("REDIS_URL", &redis_url), ("RUST_LOG", "trace,h2=info,mio=info")]).await;
    let mut reported = Vec::new();
    let pit = site.sandbox.locations().remove(1);
    let file = site.folder.path().join("token");
    std::fs::write(&file, &pit.token).unwrap();
    let say = |reported: &mut Vec<u8>, site: &Site, arguments: &[&str]| {
        let ended = run(clienty_sync(arguments, &site.settings()));
        reported.extend([ended.stdout, ended.stderr].concat());
    };
    for arguments in [
        &["migrate"][..],
        &["connect", "--location", &pit.id, "--pit-file", file.to_str().unwrap(), "--unchecked"],
        &["connect"],
        &["config", "show"],
        &["config", "check"],
        &["doctor"],
    ] {
        say(&mut reported, &site, arguments);
    }
    std::fs::remove_file(file).unwrap();
    let key = document(&site, &["keys", "create", "--name", "test"])["key"].as_str().unwrap().to_owned();
    let mut gateway = Program::start(clienty_sync(&["gateway"], &site.settings()));
    let line = gateway.wait_for_line("the gateway is up at ");
    let api = Api::new(line.split(" at ").last().unwrap(), &key);
    let line = gateway.wait_for_line("metrics at ");
    let monitoring = line.split(" at ").last().unwrap().trim_end_matches("/metrics").to_owned();
    let mut worker = Program::start(clienty_sync(&["worker"], &site.settings()));
    worker.wait_for_line("working; metrics at ");
    reported.extend(api.with_key(STRANGE_KEY).get("/v1/changes").await.text.into_bytes());

    // An install over HTTP, with a token that has run out when it comes.
    site.expires_in(0);
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let invited = document(&site, &["connect"])["invitation"].as_str().unwrap().to_owned();
    let invited = invited.replace("http://127.0.0.1:1", &api.url);
    let begun = browser.get(invited).send().await.unwrap();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let location = site.location();
    let back = site.choose(begun.headers()["location"].to_str().unwrap(), &location, None).await;
    let callback = browser.get(format!("{}/oauth/callback", api.url)).query(&back).header("cookie", cookie);
    let done = callback.send().await.unwrap();
    assert_eq!(done.status(), 200);
    reported.extend(done.bytes().await.unwrap());
    site.expires_in(86_399);

    let mut metrics = String::new();
    for (round, of) in [&location, &pit.id, &location, &pit.id].into_iter().enumerate() {
        let contact = site.sandbox.state(of).unwrap()["contacts"][round % 2]["id"].as_str().unwrap().to_owned();
        api.done(&json!({"type": "contact.selected", "locationId": of, "contactId": contact})).await;
        if round == 1 {
            site.sandbox.expire_tokens(&location);
            site.settings.push(("CLIENTY_MASTER_KEYS".to_owned(), format!("{NEW_KEY},{MASTER_KEY}")));
            // A worker that has the new key joins; the old one goes, as in a rolling restart.
            let mut next = Program::start(clienty_sync(&["worker"], &site.settings()));
            let line = next.wait_for_line("working; metrics at ");
            metrics = line.split(" at ").last().unwrap().trim_end_matches("/metrics").to_owned();
            worker.terminate();
            worker.wait();
            reported.extend(worker.output().into_bytes());
            worker = next;
            let rotated = document(&site, &["secrets", "rotate"]);
            assert_eq!(
                (&rotated["tokens"], &rotated["resealed"], &rotated["left"]),
                (&json!(2), &json!(2), &json!([]))
            );
            let again = document(&site, &["secrets", "rotate"]);
            assert_eq!((&again["resealed"], &again["current"]), (&json!(0), &json!(2)));
        }
    }
    assert_eq!((site.count("refreshes"), site.count("refused")), (2, 0));
    let data = site.settings().into_iter().find(|(name, _)| *name == "CLIENTY_DATA_DIR").unwrap().1.to_owned();
    let records = Records::open(&format!("sqlite://{data}/clienty.db"), Options::default()).await.unwrap();
    let stored = records.token(&Holder::Location(location.clone())).await.unwrap().unwrap();
    assert_eq!(stored.access.unwrap().key_id, "k2");
    records.close().await;

    // What goes wrong reports no more than what goes well.
    site.sandbox.revoke_login(&location);
    let event = json!({"type": "contact.selected", "locationId": location, "contactId": "whoever"});
    let failing = api.accepted(&event).await[0]["jobId"].as_str().unwrap().to_owned();
    wait_until_async("the revoked login is told", async || {
        let job = api.get(&format!("/v1/jobs/{failing}")).await.text;
        job.contains("connect the location again")
    })
    .await;
    reported.extend(api.get(&format!("/v1/jobs/{failing}")).await.text.into_bytes());
    for arguments in [
        &["doctor"][..],
        &["jobs", "list"],
        &["jobs", "show", &failing],
        &["jobs", "explain", &failing],
        &["keys", "list"],
    ] {
        say(&mut reported, &site, arguments);
    }
    for shown in [Api::new(&monitoring, ""), Api::new(&metrics, "")] {
        let shown = shown.get("/metrics").await.text;
        assert!(shown.contains("clienty_token_refresh_total"), "{shown}");
        reported.extend(shown.into_bytes());
    }
    reported.extend(everything_in(&redis));
    reported
        .extend(format!("{:?}", clienty_sync::config::Config::load(None, site.settings.clone()).unwrap()).into_bytes());
    for program in [&mut gateway, &mut worker] {
        program.terminate();
        program.wait();
        reported.extend(program.output().into_bytes());
    }
    reported.extend(files(Path::new(&data)));
    redis.kill();
    for arguments in [&["doctor"][..], &["jobs", "stats"]] {
        say(&mut reported, &site, arguments);
    }
    let mut waiting = Program::start(clienty_sync(&["worker"], &site.settings()));
    waiting.wait_for_line("the queue does not answer");
    waiting.terminate();
    waiting.wait();
    reported.extend(waiting.output().into_bytes());
    site.settings.push(("DATABASE_URL".to_owned(), format!("postgres://me:{}@127.0.0.1:1/x", PASSWORDS[1])));
    say(&mut reported, &site, &["doctor"]);

    let app = ghl_sandbox::OauthSettings::default();
    let mut secrets = site.tokens();
    assert!(secrets.len() >= 6, "pairs of the install and of two refreshes");
    secrets.extend([pit.token, app.client_secret, back["code"].clone(), key, STRANGE_KEY.to_owned()]);
    secrets.extend(PASSWORDS.map(str::to_owned));
    secrets.extend([MASTER_KEY, NEW_KEY].map(|key| key.split(':').next_back().unwrap().to_owned()));
    assert!(holds(&reported, "refreshed a token") && holds(&reported, "called GHL"), "the logs were heard");
    for secret in secrets {
        assert!(!holds(&reported, &secret), "{} is told", &secret[..6]);
    }
}
