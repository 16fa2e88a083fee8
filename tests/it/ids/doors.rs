//! What is no id is refused at each door, by field and position, and nothing of its batch is stored.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;

/// Texts that are no ids, each for another reason.
fn no_ids() -> Vec<String> {
    let (long, chinese, huge) = ("x".repeat(243), "中".repeat(82), "y".repeat(5000));
    let short = ["", " ", ".", "..", ".\t.", "ab\tc", "a\rb", "a\n", "a\0b", "\u{1f}", "\u{7f}", "\u{85}", "\u{2028}"];
    short.into_iter().map(str::to_owned).chain([long, chinese, huge]).collect()
}

/// An event for each field that is an id, with this text there.
fn events(location: &str, contact: &str, text: &str) -> Vec<(&'static str, Value)> {
    let event = |event_type: &str, data: Value| json!({"type": event_type, "locationId": location, "contactId": contact, "data": data});
    let with = |event_type: &str, field: &str, value: &str| {
        let mut event = event(event_type, json!({}));
        event[field] = value.into();
        event
    };
    let due = "2030-01-01T00:00:00Z";
    // With a contactId it would be a fetch, which reads nothing more.
    let mut created = event("contact.created", json!({"clientyContactId": text, "email": "a@x.de"}));
    created["contactId"] = Value::Null;
    vec![
        ("id", with("contact.selected", "id", text)),
        ("locationId", with("contact.selected", "locationId", text)),
        ("contactId", with("contact.selected", "contactId", text)),
        ("contactId", with("contact.updated", "contactId", text)),
        ("contactId", with("contact.created", "contactId", text)),
        ("data.clientyContactId", created),
        ("data.clientyTaskId", event("task.created", json!({"clientyTaskId": text, "title": "x", "dueDate": due}))),
        ("data.taskId", event("task.deleted", json!({"taskId": text}))),
        ("data.clientyNoteId", event("note.created", json!({"clientyNoteId": text, "noteText": "x"}))),
        ("data.noteId", event("note.updated", json!({"noteId": text, "noteText": "x"}))),
        (
            "data.clientyAppointmentId",
            event("appointment.created", json!({"clientyAppointmentId": text, "calendarId": "cal", "startTime": due})),
        ),
        (
            "data.calendarId",
            event("appointment.created", json!({"clientyAppointmentId": "k", "calendarId": text, "startTime": due})),
        ),
        ("data.appointmentId", event("appointment.deleted", json!({"appointmentId": text}))),
    ]
}

async fn call(api: &Api, name: &str, call: &Value) -> Answer {
    let key = api.key.clone();
    api.request("POST", &format!("/v1/operations/{name}"), |request| request.bearer_auth(key).json(call)).await
}

async fn every_door_refuses(installation: &Installation) {
    let (_program, api) = installation.serve("up");
    let Installation { location, contacts, .. } = installation;
    let contact = &contacts[0];
    let good = json!({"type": "contact.selected", "locationId": location, "contactId": contact});
    for text in no_ids() {
        for (field, wrong) in events(location, contact, &text) {
            let answer = api.post(json!([good, wrong, good]).to_string()).await;
            let mut faults = answer.faults(422);
            faults.dedup();
            assert_eq!(faults, [(Some(1), field.to_owned())], "{text:?}: {}", answer.text);
            if text.len() > 200 {
                assert!(answer.text.contains(&format!("is {} bytes long", text.len())), "{}", answer.text);
                assert!(answer.text.contains("at most 200 bytes"), "{}", answer.text);
            }
        }
        for (field, wanted) in [
            ("id", json!({"id": text, "locationId": location, "parameters": {"contactId": contact}})),
            ("locationId", json!({"locationId": text, "parameters": {"contactId": contact}})),
            ("parameters.contactId", json!({"locationId": location, "parameters": {"contactId": text}})),
        ] {
            let answer = call(&api, "get-contact", &wanted).await;
            assert_eq!(answer.faults(422), [(None, field.to_owned())], "{text:?}: {}", answer.text);
        }
    }
    texts_with_a_nul(&api, location, contact).await;
    reading_doors(&api, location, contact).await;
    assert_eq!(installation.job_count(), 0);
}

