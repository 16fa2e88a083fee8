//! `make bench-webhooks`: how fast the real gateway takes signed webhooks, over SQLite and over PostgreSQL; then how long the events of one API
//! key take while another key sends as fast as it can.
//!
//! Each webhook has its own id and contact, so each is verified, stored and leads to a job: nothing is saved by repetition. They
//! are sent at a fixed rate, and a latency counts from the moment at which the webhook was *due*: a gateway that falls behind can't
//! slow its measurement down with it. Sender and gateway share the machine: what the gateway takes of the processors, and how much of them
//! all programs of the machine take together, is printed beside, for a latency reports nothing where others had them.

#![expect(clippy::unwrap_used, reason = "in a benchmark a panic is the report")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

mod figures;
#[expect(dead_code, reason = "shared with the tests, which need more of it")]
mod support;

use figures::{Figures, machine};
use support::disk_faults::DiskFaults;
use support::installation::Installation;
use support::postgres::PostgresServer;
use support::redis::RedisServer;

/// Webhooks a second, unless `WEBHOOK_RATE` says otherwise.
const RATE: u32 = 2000;
/// How long each measurement lasts.
const LASTS: Duration = Duration::from_secs(8);
/// Connections that stay open.
const CONNECTIONS: usize = 64;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let rate = wanted();
        println!("{} webhooks, {rate} a second, over {CONNECTIONS} connections", rate * LASTS.as_secs() as u32);
        println!("{}", machine());
        let titles = ["taken/s", "p50 ms", "p99 ms", "max ms", "429", "gateway", "all"];
        println!("{:<12}{}", "records", titles.map(|title| format!("{title:>9}")).concat());
        measure("SQLite", rate, &[]).await;
        // What waiting for the disk before each answer costs.
        let disk = DiskFaults::new();
        disk.order("FREE 0");
        measure("no fsync", rate, &disk.environment(Path::new("/"))).await;
        let server = PostgresServer::start();
        measure("PostgreSQL", rate, &[("DATABASE_URL", server.url())]).await;
        println!("the last two in processors, of {}", std::thread::available_parallelism().unwrap());
        let titles = ["p50 ms", "p99 ms", "flood p50", "flood p99", "p99 ratio", "flood/s"];
        println!("{:<12}{}", "one event", titles.map(|title| format!("{title:>10}")).concat());
        beside_a_flood("SQLite", &[]).await;
        beside_a_flood("PostgreSQL", &[("DATABASE_URL", &server.create_database("flood"))]).await;
        println!("{}", machine());
    });
}

#[expect(clippy::disallowed_methods, reason = "how many to send is the measurer's wish, not a setting of the program")]
fn wanted() -> u32 {
    std::env::var("WEBHOOK_RATE").map_or(RATE, |rate| rate.parse().expect("WEBHOOK_RATE is a number"))
}

/// The numbers of a file of /proc after its first word, or after the last bracket; in hundredths of a second for what they are used for.
fn ticks(file: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let line = line.rsplit_once(')').map_or(line, |(_, rest)| rest);
    line.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0)).collect()
}

/// Processor time so far, in seconds: of the process, and of all that run.
fn processors(process: u32) -> (f64, f64) {
    let own = ticks(&format!("/proc/{process}/stat"));
    let all = ticks("/proc/stat");
    let sum = |of: &[u64]| of.iter().sum::<u64>() as f64 / 100.0;
    // User and system; then user, nice and system, and what interrupts take.
    (
        sum(own.get(10..12).unwrap_or_default()),
        sum(all.get(..3).unwrap_or_default()) + sum(all.get(5..7).unwrap_or_default()),
    )
}

