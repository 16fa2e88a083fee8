//! No personal data and no secret leaves the records: not into logs, not into traces, not into the queue.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use ghl_sandbox::Faults;
use redis::Value as Reply;
use serde_json::{Value, json};
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::redis::RedisServer;
use crate::support::test_app::{Setup, TestApp};

const DUE: &str = "2026-03-01T09:00:00Z";
/// Shorter words are in ids by chance.
const REPORTING: usize = 4;

/// Collects what is logged and traced on this thread, which runs everything of a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

/// Hears nothing. Whether anybody listens to a line is asked once for all threads: where the process has a single subscriber, that of the thread
/// which comes by first is asked, and the thread of another test has none (tokio-rs/tracing#3611). Of two, both are.
pub(crate) static NOBODY: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::fmt().with_max_level(LevelFilter::OFF).finish()));

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Listens from now on.
    fn listen() -> (Self, DefaultGuard) {
        LazyLock::force(&NOBODY);
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            // Each span that is sent as a trace makes a line of all that it says.
            .with_env_filter(EnvFilter::new(format!("debug,{}=trace", ghl::trace::TARGET)))
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, subscriber.set_default())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Everything of the sandbox that no log may hold.
fn secrets(app: &TestApp) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for location in app.sandbox.locations() {
        let state = app.state(&location.id);
        secrets.insert(location.token);
        for (list, fields) in [
            ("contacts", &["name", "firstName", "lastName", "email", "phone", "address1"][..]),
            ("tasks", &["title", "body"][..]),
            ("notes", &["body"][..]),
            ("appointments", &["title", "notes"][..]),
        ] {
            let records = state[list].as_array().unwrap().iter();
            let texts = records.flat_map(|record| fields.iter().filter_map(|field| record[*field].as_str()));
            secrets.extend(texts.map(|text| text.trim().to_owned()));
        }
    }
    // Names that are ordinary words of a log as well, and would prove nothing.
    secrets.retain(|text| text.chars().count() >= REPORTING && !["null", "undefined", "Demo"].contains(&text.as_str()));
    secrets
}

#[tokio::test]
async fn no_token_name_address_number_or_text_is_logged_or_traced() {
    let (log, _listening) = Log::listen();
    let mut app = TestApp::idle(Setup { contacts: 25, ..Setup::impatient() }).await;
    let location = app.location();
    let contacts = app.contacts(&location.id);
    let wrong = "pit-of-somebody-else-entirely";
    app.connect(&location.id, wrong).await;
    let events = contacts
        .iter()
        .map(|contact| json!({"type": "contact.selected", "locationId": location.id, "contactId": contact}));
    app.send_all(&events.collect::<Vec<Value>>()).await;
    app.work();
    app.wait_until("the wrong token is refused", async || app.sandbox.stats().strangers > 0).await;
    app.connect(&location.id, &location.token).await;
    app.settle().await;
    app.sandbox.set_faults(Faults {
        cut_after: 100,
        server_error_after: 100,
        truncate: 100,
        html: 100,
        throttle: 30,
        at_most: Some(60),
        ..Faults::default()
    });
    for (number, contact) in contacts.iter().take(10).enumerate() {
        let id = format!("k{number}");
        let task = json!({"clientyTaskId": id, "title": "Call Grandmother", "body": "Owes me 500", "dueDate": DUE});
        app.report("task.created", contact, task).await;
        app.report("note.created", contact, json!({"clientyNoteId": id, "noteText": "Divorced since May"})).await;
        app.report("contact.selected", contact, json!({})).await;
    }
    // Refused by GHL, which may quote what it refuses.
    let refused = json!({"clientyNoteId": "refused", "noteText": "Quoted by GHL", "userId": "jane.doe@example.com"});
    app.report("note.created", &contacts[0], refused).await;
    app.settle().await;

    let mut secrets = secrets(&app);
    assert!(secrets.len() > 50, "{secrets:?}");
    let ours =
        ["Call Grandmother", "Owes me 500", "Divorced since May", "Quoted by GHL", "jane.doe@example.com", wrong];
    secrets.extend(ours.map(str::to_owned));
    app.finish_with_dead(1).await;
    let text = log.text();
    for part in ["called GHL", "a run did not finish", "job.outcome=\"done\"", "http.response.status_code=\"200\""] {
        assert!(text.contains(part), "no {part} was heard");
    }
    for line in text.lines() {
        let reported: Vec<_> = secrets.iter().filter(|secret| line.contains(secret.as_str())).collect();
        assert!(reported.is_empty(), "{reported:?} in {line}");
    }
}

