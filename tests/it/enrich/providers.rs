//! The waterfall over the doubles: order, stop, cache, throttles, failures, and taking it back.

use serde_json::{Value, json};

use super::{World, values};

const ALL: (&str, &str) = ("CLIENTY_ENRICH_ORDER", "local,gravatar,hunter,pdl,apollo");
const MONEY: [(&str, &str); 2] = [("CLIENTY_ENRICH_PROVIDER_MONTH", "100"), ("CLIENTY_ENRICH_LOCATION_DAY", "100")];

async fn connected(settings: &[(&str, &str)]) -> World {
    let world = World::new(&[MONEY.as_slice(), settings].concat()).await;
    for provider in ["hunter", "pdl", "apollo"] {
        world.connect(provider, "key-of-a-vendor");
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_asked_in_order_until_everything_wanted_is_there_and_each_once() {
    let world = connected(&[ALL, ("CLIENTY_ENRICH_WANT", "website,companyName,city,state")]).await;
    let (_program, api) = world.installation.serve("up");
    let contact = world.person(&api, "ada@acme-works.io", json!({})).await;
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "city", "Berlin").await;
    let looked_up = world.enrichment(&api, &contact).await;
    let by: Vec<_> = values(&looked_up).into_iter().map(|(field, provider, _)| (field, provider)).collect();
    let of = |field: &str| by.iter().find(|(known, _)| known == field).map(|(_, provider)| provider.as_str());
    assert_eq!(
        (of("website"), of("city"), of("state")),
        (Some("local"), Some("hunter"), Some("hunter")),
        "{looked_up}"
    );
    assert_eq!(world.seen("hunter").await["calls"], 1);
    assert_eq!(world.seen("pdl").await, Value::Null, "nothing is left to ask for");
    let asked = looked_up["asked"].as_array().unwrap().iter().find(|one| one["provider"] == "hunter").unwrap();
    assert_eq!((&asked["outcome"], &asked["sent"]), (&json!("match"), &json!(["email"])));

    // Again, and for another contact with the same person: the answer counts.
    api.done(&world.event(&contact)).await;
    assert_eq!(world.seen("hunter").await["calls"], 1);

    // Nobody knows this one, and nobody is asked about it again.
    let stranger = world.person(&api, "nobody@void-works.io", json!({})).await;
    for _ in 0..2 {
        api.done(&world.event(&stranger)).await;
    }
    for provider in ["hunter", "pdl", "apollo"] {
        assert_eq!(world.seen(provider).await["asked"]["nobody@void-works.io"], 1, "{provider}");
    }
    assert_eq!(world.seen("pdl").await["credits"], 0);
    let spend = world.installation.json(&["enrich", "spend"]);
    let of_hunter = spend["spend"].as_array().unwrap().iter().find(|one| one["scope"] == "provider:hunter").unwrap();
    assert_eq!((&of_hunter["spent"], &of_hunter["calls"]), (&json!("0.034"), &json!(2)), "a miss is not charged");

    let undone = world.installation.json(&[
        "enrich",
        "undo",
        "--provider",
        "hunter",
        "--location",
        &world.installation.location,
    ]);
    assert!(undone["fields"].as_u64().unwrap() >= 2, "{undone}");
    crate::support::wait_until_async("GHL has it no more", async || {
        world.in_ghl(&contact).await["city"].as_str().unwrap_or_default().is_empty()
    })
    .await;
    let left = values(&world.enrichment(&api, &contact).await);
    assert!(left.iter().all(|(_, provider, _)| provider != "hunter"), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_throttled_waits_and_who_is_broken_is_passed_over() {
    let settings = [("CLIENTY_ENRICH_ORDER", "hunter,pdl"), ("CLIENTY_ENRICH_WANT", "city")];
    let world = connected(&settings).await;
    let (_program, api) = world.installation.serve("up");
    let contact = world.person(&api, "ada@throttled.io", json!({})).await;
    world.request(json!([{"provider": "hunter", "status": 403, "retryAfter": 1, "times": 2}])).await;
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "city", "Berlin").await;
    let seen = world.seen("hunter").await;
    assert_eq!((&seen["throttled"], &seen["asked"]["ada@throttled.io"]), (&json!(2), &json!(1)));
    assert_eq!(world.seen("pdl").await, Value::Null, "it waited, and asked nobody dearer");

    // It fails: the next one is asked at once.
    let contact = world.person(&api, "bea@failing.io", json!({})).await;
    world.request(json!([{"provider": "hunter", "status": 500, "times": 1}])).await;
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "city", "Hamburg").await;
    let looked_up = world.enrichment(&api, &contact).await;
    let outcome = looked_up["asked"].as_array().unwrap().iter().find(|one| one["provider"] == "hunter").unwrap();
    assert_eq!(outcome["outcome"], "failed", "{looked_up}");
    assert!(world.installation.log("up").contains("a provider of enrichment is passed over"));
    api.metrics_with("clienty_enrich_total{outcome=\"broken\",provider=\"hunter\"} 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_or_refused_passes_the_provider_over() {
    let settings = [("CLIENTY_ENRICH_ORDER", "pdl,http"), ("CLIENTY_ENRICH_WANT", "city")];
    let world = World::new(&[MONEY.as_slice(), &settings].concat()).await;
    let listed = world.installation.json(&["enrich", "providers"]);
    let of =
        |name: &str| listed["providers"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!((of("pdl")["key"].clone(), of("pdl")["order"].clone()), (json!("missing"), json!(1)));
    assert_eq!((of("local")["key"].clone(), of("gravatar")["key"].clone()), (json!("not needed"), json!("optional")));
    let (_program, api) = world.installation.serve("up");
    let contact = world.person(&api, "ada@keyless.io", json!({})).await;
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "city", "Bonn").await;
    world.connect("pdl", "wrong");
    let contact = world.person(&api, "bea@keyless.io", json!({})).await;
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "city", "Bonn").await;
    let log = world.installation.log("up");
    assert!(log.contains("enrich connect") && !log.contains("bea@keyless.io") && !log.contains("\"wrong\""), "{log}");
    for (arguments, code) in [
        (["enrich", "connect", "--provider", "pld", "--key-file", "x"].as_slice(), 2),
        (&["enrich", "connect", "--provider", "local", "--key-file", "x"], 2),
        (&["enrich", "connect", "--provider", "pdl", "--key-file", "missing-file"], 1),
        (&["enrich", "undo", "--provider", "pdl", "--location", "elsewhere"], 1),
        (&["enrich", "run", "--location", "elsewhere"], 1),
        (&["enrich", "run", "--location", "x", "--missing", "tags"], 2),
    ] {
        assert_eq!(world.installation.run(arguments).status.code(), Some(code), "{arguments:?}");
    }
}