async fn measure(name: &str, rate: u32, extra: &[(&str, String)]) {
    let key = Ed25519KeyPair::generate().unwrap();
    let der = key.public_key().as_der().unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let file = std::env::temp_dir().join(format!("clienty-bench-{}.pem", std::process::id()));
    std::fs::write(&file, pem).unwrap();
    let file_name = file.display().to_string();
    let extra: Vec<_> = extra.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let settings =
        [&[("GHL_WEBHOOK_ED25519_KEY_FILE", file_name.as_str()), ("RUST_LOG", "error")], &extra[..]].concat();
    let installation = Installation::new(&settings).await;
    // GHL stands still, so that it is the taking that is measured and not the pulling.
    installation.sandbox.suspend();
    let (program, api) = installation.serve("up");
    let address = api.url.strip_prefix("http://").unwrap().to_owned();

    let count = rate * LASTS.as_secs() as u32;
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new((0..count).map(|number| request(&key, &installation.location, number)).collect());
    let answers = Arc::new(Mutex::new(Vec::with_capacity(requests.len())));
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(&address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        streams.push(stream);
    }
    let before = processors(program.id());
    let start = Instant::now() + Duration::from_millis(200);
    let senders = streams.into_iter().enumerate().map(|(first, stream)| {
        tokio::spawn(send(stream, Arc::clone(&requests), rate, first, start, Arc::clone(&answers)))
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let took = start.elapsed();
    let after = processors(program.id());
    let answers = answers.lock().await;
    let mut latencies = Figures::default();
    answers.iter().for_each(|(_, latency)| latencies.add(*latency));
    let with = |wanted: u16| answers.iter().filter(|(status, _)| *status == wanted).count();
    let (taken, deferred) = (with(200), with(429));
    assert_eq!(latencies.count(), requests.len(), "one answer for each");
    assert_eq!(taken + deferred, requests.len(), "other answers than 200 and 429");
    let took = took.as_secs_f64();
    let (own, all) = ((after.0 - before.0) / took, (after.1 - before.1) / took);
    println!(
        "{name:<12}{:>9.0}{:>9.1}{:>9.1}{:>9.1}{deferred:>9}{own:>9.2}{all:>9.2}",
        taken as f64 / took,
        latencies.ms(0.5),
        latencies.ms(0.99),
        latencies.ms(1.0)
    );
    installation.sandbox.resume();
    let _ = std::fs::remove_file(file);
}

/// A contact event as GHL's samples look, signed.
fn request(key: &Ed25519KeyPair, location: &str, number: u32) -> Vec<u8> {
    let body = json!({
        "type": "ContactUpdate", "locationId": location, "id": format!("benchContact{number:08}"),
        "webhookId": format!("bench-{number}"), "timestamp": sync_model::clock::Clock::system().now().to_string(),
        "address1": "3535 1st St N", "city": "Dolomite", "state": "AL", "companyName": "Loram ipsum", "country": "DE",
        "source": "form", "dateAdded": "2021-11-26T12:41:02.193Z", "dnd": true, "email": "jane@example.com",
        "name": "Jane Deo", "firstName": "Jane", "lastName": "Deo", "phone": "+919509597501", "postalCode": "35061",
        "tags": ["id magna sed Lorem", "Duis dolor commodo aliqua"], "website": "https://www.example.com/",
        "customFields": [{"id": "BcdmQEsNgz6AVpgLVUJ0", "value": "Lorem ipsum dolor sit amet"}],
    })
    .to_string();
    let mut head = String::from("POST /webhooks/ghl HTTP/1.1\r\nhost: bench\r\n");
    let signature = STANDARD.encode(key.sign(body.as_bytes()));
    write!(head, "x-ghl-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    head.into_bytes()
}

/// Sends every 64th request when it is due, or as soon after as the answer before it is there.
async fn send(
    mut stream: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    rate: u32,
    first: usize,
    start: Instant,
    answers: Arc<Mutex<Vec<(u16, Duration)>>>,
) {
    let mut own = Vec::new();
    for index in (first..requests.len()).step_by(CONNECTIONS) {
        let due = start + Duration::from_secs_f64(index as f64 / f64::from(rate));
        sleep_until(due).await;
        let status = exchange(&mut stream, &requests[index]).await;
        own.push((status, due.elapsed()));
    }
    answers.lock().await.extend(own);
}

/// Events of the key that is measured, quiet and beside the flood.
const EVENTS: u32 = 1000;
/// Connections of the key that floods.
const FLOOD: usize = 32;
/// Of the measured key, between an answer and the next event.
const BETWEEN: Duration = Duration::from_millis(5);

async fn beside_a_flood(name: &str, extra: &[(&str, &str)]) {
    let redis = RedisServer::start();
    let (redis, extra) = (redis.url(), extra.iter().copied());
    let settings: Vec<_> = [("REDIS_URL", redis.as_str()), ("RUST_LOG", "error")].into_iter().chain(extra).collect();
    let installation = Installation::new(&settings).await;
    let (_program, api) = installation.serve("gateway");
    let address = api.url.strip_prefix("http://").unwrap();
    let other = installation.json(&["keys", "create", "--name", "flood"])["key"].as_str().unwrap().to_owned();
    let event = |key: &str| {
        let event = json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
        let (body, mut head) = (event.to_string(), String::from("POST /v1/events HTTP/1.1\r\nhost: bench\r\n"));
        write!(head, "authorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        head.into_bytes()
    };
    let mut quiet = one_by_one(address, &event(&api.key)).await;
    let (ends, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut flood = JoinSet::new();
    for _ in 0..FLOOD {
        let (ends, taken, request) = (Arc::clone(&ends), Arc::clone(&taken), event(&other));
        let mut stream = TcpStream::connect(address).await.unwrap();
        flood.spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                exchange(&mut stream, &request).await;
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // All of it stands in line.
    while taken.load(Ordering::Relaxed) < 10 * FLOOD {
        tokio::time::sleep(BETWEEN).await;
    }
    let (began, before) = (Instant::now(), taken.load(Ordering::Relaxed));
    let mut flooded = one_by_one(address, &event(&api.key)).await;
    let rate = (taken.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    ends.store(true, Ordering::Relaxed);
    flood.join_all().await;
    println!(
        "{name:<12}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{rate:>10.0}",
        quiet.ms(0.5),
        quiet.ms(0.99),
        flooded.ms(0.5),
        flooded.ms(0.99),
        flooded.ms(0.99) / quiet.ms(0.99),
    );
}

/// Sends the event again and again; how long each took to be accepted.
async fn one_by_one(address: &str, event: &[u8]) -> Figures {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut took = Figures::default();
    for _ in 0..EVENTS {
        let began = Instant::now();
        assert_eq!(exchange(&mut stream, event).await, 202);
        took.add(began.elapsed());
        tokio::time::sleep(BETWEEN).await;
    }
    took
}

/// Sends a request and reads its answer; the status.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> u16 {
    let (mut buffer, mut read) = ([0; 4096], 0);
    stream.write_all(request).await.unwrap();
    loop {
        let got = stream.read(&mut buffer[read..]).await.unwrap();
        assert!(got > 0, "the gateway closed a connection");
        read += got;
        if let Some(status) = whole(&buffer[..read]) {
            return status;
        }
    }
}

/// The status of an answer that is there to its end.
fn whole(bytes: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    if body.len() < length.parse().ok()? {
        return None;
    }
    head.split(' ').nth(1)?.parse().ok()
}