#[test]
fn a_log_receives_what_another_thread_came_by_first() {
    let (log, _listening) = Log::listen();
    let line = || tracing::debug!("came by");
    std::thread::spawn(line).join().unwrap();
    assert_eq!(log.text(), "");
    line();
    assert!(log.text().contains("came by"), "{:?}", log.text());
}

#[tokio::test]
async fn the_queue_is_reported_ids_and_nothing_personal() {
    let redis = RedisServer::start();
    let mut app = TestApp::idle(Setup { redis_url: Some(redis.url()), ..Setup::default() }).await;
    let contact = app.contacts(&app.location().id).remove(0);
    let task = json!({"clientyTaskId": "k1", "title": "Call Grandmother", "body": "Owes me 500", "dueDate": DUE});
    app.report("task.created", &contact, task).await;
    app.report("task.updated", &contact, json!({"clientyTaskId": "k1", "title": "Visit Grandmother"})).await;
    app.report("note.created", &contact, json!({"clientyNoteId": "k1", "noteText": "Divorced since May"})).await;
    app.report("contact.updated", &contact, json!({"name": "Grandmother", "email": "grandma@example.com"})).await;

    let reported = String::from_utf8_lossy(&everything_in(&redis)).into_owned();
    assert!(reported.contains("push_task") && reported.contains(&contact), "the jobs are in the queue: {reported}");
    for secret in ["Grandmother", "Owes me", "Divorced", "grandma", "k1", &app.location().token] {
        assert!(!reported.contains(secret), "{secret} in {reported}");
    }
    app.work();
    app.settle().await;
    let reported = String::from_utf8_lossy(&everything_in(&redis)).into_owned();
    for secret in ["Grandmother", "Owes me", "Divorced", "grandma", &app.location().token] {
        assert!(!reported.contains(secret), "{secret} in {reported}");
    }
    app.finish().await;
}

/// The names and values of all keys of a Redis, one after the other.
pub(crate) fn everything_in(redis: &RedisServer) -> Vec<u8> {
    let mut connection = redis.connection();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert!(!keys.is_empty());
    let mut everything = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
        let mut read = match kind.as_str() {
            "string" => redis::cmd("GET"),
            "hash" => redis::cmd("HGETALL"),
            "list" => redis::cmd("LRANGE"),
            "set" => redis::cmd("SMEMBERS"),
            "zset" => redis::cmd("ZRANGE"),
            "stream" => redis::cmd("XRANGE"),
            other => panic!("a key of type {other}"),
        };
        read.arg(&key);
        match kind.as_str() {
            "list" | "zset" => read.arg(0).arg(-1),
            "stream" => read.arg("-").arg("+"),
            _ => &mut read,
        };
        let value: Reply = read.query(&mut connection).unwrap();
        everything.extend_from_slice(&key);
        gather(&value, &mut everything);
    }
    everything
}

fn gather(reply: &Reply, everything: &mut Vec<u8>) {
    everything.push(b'\n');
    match reply {
        Reply::BulkString(bytes) => everything.extend_from_slice(bytes),
        Reply::SimpleString(text) => everything.extend_from_slice(text.as_bytes()),
        Reply::Array(parts) | Reply::Set(parts) => parts.iter().for_each(|part| gather(part, everything)),
        Reply::Map(pairs) => pairs.iter().for_each(|(name, value)| {
            gather(name, everything);
            gather(value, everything);
        }),
        other => everything.extend_from_slice(format!("{other:?}").as_bytes()),
    }
}
