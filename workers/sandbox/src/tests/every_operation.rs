//! Every operation on contacts, and what else the sandbox has, once: its status, its shape, its effect.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, Documents};
use crate::{Limits, SandboxConfig};

const AREAS: [&str; 4] = ["/contacts/", "/businesses/", "/calendars/events", "/campaigns/"];

/// What of these areas the sandbox does not have: slots that are blocked, and lists of businesses' own.
const ABSENT: [&str; 2] = ["block-slots", "blocked-slots"];

#[tokio::test]
async fn every_operation_answers_as_documented() {
    let limits = Limits { burst: 10_000, ..Limits::default() };
    let mut bench = Bench::start(SandboxConfig { limits, ..SandboxConfig::default() }).await;
    for version in [None, Some("v3")] {
        bench.version = version;
        contacts(&bench).await;
        belongings(&bench).await;
        bulk(&bench).await;
        settings(&bench).await;
        appointments(&bench).await;
    }
    let Some(documents) = Documents::get() else { return };
    let seen = documents.seen();
    let areas = [("dated", AREAS.as_slice()), ("v3", &["/contacts/", "/calendars/events"])];
    let wanted =
        areas.iter().flat_map(|(version, areas)| areas.iter().flat_map(|area| documents.operations(version, area)));
    let wanted: BTreeSet<String> = wanted.filter(|name| !ABSENT.iter().any(|absent| name.contains(absent))).collect();
    assert_eq!(wanted.iter().filter(|name| name.starts_with("dated") && name.contains(" /contacts/")).count(), 32);
    let missing: Vec<_> = wanted.difference(&seen).collect();
    assert!(missing.is_empty(), "never answered well: {missing:#?}");
}

async fn contacts(bench: &Bench) {
    let v3 = bench.version.is_some();
    let location = &bench.location;
    let email = if v3 { "v3@example.com" } else { "dated@example.com" };
    let channel = if v3 { "email" } else { "Email" };
    let new = json!({
        "locationId": location, "firstName": "Ada", "lastName": "King", "email": email, "dateOfBirth": "1990-09-25",
        "dndSettings": { channel: { "status": "active" } },
    });
    let (status, body) = bench.send(Method::POST, "/contacts/", new.clone()).await;
    let id = body["contact"]["id"].as_str().unwrap().to_owned();
    let path = format!("/contacts/{id}");
    assert_eq!((status, &body["contact"]["dndSettings"][channel]["status"]), (201, &json!("active")));
    assert_eq!(bench.send(Method::POST, "/contacts/", new.clone()).await.0, 400);

    let (status, body) = bench.send(Method::POST, "/contacts/upsert", new).await;
    assert_eq!((status, &body["new"], &body["contact"]["id"]), (200, &json!(false), &json!(id)));
    let (_, body) = bench.get(&path).await;
    assert_eq!(body["contact"]["dndSettings"][channel]["status"], "active");
    let value = if v3 { "fieldValue" } else { "field_value" };
    let fields = json!({ "customFields": [{ "id": "", "key": "visits", value: 3 }] });
    let (status, body) = bench.send(Method::PUT, &path, fields).await;
    assert_eq!((status, body["contact"]["customFields"][0]["value"].as_i64()), (200, Some(3)));
    let succeeded = if v3 { "succeeded" } else { "succeded" };
    assert_eq!(body[succeeded], true);

    let search = json!({ "locationId": location, "pageLimit": 2 });
    assert_eq!(bench.send(Method::POST, "/contacts/search", search).await.0, 200);
    let duplicate = format!("/contacts/search/duplicate?locationId={location}&email={}", email.replace('@', "%40"));
    assert_eq!(bench.get(&duplicate).await.1["contact"]["id"], *id);
    let list = bench.get(&format!("/contacts/?locationId={location}")).await.0;
    assert_eq!(list, if v3 { 404 } else { 200 });
    bench.send(Method::POST, &format!("{path}/tags"), json!({ "tags": ["a"] })).await;
    bench.send(Method::DELETE, &format!("{path}/tags"), json!({ "tags": ["a"] })).await;

    let task = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00Z", "completed": false });
    let note = json!({ "body": "Hello" });
    for (kind, one, new) in [("tasks", "task", task), ("notes", "note", note)] {
        let all = format!("{path}/{kind}");
        let (status, body) = bench.send(Method::POST, &all, new).await;
        let record = format!("{all}/{}", body[one]["id"].as_str().unwrap());
        assert_eq!(status, 201);
        assert_eq!(bench.get(&all).await.1[kind].as_array().unwrap().len(), 1);
        assert_eq!(bench.get(&record).await.1[one], body[one]);
        assert_eq!(bench.send(Method::PUT, &record, json!({ "body": "Bye" })).await.1[one]["body"], "Bye");
        if kind == "tasks" {
            let done = bench.send(Method::PUT, &format!("{record}/completed"), json!({ "completed": true })).await;
            assert_eq!(done.1["task"]["completed"], true);
        }
        assert_eq!(bench.delete(&record).await.1[succeeded], true);
    }
    assert_eq!(bench.get(&format!("{path}/appointments")).await.1["events"], json!([]));
    assert_eq!(bench.delete(&path).await.1[succeeded], true);
}

