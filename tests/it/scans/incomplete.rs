//! An import of which GHL refuses a part says so, and stores what came.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::installation::{MASTER_KEY, started};
use crate::support::program::{clienty_sync, run};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_counts_the_contacts_with_missing_parts_and_exits_1() {
    let folder = Folder::new("incomplete");
    let (_sandbox, reported) = started(&["sandbox", "--port", "0", "--contacts", "30"], &[], &folder);
    let ghl = Api::new(reported["url"].as_str().unwrap(), "");
    let location = reported["locations"][0].clone();
    let id = location["id"].as_str().unwrap();
    let data = folder.path().join("data").display().to_string();
    let settings = [
        ("CLIENTY_DATA_DIR", data.as_str()),
        ("CLIENTY_MASTER_KEYS", MASTER_KEY),
        ("GHL_API_URL", ghl.url.as_str()),
        ("GHL_BURST_INTERVAL_MS", "1000"),
    ];
    let token = folder.path().join("token");
    std::fs::write(&token, location["token"].as_str().unwrap()).unwrap();
    assert!(run(clienty_sync(&["migrate"], &settings)).status.success());
    let connect = ["connect", "--location", id, "--pit-file", token.to_str().unwrap()];
    assert!(run(clienty_sync(&connect, &settings)).status.success());

    let operation = "GET /contacts/{contactId}/appointments";
    let answer_with = async |errors: Value| {
        let answer = ghl.request("POST", "/_sandbox/errors", |request| request.json(&errors)).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    };
    answer_with(json!([{"operation": operation, "error": "missingScope"}])).await;
    let state = ghl.get(&format!("/_sandbox/locations/{id}/state")).await.json();
    let held = |list: &str| state[list].as_array().unwrap().len();
    let import = || {
        let ended = run(clienty_sync(&["import", "--location", id, "--json"], &settings));
        let said: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        (ended.status.code(), said)
    };
    let (code, said) = import();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!((&said["import"]["contacts"], &said["import"]["notes"]), (&json!(30), &json!(held("notes"))), "{said}");
    let missing = &said["missing"];
    assert_eq!((&missing["contacts"], &missing["parts"][0]["part"]), (&json!(30), &json!("appointments")), "{said}");
    let reason = missing["parts"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("calendars/events.readonly") && !reason.contains("contacts.readonly"), "{reason}");

    answer_with(json!([])).await;
    let (code, said) = import();
    assert_eq!((code, &said["missing"]), (Some(0), &json!({"contacts": 0, "parts": []})), "{said}");
    assert_eq!(said["import"]["appointments"], held("appointments"));
}
