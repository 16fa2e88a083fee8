//! How far GHL has each record: the same in the job, the view and the feed.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::redis::RedisServer;

const DUE: &str = "2026-03-01T09:00:00Z";

/// The feed after a cursor, and where it goes on.
async fn feed(api: &Api, cursor: &str) -> (Vec<Value>, String) {
    let page = api.get(&format!("/v1/changes?limit=1000&cursor={cursor}")).await.json();
    (page["changes"].as_array().unwrap().clone(), page["nextCursor"].as_str().unwrap().to_owned())
}

/// The entries of one kind of record, each as its op, its state and its origin.
fn reported(changes: &[Value], record: &str) -> Vec<Value> {
    let of = changes.iter().filter(|change| change["record"] == record);
    of.map(|change| json!([change["op"], change["sync"]["state"], change["origin"]])).collect()
}

#[tokio::test]
async fn an_edit_is_pending_until_ghl_has_it_and_the_feed_names_one_record_throughout() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (location, contact) = (installation.location.clone(), installation.contacts[0].clone());
    let (_gateway, api) = installation.serve("gateway");
    let (_worker, _) = installation.start(&["worker"]);
    let before = api.pulled(&location, &contact).await;
    assert_eq!(before["contact"]["sync"], json!({"state": "applied", "fields": []}), "{before}");
    installation.json(&["jobs", "pause", &location]);
    let (_, cursor) = feed(&api, "latest").await;

    let due = json!({"clientyTaskId": "k1", "title": "Call", "dueDate": DUE});
    let note = json!({"clientyNoteId": "n1", "noteText": "Likes tea"});
    let events = json!([
        {"id": "e1", "type": "contact.updated", "locationId": location, "contactId": contact, "data": {"city": "Bonn", "tags": ["vip"]}},
        {"id": "e2", "type": "task.created", "locationId": location, "contactId": contact, "data": due},
        {"id": "e3", "type": "note.created", "locationId": location, "contactId": contact, "data": note},
    ]);
    let accepted = api.accepted(&events).await;
    let view = async || api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json();
    let waiting = view().await;
    let of = |view: &Value, list: &str, id: &str| {
        let all = view[list].as_array().unwrap().iter();
        all.clone().find(|one| one[id].is_string()).unwrap_or_else(|| panic!("no {id}: {view}")).clone()
    };
    let states = |view: &Value| {
        let (task, note) = (of(view, "tasks", "clientyTaskId"), of(view, "notes", "clientyNoteId"));
        [&view["contact"], &task, &note].map(|one| one["sync"]["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(states(&waiting), ["pending"; 3], "{waiting}");
    let fields = waiting["contact"]["sync"]["fields"].as_array().unwrap();
    assert!(
        fields.iter().any(|one| one["field"] == "city" && one["sent"] == "Bonn" && one["state"] == "pending"),
        "{waiting}"
    );
    let listed = api.get(&format!("/v1/locations/{location}/contacts?limit=500")).await.json();
    let mine = listed["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact.as_str()).unwrap();
    assert_eq!(mine["sync"]["state"], "pending");

    installation.json(&["jobs", "resume", &location]);
    for one in &accepted {
        let job = api.job_in_state(one["jobId"].as_str().unwrap(), "done").await;
        assert_eq!((&job["outcome"], &job["lastError"]), (&json!("applied"), &Value::Null), "{job}");
    }
    let after = view().await;
    assert_eq!(states(&after), ["applied"; 3], "{after}");
    let (changes, _) = feed(&api, &cursor).await;
    let (accepted_as, answered) = (json!(["stored", "pending", "clienty"]), json!(["synced", "applied", "ghl"]));
    for record in ["contact", "task", "note"] {
        let reported = reported(&changes, record);
        assert_eq!(
            reported.iter().filter(|one| **one == accepted_as).count(),
            1,
            "the edit of a {record} comes once: {changes:?}"
        );
        assert_eq!(reported, [accepted_as.clone(), answered.clone()], "{record}: {changes:?}");
        let ids: Vec<_> = changes.iter().filter(|one| one["record"] == record).map(|one| &one["recordId"]).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one record, one id: {changes:?}");
    }
    let tasks: Vec<_> = changes.iter().filter(|one| one["record"] == "task").collect();
    let task = of(&after, "tasks", "clientyTaskId");
    assert_eq!((&tasks[0]["ghlId"], &tasks[0]["clientyId"]), (&Value::Null, &json!("k1")), "{tasks:?}");
    assert_eq!((&tasks[1]["ghlId"], &tasks[1]["clientyId"]), (&task["taskId"], &json!("k1")), "{tasks:?}");
    assert_eq!((&task["recordId"], &tasks[0]["causedBy"]), (&tasks[0]["recordId"], &accepted[1]["jobId"]));
    assert!(tasks[0]["fields"].as_array().unwrap().contains(&json!("title")), "{tasks:?}");
    let edit = changes.iter().find(|one| one["record"] == "contact").unwrap();
    let names = edit["fields"].as_array().unwrap();
    assert!(names.contains(&json!("city")) && names.contains(&json!("tags")), "no tag's text is in the feed: {edit}");
}

#[tokio::test]
async fn what_ghl_keeps_otherwise_stays_named_until_it_is_edited() {
    let installation = Installation::new(&[]).await;
    let (location, contact) = (installation.location.clone(), installation.contacts[0].clone());
    let (_program, api) = installation.serve("up");
    let send = async |data: Value| {
        let event = json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": data});
        api.done(&event).await
    };
    // The location's keys are not known yet, so the event is taken; GHL then has no such field.
    let job = send(json!({"customFields": {"balnce": 5}, "city": "Bonn"})).await;
    assert_eq!((&job["state"], &job["outcome"]), (&json!("done"), &json!("partlyApplied")), "{job}");
    assert_eq!(job["unapplied"], json!(["customFields.balnce"]), "{job}");
    let sync = async || {
        let view = api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json();
        view["contact"]["sync"].clone()
    };
    let named = |sync: &Value| {
        let fields = sync["fields"].as_array().unwrap().iter();
        fields.map(|one| one["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let reported = sync().await;
    assert_eq!(
        (&reported["state"], named(&reported)),
        (&json!("partlyApplied"), vec!["customFields.contact.balnce".to_owned()])
    );
    let good = send(json!({"city": "Köln"})).await;
    assert_eq!(good["outcome"], "applied", "this job's own fields are in GHL: {good}");
    let reported = sync().await;
    assert_eq!(reported["state"], "partlyApplied", "a good edit of another field does not wipe it: {reported}");

    // By now the keys are known.
    let wrong = json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": {"customFields": {"balnce": 6}}});
    assert_eq!(api.post(wrong.to_string()).await.faults(422), [(None, "data.customFields".to_owned())]);
}

#[tokio::test]
async fn a_refusal_reaches_the_job_the_view_and_the_feed() {
    let installation = Installation::new(&[]).await;
    let (location, contact) = (installation.location.clone(), installation.contacts[0].clone());
    let (_program, api) = installation.serve("up");
    api.pulled(&location, &contact).await;
    let (_, cursor) = feed(&api, "latest").await;
    let refused = [
        ("note.created", "nobodyAtAll00000000", json!({"clientyNoteId": "n1", "noteText": "For nobody"}), "note"),
        (
            "task.created",
            "nobodyAtAll00000000",
            json!({"clientyTaskId": "t1", "title": "For nobody", "dueDate": DUE}),
            "task",
        ),
        (
            "appointment.created",
            contact.as_str(),
            json!({"clientyAppointmentId": "a1", "calendarId": "none", "startTime": "2026-03-02T15:00:00Z"}),
            "appointment",
        ),
    ];
    for (event, contact, data, record) in &refused {
        let event = json!({"type": event, "locationId": location, "contactId": contact, "data": data});
        let id = api.accepted(&event).await[0]["jobId"].as_str().unwrap().to_owned();
        let job = api.job_in_state(&id, "dead").await;
        assert_eq!(job["outcome"], "refused", "{job}");
        let (changes, _) = feed(&api, &cursor).await;
        let reported = reported(&changes, record);
        assert_eq!(
            reported,
            [json!(["stored", "pending", "clienty"]), json!(["synced", "refused", "ghl"])],
            "{record}: {changes:?}"
        );
    }
    let view = api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json();
    let shown =
        view["appointments"].as_array().unwrap().iter().find(|one| one["clientyAppointmentId"] == "a1").unwrap();
    assert_eq!(shown["sync"]["state"], "refused", "{shown}");
    assert!(!shown["sync"]["reason"].as_str().unwrap().is_empty(), "{shown}");
}
