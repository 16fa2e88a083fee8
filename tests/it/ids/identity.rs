//! The identity of an event: its producer's key, its location and its id, with what it says.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;

async fn another_location(installation: &Installation) -> String {
    let file = installation.data_folder().with_file_name("token-2.txt");
    std::fs::write(&file, "pit-of-another\n").unwrap();
    installation.json(&[
        "connect",
        "--location",
        "anotherLocation",
        "--pit-file",
        file.to_str().unwrap(),
        "--unchecked",
    ]);
    "anotherLocation".to_owned()
}

fn task(id: &str, location: &str, contact: &str, title: &str) -> Value {
    let data =
        json!({"clientyTaskId": format!("{id}-{location}-{title}"), "title": title, "dueDate": "2030-01-01T00:00:00Z"});
    json!({"id": id, "type": "task.created", "locationId": location, "contactId": contact, "data": data})
}

async fn an_id_is_its_keys_own(installation: &Installation) {
    let elsewhere = another_location(installation).await;
    let (_program, api) = installation.serve("up");
    let other = api.with_key(installation.json(&["keys", "create", "--name", "b"])["key"].as_str().unwrap());
    let (location, contact) = (&installation.location, &installation.contacts[0]);

    // Another key, and another location, may use the same id.
    let of_b = other.accepted(&task("1", &elsewhere, contact, "B's")).await;
    let of_a = api.accepted(&task("1", location, contact, "A's")).await;
    let of_b_here = other.accepted(&task("1", location, contact, "B's here")).await;
    let of_a_there = api.accepted(&task("1", &elsewhere, contact, "A's there")).await;
    let all = [&of_b[0], &of_a[0], &of_b_here[0], &of_a_there[0]];
    assert!(all.iter().all(|accepted| accepted["duplicate"] == false && accepted["id"] == "1"), "{all:?}");
    api.job_in_state(of_a[0]["jobId"].as_str().unwrap(), "done").await;
    api.job_in_state(of_b_here[0]["jobId"].as_str().unwrap(), "done").await;
    let listed = installation.json(&["jobs", "list"]);
    assert!(listed["jobs"].as_array().unwrap().iter().all(|job| job["eventId"] == "1"), "{listed}");

    // The same again is a repetition, whatever the order of its members.
    let again = r#"{"data": {"dueDate": "2030-01-01T00:00:00Z", "title": "A's", "clientyTaskId": "ID"}, "contactId": "CONTACT",
        "locationId": "LOCATION", "type": "task.created", "id": "1"}"#;
    let own = format!("1-{location}-A's");
    let again = again.replace("LOCATION", location).replace("CONTACT", contact).replace("ID", &own);
    let answer = api.post(again).await;
    assert_eq!(
        answer.json()["accepted"][0],
        json!({"id": "1", "jobId": of_a[0]["jobId"], "duplicate": true}),
        "{}",
        answer.text
    );

    // Other content under the id is named, and nothing of its batch is stored.
    let before = installation.job_count();
    let changed = task("1", location, contact, "A's, changed");
    let answer = api.post(changed.to_string()).await;
    assert_eq!(answer.faults(409), [(None, "id".to_owned())]);
    let answer = api.post(json!([task("2", location, contact, "x"), changed]).to_string()).await;
    assert_eq!(answer.faults(409), [(Some(1), "id".to_owned())]);
    let twice = json!([task("3", location, contact, "x"), task("3", location, contact, "y")]);
    assert_eq!(api.post(twice.to_string()).await.faults(409), [(Some(1), "id".to_owned())]);
    assert_eq!(installation.job_count(), before);
    let batch = api.accepted(&json!([task("2", location, contact, "x"), task("2", location, contact, "x")])).await;
    assert_eq!((&batch[0]["duplicate"], &batch[1]["duplicate"]), (&json!(false), &json!(true)));

    operations_likewise(&api, &other, location, contact).await;
}

async fn operations_likewise(api: &Api, other: &Api, location: &str, contact: &str) {
    let call = async |api: &Api, wanted: Value| {
        let key = api.key.clone();
        api.request("POST", "/v1/operations/get-contact", |request| request.bearer_auth(key).json(&wanted)).await
    };
    let wanted = |contact: &str| json!({"id": "call-1", "locationId": location, "parameters": {"contactId": contact}});
    let first = call(api, wanted(contact)).await;
    assert_eq!((first.status, &first.json()["duplicate"]), (202, &json!(false)), "{}", first.text);
    let again = call(api, wanted(contact)).await.json();
    assert_eq!(again, json!({"jobId": first.json()["jobId"], "duplicate": true}));
    assert_eq!(call(api, wanted("another")).await.faults(409), [(None, "id".to_owned())]);
    let of_other = call(other, wanted("another")).await;
    assert_eq!((of_other.status, &of_other.json()["duplicate"]), (202, &json!(false)), "{}", of_other.text);
}

#[tokio::test]
async fn an_id_is_its_keys_own_within_a_location_on_sqlite() {
    an_id_is_its_keys_own(&Installation::new(&[]).await).await;
}

#[tokio::test]
async fn an_id_is_its_keys_own_within_a_location_on_postgres() {
    let postgres = PostgresServer::start();
    an_id_is_its_keys_own(&Installation::new(&[("DATABASE_URL", &postgres.url())]).await).await;
}
