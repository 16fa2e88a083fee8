//! The data at the start, and the routes that show and steer the sandbox.

use serde_json::{Value, json};

use super::{Bench, answer};
use crate::{Sandbox, SandboxConfig};

#[tokio::test]
async fn every_seeded_contact_is_served_with_all_that_hangs_on_it() {
    let bench = Bench::plain().await;
    let state = bench.state();
    let mut served = [0, 0, 0];
    for contact in state["contacts"].as_array().unwrap().iter().take(20) {
        let id = contact["id"].as_str().unwrap();
        assert_eq!(bench.get(&format!("/contacts/{id}")).await.1["contact"], *contact);
        for (count, (route, part)) in
            served.iter_mut().zip([("tasks", "tasks"), ("notes", "notes"), ("appointments", "events")])
        {
            let (_, body) = bench.get(&format!("/contacts/{id}/{route}")).await;
            for record in body[part].as_array().unwrap() {
                assert!(state[route].as_array().unwrap().contains(record));
                *count += 1;
            }
        }
    }
    assert!(served.iter().all(|count| *count > 0), "{served:?}");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_data_and_more_contacts_change_no_earlier_one() {
    let start = |seed, locations, contacts| {
        Sandbox::start(SandboxConfig { seed, locations, contacts, ..SandboxConfig::default() })
    };
    let (one, two) = (start(7, 1, 25).await.unwrap(), start(7, 3, 40).await.unwrap());
    let other = start(8, 1, 25).await.unwrap();
    let place = one.locations().remove(0);
    assert_eq!(place, two.locations()[0]);
    assert_ne!(place.id, other.locations()[0].id);
    let (small, large) = (one.state(&place.id).unwrap(), two.state(&place.id).unwrap());
    for kind in ["contacts", "tasks", "notes", "appointments"] {
        let larger = large[kind].as_array().unwrap();
        let smaller = small[kind].as_array().unwrap();
        assert!(smaller.iter().all(|record| larger.contains(record)), "{kind}");
        assert!(smaller.len() < larger.len(), "{kind}");
    }
}

#[tokio::test]
async fn the_control_routes_need_no_token_and_steer_the_faults() {
    let bench = Bench::plain().await;
    let url = |path: &str| format!("{}/_sandbox/{path}", bench.sandbox.url());
    let (_, places) = answer(bench.client.get(url("locations")).send().await.unwrap()).await;
    assert_eq!((&places[0]["token"], &places[0]["timeZone"]), (&json!(bench.token), &json!("America/New_York")));
    assert_eq!(places[0]["contacts"].as_array().unwrap().len(), 25);
    let state_url = url(&format!("locations/{}/state", bench.location));
    assert_eq!(answer(bench.client.get(state_url).send().await.unwrap()).await.1, bench.state());

    let faults = bench.client.post(url("faults")).json(&json!({ "throttle": 1000 })).send().await.unwrap();
    assert_eq!(faults.status(), 204);
    assert_eq!(bench.get(&format!("/locations/{}", bench.location)).await.0, 429);
    let unknown = bench.client.post(url("faults")).json(&json!({ "rain": 1000 })).send().await.unwrap();
    assert_eq!(unknown.status(), 422);

    let (_, stats) = answer(bench.client.get(url("stats")).send().await.unwrap()).await;
    let place = &stats["locations"][&bench.location];
    assert_eq!((&place["calls"], &place["throttled"], &stats["faults"]["throttle"]), (&json!(1), &json!(0), &json!(1)));
    bench.client.post(url("stats/reset")).send().await.unwrap();
    assert_eq!(bench.sandbox.stats().locations[&bench.location].calls, 0);
}

#[tokio::test]
async fn the_data_has_every_form_of_last_activity_and_an_hour_that_is_lived_twice() {
    let bench = Bench::start(SandboxConfig { contacts: 200, ..SandboxConfig::default() }).await;
    let state = bench.state();
    let contacts = state["contacts"].as_array().unwrap();
    let some = |fits: fn(Option<&Value>) -> bool| contacts.iter().any(|contact| fits(contact.get("lastActivity")));
    assert!(some(|value| value.is_none()));
    assert!(some(|value| value == Some(&Value::Null)));
    assert!(some(|value| value.is_some_and(Value::is_number)));
    assert!(some(|value| value.is_some_and(Value::is_string)));
    // New York's clocks go back at 02:00 on these days.
    let twice = ["2025-11-02 01:", "2026-11-01 01:", "2027-11-07 01:"];
    let starts = state["appointments"].as_array().unwrap().iter().map(|event| event["startTime"].as_str().unwrap());
    assert!(starts.clone().any(|start| twice.iter().any(|hour| start.starts_with(hour))));
    let skipped = ["2025-03-09 02:", "2026-03-08 02:", "2027-03-14 02:"];
    assert!(!starts.clone().any(|start| skipped.iter().any(|hour| start.starts_with(hour))));
}
