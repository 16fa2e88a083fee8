//! Webhooks, sent to the real program as GHL sends them.

use futures_util::StreamExt;
use ghl::json as ghl_json;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::api::{Answer, Api};
use crate::support::ghl_signer::GhlSigner;
use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;
use crate::support::program::Program;
use crate::support::redis::RedisServer;
use crate::support::wait_until_async;

/// An installation that believes a signer.
struct Place {
    signer: GhlSigner,
    installation: Installation,
}

impl Place {
    async fn new(extra: &[(&str, &str)]) -> Self {
        let signer = GhlSigner::new();
        let keys = signer.settings();
        let settings: Vec<_> =
            keys.iter().map(|(name, value)| (*name, value.as_str())).chain(extra.iter().copied()).collect();
        let installation = Installation::new(&settings).await;
        Self { signer, installation }
    }

    fn up(&self) -> (Program, Api) {
        self.installation.serve("up")
    }

    /// An event about the first contact, as GHL writes it.
    fn event(&self, event: &str, webhook_id: &str) -> Value {
        json!({
            "type": event, "locationId": self.installation.location, "id": self.installation.contacts[0],
            "webhookId": webhook_id, "timestamp": now(SignedDuration::ZERO),
        })
    }

    /// Sends a body that is signed as GHL signs now.
    async fn send(&self, api: &Api, body: &Value) -> Answer {
        let body = body.to_string();
        let signature = self.signer.ghl(body.as_bytes());
        post(api, body, &[("x-ghl-signature", signature.as_str())]).await
    }

    /// Sends a body that must be taken, and returns what became of it.
    async fn taken(&self, api: &Api, body: &Value) -> String {
        let answer = self.send(api, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["result"].as_str().unwrap().to_owned()
    }

    /// How often the simulated GHL was asked for a contact.
    async fn pulls(&self) -> u64 {
        let stats = Api::new(&self.installation.ghl, "").get("/_sandbox/stats").await.json();
        let operations = &stats["locations"][&self.installation.location]["operations"];
        operations["GET /contacts/{contactId}"].as_u64().unwrap_or(0)
    }

    /// Waits until the records hold the first contact.
    async fn until_shown(&self, api: &Api) {
        let path = format!("/v1/locations/{}/contacts/{}", self.installation.location, self.installation.contacts[0]);
        wait_until_async("the contact is in the records", async || api.get(&path).await.status == 200).await;
    }
}

fn now(later: SignedDuration) -> String {
    let now = sync_model::clock::Clock::system().now() + later;
    now.to_string()
}

async fn post(api: &Api, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> Answer {
    api.request("POST", "/webhooks/ghl", |request| {
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body)
    })
    .await
}

/// Waits until the metrics hold the line.
async fn counted(api: &Api, line: &str) {
    api.metrics_with(line).await;
}

async fn until_nothing_is_open(place: &Place) {
    wait_until_async("no job is open", async || {
        let stats = place.installation.json(&["jobs", "stats"]);
        ["waiting", "scheduled", "running"].iter().all(|state| stats[state] == 0)
    })
    .await;
}

async fn a_webhook_brings_its_contact(extra: &[(&str, &str)]) {
    let place = Place::new(extra).await;
    let (_program, api) = place.up();
    assert_eq!(place.taken(&api, &place.event("ContactUpdate", "w1")).await, "accepted");
    place.until_shown(&api).await;
    assert_eq!(place.taken(&api, &place.event("ContactUpdate", "w1")).await, "duplicate");
    // Without an id, the bytes report.
    let mut nameless = place.event("ContactTagUpdate", "");
    nameless.as_object_mut().unwrap().remove("webhookId");
    assert_eq!(place.taken(&api, &nameless).await, "accepted");
    assert_eq!(place.taken(&api, &nameless).await, "duplicate");
    until_nothing_is_open(&place).await;
    assert_eq!(place.installation.job_count(), 2);
    counted(&api, "clienty_webhooks_total{result=\"accepted\",type=\"ContactUpdate\"} 1\n").await;
    counted(&api, "clienty_webhooks_total{result=\"duplicate\",type=\"ContactUpdate\"} 1\n").await;
    counted(&api, "clienty_events_accepted_total{source=\"webhook\",type=\"ContactUpdate\"} 1\n").await;
}

#[tokio::test]
async fn a_webhook_brings_its_contact_once_over_sqlite() {
    a_webhook_brings_its_contact(&[]).await;
}

#[tokio::test]
async fn a_webhook_brings_its_contact_once_over_postgres() {
    let server = PostgresServer::start();
    a_webhook_brings_its_contact(&[("DATABASE_URL", &server.url())]).await;
}

#[tokio::test]
async fn a_webhook_that_was_answered_outlives_a_kill() {
    let place = Place::new(&[]).await;
    let (mut program, api) = place.up();
    assert_eq!(place.taken(&api, &place.event("ContactUpdate", "w1")).await, "accepted");
    program.kill();
    let (_program, api) = place.up();
    place.until_shown(&api).await;
    assert_eq!(place.taken(&api, &place.event("ContactUpdate", "w1")).await, "duplicate");
    assert_eq!(place.installation.job_count(), 1);
}

#[tokio::test]
async fn only_ghls_signature_of_the_very_bytes_is_let_in() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let body = place.event("ContactUpdate", "w1").to_string();
    let (ghl, wh) = (place.signer.ghl(body.as_bytes()), place.signer.wh(body.as_bytes()));
    let (ghl, wh, strange) = (ghl.as_str(), wh.as_str(), GhlSigner::new().ghl(body.as_bytes()));
    let refused: &[&[(&str, &str)]] = &[
        &[],
        &[("x-ghl-signature", "N/A")],
        &[("x-ghl-signature", "N/A"), ("x-wh-signature", "N/A")],
        &[("x-ghl-signature", &strange)],
        &[("x-ghl-signature", wh)],
        &[("x-wh-signature", ghl)],
        // The older one can't make up for the newer one.
        &[("x-ghl-signature", &strange), ("x-wh-signature", wh)],
        &[("x-ghl-signature", "not base64!")],
    ];
    for headers in refused {
        let answer = post(&api, body.clone(), headers).await;
        answer.problem(401);
    }
    // The same JSON in other bytes.
    post(&api, format!("{body} "), &[("x-ghl-signature", ghl)]).await.problem(401);
    assert_eq!(place.installation.job_count(), 0);
    counted(&api, "clienty_webhooks_total{result=\"bad_signature\",type=\"unknown\"} 9\n").await;

