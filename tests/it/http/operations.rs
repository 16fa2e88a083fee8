//! `POST /v1/operations/{name}` and `GET /v1/jobs/{jobId}/reply`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::installation::Installation;

async fn call(api: &Api, name: &str, call: &Value) -> Answer {
    let key = api.key.clone();
    api.request("POST", &format!("/v1/operations/{name}"), |request| request.bearer_auth(key).json(call)).await
}

#[tokio::test]
async fn an_operation_is_called_once_for_one_id_and_its_reply_can_be_read() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let contact = &installation.contacts[0];
    let request = json!({"id": "c1", "locationId": installation.location, "parameters": {"contactId": contact}});
    let accepted = call(&api, "get-contact", &request).await;
    assert_eq!((accepted.status, &accepted.json()["duplicate"]), (202, &json!(false)), "{}", accepted.text);
    let id = accepted.json()["jobId"].as_str().unwrap().to_owned();
    let again = call(&api, "get-contact", &request).await.json();
    assert_eq!(again, json!({"jobId": id, "duplicate": true}));

    api.job_in_state(&id, "done").await;
    let reply = api.get(&format!("/v1/jobs/{id}/reply")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!((&reply.json()["status"], &reply.json()["body"]["contact"]["id"]), (&json!(200), &json!(contact)));
}

#[tokio::test]
async fn a_wrong_call_is_refused_with_every_mistake_and_stores_nothing() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let location = &installation.location;
    let unknown = call(&api, "get_contact", &json!({"locationId": location})).await;
    assert_eq!(unknown.faults(422), [(None, "operation".to_owned())]);
    assert!(unknown.text.contains("get-contact"), "{}", unknown.text);

    let envelope = call(&api, "get-contact", &json!({"parameters": [], "confirm": "yes", "why": 1})).await;
    let mut fields: Vec<_> = envelope.faults(422).into_iter().map(|(_, field)| field).collect();
    fields.sort();
    assert_eq!(fields, ["confirm", "locationId", "parameters", "why"]);

    let wrong = json!({"locationId": location, "parameters": {"color": "red"}, "body": {"title": 7}});
    let mistakes = call(&api, "create-task", &wrong).await.faults(422);
    assert!(mistakes.len() >= 5, "{mistakes:?}");

    let elsewhere = json!({"locationId": "elsewhere", "parameters": {"contactId": "c"}});
    assert_eq!(call(&api, "get-contact", &elsewhere).await.faults(422), [(None, "locationId".to_owned())]);
    call(&api.with_key("none"), "get-contact", &elsewhere).await.problem(401);
    api.with_key("none").get("/v1/jobs/none/reply").await.problem(401);
    assert_eq!(installation.job_count(), 0);
}

#[tokio::test]
async fn a_job_without_a_reply_says_why_it_has_none() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let why = async |id: &str| {
        let problem = api.get(&format!("/v1/jobs/{id}/reply")).await.problem(404);
        problem["detail"].as_str().unwrap().to_owned()
    };
    assert!(why("none").await.contains("no such job"));
    let event = json!({"type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]});
    let pulled = api.done(&event).await;
    assert!(why(pulled["id"].as_str().unwrap()).await.contains("calls no operation"));

    let gone = json!({"locationId": installation.location, "parameters": {"contactId": "nobody"}});
    let dead = call(&api, "get-contact", &gone).await.json();
    let id = dead["jobId"].as_str().unwrap();
    api.job_in_state(id, "dead").await;
    assert!(why(id).await.contains("dead letter"));
}