/// No database is asked to keep a NUL, however deep it stands.
async fn texts_with_a_nul(api: &Api, location: &str, contact: &str) {
    for (field, data) in [
        ("data.city", json!({"city": "a\0"})),
        ("data.tags[1]", json!({"tags": ["a", "b\0"]})),
        ("data.customFields.size", json!({"customFields": {"size": "\0"}})),
        ("data.customFields.list[0].deep", json!({"customFields": {"list": [{"deep": "x\0"}]}})),
        ("data.customFields.si\0ze", json!({"customFields": {"si\0ze": 1}})),
    ] {
        let event = json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": data});
        assert_eq!(api.post(event.to_string()).await.faults(422), [(None, field.to_owned())], "{event}");
    }
    let selected = json!({"type": "contact.selected", "locationId": location, "contactId": contact, "data": {"own": {"remark": "\0"}}});
    let faults = ["data.own", "data.own.remark"].map(|field| (None, field.to_owned()));
    assert_eq!(api.post(selected.to_string()).await.faults(422), faults);
    let note = json!({"locationId": location, "parameters": {"contactId": contact}, "body": {"body": "a\0b"}});
    assert_eq!(call(api, "create-note", &note).await.faults(422), [(None, "body.body".to_owned())]);
}

async fn reading_doors(api: &Api, location: &str, contact: &str) {
    let here = format!("/v1/locations/{location}");
    let (long, nul) = ("x".repeat(5000), "a%00b");
    for bad in [long.as_str(), nul, "%09", "a%0Ab", "%2E%2E", "%C2%85"] {
        for (field, path) in [
            ("locationId", format!("/v1/locations/{bad}/contacts")),
            ("locationId", format!("/v1/locations/{bad}/conflicts")),
            ("contactId", format!("{here}/contacts/{bad}")),
            ("jobId", format!("/v1/jobs/{bad}")),
            ("jobId", format!("/v1/jobs/{bad}/reply")),
        ] {
            // A client resolves dot segments itself, so that the path is another.
            if bad != "%2E%2E" {
                assert_eq!(api.get(&path).await.faults(404), [(None, field.to_owned())], "{path}");
            }
        }
        let key = api.key.clone();
        let erase = format!("{here}/contacts/{bad}/data");
        let answer = api.request("DELETE", &erase, |request| request.bearer_auth(key)).await;
        assert_eq!(answer.status, 404, "{erase}: {}", answer.text);
        let conflicts = api.get(&format!("{here}/conflicts?contactId={bad}")).await;
        assert_eq!(conflicts.faults(400), [(None, "contactId".to_owned())], "{bad}");
    }
    for (name, path) in [
        ("cursor", format!("{here}/contacts?cursor=%00")),
        ("query", format!("{here}/contacts?query=a%00")),
        ("updatedSince", format!("{here}/contacts?updatedSince=%00")),
        ("limit", format!("{here}/contacts?limit=%00")),
        ("cursor", format!("{here}/conflicts?cursor=a%00b")),
        ("cursor", "/v1/changes?cursor=%00".to_owned()),
        ("includeDeleted", format!("{here}/contacts/{contact}?includeDeleted=%00")),
    ] {
        assert_eq!(api.get(&path).await.faults(400), [(None, name.to_owned())], "{path}");
    }
    // Long texts that are no ids are only looked for.
    for path in [format!("{here}/contacts?query={long}"), format!("{here}/contacts?query=%0A%09")] {
        assert_eq!(api.get(&path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_door_names_what_is_no_id_on_sqlite() {
    every_door_refuses(&Installation::new(&[]).await).await;
}

#[tokio::test]
async fn every_door_names_what_is_no_id_on_postgres() {
    let postgres = PostgresServer::start();
    every_door_refuses(&Installation::new(&[("DATABASE_URL", &postgres.url())]).await).await;
}

#[tokio::test]
async fn the_command_line_refuses_what_is_no_id_as_wrong_usage() {
    let installation = Installation::new(&[]).await;
    let (location, contact) = (installation.location.as_str(), installation.contacts[0].as_str());
    let long = "x".repeat(300);
    for bad in [long.as_str(), "a\tb", "..", "", "a\u{85}"] {
        let id = format!("contactId={bad}");
        let commands: [&[&str]; 12] = [
            &["connect", "--location", bad, "--pit-file", "-"],
            &["disconnect", "--location", bad],
            &["import", "--location", bad],
            &["verify", "--location", bad],
            &["sweep", "--location", bad],
            &["catalog", "call", "get-contact", "--location", bad, "--param", &format!("contactId={contact}")],
            &["catalog", "call", "get-contact", "--location", location, "--param", &id],
            &["flows", "run", "welcome", "--location", bad],
            &["flows", "run", "welcome", "--location", location, "--contact", bad],
            &["jobs", "list", "--location", bad],
            &["jobs", "retry", "--location", bad],
            &["jobs", "pause", bad],
        ];
        for command in commands {
            let ended = installation.run(command);
            assert_eq!(ended.status.code(), Some(2), "{command:?}: {ended:?}");
        }
    }
    assert_eq!(installation.job_count(), 0);
}
