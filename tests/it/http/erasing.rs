//! One person's data, erased on request.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::installation::Installation;

const DUE: &str = "2026-03-01T09:00:00Z";
/// Shorter texts are in other people's data by chance.
const REPORTING: usize = 5;

async fn erase(api: &Api, location: &str, contact: &str) -> Answer {
    let path = format!("/v1/locations/{location}/contacts/{contact}/data");
    api.request("DELETE", &path, |request| request.bearer_auth(&api.key)).await
}

/// Every text in a view that reports something of the person.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.chars().count() >= REPORTING => {
            found.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => {
            let reporting = fields.iter().filter(|(name, _)| !name.to_lowercase().ends_with("id"));
            reporting.for_each(|(_, value)| texts(value, found));
        }
        _ => {}
    }
}

/// What of `texts` stands in the database, its log included.
fn left(installation: &Installation, texts: &BTreeSet<String>) -> Vec<String> {
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(installation.data_folder()).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let all = String::from_utf8_lossy(&bytes);
    texts.iter().filter(|text| all.contains(text.as_str())).cloned().collect()
}

#[tokio::test]
async fn no_byte_of_an_erased_person_is_left_in_the_database_and_no_pull_brings_it_back() {
    let installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let mut others = BTreeSet::new();
    for other in &installation.contacts[1..] {
        texts(&api.pulled(location, other).await, &mut others);
    }
    for event in [
        json!({"type": "contact.selected", "locationId": location, "contactId": contact}),
        json!({"type": "task.created", "locationId": location, "contactId": contact,
               "data": {"clientyTaskId": "k1", "title": "Ask for the grandmother", "dueDate": DUE}}),
        json!({"type": "note.created", "locationId": location, "contactId": contact,
               "data": {"clientyNoteId": "k1", "noteText": "Divorced since the spring"}}),
    ] {
        api.done(&event).await;
    }
    // An older state of the same rows, which the database must not keep either.
    api.done(&json!({"type": "task.updated", "locationId": location, "data": {"clientyTaskId": "k1", "title": "Ask for the aunt"}}))
        .await;
    let mut secrets = BTreeSet::from(["Ask for the grandmother".to_owned(), "Divorced since the spring".to_owned()]);
    texts(&api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json(), &mut secrets);
    secrets.retain(|text| !others.contains(text) && text.parse::<jiff::Timestamp>().is_err());
    let email = secrets.iter().find(|text| text.contains('@')).expect("the seed gives an e-mail").clone();
    assert!(left(&installation, &secrets).contains(&email), "the test sees what stands there");

    let answer = erase(&api, location, contact).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let receipt = answer.json();
    assert_eq!((&receipt["locationId"], &receipt["contactId"]), (&json!(location), &json!(contact)));
    assert!(receipt["erased"]["contacts"] == 1 && receipt["erased"]["jobs"].as_i64() >= Some(3), "{receipt}");
    assert!(!secrets.iter().any(|text| answer.text.contains(text)), "{receipt}");
    assert_eq!(left(&installation, &secrets), [""; 0]);
    assert_eq!(erase(&api, location, contact).await.json(), receipt);

    let view = format!("/v1/locations/{location}/contacts/{contact}?includeDeleted=true");
    let problem = api.get(&view).await.problem(404);
    assert!(problem["detail"].as_str().unwrap().contains(receipt["id"].as_str().unwrap()), "{problem}");
    let edit = json!({"type": "task.created", "locationId": location, "contactId": contact,
                      "data": {"clientyTaskId": "k2", "title": "Call", "dueDate": DUE}});
    assert_eq!(api.post(edit.to_string()).await.faults(422), [(None, "contactId".to_owned())]);

    // Only a producer who asks for the contact gets it again.
    assert_eq!(api.pulled(location, contact).await["contact"]["id"], **contact);
    let again = erase(&api, location, contact).await.json();
    assert_ne!(again["id"], receipt["id"]);
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    assert_eq!(left(&installation, &secrets), [""; 0]);
}

#[tokio::test]
async fn a_contact_is_erased_by_the_id_of_clienty_too() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let location = &installation.location;
    let data = json!({"clientyContactId": "k1", "firstName": "Ada", "email": "ada.of.k1@example.com"});
    api.done(&json!({"type": "contact.created", "locationId": location, "data": data})).await;
    let path = format!("/v1/locations/{location}/contacts/k1");
    let ghl_id = api.get(&path).await.json()["contact"]["id"].clone();

    let receipt = erase(&api, location, "k1").await.json();
    assert_eq!((&receipt["contactId"], &receipt["erased"]["contacts"]), (&ghl_id, &json!(1)), "{receipt}");
    api.get(&path).await.problem(404);
    assert_eq!(left(&installation, &BTreeSet::from(["ada.of.k1@example.com".to_owned()])), [""; 0]);
}

#[tokio::test]
async fn erasing_needs_a_key_and_a_location() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    erase(&api.with_key("nobody"), &installation.location, "c1").await.problem(401);
    erase(&api, "elsewhere", "c1").await.problem(404);
}
