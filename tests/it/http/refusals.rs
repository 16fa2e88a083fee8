//! What is refused: the right 4xx as a problem that names the field, and nothing stored.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::program::Program;

struct Refusing {
    installation: Installation,
    _program: Program,
    api: Api,
}

impl Refusing {
    async fn start() -> Self {
        let installation = Installation::new(&[]).await;
        let (_program, api) = installation.serve("up");
        Self { installation, _program, api }
    }

    fn selected(&self, id: &str) -> Value {
        let Installation { location, contacts, .. } = &self.installation;
        json!({"id": id, "type": "contact.selected", "locationId": location, "contactId": contacts[0]})
    }
}

#[tokio::test]
async fn one_wrong_event_refuses_the_batch_by_position_and_field_and_stores_none_of_it() {
    let system = Refusing::start().await;
    let Installation { location, contacts, .. } = &system.installation;
    let contact = &contacts[0];
    let title = json!({"clientyTaskId": "t", "title": "x", "dueDate": "2030-01-01T00:00:00Z"});
    let with = |name: &str, value: Value| {
        let mut data = title.clone();
        data[name] = value;
        json!({"type": "task.created", "locationId": location, "contactId": contact, "data": data})
    };
    let cases = [
        (json!({"type": "contact.seen", "locationId": location, "contactId": contact}), "type"),
        (json!({"type": "contact.tagged", "locationId": location, "contactId": contact}), "data.tags"),
        (json!({"type": 7, "locationId": location, "contactId": contact}), "type"),
        (json!({"locationId": location, "contactId": contact}), "type"),
        (json!({"type": "contact.selected", "contactId": contact}), "locationId"),
        (json!({"type": "contact.selected", "locationId": 7, "contactId": contact}), "locationId"),
        (json!({"type": "contact.selected", "locationId": "elsewhere", "contactId": contact}), "locationId"),
        (json!({"type": "contact.selected", "locationId": location}), "contactId"),
        (json!({"type": "contact.selected", "locationId": location, "contactId": ["a"]}), "contactId"),
        (json!({"type": "contact.selected", "locationId": location, "contactId": ""}), "contactId"),
        (json!({"type": "contact.selected", "locationId": location, "contactId": "a\0b"}), "contactId"),
        (json!({"type": "contact.selected", "locationId": location, "contactId": contact, "at": 1}), "at"),
        (json!({"id": 5, "type": "contact.selected", "locationId": location, "contactId": contact}), "id"),
        (json!({"type": "contact.selected", "locationId": location, "contactId": contact, "data": []}), "data"),
        (with("title", json!(null)), "data.title"),
        (with("title", json!(12)), "data.title"),
        (with("dueDate", json!("tomorrow")), "data.dueDate"),
        (with("clientyTaskId", json!(null)), "data.clientyTaskId"),
        (with("titel", json!("y")), "data.titel"),
        (json!("contact.selected"), ""),
    ];
    for (number, (wrong, field)) in cases.into_iter().enumerate() {
        let good = system.selected(&format!("beside-{number}"));
        let answer = system.api.post(json!([good, wrong, good]).to_string()).await;
        assert_eq!(answer.faults(422), [(Some(1), field.to_owned())], "{wrong}: {}", answer.text);

        let alone = system.api.post(wrong.to_string()).await;
        assert_eq!(alone.faults(422), [(None, field.to_owned())], "{wrong}: {}", alone.text);
    }
    assert_eq!(system.installation.job_count(), 0);
    // An id that came with a refused batch is still free.
    let accepted = system.api.accepted(&system.selected("beside-0")).await;
    assert_eq!(accepted[0]["duplicate"], false);
    // The pull may have led to other jobs by now.
    let pulls = system.installation.json(&["jobs", "list", "--kind", "pull_contact"]);
    assert_eq!(pulls["jobs"].as_array().unwrap().len(), 1, "{pulls}");
}

