//! The queue's Redis: away, unfit, another's, or behind TLS; reported by name at the start, in `config check` and in `doctor`.

use serde_json::json;

use crate::support::authority::{Authority, Counts};
use crate::support::installation::{Installation, document};
use crate::support::ports::free_port;
use crate::support::program::{clienty_sync, run};
use crate::support::redis::RedisServer;
use crate::support::wait_until;

const PLAIN: &[&str] = &["--save", "", "--appendonly", "no"];

/// What `doctor` says of a check.
fn doctor(installation: &Installation, name: &str) -> String {
    let reported = document(&installation.run(&["doctor", "--json"]));
    let check = reported["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| panic!("no {name}: {reported}")).to_string()
}

/// What a command says that can't start.
fn refusal(installation: &Installation, command: &[&str]) -> String {
    let ended = installation.run(command);
    assert_eq!(ended.status.code(), Some(1), "{command:?}: {ended:?}");
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn gateway_and_worker_start_without_redis_say_so_once_and_work_when_it_comes() {
    let port = free_port();
    let url = format!("redis://127.0.0.1:{port}/0");
    // A location of which nobody knows what was sent rests for both and a lease.
    let quick = [("GHL_TIMEOUT_MS", "1000"), ("GHL_BURST_INTERVAL_MS", "1000")];
    let installation = Installation::new(&[&[("REDIS_URL", url.as_str())], &quick[..]].concat()).await;
    let (_gateway, api) = installation.serve("gateway");
    let (_worker, _) = installation.start(&["worker"]);
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    let accepted = api.accepted(&event).await;
    let said = |command| installation.log(command).matches("the queue").count();
    wait_until("both have said so", || said("gateway") > 0 && said("worker") > 0, || installation.log("worker"));
    // Long enough for a dozen tries of each of a worker's tasks.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    for (command, silent) in
        [("gateway", "the queue's Redis does not answer"), ("worker", "the queue does not answer; workers")]
    {
        let lines = installation.log(command);
        assert_eq!(lines.matches(silent).count(), 1, "{command}: {lines}");
        // What else is said is of what a caller wanted of it, and of numbers: once each in a while.
        assert!(lines.matches("Connection refused").count() < 8, "{command}: {lines}");
    }
    let _redis = RedisServer::start_at(port, PLAIN);
    let id = accepted[0]["jobId"].as_str().unwrap();
    api.job_in_state(id, "done").await;
    assert_eq!(installation.log("worker").matches("the queue answers again").count(), 1);
}

#[tokio::test]
async fn a_redis_that_drops_keys_or_lacks_a_right_is_named_at_the_start_and_by_doctor() {
    let redis = RedisServer::start_with(PLAIN);
    let config = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).exec(&mut redis.connection()).unwrap();
    let mut installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    config(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    for command in ["gateway", "worker"] {
        let reported = refusal(&installation, &[command]);
        assert!(reported.contains("maxmemory-policy allkeys-lru") && reported.contains("noeviction"), "{reported}");
    }
    assert!(doctor(&installation, "redis eviction").contains("failed"));
    assert!(doctor(&installation, "redis queue").contains("allkeys-lru"));

    config(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    config(&["ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-hscan", "-zadd"]);
    installation.set("REDIS_URL", &redis.url().replace("redis://", "redis://worker:secret@"));
    for command in ["gateway", "worker"] {
        let reported = refusal(&installation, &[command]);
        assert!(reported.contains("lacks hscan, zadd") && reported.contains("ACL SETUSER"), "{reported}");
    }
    assert!(doctor(&installation, "redis queue").contains("hscan, zadd"));
}

#[tokio::test]
async fn two_deployments_on_one_redis_need_two_prefixes() {
    let redis = RedisServer::start_with(PLAIN);
    let first = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let mut second = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_first, api) = first.serve("gateway");
    let (_worker, _) = first.start(&["worker"]);
    for command in ["gateway", "worker"] {
        let reported = refusal(&second, &[command]);
        assert!(reported.contains("another deployment") && reported.contains("CLIENTY_QUEUE_PREFIX"), "{reported}");
    }
    // Nobody has opened the queue of this database, so `doctor` knows no id yet; a start that was refused has made one.
    assert!(doctor(&second, "redis queue").contains("another deployment"));
    second.set("CLIENTY_QUEUE_PREFIX", "second");
    let (_second, other) = second.serve("gateway");
    let (_other_worker, _) = second.start(&["worker"]);
    for (installation, api) in [(&first, &api), (&second, &other)] {
        let event = json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
        api.done(&event).await;
    }
    first.set_shards_and_refuse();
}

impl Installation {
    /// Another number of shards than that of the processes that run.
    fn set_shards_and_refuse(mut self) {
        self.set("CLIENTY_QUEUE_SHARDS", "3");
        let reported = refusal(&self, &["worker"]);
        assert!(reported.contains("CLIENTY_QUEUE_SHARDS") && reported.contains("1 shards"), "{reported}");
    }
}

#[tokio::test]
async fn redis_over_tls_is_used_and_what_keeps_it_from_that_is_named() {
    let redis = RedisServer::start_secured(PLAIN);
    let settings = redis.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut installation = Installation::new(&settings).await;
    let (_gateway, api) = installation.serve("gateway");
    let (_worker, _) = installation.start(&["worker"]);
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    api.done(&event).await;
    assert!(doctor(&installation, "redis queue").contains("ok"));

    let [certificate, key] = redis.expired_client();
    installation.set("REDIS_CERT_FILE", &certificate);
    installation.set("REDIS_KEY_FILE", &key);
    for reported in [refusal(&installation, &["worker"]), doctor(&installation, "redis")] {
        assert!(reported.contains("REDIS_CERT_FILE") && reported.contains("client certificate"), "{reported}");
    }
    let other = Authority::new();
    let certificate = other.certificate().display().to_string();
    installation.set("REDIS_CA_FILE", &certificate);
    for reported in [refusal(&installation, &["worker"]), doctor(&installation, "redis")] {
        assert!(reported.contains("REDIS_CA_FILE") && reported.contains("authority that is not trusted"), "{reported}");
    }
}

/// Settings, and words of the cause and of the remedy.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

#[test]
fn wrong_files_of_tls_are_found_by_config_check() {
    let (authority, other) = (Authority::new(), Authority::new());
    let text = |path: std::path::PathBuf| path.display().to_string();
    let (certificate, key) = authority.sign("client", "DNS:client", Counts::Now);
    let (_, foreign) = other.sign("client", "DNS:client", Counts::Now);
    let (ca, certificate, key, foreign) = (text(authority.certificate()), text(certificate), text(key), text(foreign));
    let secured = ("REDIS_URL", "rediss://localhost:6379/0");
    let cases: &[Case] = &[
        (&[secured, ("REDIS_CA_FILE", "/nowhere.pem")], "REDIS_CA_FILE", "exists and can be read"),
        (&[secured, ("REDIS_CA_FILE", &key)], "REDIS_CA_FILE", "certificates in PEM"),
        (&[secured, ("REDIS_CERT_FILE", &certificate)], "REDIS_CERT_FILE", "REDIS_KEY_FILE"),
        (&[secured, ("REDIS_KEY_FILE", &key)], "REDIS_KEY_FILE", "REDIS_CERT_FILE"),
        (
            &[secured, ("REDIS_CERT_FILE", &certificate), ("REDIS_KEY_FILE", &foreign)],
            "REDIS_KEY_FILE",
            "another certificate",
        ),
        (&[secured, ("REDIS_CERT_FILE", &certificate), ("REDIS_KEY_FILE", &ca)], "REDIS_KEY_FILE", "private key"),
        (&[("REDIS_URL", "redis://localhost"), ("REDIS_CA_FILE", &ca)], "REDIS_CA_FILE", "rediss://"),
        (&[("REDIS_URL", "rediss://localhost:6379/0#insecure")], "REDIS_URL", "#insecure"),
        (&[("CLIENTY_QUEUE_PREFIX", "a{b}")], "CLIENTY_QUEUE_PREFIX", "letters, digits"),
    ];
    for (settings, key, problem) in cases {
        let ended = run(clienty_sync(&["config", "check", "--json"], settings));
        assert_eq!(ended.status.code(), Some(2), "{settings:?}: {ended:?}");
        let reported = document(&ended);
        let error = &reported["errors"][0];
        assert_eq!((&error["key"], reported["errors"].as_array().unwrap().len()), (&json!(key), 1), "{reported}");
        assert!(error["problem"].as_str().unwrap().contains(problem), "{reported}");
    }
    let good = [secured, ("REDIS_CA_FILE", &ca), ("REDIS_CERT_FILE", &certificate), ("REDIS_KEY_FILE", &key)];
    assert_eq!(run(clienty_sync(&["config", "check"], &good)).status.code(), Some(0));
}
