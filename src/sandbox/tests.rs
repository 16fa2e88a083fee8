//! The sandbox over its port, as a client meets it.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Faults, Limits, Sandbox, SandboxConfig, Window};

const VERSION: &str = "2021-07-28";

/// A sandbox, and a client with the token of its first location.
struct Bench {
    sandbox: Sandbox,
    client: Client,
    token: String,
    location: String,
}

impl Bench {
    async fn start(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let first = sandbox.locations().remove(0);
        Self { sandbox, client: Client::new(), token: first.token, location: first.id }
    }

    async fn plain() -> Self {
        Self::start(SandboxConfig::default()).await
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url());
        self.client.request(method, url).bearer_auth(&self.token).header("Version", VERSION)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.call(Method::GET, path).send().await.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.call(method, path).json(&body).send().await.unwrap()).await
    }

    fn state(&self) -> Value {
        self.sandbox.state(&self.location).unwrap()
    }

    fn contact(&self) -> String {
        self.state()["contacts"][0]["id"].as_str().unwrap().to_owned()
    }
}

async fn answer(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

fn header(response: &Response, name: &str) -> u64 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_missing_or_unknown_version_is_a_401() {
    let bench = Bench::plain().await;
    let url = format!("{}/contacts/{}", bench.sandbox.url(), bench.contact());
    let missing = answer(bench.client.get(&url).bearer_auth(&bench.token).send().await.unwrap()).await;
    assert_eq!(missing, (401, json!({ "statusCode": 401, "message": "version header was not found." })));
    let unknown = bench.client.get(&url).bearer_auth(&bench.token).header("Version", "1999-01-01");
    let unknown = answer(unknown.send().await.unwrap()).await;
    assert_eq!(unknown, (401, json!({ "statusCode": 401, "message": "version header is invalid" })));
}

#[tokio::test]
async fn an_unknown_token_is_a_401_and_a_foreign_location_a_403() {
    let bench = Bench::start(SandboxConfig { locations: 2, ..SandboxConfig::default() }).await;
    let path = format!("/contacts/{}", bench.contact());
    let stranger = bench.client.get(format!("{}{path}", bench.sandbox.url())).bearer_auth("pit-none");
    let (status, body) = answer(stranger.header("Version", VERSION).send().await.unwrap()).await;
    assert_eq!((status, &body["message"]), (401, &json!("Invalid Private Integration token")));
    assert_eq!(bench.sandbox.stats().strangers, 1);

    let other = bench.sandbox.locations().remove(1);
    let their_contact = bench.sandbox.state(&other.id).unwrap()["contacts"][0]["id"].as_str().unwrap().to_owned();
    for path in [format!("/contacts/{their_contact}"), format!("/locations/{}", other.id)] {
        let (status, body) = bench.get(&path).await;
        assert_eq!((status, &body["message"]), (403, &json!("The token does not have access to this location.")));
    }
}

#[tokio::test]
async fn a_missing_contact_is_a_400_with_its_id() {
    let bench = Bench::plain().await;
    for path in
        ["/contacts/nobody", "/contacts/nobody/tasks", "/contacts/nobody/notes", "/contacts/nobody/appointments"]
    {
        let (status, body) = bench.get(path).await;
        assert_eq!((status, &body["message"]), (400, &json!("Contact with id nobody not found")), "{path}");
    }
}

#[tokio::test]
async fn every_seeded_contact_is_served_with_all_that_hangs_on_it() {
    let bench = Bench::plain().await;
    let state = bench.state();
    let mut served = [0, 0, 0];
    for contact in state["contacts"].as_array().unwrap().iter().take(20) {
        let id = contact["id"].as_str().unwrap();
        assert_eq!(bench.get(&format!("/contacts/{id}")).await.1["contact"], *contact);
        for (count, (route, part)) in
            served.iter_mut().zip([("tasks", "tasks"), ("notes", "notes"), ("appointments", "events")])
        {
            let (_, body) = bench.get(&format!("/contacts/{id}/{route}")).await;
            for record in body[part].as_array().unwrap() {
                assert!(state[route].as_array().unwrap().contains(record));
                *count += 1;
            }
        }
    }
    assert!(served.iter().all(|count| *count > 0), "{served:?}");
}

#[tokio::test]
async fn a_task_is_created_read_updated_completed_and_deleted() {
    let bench = Bench::plain().await;
    let tasks = format!("/contacts/{}/tasks", bench.contact());
    let new = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00.250+02:00", "completed": false });
    let (status, body) = bench.send(Method::POST, &tasks, new).await;
    let task = &body["task"];
    assert_eq!((status, &task["dueDate"]), (201, &json!("2026-10-25T09:00:00.250Z")));
    assert_eq!(task["assignedTo"], Value::Null);
    let path = format!("{tasks}/{}", task["id"].as_str().unwrap());

    let (status, body) = bench.send(Method::PUT, &path, json!({ "title": "Call twice" })).await;
    assert_eq!(
        (status, &body["task"]["title"], &body["task"]["completed"]),
        (200, &json!("Call twice"), &json!(false))
    );
    let (status, body) = bench.send(Method::PUT, &format!("{path}/completed"), json!({ "completed": true })).await;
    assert_eq!((status, &body["task"]["completed"]), (200, &json!(true)));
    assert_eq!(bench.get(&path).await.1["task"], body["task"]);

    let (status, body) = answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await;
    assert_eq!((status, &body["succeded"]), (200, &json!(true)));
    assert_eq!(bench.get(&path).await.0, 404);
    assert_eq!(answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await.0, 404);
}

#[tokio::test]
async fn milliseconds_in_the_due_date_of_an_update_are_a_422() {
    let bench = Bench::plain().await;
    let tasks = format!("/contacts/{}/tasks", bench.contact());
    let new = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00Z", "completed": false });
    let (_, body) = bench.send(Method::POST, &tasks, new).await;
    let path = format!("{tasks}/{}", body["task"]["id"].as_str().unwrap());
    let (status, body) = bench.send(Method::PUT, &path, json!({ "dueDate": "2026-10-26T11:00:00.000Z" })).await;
    assert_eq!((status, &body["message"]), (422, &json!(["dueDate must be a valid ISO 8601 date string"])));
    let (status, body) = bench.send(Method::PUT, &path, json!({ "dueDate": "2026-10-26T11:00:00Z" })).await;
    assert_eq!((status, &body["task"]["dueDate"]), (200, &json!("2026-10-26T11:00:00.000Z")));
}

#[tokio::test]
async fn unknown_and_missing_fields_are_a_422_that_names_them_all() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/tasks", bench.contact());
    let (status, mut body) = bench.send(Method::POST, &path, json!({ "title": "Call", "status": "open" })).await;
    body.as_object_mut().unwrap().remove("traceId");
    let expected = json!({
        "statusCode": 422,
        "message": ["property status should not exist", "dueDate should not be empty", "completed should not be empty"],
        "error": "Unprocessable Entity",
    });
    assert_eq!((status, body), (422, expected));
}