    for headers in
        [[("x-ghl-signature", "N/A"), ("x-wh-signature", wh)], [("x-ghl-signature", ghl), ("x-wh-signature", "x")]]
    {
        let answer = post(&api, body.clone(), &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn while_ghl_changes_its_key_both_are_believed() {
    let (old, place) = (GhlSigner::new(), Place::new(&[]).await);
    place.signer.trust(&old);
    let (_program, api) = place.up();
    let body = place.event("ContactUpdate", "w1").to_string();
    for signer in [&old, &place.signer] {
        let answer = post(&api, body.clone(), &[("x-ghl-signature", &signer.ghl(body.as_bytes()))]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_key_file_that_holds_no_key_is_reported_when_the_program_starts() {
    let mut place = Place::new(&[]).await;
    let [_, (_, rsa)] = place.signer.settings();
    place.installation.set("GHL_WEBHOOK_ED25519_KEY_FILE", &rsa);
    let checked = place.installation.run(&["config", "check"]);
    let reported = String::from_utf8_lossy(&checked.stderr).into_owned() + &*String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(2), "{reported}");
    assert!(
        reported.contains("GHL_WEBHOOK_ED25519_KEY_FILE") && reported.contains("key 1 is not of this kind"),
        "{reported}"
    );
}

/// GHL repeats a delivery for 3 days, and people have it sent again for 30: both with the old time.
#[tokio::test]
async fn however_old_a_webhook_is_the_contact_is_looked_at_and_its_body_is_not_believed() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let (location, contact) = (&place.installation.location, &place.installation.contacts[0]);
    api.pulled(location, contact).await;
    for (number, hours) in [-3_i64, -2 * 24, -29 * 24, 1].into_iter().enumerate() {
        let before = place.pulls().await;
        let mut event = place.event("ContactUpdate", &format!("late{number}"));
        event["timestamp"] = json!(now(SignedDuration::from_hours(hours)));
        event["city"] = json!("Long ago");
        assert_eq!(place.taken(&api, &event).await, "late");
        assert_eq!(place.taken(&api, &event).await, "duplicate");
        until_nothing_is_open(&place).await;
        assert_eq!(place.pulls().await, before + 1, "{hours} h");
        let view = api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json();
        assert_ne!(view["contact"]["city"], "Long ago");
    }
    // A deletion that old may be of before it was restored.
    let mut deleted = place.event("ContactDelete", "late delete");
    deleted["timestamp"] = json!(now(SignedDuration::from_hours(-24)));
    assert_eq!(place.taken(&api, &deleted).await, "late");
    until_nothing_is_open(&place).await;
    assert_eq!(api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.status, 200);
    counted(&api, "clienty_webhooks_total{result=\"late\",type=\"ContactUpdate\"} 4\n").await;
}

#[tokio::test]
async fn what_is_foreign_or_unknown_is_kept_and_leads_to_no_job() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let mut foreign = place.event("ContactUpdate", "foreign");
    foreign["locationId"] = json!("nobodysLocation");
    assert_eq!(place.taken(&api, &foreign).await, "refused");
    assert_eq!(place.taken(&api, &place.event("ContactExploded", "unknown")).await, "accepted");
    assert_eq!(place.taken(&api, &json!([1, 2, 3])).await, "accepted");
    assert_eq!(place.installation.job_count(), 0);
    counted(&api, "clienty_webhooks_total{result=\"refused\",type=\"ContactUpdate\"} 1\n").await;
    counted(&api, "clienty_webhooks_total{result=\"accepted\",type=\"unknown\"} 2\n").await;
}

#[tokio::test]
async fn odd_characters_in_a_signed_webhook_cost_nothing_and_what_is_unreadable_comes_again_but_not_for_ever() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let send = async |bytes: Vec<u8>| {
        let signature = place.signer.ghl(&bytes);
        post(&api, bytes, &[("x-ghl-signature", &signature)]).await
    };
    let mut odd = place.event("ContactUpdate", "odd").to_string().into_bytes();
    odd.splice(1..1, br#""firstName":"Cut \ud83d","x":1e999,"#.iter().copied());
    let answer = send(odd).await;
    assert_eq!((answer.status, answer.json()["result"].as_str()), (200, Some("accepted")), "{}", answer.text);
    place.until_shown(&api).await;
    for bytes in [&b"no json \0 at all"[..], b"\xff\xfe", b"", br#"{"type":"ContactUpdate","id":"#] {
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(send(bytes.to_vec()).await.status);
        }
        assert_eq!(statuses, [429, 429, 429, 429, 429, 429, 200, 200], "{bytes:?}");
    }
    counted(&api, "clienty_webhooks_total{result=\"unreadable\",type=\"unknown\"} 32\n").await;
}

#[tokio::test]
async fn a_body_beyond_what_ghl_sends_is_refused_and_one_that_lost_its_fields_still_pulls() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let mut large = place.event("ContactUpdate", "large");
    large["notes"] = json!("x".repeat(256 * 1024));
    place.send(&api, &large).await.problem(413);
    let mut flagged = place.event("ContactUpdate", "flagged");
    flagged["payloadTooLarge"] = json!(true);
    assert_eq!(place.taken(&api, &flagged).await, "accepted");
    place.until_shown(&api).await;
}

#[tokio::test]
async fn fifty_webhooks_for_one_contact_are_one_pull_or_two() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let kinds = ["ContactUpdate", "ContactTagUpdate", "ContactDndUpdate"];
    let events: Vec<_> = (0..50).map(|number| place.event(kinds[number % 3], &format!("w{number}"))).collect();
    let sent = events.iter().map(|event| place.taken(&api, event));
    let results = futures_util::future::join_all(sent).await;
    assert_eq!(results, vec!["accepted"; 50]);
    place.until_shown(&api).await;
    until_nothing_is_open(&place).await;
    assert_eq!(place.installation.job_count(), 50);
    assert!((1..=2).contains(&place.pulls().await), "{} pulls", place.pulls().await);
}

