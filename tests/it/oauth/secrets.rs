//! Nothing secret is told, whatever happens; and the master keys change while workers run.

use std::path::Path;

use serde_json::{Value, json};
use sync_workers::records::{Holder, Options, Records};

use super::site::Site;
use crate::jobs::privacy::everything_in;
use crate::support::api::Api;
use crate::support::installation::MASTER_KEY;
use crate::support::program::{Program, clienty_sync, run};
use crate::support::redis::RedisServer;

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
async fn a_full_run_tells_no_secret_and_the_keys_rotate_meanwhile() {
    let redis = RedisServer::start();
    let mut site = Site::new(&[("REDIS_URL", &redis.url()), ("RUST_LOG", "trace,h2=info,mio=info")]).await;
    let mut told = Vec::new();
    let pit = site.sandbox.locations().remove(1);
    let file = site.folder.path().join("token");
    std::fs::write(&file, &pit.token).unwrap();
    for arguments in [
        &["connect", "--location", &pit.id, "--pit-file", file.to_str().unwrap()][..],
        &["connect"],
        &["config", "show"],
        &["doctor"],
    ] {
        let ended = run(clienty_sync(arguments, &site.settings()));
        told.extend([ended.stdout, ended.stderr].concat());
    }
    std::fs::remove_file(file).unwrap();
    let key = document(&site, &["keys", "create", "--name", "test"])["key"].as_str().unwrap().to_owned();
    let mut gateway = Program::start(clienty_sync(&["gateway"], &site.settings()));
    let line = gateway.wait_for_line("the gateway is up at ");
    let api = Api::new(line.split(" at ").last().unwrap(), &key);
    let mut worker = Program::start(clienty_sync(&["worker"], &site.settings()));
    let metrics = worker.wait_for_line("working; metrics at ");
    let metrics = metrics.split(" at ").last().unwrap().trim_end_matches("/metrics").to_owned();

    // An install over HTTP, with a token that has run out when it comes.
    site.expires_in(0);
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let begun = browser.get(format!("{}/oauth/install", api.url)).send().await.unwrap();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let location = site.location();
    let back = site.choose(begun.headers()["location"].to_str().unwrap(), &location, None).await;
    let callback = browser.get(format!("{}/oauth/callback", api.url)).query(&back).header("cookie", cookie);
    let done = callback.send().await.unwrap();
    assert_eq!(done.status(), 200);
    told.extend(done.bytes().await.unwrap());
    site.expires_in(86_399);

    let old = site.settings.clone();
    for (round, of) in [&location, &pit.id, &location, &pit.id].into_iter().enumerate() {
        let contact = site.sandbox.state(of).unwrap()["contacts"][round % 2]["id"].as_str().unwrap().to_owned();
        api.done(&json!({"type": "contact.selected", "locationId": of, "contactId": contact})).await;
        if round == 1 {
            site.sandbox.expire_tokens(&location);
            site.settings.push(("CLIENTY_MASTER_KEYS".to_owned(), format!("{NEW_KEY},{MASTER_KEY}")));
            // A worker that has the new key joins; the old one goes, as in a rolling restart.
            let mut next = Program::start(clienty_sync(&["worker"], &site.settings()));
            next.wait_for_line("working; metrics at ");
            worker.terminate();
            worker.wait();
            told.extend(worker.output().into_bytes());
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

    let _ = metrics;
    told.extend(api.get("/metrics").await.text.into_bytes());
    told.extend(everything_in(&redis));
    told.extend(format!("{:?}", clienty_sync::config::Config::load(None, site.settings.clone()).unwrap()).into_bytes());
    drop(old);
    for program in [&mut gateway, &mut worker] {
        program.terminate();
        program.wait();
        told.extend(program.output().into_bytes());
    }
    told.extend(files(Path::new(&data)));

    let app = clienty_sync::sandbox::OauthSettings::default();
    let mut secrets = site.tokens();
    assert!(secrets.len() >= 6, "pairs of the install and of two refreshes");
    secrets.extend([pit.token, app.client_secret, back["code"].clone()]);
    secrets.extend([MASTER_KEY, NEW_KEY].map(|key| key.split(':').next_back().unwrap().to_owned()));
    assert!(holds(&told, "refreshed a token") && holds(&told, "called GHL"), "the logs were heard");
    for secret in secrets {
        assert!(!holds(&told, &secret), "{} is told", &secret[..6]);
    }
}