#[tokio::test]
async fn every_wrong_event_of_a_batch_is_reported_at_once() {
    let system = Refusing::start().await;
    let wrong = json!({"type": "note.created", "locationId": system.installation.location, "data": {"noteText": 1}});
    let answer = system.api.post(json!([wrong, system.selected("good"), {}]).to_string()).await;
    let mut faults = answer.faults(422);
    faults.sort();
    let of = |index, fields: &[&str]| fields.iter().map(|field| (Some(index), (*field).to_owned())).collect::<Vec<_>>();
    let expected = [of(0, &["contactId", "data.clientyNoteId", "data.noteText"]), of(2, &["locationId", "type"])];
    assert_eq!(faults, expected.concat());
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_400_that_reports_where_it_broke() {
    let system = Refusing::start().await;
    for (body, place) in [("", "line 1"), ("{\n\"type\": oops}", "line 2"), ("[{}", "line 1"), ("{} {}", "line 1")] {
        let problem = system.api.post(body).await.problem(400);
        assert!(problem["detail"].as_str().unwrap().contains(place), "{body:?}: {problem}");
    }
    let unreadable = system.api.post(vec![0xFF, 0xFE]).await;
    unreadable.problem(400);
    // The body may be personal: an answer that lands in a log must not hold it.
    let quoted = system.api.post(r#"{"name": "Ada Lovelace" "phone"}"#).await;
    quoted.problem(400);
    assert!(!quoted.text.contains("Lovelace") && !quoted.text.contains("phone"), "{}", quoted.text);
    assert_eq!(system.installation.job_count(), 0);
}

#[tokio::test]
async fn a_thousand_events_are_taken_and_one_more_is_refused_whole() {
    let system = Refusing::start().await;
    let events = |count: usize| -> Value { (0..count).map(|n| system.selected(&format!("e{n}"))).collect() };

    let problem = system.api.post(events(1001).to_string()).await.problem(413);
    assert!(problem["detail"].as_str().unwrap().contains("1001") && problem.to_string().contains("1000"), "{problem}");
    assert_eq!(system.installation.job_count(), 0);

    let accepted = system.api.accepted(&events(1000)).await;
    assert_eq!(accepted.len(), 1000);
    for (n, accepted) in accepted.iter().enumerate() {
        assert_eq!((&accepted["id"], &accepted["duplicate"]), (&json!(format!("e{n}")), &json!(false)));
    }
    assert_eq!(system.installation.job_count(), 1000);

    let empty = system.api.post("[]").await;
    empty.problem(422);
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_refused() {
    const MIB: usize = 1024 * 1024;
    let system = Refusing::start().await;
    let padded = |length: usize, id: &str| {
        let event = system.selected(id).to_string();
        let blanks = " ".repeat(length - event.len());
        event + blanks.as_str()
    };
    assert_eq!(padded(MIB, "a").len(), MIB);

    for too_long in [MIB + 1, 5 * MIB] {
        let problem = system.api.post(padded(too_long, "b")).await.problem(413);
        assert!(problem["detail"].as_str().unwrap().contains("1048576"), "{problem}");
    }
    assert_eq!(system.installation.job_count(), 0);
    assert_eq!(system.api.post(padded(MIB, "a")).await.status, 202);
}

#[tokio::test]
async fn only_a_key_in_force_opens_the_api() {
    let system = Refusing::start().await;
    let made = system.installation.json(&["keys", "create", "--name", "leaving"]);
    let leaving = system.api.with_key(made["key"].as_str().unwrap());
    assert_eq!(leaving.get("/v1/jobs/none").await.status, 404);
    system.installation.json(&["keys", "revoke", made["id"].as_str().unwrap()]);

    let event = system.selected("e").to_string();
    let altered = format!("{}x", system.api.key);
    let refused = [
        leaving.post(event.clone()).await,
        system.api.with_key(&altered).post(event.clone()).await,
        system.api.with_key("nonsense").post(event.clone()).await,
        system.api.with_key("").post(event.clone()).await,
        system.api.request("POST", "/v1/events", |request| request.body(event.clone())).await,
        system.api.request("POST", "/v1/events", |request| request.basic_auth("u", Some(&system.api.key))).await,
        system.api.request("GET", "/v1/jobs/none", |request| request).await,
        system.api.request("GET", "/v1/locations/l/contacts", |request| request).await,
        system.api.request("GET", "/v1/locations/l/contacts/c", |request| request).await,
    ];
    for answer in refused {
        let problem = answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(problem["detail"].as_str().unwrap().contains("clienty-sync keys"), "{problem}");
        assert!(!answer.text.contains(&system.api.key), "a key in an answer: {}", answer.text);
    }
    assert_eq!(system.installation.job_count(), 0);
}