#[tokio::test]
async fn a_contact_that_ghl_deleted_disappears_without_a_call() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let (location, contact) = (&place.installation.location, &place.installation.contacts[0]);
    api.pulled(location, contact).await;
    let pulls = place.pulls().await;
    assert_eq!(place.taken(&api, &place.event("ContactDelete", "w1")).await, "accepted");
    api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.problem(404);
    until_nothing_is_open(&place).await;
    assert_eq!(place.pulls().await, pulls);
}

#[tokio::test]
async fn a_location_that_changed_is_asked_for_its_time_zone() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let changed = json!({"type": "LocationUpdate", "id": place.installation.location, "webhookId": "w1"});
    assert_eq!(place.taken(&api, &changed).await, "accepted");
    until_nothing_is_open(&place).await;
    counted(&api, "clienty_jobs_total{kind=\"refresh_location\",outcome=\"done\"} 1\n").await;
    counted(&api, "clienty_ghl_requests_total{operation=\"get-location\",status=\"200\"} 1\n").await;
}

#[tokio::test]
async fn two_gateways_take_one_webhook_once() {
    let (server, redis) = (PostgresServer::start(), RedisServer::start());
    let place = Place::new(&[("DATABASE_URL", &server.url()), ("REDIS_URL", &redis.url())]).await;
    let ((_one, first), (_other, second)) = (place.installation.serve("gateway"), place.installation.serve("gateway"));
    let events: Vec<_> = (0..40).map(|number| place.event("ContactUpdate", &format!("w{number}"))).collect();
    let sent = events.iter().flat_map(|event| [(&first, event), (&second, event)]);
    let results = futures_util::future::join_all(sent.map(|(api, event)| place.taken(api, event))).await;
    for word in ["accepted", "duplicate"] {
        assert_eq!(results.iter().filter(|result| *result == word).count(), 40, "{word}");
    }
    assert_eq!(place.installation.job_count(), 40);
}