#[tokio::test]
async fn a_body_without_a_json_content_type_counts_as_empty() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/notes", bench.contact());
    let reply = bench.call(Method::POST, &path).body(r#"{"body":"Hello"}"#).send().await.unwrap();
    let (status, body) = answer(reply).await;
    assert_eq!((status, &body["message"]), (422, &json!(["body should not be empty"])));
}

#[tokio::test]
async fn a_note_is_created_updated_and_deleted_and_only_by_a_user() {
    let bench = Bench::plain().await;
    let notes = format!("/contacts/{}/notes", bench.contact());
    let (status, _) = bench.send(Method::POST, &notes, json!({ "body": "x", "userId": "nobody" })).await;
    assert_eq!(status, 400);
    let (status, body) = bench.send(Method::POST, &notes, json!({ "body": "<p>Hi</p>" })).await;
    assert_eq!((status, &body["note"]["body"], &body["note"]["userId"]), (201, &json!("<p>Hi</p>"), &Value::Null));
    let path = format!("{notes}/{}", body["note"]["id"].as_str().unwrap());
    let (_, body) = bench.send(Method::PUT, &path, json!({ "body": "Bye" })).await;
    assert_eq!(bench.get(&path).await.1["note"], body["note"]);
    assert_eq!(answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await.1["succeded"], true);
    assert_eq!(bench.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_second_contact_with_the_same_mail_is_refused_with_the_first_ones_id() {
    let bench = Bench::plain().await;
    let new = |email: &str| json!({ "locationId": bench.location, "name": "Ada King", "email": email, "gender": "f" });
    let (status, body) = bench.send(Method::POST, "/contacts/", new("Ada@Example.com")).await;
    assert_eq!((status, &body["contact"]["email"]), (201, &json!("ada@example.com")));
    let id = body["contact"]["id"].as_str().unwrap();
    let (status, body) = bench.send(Method::POST, "/contacts/", new("ADA@example.com")).await;
    assert_eq!(status, 400);
    assert_eq!(body["meta"], json!({ "contactId": id, "contactName": "Ada King", "matchingField": "email" }));
    let asked = format!("/contacts/search/duplicate?locationId={}&email=ada%40example.com", bench.location);
    assert_eq!(bench.get(&asked).await.1["contact"]["id"], id);

    let (status, body) = bench.send(Method::PUT, &format!("/contacts/{id}"), json!({ "gender": "m" })).await;
    assert_eq!((status, &body["message"]), (422, &json!(["property gender should not exist"])));
}

#[tokio::test]
async fn an_update_replaces_tags_merges_custom_fields_and_normalises() {
    let bench = Bench::plain().await;
    let id = bench.contact();
    let path = format!("/contacts/{id}");
    let (_, fields) = bench.get(&format!("/locations/{}/customFields", bench.location)).await;
    let field = &fields["customFields"][2];
    let change = json!({
        "firstName": "Grace",
        "phone": "(555) 010-7788",
        "tags": ["VIP", "vip", "New"],
        "customFields": [{ "key": "visits", "field_value": 7 }, { "key": "unheard_of", "field_value": 1 }],
    });
    let (status, body) = bench.send(Method::PUT, &path, change).await;
    let contact = &body["contact"];
    assert_eq!((status, &body["succeded"]), (200, &json!(true)));
    assert_eq!((&contact["phone"], &contact["tags"]), (&json!("+15550107788"), &json!(["vip", "new"])));
    assert_eq!(contact["firstNameLowerCase"], "grace");
    let written: Vec<_> =
        contact["customFields"].as_array().unwrap().iter().filter(|kept| kept["id"] == field["id"]).collect();
    assert_eq!(written, [&json!({ "id": field["id"], "value": 7 })]);

    let (status, body) = bench.send(Method::POST, &format!("{path}/tags"), json!({ "tags": ["Third"] })).await;
    assert_eq!((status, body), (201, json!({ "tags": ["vip", "new", "third"] })));
    let (_, body) = bench.send(Method::DELETE, &format!("{path}/tags"), json!({ "tags": ["VIP", "new"] })).await;
    assert_eq!(body, json!({ "tags": ["third"], "succeded": true }));
}

#[tokio::test]
async fn a_deleted_contact_takes_its_records_along() {
    let bench = Bench::plain().await;
    let id = bench.state()["tasks"][0]["contactId"].as_str().unwrap().to_owned();
    let (_, body) = answer(bench.call(Method::DELETE, &format!("/contacts/{id}")).send().await.unwrap()).await;
    assert_eq!(body["succeded"], true);
    assert_eq!(bench.get(&format!("/contacts/{id}")).await.0, 400);
    let state = bench.state();
    assert!(state["tasks"].as_array().unwrap().iter().all(|task| task["contactId"] != id.as_str()));
}

#[tokio::test]
async fn a_search_pages_through_all_contacts_in_order_of_change() {
    let bench = Bench::plain().await;
    let mut seen: Vec<(i64, String)> = Vec::new();
    let mut after = Value::Null;
    loop {
        let sort = json!([{ "field": "dateUpdated", "direction": "asc" }]);
        let body = json!({ "locationId": bench.location, "pageLimit": 7, "searchAfter": after, "sort": sort });
        let (status, body) = bench.send(Method::POST, "/contacts/search", body).await;
        assert_eq!((status, &body["total"]), (200, &json!(25)));
        let page = body["contacts"].as_array().unwrap();
        let Some(last) = page.last() else { break };
        after = last["searchAfter"].clone();
        seen.extend(page.iter().map(|item| {
            let pair = &item["searchAfter"];
            (pair[0].as_i64().unwrap(), pair[1].as_str().unwrap().to_owned())
        }));
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted());
    let since = json!([{ "field": "dateUpdated", "operator": "range", "value": { "gte": seen[20].0 } }]);
    let body = json!({ "locationId": bench.location, "pageLimit": 500, "filters": since });
    let (_, body) = bench.send(Method::POST, "/contacts/search", body).await;
    assert_eq!(body["contacts"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_deprecated_list_still_pages() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/?locationId={}&limit=20", bench.location);
    let (_, first) = bench.get(&path).await;
    let after = first["meta"]["startAfterId"].as_str().unwrap();
    let (_, rest) = bench.get(&format!("{path}&startAfterId={after}")).await;
    assert_eq!((first["contacts"].as_array().unwrap().len(), rest["contacts"].as_array().unwrap().len()), (20, 5));
    assert_eq!(rest["meta"]["startAfterId"], Value::Null);
}

#[tokio::test]
async fn the_call_after_the_burst_is_a_429_under_either_reading() {
    for window in [Window::Fixed, Window::Sliding, Window::Both] {
        // An hour, so that no speed of the machine lets a window end during the test.
        let limits = Limits { interval: Duration::from_secs(3600), window, ..Limits::default() };
        let bench = Bench::start(SandboxConfig { limits, ..SandboxConfig::default() }).await;
        let path = format!("/locations/{}", bench.location);
        for number in 1..=100 {
            let reply = bench.call(Method::GET, &path).send().await.unwrap();
            assert_eq!(reply.status(), 200, "{window:?} {number}");
            assert_eq!(header(&reply, "X-RateLimit-Remaining"), 100 - number);
            assert_eq!(header(&reply, "X-RateLimit-Daily-Remaining"), 200_000 - number);
        }
        let reply = bench.call(Method::GET, &path).send().await.unwrap();
        assert_eq!(header(&reply, "X-RateLimit-Max"), 100);
        assert_eq!(header(&reply, "X-RateLimit-Remaining"), 0);
        assert_eq!(header(&reply, "X-RateLimit-Interval-Milliseconds"), 3_600_000);
        assert_eq!(header(&reply, "X-RateLimit-Limit-Daily"), 200_000);
        assert_eq!(answer(reply).await, (429, json!({ "statusCode": 429, "message": "Too Many Requests" })));
        let stats = bench.sandbox.stats().locations.remove(&bench.location).unwrap();
        assert_eq!((stats.calls, stats.throttled, stats.over_fixed, stats.over_sliding), (101, 1, 1, 1));
        assert_eq!(stats.operations["GET /locations/{locationId}"], 101);
        assert!(stats.arrivals_micros.is_sorted());
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_data_and_more_contacts_change_no_earlier_one() {
    let start = |seed, locations, contacts| {
        Sandbox::start(SandboxConfig { seed, locations, contacts, ..SandboxConfig::default() })
    };
    let (one, two) = (start(7, 1, 25).await.unwrap(), start(7, 3, 40).await.unwrap());
    let other = start(8, 1, 25).await.unwrap();
    let place = one.locations().remove(0);
    assert_eq!(place, two.locations()[0]);
    assert_ne!(place.id, other.locations()[0].id);
    let (small, large) = (one.state(&place.id).unwrap(), two.state(&place.id).unwrap());
    for kind in ["contacts", "tasks", "notes", "appointments"] {
        let larger = large[kind].as_array().unwrap();
        let smaller = small[kind].as_array().unwrap();
        assert!(smaller.iter().all(|record| larger.contains(record)), "{kind}");
        assert!(smaller.len() < larger.len(), "{kind}");
    }
}

#[tokio::test]
async fn a_cut_connection_answers_nothing_and_yet_commits() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/notes", bench.contact());
    let before = bench.state()["notes"].as_array().unwrap().len();
    for (faults, committed) in [
        (Faults { cut: 1000, at_most: Some(1), ..Faults::default() }, 0),
        (Faults { cut_after: 1000, at_most: Some(1), ..Faults::default() }, 1),
    ] {
        bench.sandbox.set_faults(faults);
        let lost = bench.call(Method::POST, &path).json(&json!({ "body": "Lost?" })).send().await;
        assert!(lost.is_err(), "not even a status line arrives");
        assert_eq!(bench.state()["notes"].as_array().unwrap().len(), before + committed);
    }
    assert_eq!(bench.get(&path).await.0, 200, "the weather clears after one fault");
    let struck = bench.sandbox.stats().faults;
    assert_eq!((struck["cut"], struck["cutAfter"]), (1, 1));
}

#[tokio::test]
async fn a_server_error_says_nothing_of_whether_the_effect_was_committed() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/notes", bench.contact());
    let before = bench.state()["notes"].as_array().unwrap().len();
    for (faults, committed) in [
        (Faults { server_error: 1000, ..Faults::default() }, 0),
        (Faults { server_error_after: 1000, ..Faults::default() }, 1),
    ] {
        bench.sandbox.set_faults(faults);
        let (status, body) = bench.send(Method::POST, &path, json!({ "body": "Lost?" })).await;
        assert!(status == 500 || status == 502, "{status}");
        assert_eq!(body["statusCode"], status);
        assert_eq!(bench.state()["notes"].as_array().unwrap().len(), before + committed);
    }
}

#[tokio::test]
async fn truncated_json_arrives_whole_as_http_and_html_instead_of_json() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}", bench.contact());
    bench.sandbox.set_faults(Faults { truncate: 1000, ..Faults::default() });
    let reply = bench.call(Method::GET, &path).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let text = reply.text().await.unwrap();
    assert!(text.starts_with("{\"contact\"") && serde_json::from_str::<Value>(&text).is_err());

    bench.sandbox.set_faults(Faults { html: 1000, ..Faults::default() });
    let reply = bench.call(Method::GET, &path).send().await.unwrap();
    assert!(reply.status() == 200 || reply.status() == 502);
    assert!(reply.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn a_stop_ends_calls_that_hang() {
    let bench = Bench::plain().await;
    bench.sandbox.set_faults(Faults { hang_after: 1000, hang_ms: 3_600_000, ..Faults::default() });
    let path = format!("/contacts/{}/notes", bench.contact());
    let before = bench.state()["notes"].as_array().unwrap().len();
    let call = tokio::spawn(bench.call(Method::POST, &path).json(&json!({ "body": "Lost?" })).send());
    while bench.state()["notes"].as_array().unwrap().len() == before {
        tokio::task::yield_now().await;
    }
    bench.sandbox.stop().await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn the_control_routes_need_no_token_and_steer_the_faults() {
    let bench = Bench::plain().await;
    let url = |path: &str| format!("{}/_sandbox/{path}", bench.sandbox.url());
    let (_, places) = answer(bench.client.get(url("locations")).send().await.unwrap()).await;
    assert_eq!((&places[0]["token"], &places[0]["timeZone"]), (&json!(bench.token), &json!("America/New_York")));
    assert_eq!(places[0]["contacts"].as_array().unwrap().len(), 25);
    let state_url = url(&format!("locations/{}/state", bench.location));
    assert_eq!(answer(bench.client.get(state_url).send().await.unwrap()).await.1, bench.state());

    let faults = bench.client.post(url("faults")).json(&json!({ "throttle": 1000 })).send().await.unwrap();
    assert_eq!(faults.status(), 204);
    assert_eq!(bench.get(&format!("/locations/{}", bench.location)).await.0, 429);
    let unknown = bench.client.post(url("faults")).json(&json!({ "rain": 1000 })).send().await.unwrap();
    assert_eq!(unknown.status(), 422);

    let (_, stats) = answer(bench.client.get(url("stats")).send().await.unwrap()).await;
    let place = &stats["locations"][&bench.location];
    assert_eq!((&place["calls"], &place["throttled"], &stats["faults"]["throttle"]), (&json!(1), &json!(0), &json!(1)));
    bench.client.post(url("stats/reset")).send().await.unwrap();
    assert_eq!(bench.sandbox.stats().locations[&bench.location].calls, 0);
}

#[tokio::test]
async fn an_unknown_route_is_a_404_and_still_counts() {
    let bench = Bench::plain().await;
    let (status, body) = bench.get("/conversations/search").await;
    assert_eq!((status, &body["message"]), (404, &json!("Cannot GET /conversations/search")));
    let (status, _) = bench.send(Method::PATCH, &format!("/contacts/{}", bench.contact()), json!({})).await;
    assert_eq!(status, 404);
    assert_eq!(bench.sandbox.stats().locations[&bench.location].calls, 2);
}
