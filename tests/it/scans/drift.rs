//! Both sides edit everything at once, while of GHL's webhooks 5 % are lost, 5 % come twice and all come out of order. One reconciliation ends the drift, as
//! `verify` reports and a comparison of the test's own. Then GHL goes on unheard, and `verify --repair` mends that.
//!
//! `DRIFT_SEED` repeats a run, `DRIFT_EDITS` makes a longer one. A seed repeats what is edited, not how processes interleave.

use std::time::Duration;

use clienty_sync::compare::{self, Mismatch};
use ghl_sandbox::{Limits, SandboxConfig, WebhookFaults};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::support::deployment::{Deployment, Shape};
use people::People;

mod people;

/// The run of `make test`.
const USUAL_SEED: u64 = 5;
const USUAL_EDITS: u64 = 250;
/// Edits of GHL alone, of which no webhook reports.
const UNANSWERED: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reconcile_ends_the_drift_of_lost_doubled_and_shuffled_webhooks() {
    drift(Shape::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reconcile_ends_the_drift_over_redis_and_postgres() {
    drift(Shape::Workers(2)).await;
}

async fn drift(shape: Shape) {
    let (seed, edits) = (setting("DRIFT_SEED", USUAL_SEED), setting("DRIFT_EDITS", USUAL_EDITS));
    println!("DRIFT_SEED={seed} DRIFT_EDITS={edits}");
    let config = SandboxConfig {
        contacts: usize::try_from(edits / 6).unwrap(),
        seed,
        limits: Limits { burst: 500, interval: Duration::from_secs(1), ..Limits::default() },
        latency: Duration::ZERO..Duration::from_millis(20),
        ..SandboxConfig::default()
    };
    let faults = WebhookFaults { lose: 50, duplicate: 50, delay: 1000, delay_ms: 1000, ..WebhookFaults::default() };
    let place = Deployment::start(shape, config, faults, &[("GHL_TIMEOUT_MS", "5000")]).await;
    let location = place.sandbox.locations().remove(0).id;
    let verify = |more: &[&str], code| place.reported(&[&["verify", "--location", &location], more].concat(), code);
    place.reported(&["import", "--location", &location], 0);
    assert_eq!(mismatches(&place).await, []);

    let mut people = People::new(&place, seed).await;
    for _ in 0..edits {
        people.edit().await;
    }
    place.until_quiet().await;
    let (reported, before) = (place.webhooks.stats(), mismatches(&place).await);
    println!("{reported:?}; {} differences before the sweep, such as {:?}", before.len(), before.first());
    assert!(
        reported.lost > 0 && reported.deliveries > reported.changes - reported.lost,
        "the weather was too good: {reported:?}"
    );
    assert!(!before.is_empty(), "nothing had drifted");
    verify(&[], 3);

    let writes = || writes(&place, &location);
    place.reported(&["sweep", "--location", &location], 0);
    place.until_quiet().await;
    assert_eq!(mismatches(&place).await, [], "after one sweep");
    let clean = verify(&[], 0);
    assert_eq!(clean["findings"], json!([]));
    people.assert_nothing_lost_or_doubled().await;

    // It stays so: to look once more informs nobody of anything, and writes nothing.
    let (feed, written) = (place.records.last_change().await.unwrap(), writes());
    place.reported(&["sweep", "--location", &location], 0);
    place.until_quiet().await;
    assert_eq!((place.records.last_change().await.unwrap(), writes()), (feed, written));

    place.webhooks.set_faults(WebhookFaults { lose: 1000, ..WebhookFaults::default() });
    for _ in 0..UNANSWERED {
        people.edit_in_ghl().await;
    }
    let drifted = verify(&[], 3);
    assert!(!drifted["findings"].as_array().unwrap().is_empty());
    let mended = verify(&["--repair"], 0);
    assert!(mended["repaired"].as_u64() > Some(0), "{mended}");
    assert_eq!(verify(&[], 0)["findings"], json!([]));
    assert_eq!(mismatches(&place).await, [], "after the repair");
    people.assert_given_up_for_good_reason().await;
    place.assert_never_over_the_limit();
}

/// Where what a reader gets differs from the sandbox, contacts that only one side has among it. Aside are `lastActivity`, which GHL's lists leave
/// out, and `dateUpdated`, which its events leave out: neither is an edit of its own.
async fn mismatches(place: &Deployment) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for location in place.sandbox.locations() {
        let state = place.sandbox.state(&location.id).unwrap();
        let zone = TimeZone::get(&location.time_zone).unwrap();
        let held = state["contacts"].as_array().unwrap().iter().map(|contact| contact["id"].as_str().unwrap());
        let mut contacts: Vec<_> = held.map(str::to_owned).collect();
        contacts.extend(place.records.shown_contacts(&location.id, "", i64::MAX).await.unwrap());
        contacts.sort();
        contacts.dedup();
        for contact in contacts {
            let answer = place.api.get(&format!("/v1/locations/{}/contacts/{contact}", location.id)).await;
            let view: Option<Value> = (answer.status == 200).then(|| answer.json());
            found.extend(compare::contact(&state, &contact, &zone, view.as_ref()));
        }
    }
    found.retain(|mismatch| !["lastActivity", "dateUpdated"].contains(&mismatch.field));
    found
}

/// How often GHL was written to through its API.
fn writes(place: &Deployment, location: &str) -> u64 {
    let reads = |operation: &str| operation.starts_with("GET ") || operation.ends_with("/search");
    let operations = place.sandbox.stats().locations.remove(location).unwrap().operations;
    operations.into_iter().filter(|(operation, _)| !reads(operation)).map(|(_, count)| count).sum()
}

#[expect(clippy::disallowed_methods, reason = "how much a run tests is no setting of the program")]
fn setting(name: &str, usual: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return usual };
    text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
}