/// GHL repeats a delivery after any answer that is not 2xx.
#[tokio::test]
async fn without_a_database_ghl_is_reported_to_come_again_and_then_it_is_taken() {
    let mut server = PostgresServer::start();
    let place = Place::new(&[("DATABASE_URL", &server.url())]).await;
    let (_program, api) = place.up();
    server.stop();
    let event = place.event("ContactUpdate", "w1");
    let answer = place.send(&api, &event).await;
    answer.problem(429);
    assert_ne!(answer.header("retry-after"), "");
    server.restart();
    wait_until_async("it is taken", async || place.send(&api, &event).await.status == 200).await;
    place.until_shown(&api).await;
    assert_eq!(place.installation.job_count(), 1);
}

/// Requests under way.
const AT_ONCE: usize = 600;

/// More than is stored in time, from a database that holds still: every answer is 429, and none is 500 or 503.
#[tokio::test]
async fn under_a_flood_that_cannot_be_stored_every_answer_is_429() {
    let server = PostgresServer::start();
    let place = Place::new(&[("DATABASE_URL", &server.url())]).await;
    let (_program, api) = place.up();
    let events: Vec<_> = (0..1400).map(|number| place.event("ContactUpdate", &format!("w{number}"))).collect();
    // Somebody holds the table: whoever writes to it waits.
    let mut holder = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("begin; lock table webhooks in exclusive mode").execute(&mut holder).await.unwrap();
    // Fewer connections than the gateway takes: beyond that, one that has not yet sent its request is closed for another.
    let sent = events.iter().map(|event| place.send(&api, event));
    let answers: Vec<_> = futures_util::stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    assert!(statuses.iter().all(|status| *status == 429), "{statuses:?}");
    wait_until_async("it is taken", async || place.send(&api, &events[0]).await.status == 200).await;
}

/// Whatever comes, signed or not, gets the answer it should: nothing here can fail from outside.
#[tokio::test]
async fn no_request_is_too_much() {
    let place = Place::new(&[]).await;
    let (_program, api) = place.up();
    let mut runner = TestRunner::deterministic();
    let bodies = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // A good event with a byte changed, cut or doubled somewhere.
        (any::<prop::sample::Index>(), any::<u8>(), 0..3u8).prop_map({
            let good = place.event("ContactUpdate", "w1").to_string().into_bytes();
            move |(place, byte, how)| {
                let (mut body, at) = (good.clone(), place.index(good.len()));
                match how {
                    0 => body[at] = byte,
                    1 => body.truncate(at),
                    _ => body.insert(at, byte),
                }
                body
            }
        }),
    ];
    let headers = (any::<bool>(), any::<bool>(), "[ -~]{0,90}");
    for _ in 0..300 {
        let body = bodies.new_tree(&mut runner).unwrap().current();
        let (is_signed, with_other, other) = headers.new_tree(&mut runner).unwrap().current();
        let signature = if is_signed { place.signer.ghl(&body) } else { other.clone() };
        let mut sent = vec![("x-ghl-signature", signature.as_str())];
        sent.extend(with_other.then_some(("x-wh-signature", other.as_str())));
        let answer = post(&api, body.clone(), &sent).await;
        let is_readable = ghl_json::read(&body).is_ok();
        let expected = if !is_signed {
            401
        } else if is_readable {
            200
        } else {
            429
        };
        // What is unreadable and comes for the seventh time is taken.
        let is_right = answer.status == expected || (is_signed && !is_readable && answer.status == 200);
        assert!(is_right, "{body:?} {sent:?}: {} {}", answer.status, answer.text);
    }
    assert_eq!(api.get("/healthz").await.status, 200);
}

/// GHL has deprecated the older signature: a setting refuses it.
#[tokio::test]
async fn the_older_signature_alone_is_taken_unless_it_is_switched_off() {
    for (setting, status) in [("on", 200), ("off", 401)] {
        let place = Place::new(&[("GHL_WEBHOOK_RSA", setting)]).await;
        let (_program, api) = place.up();
        let body = place.event("ContactUpdate", "w1").to_string();
        let older = place.signer.wh(body.as_bytes());
        let answer = post(&api, body.clone(), &[("x-wh-signature", older.as_str())]).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        if status == 401 {
            assert!(answer.problem(401)["detail"].as_str().unwrap().contains("GHL_WEBHOOK_RSA"), "{}", answer.text);
        }
        let newer = place.signer.ghl(body.as_bytes());
        assert_eq!(post(&api, body, &[("x-ghl-signature", newer.as_str())]).await.status, 200, "{setting}");
    }
}
