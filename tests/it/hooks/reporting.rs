//! What is reported, to whom, and in which words.

use serde_json::json;

use job_engine::Priority;
use sync_workers::jobs::new_job;
use sync_workers::records::{KeyPlace, NewKey, Places, Purpose, Role};

use super::{api, hook, key, path, send, setup, working};
use crate::support::receiver::{Receiver, accounted, missing_values};
use crate::support::test_app::{Setup, TestApp};

#[tokio::test]
async fn an_edit_in_ghl_is_reported_signed_with_the_record_and_without_a_gap() {
    let (app, _server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    hook(&api, &receiver, &["contact.*"], json!({})).await;
    let location = app.location().id;
    let contact = app.contact_by_hand(None, json!({"firstName": "Ada", "email": "ada@example.com"})).await;
    receiver.until("the new contact is told", |taken| taken.iter().any(|body| body["type"] == "contact.created")).await;
    app.contact_by_hand(Some(&contact), json!({"email": "ada@example.org"})).await;
    let is_edit = |body: &serde_json::Value| body["data"]["email"] == "ada@example.org";
    let taken = receiver.until("the edit is told", |taken| taken.iter().any(is_edit)).await;
    receiver.assert_all_verified();
    let (made, edit) = (&taken[0], taken.iter().find(|body| is_edit(body)).unwrap());
    assert_eq!(
        (&made["type"], &made["locationId"], &made["previous"]),
        (&json!("contact.created"), &json!(location), &json!(null))
    );
    assert_eq!((&edit["type"], &edit["origin"]), (&json!("contact.updated"), &json!("ghl")));
    assert_eq!((&edit["data"]["id"], &edit["changes"]), (&json!(contact), &json!(["email"])));
    assert!(edit["causedBy"]["jobId"].is_string() && edit["causedBy"]["keyId"].is_null(), "{edit}");
    assert_eq!(missing_values(&taken), [0; 0]);
    // It is known by the feed as well, from the place before it on.
    let feed = api.get(&format!("/v1/changes?cursor={}", edit["previous"])).await.json();
    assert!(feed["changes"].as_array().unwrap().iter().any(|change| change["seq"] == edit["sequence"]), "{feed}");
    app.finish().await;
}

#[tokio::test]
async fn nobody_receives_an_own_edit_unless_it_wants_to() {
    let (app, server, _webhooks, ours) = working().await;
    let theirs = api(&app, &server, "second").await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let (own, all, other) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    hook(&ours, &own, &["contact.updated", "note.created"], json!({})).await;
    hook(&ours, &all, &["contact.updated"], json!({"ignoreOwn": false})).await;
    let made = hook(&theirs, &other, &["contact.updated"], json!({})).await;
    let (location, key) = (app.location().id, ours.key.split('_').nth(1).unwrap().to_owned());
    let event = |kind: &str, data| json!({"type": kind, "locationId": location, "contactId": contact, "data": data});
    ours.done(&event("contact.updated", json!({"city": "London"}))).await;
    let is_ours = |taken: &[serde_json::Value]| taken.iter().any(|body| body["data"]["city"] == "London");
    let reported = other.until("another hears of it", is_ours).await;
    assert_eq!((&reported[0]["causedBy"]["keyId"], &reported[0]["origin"]), (&json!(key), &json!("clienty")));
    assert_ne!(made["keyId"], json!(key));
    all.until("who wants to hears of it", is_ours).await;
    // What comes after it is reported, so it was passed over.
    theirs.done(&event("note.created", json!({"clientyNoteId": "n1", "noteText": "Met"}))).await;
    let reported = own.until("the other's note is told", |taken| !taken.is_empty()).await;
    assert_eq!((reported.len(), &reported[0]["type"]), (1, &json!("note.created")));
    assert_eq!(reported[0]["data"]["noteText"], "Met");
    app.finish().await;
}

#[tokio::test]
async fn fields_locations_and_kinds_decide_who_receives() {
    let (app, _server, _webhooks, api) = working().await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let (phone, elsewhere, tasks) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    hook(&api, &phone, &["*"], json!({"fields": ["phone"]})).await;
    hook(&api, &elsewhere, &["*"], json!({"locations": ["another"]})).await;
    hook(&api, &tasks, &["task.completed"], json!({})).await;
    app.contact_by_hand(Some(&contact), json!({"city": "Paris"})).await;
    app.contact_by_hand(Some(&contact), json!({"phone": "+447700900123"})).await;
    let reported = phone.until("the phone is told", |taken| !taken.is_empty()).await;
    assert_eq!(reported[0]["data"]["phone"], "+447700900123");
    assert!(reported[0]["changes"].as_array().unwrap().contains(&json!("phone")), "{}", reported[0]);
    let data = json!({"clientyTaskId": "t1", "title": "Call", "dueDate": "2027-03-01T09:00:00Z"});
    app.report("task.created", &contact, data).await;
    app.settle().await;
    app.report("task.completed", &contact, json!({"clientyTaskId": "t1"})).await;
    let reported = tasks.until("the completed task is told", |taken| !taken.is_empty()).await;
    assert_eq!(
        (reported.len(), &reported[0]["type"], &reported[0]["data"]["completed"]),
        (1, &json!("task.completed"), &json!(true))
    );
    app.settle().await;
    assert!(elsewhere.came().is_empty(), "{:?}", elsewhere.came());
    app.finish().await;
}

#[tokio::test]
async fn an_erased_contact_is_reported_by_its_ids_alone() {
    let (app, _server, _webhooks, api) = working().await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["contact.*"], json!({})).await;
    let erase = format!("/v1/locations/{}/contacts/{contact}/data", app.location().id);
    assert_eq!(send(&api, "DELETE", &erase, json!({})).await.status, 200);
    let reported = receiver.until("the erasure is told", |taken| !taken.is_empty()).await;
    assert_eq!((&reported[0]["type"], &reported[0]["data"]["contactId"]), (&json!("contact.erased"), &json!(contact)));
    assert_eq!(reported[0]["data"]["email"], json!(null));
    let sent = format!("{}/deliveries?state=sent", path(&made));
    app.wait_until("the delivery counts as sent", async || {
        api.get(&sent).await.json()["deliveries"][0]["event"] == "contact.erased"
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn what_an_import_finds_is_reported_to_those_who_want_it_and_edits_after_it_to_all() {
    let (app, _server, _webhooks, api) = working().await;
    let (imports, edits) = (Receiver::start().await, Receiver::start().await);
    hook(&api, &imports, &["contact.*"], json!({"includeImports": true})).await;
    hook(&api, &edits, &["contact.*"], json!({})).await;
    let location = app.location().id;
    let scan = app.app.records.begin_scan(&location, Purpose::Import, false, 0).await.unwrap().unwrap();
    app.app.queue.push(&[new_job(&scan.next_job().unwrap(), Priority::Bulk)]).await.unwrap();
    app.settle().await;
    let contacts = app.contacts(&location);
    imports.until("the import is told", |taken| taken.len() >= contacts.len()).await;
    app.contact_by_hand(Some(&contacts[0]), json!({"city": "Lyon"})).await;
    let reported = edits.until("the edit is told", |taken| !taken.is_empty()).await;
    assert_eq!((reported.len(), &reported[0]["data"]["city"]), (1, &json!("Lyon")));
    app.finish().await;
}

#[tokio::test]
async fn a_hook_receives_what_its_key_may_see_and_ends_with_it() {
    let app = TestApp::working(Setup { locations: 2, contacts: 2, ..setup() }).await;
    let (server, _webhooks) = app.with_webhooks(Default::default()).await;
    let locations: Vec<String> = app.sandbox.locations().into_iter().map(|location| location.id).collect();
    let places = Places::Listed(vec![KeyPlace::Location(locations[0].clone())]);
    let of_one = NewKey { roles: vec![Role::Admin], locations: places, reads_people: false, ..NewKey::of_all("one") };
    let (one, all) = (key(&app, &server, of_one).await, api(&app, &server, "all").await);
    let (here, everywhere) = (Receiver::start().await, Receiver::start().await);
    let made = hook(&one, &here, &["contact.*"], json!({})).await;
    let others = hook(&all, &everywhere, &["contact.*"], json!({})).await;
    let refused =
        send(&one, "POST", "/v1/hooks", json!({"url": here.url, "events": ["*"], "locations": [locations[1]]})).await;
    assert_eq!(refused.faults(422), [(None, "locations".to_owned())]);
    assert_eq!(one.get(&path(&others)).await.status, 404);
    assert_eq!(one.get("/v1/hooks").await.json()["hooks"].as_array().unwrap().len(), 1);
    for location in &locations {
        for contact in app.contacts(location) {
            app.send(json!({"type": "contact.selected", "locationId": location, "contactId": contact})).await;
        }
    }
    everywhere.until("all are told", |taken| taken.len() == 4).await;
    let reported = here.until("those of one location are told", |taken| taken.len() == 2).await;
    for body in &reported {
        assert_eq!((&body["locationId"], &body["type"]), (&json!(locations[0]), &json!("contact.created")));
        assert!(body["data"]["recordId"].is_string() && body["data"]["name"].is_null(), "names are not read: {body}");
    }
    let key_id = one.key.split('_').nth(1).unwrap();
    assert!(app.app.records.revoke_key(key_id).await.unwrap());
    let contact = app.contacts(&locations[0]).remove(0);
    app.send(
        json!({"type": "contact.updated", "locationId": locations[0], "contactId": contact, "data": {"city": "Bonn"}}),
    )
    .await;
    everywhere.until("the edit is told", |taken| taken.len() == 5).await;
    assert_eq!(all.get(&path(&made)).await.json()["disabledWhy"], "its API key is no longer in force");
    assert_eq!(here.came().len(), 2);
    app.finish().await;
}

/// Whatever is edited, by whom, the messages account for every change that is an event, and for nothing else.
#[tokio::test]
async fn the_feed_and_hooks_report_the_same_changes() {
    let (app, _server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["*"], json!({"ignoreOwn": false, "includeImports": true})).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    let event = |kind: &str, contact: &str, data: serde_json::Value| json!({"type": kind, "locationId": location, "contactId": contact, "data": data});
    for round in 0..12_usize {
        // Every pair of a contact and a kind of edit comes, in an order that repeats none of both for long.
        let contact = &contacts[round * 5 % 4];
        match round % 6 {
            0 => drop(app.report("contact.selected", contact, json!({})).await),
            1 => drop(app.contact_by_hand(Some(contact), json!({"city": format!("C{round}")})).await),
            2 => {
                let note = json!({"clientyNoteId": format!("n{round}"), "noteText": "Met"});
                drop(app.send(event("note.created", contact, note)).await);
            }
            3 => drop(app.send(event("contact.updated", contact, json!({"companyName": format!("X{round}")}))).await),
            4 => {
                let task =
                    json!({"clientyTaskId": format!("t{round}"), "title": "Call", "dueDate": "2030-01-01T00:00:00Z"});
                drop(app.send(event("task.created", contact, task)).await);
            }
            _ => {
                let gone = &contacts[4 + round / 6];
                app.remove_by_hand(&format!("/_sandbox/locations/{location}/contacts/{gone}")).await;
            }
        }
        if round % 3 == 0 {
            app.settle().await;
        }
    }
    app.settle().await;
    let mut feed: Vec<serde_json::Value> = Vec::new();
    loop {
        let cursor = feed.last().map_or(0, |change| change["seq"].as_i64().unwrap());
        let page = api.get(&format!("/v1/changes?limit=1000&cursor={cursor}")).await.json();
        match page["changes"].as_array().unwrap().as_slice() {
            [] => break,
            changes => feed.extend(changes.iter().cloned()),
        }
    }
    // That GHL has it now is no event; that GHL refuses it is one.
    let is_event = |change: &&serde_json::Value| {
        change["op"] != "synced" || ["refused", "partlyApplied"].iter().any(|state| change["sync"]["state"] == *state)
    };
    let mut expected: Vec<i64> = feed.iter().filter(is_event).map(|change| change["seq"].as_i64().unwrap()).collect();
    expected.sort_unstable();
    assert!(expected.len() > 10, "{feed:?}");
    let dropped = async || {
        let dropped = api.get(&format!("{}/deliveries?state=dropped&limit=500", path(&made))).await.json();
        let dropped = dropped["deliveries"].as_array().unwrap().clone();
        dropped.into_iter().map(|one| one["sequence"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    app.wait_until("the messages account for all changes", async || {
        let accounted = receiver.taken().iter().flat_map(accounted).map(|(seq, _)| seq).collect::<Vec<_>>();
        let mut reported = [accounted, dropped().await].concat();
        reported.sort_unstable();
        reported.dedup();
        assert!(reported.iter().all(|seq| expected.contains(seq)), "{reported:?} are not all of {expected:?}");
        reported == expected
    })
    .await;
    receiver.assert_all_verified();
    app.finish().await;
}
