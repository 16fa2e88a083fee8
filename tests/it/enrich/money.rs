//! Money: never over a ceiling, a lost call is paid and not repeated, a plan says what a run costs.

use serde_json::{Value, json};

use super::World;

const PDL: [(&str, &str); 2] = [("CLIENTY_ENRICH_ORDER", "pdl"), ("CLIENTY_ENRICH_WANT", "city")];

#[tokio::test(flavor = "multi_thread")]
async fn out_of_money_a_contact_waits_with_the_reason_and_a_ceiling_is_never_passed() {
    // Three calls of 0.28 fit.
    let money = [("CLIENTY_ENRICH_PROVIDER_MONTH", "1.00"), ("CLIENTY_ENRICH_LOCATION_DAY", "50")];
    let mut world = World::new(&[PDL.as_slice(), &money].concat()).await;
    world.connect("pdl", "key-of-a-vendor");
    let location = world.installation.location.clone();
    let (program, api) = world.installation.serve("up");
    let mut contacts = Vec::new();
    for number in 0..6 {
        contacts.push(world.person(&api, &format!("p{number}@money-works.io"), json!({})).await);
    }
    let plan = world.installation.json(&["enrich", "run", "--location", &location, "--missing", "city", "--dry-run"]);
    assert_eq!((&plan["dryRun"], &plan["accepted"]), (&json!(true), &json!(0)));
    assert_eq!((&plan["plan"]["contacts"], &plan["plan"]["calls"]), (&json!(6), &json!(6)), "{plan}");
    assert_eq!(plan["plan"]["money"], "1.68");
    let limited = world.installation.json(&["enrich", "run", "--location", &location, "--limit", "2", "--dry-run"]);
    assert_eq!(limited["plan"]["calls"], 2);

    let events: Vec<Value> = contacts.iter().map(|contact| world.event(contact)).collect();
    let accepted = api.accepted(&events.into()).await;
    let jobs = async || {
        let mut jobs = Vec::new();
        for one in &accepted {
            jobs.push(api.get(&format!("/v1/jobs/{}", one["jobId"].as_str().unwrap())).await.json());
        }
        jobs
    };
    let is_waiting = |job: &&Value| job["state"] == "scheduled";
    crate::support::wait_until_async("three are done and three wait", async || {
        jobs().await.iter().filter(is_waiting).count() == 3
    })
    .await;
    let waits: Vec<Value> = jobs().await.into_iter().filter(|job| is_waiting(&job)).collect();
    let reason = waits[0]["lastError"].as_str().unwrap();
    assert!(reason.contains("pdl") && reason.contains("enrich.provider_month = 1.00"), "{reason}");
    assert_eq!(waits[0]["attempts"], 0, "no attempt is spent");
    assert_eq!(world.seen("pdl").await["credits"], 3);
    let spend = world.installation.json(&["enrich", "spend"]);
    let of = |scope: &str| {
        spend["spend"].as_array().unwrap().iter().find(|one| one["scope"] == scope).unwrap()["spent"].clone()
    };
    assert_eq!((of("provider:pdl"), of(&format!("location:{location}"))), (json!("0.84"), json!("0.84")));

    // A higher ceiling lets them go on.
    drop(program);
    world.installation.set("CLIENTY_ENRICH_PROVIDER_MONTH", "5");
    let (_program, api) = world.installation.serve("up");
    let ids: Vec<&str> = waits.iter().map(|job| job["id"].as_str().unwrap()).collect();
    world.installation.json(&[["jobs", "run-now"].as_slice(), &ids].concat());
    for id in ids {
        api.job_in_state(id, "done").await;
    }
    assert_eq!(world.seen("pdl").await["credits"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_paid_and_not_asked_for_again() {
    let money = [("CLIENTY_ENRICH_PROVIDER_MONTH", "5"), ("CLIENTY_ENRICH_LOCATION_DAY", "5")];
    let world = World::new(&[PDL.as_slice(), &money].concat()).await;
    world.connect("pdl", "key-of-a-vendor");
    let (_program, api) = world.installation.serve("up");
    let contact = world.person(&api, "ada@lost-works.io", json!({})).await;
    world.request(json!([{"provider": "pdl", "lost": true}])).await;
    for _ in 0..2 {
        api.done(&world.event(&contact)).await;
    }
    assert_eq!(world.seen("pdl").await["asked"]["ada@lost-works.io"], 1);
    let looked_up = world.enrichment(&api, &contact).await;
    assert_eq!(looked_up["asked"][0]["outcome"], "unknown", "{looked_up}");
    let spend = world.installation.json(&["enrich", "spend"]);
    assert_eq!(spend["spend"][0]["spent"], "0.28", "{spend}");
}

/// Killed in the middle of calls, again and again: no one is asked twice, and the bill is never above the ceiling.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_the_middle_pays_no_call_twice() {
    let money = [("CLIENTY_ENRICH_PROVIDER_MONTH", "2.50"), ("CLIENTY_ENRICH_LOCATION_DAY", "50")];
    let world = World::new(&[PDL.as_slice(), &money].concat()).await;
    world.connect("pdl", "key-of-a-vendor");
    let (mut program, mut api) = world.installation.serve("up");
    let mut events = Vec::new();
    for number in 0..12 {
        let contact = world.person(&api, &format!("k{number}@kill-works.io"), json!({})).await;
        events.push(world.event(&contact));
    }
    world.request(json!([{"provider": "pdl", "ms": 400, "times": 1000}])).await;
    let accepted = api.accepted(&Value::Array(events)).await;
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        // Without a chance to give anything back.
        program.kill();
        drop(program);
        (program, api) = world.installation.serve("up");
    }
    crate::support::wait_until_async("nothing runs any more", async || {
        let mut running = false;
        for one in &accepted {
            let job = api.get(&format!("/v1/jobs/{}", one["jobId"].as_str().unwrap())).await.json();
            running |= job["state"] == "running" || job["state"] == "waiting";
        }
        !running
    })
    .await;
    let seen = world.seen("pdl").await;
    let asked = seen["asked"].as_object().unwrap();
    assert!(asked.values().all(|times| *times == 1), "{seen}");
    // Eight calls of 0.28 fit below 2.50.
    assert!(seen["credits"].as_u64().unwrap() <= 8, "{seen}");
}
