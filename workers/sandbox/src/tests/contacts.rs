//! Contacts: reads, writes, tags, lists and search.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, answer};

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
