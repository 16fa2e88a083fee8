//! Where values came from, over HTTP: the history, the chain behind a value, a contact as it was, and a field that gets back what it held.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::installation::Installation;

struct Place<'a> {
    api: Api,
    ghl: Api,
    location: &'a str,
    contact: &'a str,
}

impl Place<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/v1/locations/{}/contacts/{}{rest}", self.location, self.contact)
    }

    async fn get(&self, rest: &str) -> Value {
        let answer = self.api.get(&self.path(rest)).await;
        assert_eq!(answer.status, 200, "{rest}: {}", answer.text);
        answer.json()
    }

    async fn edit(&self, event_type: &str, data: Value) {
        let (location, contact) = (self.location, self.contact);
        self.api.done(&json!({"type": event_type, "locationId": location, "contactId": contact, "data": data})).await;
    }

    async fn revert(&self, field: &str, body: Value) -> Answer {
        let path = self.path(&format!("/fields/{field}/revert"));
        self.api.request("POST", &path, |request| request.bearer_auth(&self.api.key).json(&body)).await
    }

    async fn reverted(&self, field: &str, body: Value) {
        let answer = self.revert(field, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        self.api.job_in_state(answer.json()["jobId"].as_str().unwrap(), "done").await;
    }

    async fn in_ghl(&self, path: &str) -> Value {
        let shape =
            |request: reqwest::RequestBuilder| request.bearer_auth(&self.ghl.key).header("version", "2021-07-28");
        let answer = self.ghl.request("GET", &format!("/contacts/{}{path}", self.contact), shape).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// The id of the last change of the field, and of the record that it is of.
    async fn last(&self, field: &str) -> (String, String) {
        let history = self.get(&format!("/history?field={field}&limit=1")).await;
        let item = &history["history"][0];
        (item["id"].as_str().unwrap().to_owned(), item["recordId"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_value_leads_back_to_its_key_and_an_earlier_one_comes_back_as_an_edit_that_reaches_ghl() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let ghl = Api::new(&installation.ghl, &installation.token);
    let place = Place { api, ghl, location, contact };
    let first = place.api.pulled(location, contact).await;
    place.edit("contact.updated", json!({"city": "Bonn", "addTags": ["vip"]})).await;
    place
        .edit("task.created", json!({"clientyTaskId": "t1", "title": "Call", "dueDate": "2030-01-01T00:00:00Z"}))
        .await;
    let between = place.get("/history?limit=1").await["history"][0]["at"].as_str().unwrap().to_owned();
    place.edit("contact.updated", json!({"city": "Oslo"})).await;
    place.edit("task.updated", json!({"clientyTaskId": "t1", "title": "Write"})).await;

    // The chain ends with the key.
    let why = place.get("/fields/city/why").await;
    assert_eq!(
        [&why["value"], &why["record"], &why["historySince"]],
        [&json!("Oslo"), &json!("contact"), &Value::Null]
    );
    let steps: Vec<_> = why["chain"].as_array().unwrap().iter().map(|link| link["step"].clone()).collect();
    assert_eq!(steps, ["change", "event", "actor"], "{why}");
    assert_eq!([&why["chain"][2]["kind"], &why["chain"][0]["from"]], [&json!("key"), &json!("Bonn")]);
    let me = place.api.get("/v1/me").await.json();
    assert_eq!([&why["chain"][2]["id"], &why["chain"][2]["name"]], [&me["id"], &me["name"]]);

    // What it was, and then is again.
    let (task_change, task) = place.last("title").await;
    let then = place.get(&format!("?at={between}")).await;
    assert_eq!([&then["contact"]["city"], &then["at"]], [&json!("Bonn"), &json!(between)]);
    assert!(then["tasks"].as_array().unwrap().iter().any(|one| one["title"] == "Call"), "{then}");
    assert!(then["contact"]["sync"].is_null());
    let (oslo, _) = place.last("city").await;
    place.reverted("city", json!({"before": oslo})).await;
    assert_eq!(place.in_ghl("").await["contact"]["city"], "Bonn");
    place.reverted("title", json!({"before": task_change, "recordId": task})).await;
    let tasks = place.in_ghl("/tasks").await;
    assert!(tasks["tasks"].as_array().unwrap().iter().any(|one| one["title"] == "Call"), "{tasks}");
    let (tagged, _) = place.last("tags.vip").await;
    place.reverted("tags.vip", json!({"before": tagged})).await;
    let tags = place.in_ghl("").await["contact"]["tags"].clone();
    assert!(!tags.as_array().unwrap().contains(&json!("vip")), "{tags}");
    place.reverted("city", json!({"to": oslo})).await;
    assert_eq!(place.get("").await["contact"]["city"], "Oslo");
    let created = place.get("/history?field=city").await["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(created["isNew"], true, "{created}");
    place.reverted("city", json!({"to": created["id"]})).await;
    assert_eq!(place.get("").await["contact"]["city"], first["contact"]["city"]);

    // What makes no sense is refused by name.
    for (field, body, status) in [
        ("city", json!({}), 422),
        ("city", json!({"to": "1", "before": "2"}), 422),
        ("city", json!({"to": "first"}), 422),
        ("city", json!({"to": "999999"}), 404),
        ("city", json!({"to": oslo, "recordId": "nobody"}), 404),
        ("nickname", json!({"to": oslo}), 404),
        ("title", json!({"before": oslo}), 404),
    ] {
        place.revert(field, body).await.problem(status);
    }
    place.api.get(&place.path("/fields/nickname/why")).await.problem(404);
    place.api.get(&place.path("/history?field=nickname")).await.problem(400);
    place.api.get(&place.path("?at=yesterday")).await.problem(400);
    place.api.get(&place.path("?at=2020-01-01T00:00:00Z")).await.problem(404);

    // Nothing is left of who is erased.
    let erased = place.api.request("DELETE", &place.path("/data"), |request| request.bearer_auth(&place.api.key)).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    for rest in ["/history", "/fields/city/why", &format!("?at={between}")] {
        let problem = place.api.get(&place.path(rest)).await.problem(404);
        assert!(problem["detail"].as_str().unwrap().contains("was erased"), "{problem}");
    }
    place.revert("city", json!({"to": oslo})).await.problem(404);
}
