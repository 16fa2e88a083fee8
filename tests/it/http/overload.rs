//! What strangers and a single key can do to a gateway: not lock others out, not fill its memory, not keep it from ending.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;
use crate::support::program::Program;
use crate::support::redis::RedisServer;

/// How long whoever asks for health waits for an answer.
const PROBE: Duration = Duration::from_secs(5);
/// How long anything else may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;
/// What the gateway may use.
const MEMORY: usize = 256 * MIB;
const FILES: usize = 1024;

/// A connection on which these bytes were sent.
async fn sent(address: &str, bytes: &[u8]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    Ok(stream)
}

/// What the server says until it closes the connection, or until its time is over.
async fn said(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(path: &str, header: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{header}content-length: {length}\r\n\r\n")
}

/// The most memory that the process had at once, in bytes.
fn peak(program: &Program) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// Asks for health over a new connection each time, until it is asked to end; how often.
fn probing(address: &str, ends: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let (address, ends) = (address.to_owned(), Arc::clone(ends));
    tokio::spawn(async move {
        let mut count = 0;
        while !ends.load(Ordering::Relaxed) {
            let asked = async {
                let mut stream = sent(&address, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await?;
                let mut begin = [0; 15];
                stream.read_exact(&mut begin).await.map(|_| begin)
            };
            let began = Instant::now();
            let answer =
                timeout(PROBE, asked).await.unwrap_or_else(|_| panic!("no health within {PROBE:?}, probe {count}"));
            let answer = answer.unwrap_or_else(|error| panic!("{error} after {:?}, probe {count}", began.elapsed()));
            assert_eq!(&answer, b"HTTP/1.1 200 OK", "probe {count}");
            count += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        count
    })
}

struct Attacked {
    address: String,
    api: Api,
    flooding: Api,
    event: Value,
    /// Connections that are held open.
    held: Vec<TcpStream>,
}

impl Attacked {
    /// 2,000 connections that say nothing, or never finish their head.
    async fn silent_and_slow(&mut self) {
        let bytes = |number: usize| {
            if number.is_multiple_of(2) { &b""[..] } else { &b"POST /webhooks/ghl HTTP/1.1\r\nx: "[..] }
        };
        for number in 0..2000 {
            self.held.extend(sent(&self.address, bytes(number)).await);
        }
    }

    /// 741 webhooks of which half the body comes: refused at once without a signature, else no more than the memory for them.
    async fn half_sent(&mut self) {
        let half = vec![b'x'; 128 * 1024];
        let mut unsigned = 0;
        for number in 0..741 {
            let signature = if number % 3 == 0 { "" } else { "x-ghl-signature: AAAA\r\n" };
            let mut stream =
                sent(&self.address, head("/webhooks/ghl", signature, 2 * half.len()).as_bytes()).await.unwrap();
            if signature.is_empty() && number % 30 == 0 {
                let answer = said(stream).await;
                // Beside so many others it may be refused before anybody looks for a signature.
                assert!(
                    ["401", "429"].iter().any(|status| answer.starts_with(&format!("HTTP/1.1 {status} "))),
                    "{answer}"
                );
                unsigned += 1;
            } else {
                // The server may have closed it: that is its right.
                let _ = timeout(Duration::from_millis(100), stream.write_all(&half)).await;
                self.held.push(stream);
            }
        }
        assert_eq!(unsigned, 25);
    }

    /// 60 bodies at once that are small as text and large as values; and 60 that have a thousand faults.
    async fn swelling(&self) {
        let empties = |length: usize| format!("[{}]", vec!["{}"; length / 3].join(","));
        let nested = format!(r#"{{"type":"contact.selected","data":{{"a":{}}}}}"#, empties(MIB / 2));
        let wrong = json!({"type": "note.created", "data": {"a".repeat(300): 1, "b".repeat(300): 1}});
        let faulty = Value::from(vec![wrong; 1000]).to_string();
        let mut sending = JoinSet::new();
        for (number, body) in [empties(MIB - 3), nested, faulty].iter().cycle().take(120).enumerate() {
            let (api, body) = (self.flooding.clone(), body.clone());
            sending.spawn(async move { (number, api.post(body).await) });
        }
        while let Some(sent) = sending.join_next().await {
            let (number, answer) = sent.unwrap();
            // At most half of the memory is for one key; the rest of its bodies comes too early.
            assert!([400, 413, 422, 429, 503].contains(&answer.status), "{number}: {} {}", answer.status, answer.text);
            assert!(answer.text.len() < 100_000, "{} bytes of errors", answer.text.len());
        }
    }

    /// Strangers who would install the app.
    async fn strangers(&self) {
        for _ in 0..200 {
            assert_eq!(self.api.get("/oauth/install").await.status, 403);
        }
    }

    /// While one key sends as fast as it can over 32 connections, another sends one event after the other: how many events of the
    /// first were accepted from the request to the answer of each event of the second.
    async fn in_turn(&self) -> Vec<usize> {
        let (ends, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut flood = JoinSet::new();
        for _ in 0..32 {
            let (api, event) = (self.flooding.clone(), self.event.to_string());
            let (ends, accepted) = (Arc::clone(&ends), Arc::clone(&accepted));
            flood.spawn(async move {
                while !ends.load(Ordering::Relaxed) {
                    assert_eq!(api.post(event.clone()).await.status, 202);
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while accepted.load(Ordering::Relaxed) < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut overtaken = Vec::new();
        for _ in 0..60 {
            let before = accepted.load(Ordering::Relaxed);
            self.api.accepted(&self.event).await;
            overtaken.push(accepted.load(Ordering::Relaxed) - before);
            // The line of the flood is full again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ends.store(true, Ordering::Relaxed);
        while let Some(ended) = flood.join_next().await {
            ended.unwrap();
        }
        overtaken.sort_unstable();
        overtaken
    }
}

async fn an_attacked_gateway_answers_others(databases: &[(&str, &str)]) {
    let redis = RedisServer::start();
    let app = [
        ("REDIS_URL", redis.url()),
        ("GHL_CLIENT_ID", "app-1".to_owned()),
        ("GHL_CLIENT_SECRET", "secret".to_owned()),
        ("GHL_REDIRECT_URI", "https://sync.example.com/oauth/callback".to_owned()),
        // In a debug build nothing is so fast; a flood that is refused is another test.
        ("CLIENTY_KEY_BURST", "1000000".to_owned()),
    ];
    let settings: Vec<_> =
        app.iter().map(|(name, value)| (*name, value.as_str())).chain(databases.iter().copied()).collect();
    let installation = Installation::new(&settings).await;
    let (mut program, api) = installation.serve_with_files("gateway", FILES);
    let key = installation.json(&["keys", "create", "--name", "flood"])["key"].as_str().unwrap().to_owned();
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    let address = api.url.strip_prefix("http://").unwrap().to_owned();
    let mut attacked = Attacked { flooding: api.with_key(&key), address, api, event, held: Vec::new() };

    let ends = Arc::new(AtomicBool::new(false));
    let probes = probing(&attacked.address, &ends);
    attacked.silent_and_slow().await;
    attacked.half_sent().await;
    attacked.api.accepted(&attacked.event).await;
    attacked.swelling().await;
    attacked.strangers().await;
    let overtaken = attacked.in_turn().await;
    // In the order of arrival, all of the flood's 31 other requests would go first.
    let median = overtaken[overtaken.len() / 2];
    assert!(median <= 15, "half of another key's events waited for more than {median} of the flood: {overtaken:?}");
    ends.store(true, Ordering::Relaxed);
    let probes = probes.await.expect("health is answered throughout");
    assert!(probes > 20, "{probes}");
    let peak = peak(&program);
    assert!(peak < MEMORY, "{} MiB", peak / MIB);

    // Connections that are open and half sent hold nothing up.
    attacked.silent_and_slow().await;
    let half = head("/webhooks/ghl", "x-ghl-signature: AAAA\r\n", 1000);
    attacked.held.extend(sent(&attacked.address, half.as_bytes()).await);
    let began = Instant::now();
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacked_gateway_over_sqlite_answers_others_within_its_memory_and_ends() {
    an_attacked_gateway_answers_others(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacked_gateway_over_postgresql_answers_others_within_its_memory_and_ends() {
    let postgres = PostgresServer::start();
    an_attacked_gateway_answers_others(&[("DATABASE_URL", &postgres.url())]).await;
}

#[tokio::test]
async fn one_key_that_asks_too_much_gets_429_and_no_other_does() {
    let installation = Installation::new(&[("CLIENTY_KEY_RATE", "1"), ("CLIENTY_KEY_BURST", "20")]).await;
    let (_program, api) = installation.serve("up");
    let other = installation.json(&["keys", "create", "--name", "other"])["key"].as_str().unwrap().to_owned();
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    // A batch costs what its events cost, and is never refused halfway.
    api.accepted(&Value::from(vec![event.clone(); 100])).await;
    let refused = api.post(event.to_string()).await;
    assert!(refused.problem(429)["detail"].as_str().unwrap().contains("CLIENTY_KEY_RATE"), "{}", refused.text);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((60..=81).contains(&wait), "{wait} s for 80 events at 1/s");
    api.get("/v1/jobs/x").await.problem(429);
    api.with_key(&other).accepted(&event).await;
    // A stranger who knows the id of a key spends nothing of it, and learns nothing.
    let id = other.rsplit_once('_').unwrap().0;
    for _ in 0..30 {
        api.with_key(&format!("{id}_guess")).get("/v1/jobs/x").await.problem(401);
    }
    api.with_key(&other).accepted(&event).await;
}

#[tokio::test]
async fn of_many_faults_a_hundred_are_listed_and_the_others_counted() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let answer = api.post(Value::from(vec![json!({}); 1000]).to_string()).await;
    assert_eq!(answer.faults(422).len(), 100);
    assert_eq!(answer.json()["moreErrors"], 1900);
    let few = api.post("[{}]").await;
    assert_eq!((few.faults(422).len(), few.json().get("moreErrors")), (2, None));
    let good = json!({"type": "note.created", "locationId": installation.location, "contactId": installation.contacts[0],
        "data": {"clientyNoteId": "n1", "noteText": "x"}});
    let mut long = good.clone();
    long["data"]["noteText"] = json!("x".repeat(64 * 1024));
    let answer = api.post(json!([good, long]).to_string()).await;
    assert_eq!(answer.faults(422), [(Some(1), String::new())]);
    assert!(answer.text.contains("at most 65536"), "{}", answer.text);
    assert_eq!(installation.job_count(), 0);
}

#[tokio::test]
async fn each_part_of_a_request_has_its_deadline() {
    let timeouts = [
        ("CLIENTY_HEADER_TIMEOUT_MS", "500"),
        ("CLIENTY_BODY_TIMEOUT_MS", "600"),
        ("CLIENTY_IDLE_TIMEOUT_MS", "700"),
        ("CLIENTY_REQUEST_TIMEOUT_MS", "3000"),
    ];
    let installation = Installation::new(&timeouts).await;
    let (_program, api) = installation.serve("up");
    let address = api.url.strip_prefix("http://").unwrap();
    let ask = async |bytes: String| said(sent(address, bytes.as_bytes()).await.unwrap()).await;
    assert_eq!(ask(String::new()).await, "", "silent");
    assert_eq!(ask("GET /healthz HTTP/1.1\r\nhost".to_owned()).await, "", "in its head");
    let idle = ask("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".to_owned()).await;
    assert!(idle.starts_with("HTTP/1.1 200 OK"), "{idle}");
    let key = format!("authorization: Bearer {}\r\n", api.key);
    for (path, header) in [("/webhooks/ghl", "x-ghl-signature: AAAA\r\n"), ("/v1/events", key.as_str())] {
        let slow = ask(head(path, header, 1000) + "half").await;
        assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("application/problem+json"), "{slow}");
    }
    // Longer than the request may take, which waits for a change.
    let key = key.trim_end();
    let waiting = ask(format!("GET /v1/changes?cursor=latest&wait=60 HTTP/1.1\r\nhost: x\r\n{key}\r\n\r\n")).await;
    assert_eq!(waiting, "");
}

/// What is said before a byte of the body was sent.
#[tokio::test]
async fn a_request_that_its_head_condemns_is_refused_before_its_body() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let address = api.url.strip_prefix("http://").unwrap();
    let key = format!("authorization: Bearer {}\r\n", api.key);
    for (path, header, length, status) in [
        ("/webhooks/ghl", "", 1000, 401),
        ("/webhooks/ghl", "x-ghl-signature: N/A\r\n", 1000, 401),
        ("/webhooks/ghl", "x-ghl-signature: AAAA\r\n", 256 * 1024 + 1, 413),
        ("/v1/events", "", 1000, 401),
        ("/v1/events", "authorization: Bearer cs_0_x\r\n", 1000, 401),
        ("/v1/events", key.as_str(), MIB + 1, 413),
        ("/v1/operations/get-contact", key.as_str(), MIB + 1, 413),
        ("/nowhere", "", 1000, 404),
    ] {
        let answer = said(sent(address, head(path, header, length).as_bytes()).await.unwrap()).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{path} {header}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}