async fn belongings(bench: &Bench) {
    let location = &bench.location;
    let path = format!("/contacts/{}", bench.contact());
    let id = |body: &Value, part: &str| body[part][0]["id"].as_str().unwrap().to_owned();
    let user = id(&bench.get(&format!("/users/?locationId={location}")).await.1, "users");
    let campaign = id(&bench.get(&format!("/campaigns/?locationId={location}")).await.1, "campaigns");
    let workflow = id(&bench.get(&format!("/workflows/?locationId={location}")).await.1, "workflows");

    let followers = json!({ "followers": [user] });
    let (status, body) = bench.send(Method::POST, &format!("{path}/followers"), followers.clone()).await;
    assert_eq!((status, &body["followersAdded"]), (201, &json!([user])));
    let (status, body) = bench.send(Method::DELETE, &format!("{path}/followers"), followers).await;
    assert_eq!((status, &body["followers"], &body["followersRemoved"]), (200, &json!([]), &json!([user])));
    let stranger = json!({ "followers": ["nobody"] });
    assert_eq!(bench.send(Method::POST, &format!("{path}/followers"), stranger).await.0, 400);

    let all = if bench.version.is_some() { "remove-all" } else { "removeAll" };
    let one = format!("{path}/campaigns/{campaign}");
    assert_eq!(bench.send(Method::POST, &one, json!({})).await.0, 201);
    assert_eq!(bench.delete(&one).await.0, 200);
    assert_eq!(bench.delete(&format!("{path}/campaigns/{all}")).await.0, 200);
    assert_eq!(bench.send(Method::POST, &format!("{path}/campaigns/none"), json!({})).await.0, 400);
    let flow = format!("{path}/workflow/{workflow}");
    let when = json!({ "eventStartTime": "2026-06-23T03:30:00+01:00" });
    assert_eq!(bench.send(Method::POST, &flow, when.clone()).await.0, 200);
    assert_eq!(bench.send(Method::DELETE, &flow, when).await.0, 200);
}

async fn bulk(bench: &Bench) {
    let contact = bench.contact();
    let change = |tags: Value| json!({ "contacts": [contact, "nobody"], "tags": tags, "locationId": bench.location });
    let (status, body) = bench.send(Method::POST, "/contacts/bulk/tags/update/add", change(json!(["Bulk"]))).await;
    assert_eq!((status, &body["errorCount"], &body["responses"][1]["type"]), (201, &json!(1), &json!("error")));
    assert!(bench.state()["contacts"][0]["tags"].as_array().unwrap().contains(&json!("bulk")));
    bench.send(Method::POST, "/contacts/bulk/tags/update/remove", change(json!(["bulk"]))).await;
    assert!(!bench.state()["contacts"][0]["tags"].as_array().unwrap().contains(&json!("bulk")));

    let new = json!({ "name": "Acme", "locationId": bench.location });
    let (status, body) = bench.send(Method::POST, "/businesses/", new).await;
    let id = body["buiseness"]["id"].as_str().unwrap();
    assert_eq!(status, 201);
    let join = json!({ "locationId": bench.location, "ids": [contact, "nobody"], "businessId": id });
    let (status, body) = bench.send(Method::POST, "/contacts/bulk/business", join).await;
    assert_eq!((status, &body["ids"]), (200, &json!([contact])));
    let theirs = format!("/contacts/business/{id}?locationId={}", bench.location);
    assert_eq!(bench.get(&theirs).await.1["contacts"][0]["id"], *contact);

    let path = format!("/businesses/{id}");
    assert_eq!(bench.send(Method::PUT, &path, json!({ "city": "Rome" })).await.1["buiseness"]["city"], "Rome");
    assert_eq!(bench.get(&path).await.1["business"]["name"], "Acme");
    assert!(bench.get(&format!("/businesses/?locationId={}", bench.location)).await.1["businesses"].is_array());
    assert_eq!(bench.delete(&path).await.1["success"], true);
    assert_eq!(bench.get(&path).await.0, 400);
}

