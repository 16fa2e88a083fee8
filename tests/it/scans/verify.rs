//! `verify`, as a program: what it finds, says and mends.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::{Installation, document};

#[tokio::test]
async fn drift_is_found_by_field_reported_without_personal_data_and_mended() {
    let installation = Installation::new(&[("GHL_TIMEOUT_MS", "1000"), ("GHL_BURST_INTERVAL_MS", "1000")]).await;
    let location = installation.location.as_str();
    let verify = |more: &[&str]| installation.run(&[&["verify", "--location", location], more].concat());

    let imported = installation.json(&["import", "--location", location]);
    assert_eq!(imported["import"]["contacts"], 6);

    // A person who works in GHL while nobody listens.
    let token = std::fs::read_to_string(installation.data_folder().parent().unwrap().join("token.txt")).unwrap();
    let ghl = Api::new(&installation.ghl, token.trim());
    let by_hand = async |method: &str, path: String, body: Value| {
        let answer = ghl
            .request(method, &path, |request| request.bearer_auth(&ghl.key).header("version", "2021-07-28").json(&body))
            .await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
    };
    let [edited, gone, noted, ..] = &installation.contacts[..] else { panic!("six contacts") };
    by_hand("PUT", format!("/contacts/{edited}"), json!({"city": "Unmistakable-Town", "firstName": "Unmistakably"}))
        .await;
    by_hand("DELETE", format!("/contacts/{gone}"), json!({})).await;
    by_hand("POST", format!("/contacts/{noted}/notes"), json!({"body": "Unmistakable text"})).await;
    by_hand(
        "POST",
        "/contacts/".to_owned(),
        json!({"locationId": location, "firstName": "Unmistakable", "email": "un@example.com"}),
    )
    .await;

    let drift = verify(&["--json"]);
    assert_eq!(drift.status.code(), Some(3), "{drift:?}");
    let report = document(&drift);
    let found = |record: &str, id: Option<&String>| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        let these = findings.filter(|one| one["record"] == record && id.is_none_or(|id| one["contactId"] == **id));
        these.map(|one| format!("{} {}", one["verdict"].as_str().unwrap(), one["fields"])).collect()
    };
    assert_eq!(found("contact", Some(edited)), [r#"different ["city","dateUpdated","firstName","name"]"#]);
    assert_eq!(found("contact", Some(gone)), ["extra []"]);
    assert_eq!(found("note", Some(noted)), ["missing []"]);
    assert_eq!(found("contact", None).len(), 3, "{report}");
    let reported = String::from_utf8_lossy(&drift.stdout);
    assert!(!reported.contains("nmistakabl") && !reported.contains('@'), "{reported}");

    let mended = verify(&["--repair"]);
    assert_eq!(mended.status.code(), Some(0), "{mended:?}");
    assert!(String::from_utf8_lossy(&mended.stdout).contains("4 contacts were fetched again"), "{mended:?}");
    let clean = document(&verify(&["--json"]));
    assert_eq!((&clean["findings"], &clean["counts"]["contact"]["equal"]), (&json!([]), &json!(6)));
}

/// The one contact that is stored, with what belongs to it; then GHL loses it.
#[tokio::test]
async fn what_only_one_side_has_is_counted_as_such_with_all_that_belongs_to_it() {
    let installation = Installation::new(&[("GHL_TIMEOUT_MS", "1000"), ("GHL_BURST_INTERVAL_MS", "1000")]).await;
    let (location, stored) = (installation.location.as_str(), installation.contacts[0].as_str());
    {
        let (_program, api) = installation.serve("up");
        api.done(&json!({"type": "contact.selected", "locationId": location, "contactId": stored})).await;
    }
    const KINDS: [(&str, &str); 4] =
        [("contact", "contacts"), ("task", "tasks"), ("note", "notes"), ("appointment", "appointments")];
    let ghl = Api::new(&installation.ghl, "");
    let state = ghl.get(&format!("/_sandbox/locations/{location}/state")).await.json();
    // Of the stored contact, and of all others.
    let held = KINDS.map(|(kind, list)| {
        let of_stored = |one: &&Value| one[if kind == "contact" { "id" } else { "contactId" }] == stored;
        let (mine, others): (Vec<_>, Vec<_>) = state[list].as_array().unwrap().iter().partition(of_stored);
        (kind, mine.len(), others.len())
    });
    assert!(held.iter().all(|(_, _, others)| *others > 0) && held.iter().any(|(_, mine, _)| *mine > 1), "{held:?}");
    let counts = || document(&installation.run(&["verify", "--location", location, "--json"]))["counts"].clone();
    let counted = counts();
    for (kind, mine, others) in held {
        let expected = json!({"equal": mine, "missing": others, "extra": 0, "different": 0});
        assert_eq!(counted[kind], expected, "{kind}");
    }

    let token = ghl.with_key(&installation.token);
    let gone = token
        .request("DELETE", &format!("/contacts/{stored}"), |request| {
            request.bearer_auth(&token.key).header("version", "2021-07-28")
        })
        .await;
    assert!(gone.status < 300, "{}", gone.text);
    let counted = counts();
    for (kind, mine, others) in held {
        let expected = json!({"equal": 0, "missing": others, "extra": mine, "different": 0});
        assert_eq!(counted[kind], expected, "{kind}");
    }
}

#[tokio::test]
async fn a_location_that_is_not_connected_is_reported_so() {
    let installation = Installation::new(&[]).await;
    for command in ["import", "verify"] {
        let ended = installation.run(&[command, "--location", "elsewhere"]);
        assert_eq!(ended.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&ended.stderr).contains("is not connected"), "{ended:?}");
    }
}

#[tokio::test]
async fn what_ghl_refused_differs_until_it_is_discarded() {
    let installation = Installation::new(&[("GHL_TIMEOUT_MS", "1000"), ("GHL_BURST_INTERVAL_MS", "1000")]).await;
    let (location, contact) = (installation.location.as_str(), &installation.contacts[0]);
    let verify = || installation.run(&["verify", "--location", location, "--repair", "--json"]);
    installation.json(&["import", "--location", location]);
    let (program, api) = installation.serve("up");
    let data = json!({"clientyAppointmentId": "a1", "calendarId": "none", "startTime": "2026-03-02T15:00:00Z"});
    for (event_type, data) in
        [("appointment.created", data), ("contact.updated", json!({"email": "ann@home@example.com"}))]
    {
        let event = json!({"type": event_type, "locationId": location, "contactId": contact, "data": data});
        api.job_in_state(api.accepted(&event).await[0]["jobId"].as_str().unwrap(), "dead").await;
    }
    drop(program);
    let drift = document(&verify());
    let findings = drift["findings"].as_array().unwrap().iter();
    let found: Vec<_> = findings.map(|one| [&one["record"], &one["verdict"], &one["fields"]]).collect();
    let (email, none) = (json!(["email"]), json!([]));
    assert_eq!(
        found,
        [[&json!("appointment"), &json!("extra"), &none], [&json!("contact"), &json!("different"), &email]]
    );
    installation.json(&["jobs", "discard", "--location", location]);
    let clean = verify();
    assert_eq!((clean.status.code(), &document(&clean)["findings"]), (Some(0), &none));
}
