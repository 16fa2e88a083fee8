//! Records as readers get them, and what is no route.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::installation::Installation;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_unified_view_has_every_promised_field() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let promised: [(&str, &[&str]); 3] = [
        (
            "tasks",
            &["taskId", "clientyTaskId", "contactId", "title", "body", "status", "dueDate", "completed", "assignedTo"],
        ),
        ("notes", &["noteId", "clientyNoteId", "contactId", "noteText", "createdAt"]),
        (
            "appointments",
            &[
                "appointmentId",
                "contactId",
                "calendarId",
                "title",
                "status",
                "startTime",
                "endTime",
                "address",
                "notes",
            ],
        ),
    ];
    let mut seen = BTreeSet::new();
    for contact in &installation.contacts {
        let view = api.pulled(&installation.location, contact).await;
        assert_eq!(keys(&view), ["appointments", "contact", "notes", "syncedAt", "tasks"].into());
        assert!(view["syncedAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{view}");
        assert_eq!(view["contact"]["id"], **contact);
        for field in [
            "name",
            "email",
            "phone",
            "lastActivity",
            "firstName",
            "lastName",
            "companyName",
            "tags",
            "customFields",
            "dateAdded",
            "dateUpdated",
        ] {
            assert!(keys(&view["contact"]).contains(field), "no {field} in {view}");
        }
        for (list, fields) in promised {
            for record in view[list].as_array().unwrap() {
                seen.insert(list);
                let missing: Vec<_> = fields.iter().filter(|field| !keys(record).contains(**field)).collect();
                assert!(missing.is_empty(), "{list} lack {missing:?}: {record}");
                assert_eq!(record["contactId"], **contact);
            }
        }
        for task in view["tasks"].as_array().unwrap() {
            assert!(["open", "overdue", "completed"].contains(&task["status"].as_str().unwrap()), "{task}");
            assert_eq!(task["status"] == "completed", task["completed"] == true, "{task}");
        }
    }
    assert_eq!(seen.len(), 3, "the sandbox seeds tasks, notes and appointments, but only {seen:?} came");
}

#[tokio::test]
async fn contacts_are_listed_page_by_page_and_found_by_text_and_time() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let base = format!("/v1/locations/{}/contacts", installation.location);
    let mut views = Vec::new();
    for contact in &installation.contacts {
        views.push(api.pulled(&installation.location, contact).await["contact"].take());
    }

    let mut listed = Vec::new();
    let mut path = format!("{base}?limit=4");
    loop {
        let page = api.get(&path).await.json();
        assert_eq!(keys(&page), ["contacts", "nextCursor"].into());
        let contacts = page["contacts"].as_array().unwrap();
        assert!(contacts.len() <= 4);
        listed.extend(contacts.clone());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("{base}?limit=4&cursor={cursor}");
    }
    let ids = |contacts: &[Value]| contacts.iter().map(|contact| contact["id"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!((listed.len(), ids(&listed)), (installation.contacts.len(), ids(&views)));

    let somebody = views.iter().find(|contact| contact["email"].is_string()).unwrap();
    let email = somebody["email"].as_str().unwrap().to_uppercase().replace('+', "%2B");
    let found = api.get(&format!("{base}?query={email}")).await.json();
    assert!(ids(found["contacts"].as_array().unwrap()).contains(&somebody["id"].to_string()), "{found}");
    assert_eq!(api.get(&format!("{base}?query=no-such-text")).await.json()["contacts"], json!([]));

    let future = api.get(&format!("{base}?updatedSince=2999-01-01T00:00:00Z")).await.json();
    assert_eq!(future, json!({"contacts": [], "nextCursor": null}));
    let past = api.get(&format!("{base}?updatedSince=1999-01-01T00:00:00Z")).await.json();
    assert_eq!(past["contacts"].as_array().unwrap().len(), installation.contacts.len());
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("cursor=!!", "cursor"),
        ("updatedSince=yesterday", "updatedSince"),
        ("updated_since=2026-01-01T00:00:00Z", "updated_since"),
    ] {
        let answer = api.get(&format!("/v1/locations/{}/contacts?{query}", installation.location)).await;
        assert_eq!(answer.faults(400), [(None, field.to_owned())], "{query}");
    }
}

#[tokio::test]
async fn all_wrong_parameters_are_reported_at_once() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let location = format!("/v1/locations/{}", installation.location);
    for (path, fields) in [
        (
            format!("{location}/contacts?cursor=!!&limit=0&updatedSince=x&a=1&b=2"),
            &["a", "b", "limit", "updatedSince", "cursor"][..],
        ),
        (format!("{location}/conflicts?cursor=!!&limit=many&contact=1"), &["contact", "limit", "cursor"]),
        ("/v1/changes?cursor=!!&limit=0&wait=-1".to_owned(), &["limit", "wait", "cursor"]),
        ("/v1/changes?cursor=999999&limit=0".to_owned(), &["limit", "cursor"]),
    ] {
        let faults = api.get(&path).await.faults(400);
        assert_eq!(faults, fields.iter().map(|field| (None, (*field).to_owned())).collect::<Vec<_>>(), "{path}");
    }
}

#[tokio::test]
async fn a_location_that_nobody_knows_is_not_found_and_one_that_was_known_still_answers() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let location = installation.location.as_str();
    for list in ["contacts", "conflicts"] {
        let answer = api.get(&format!("/v1/locations/elsewhere/{list}")).await;
        assert_eq!(answer.faults(404), [(None, "locationId".to_owned())], "{list}");
        let empty = api.get(&format!("/v1/locations/{location}/{list}")).await.json();
        assert_eq!(empty, json!({list: [], "nextCursor": null}));
    }
    api.pulled(location, &installation.contacts[0]).await;
    installation.json(&["disconnect", "--location", location]);
    for list in ["contacts", "contacts?query=no-such-text", "conflicts"] {
        assert_eq!(api.get(&format!("/v1/locations/{location}/{list}")).await.status, 200, "{list}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_and_so_is_a_wrong_method() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let unknown = [
        "/v1/jobs/none",
        "/v1/jobs/%FF",
        "/v1/jobs/a%00b",
        "/v1/locations/l/contacts/none",
        "/v1/locations/l/contacts/%FF",
        "/v1/nothing",
        "/",
    ];
    for path in unknown {
        api.get(path).await.problem(404);
    }
    for (method, path, allowed) in
        [("GET", "/v1/events", "POST"), ("POST", "/v1/jobs/x", "GET"), ("PUT", "/healthz", "GET")]
    {
        let answer = api.request(method, path, |request| request.bearer_auth(&api.key)).await;
        answer.problem(405);
        assert!(answer.header("allow").contains(allowed), "{method} {path}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_decent_one_is_kept() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let ask = async |path: &str, id: &str| {
        let id = id.to_owned();
        let answer = api.request("GET", path, |request| request.header("x-request-id", id)).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(ask("/healthz", "order-66_a.b").await, "order-66_a.b");
    assert_eq!(ask("/nowhere", "order-67").await, "order-67");
    assert_eq!(ask("/v1/jobs/x", "order-68").await, "order-68");
    let made = ask("/healthz", "two words").await;
    assert!(!made.is_empty() && made != "two words");
    let long = "x".repeat(129);
    assert_ne!(ask("/healthz", &long).await, long);
    let other = api.get("/healthz").await;
    assert!(!other.header("x-request-id").is_empty() && other.header("x-request-id") != made);
}