async fn settings(bench: &Bench) {
    let location = format!("/locations/{}", bench.location);
    assert_eq!(bench.get(&location).await.1["location"]["timezone"], "America/New_York");
    let (status, body) = bench.send(Method::POST, &format!("{location}/tags"), json!({ "name": "Fresh" })).await;
    assert_eq!((status, &body["tag"]["name"]), (200, &json!("fresh")));
    let tag = format!("{location}/tags/{}", body["tag"]["id"].as_str().unwrap());
    assert_eq!(bench.get(&tag).await.0, 200);
    assert_eq!(bench.send(Method::PUT, &tag, json!({ "name": "Stale" })).await.1["tag"]["name"], "stale");
    let names = bench.get(&format!("{location}/tags")).await.1["tags"].as_array().unwrap().len();
    assert!(names > 1, "tags of contacts are the location's too");
    assert_eq!(bench.delete(&tag).await.0, 200);

    let new = json!({ "name": "Shoe size", "dataType": "NUMERICAL", "model": "contact" });
    let (status, body) = bench.send(Method::POST, &format!("{location}/customFields"), new).await;
    assert_eq!((status, &body["customField"]["fieldKey"]), (201, &json!("contact.shoe_size")));
    let field = format!("{location}/customFields/{}", body["customField"]["id"].as_str().unwrap());
    assert_eq!(bench.get(&field).await.0, 200);
    assert_eq!(bench.send(Method::PUT, &field, json!({ "name": "Feet" })).await.1["customField"]["name"], "Feet");
    assert_eq!(bench.get(&format!("{location}/customFields?model=all")).await.0, 200);
    assert_eq!(bench.delete(&field).await.0, 200);
    let (_, body) =
        bench.send(Method::POST, &format!("{location}/tasks/search"), json!({ "limit": 3, "skip": 1 })).await;
    assert_eq!(body["tasks"].as_array().unwrap().len(), 3);
}

async fn appointments(bench: &Bench) {
    let (_, calendars) = bench.get(&format!("/calendars/?locationId={}", bench.location)).await;
    let calendar = calendars["calendars"][0]["id"].as_str().unwrap();
    let new = json!({
        "calendarId": calendar, "locationId": bench.location, "contactId": bench.contact(),
        "startTime": "2031-01-06T09:00:00-05:00", "title": "Check-up",
    });
    let (status, body) = bench.send(Method::POST, "/calendars/events/appointments", new).await;
    assert_eq!((status, &body["endTime"]), (200, &json!("2031-01-06T09:30:00-05:00")));
    let id = body["id"].as_str().unwrap();
    let path = format!("/calendars/events/appointments/{id}");
    let (_, body) = bench.send(Method::PUT, &path, json!({ "appointmentStatus": "showed" })).await;
    assert_eq!(body["appointmentStatus"], "showed");
    assert_eq!(bench.get(&path).await.1["event"]["appointmentStatus"], "showed");
    // 2031-01-06T14:00:00Z, the first moment of the appointment.
    let events = format!("/calendars/events?locationId={}&calendarId={calendar}", bench.location);
    let (_, body) = bench.get(&format!("{events}&startTime=1925474400000&endTime=1925474400000")).await;
    assert_eq!(body["events"].as_array().unwrap().iter().map(|event| &event["id"]).collect::<Vec<_>>(), [id]);
    let (status, body) = bench.send(Method::DELETE, &format!("/calendars/events/{id}"), json!({})).await;
    assert_eq!((status, &body["succeeded"]), (201, &json!(true)));
    assert_eq!(bench.get(&path).await.0, 400);
}
