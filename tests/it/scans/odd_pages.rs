//! Pages as GHL really makes them: too long, too short, with items that have no id, with texts that no strict parser reads. A scan reads what can be
//! read, shows what could not, and ends.

use ghl_sandbox::{ErrorAnswer, RequestedError, SearchShape};
use serde_json::json;
use sync_workers::records::{Phase, Purpose, Scan};

use super::import::import;
use crate::support::test_app::{Setup, TestApp, call};

async fn imported(setup: Setup, shape: SearchShape) -> (TestApp, Scan) {
    let app = TestApp::working(setup).await;
    app.sandbox.set_search_shape(shape);
    import(&app).await;
    let scan = app.app.records.latest_scan(&app.location().id, Purpose::Import).await.unwrap().unwrap();
    assert_eq!(scan.phase, Phase::Done);
    (app, scan)
}

async fn all_are_here(app: &TestApp) {
    let location = app.location();
    let mut differing = app.mismatches(&location, &app.contacts(&location.id)).await;
    // Lists leave it out.
    differing.retain(|mismatch| mismatch.field != "lastActivity");
    assert_eq!(differing, []);
}

/// 600 contacts of 20 kB: no page of 500 is read.
#[tokio::test]
async fn pages_that_are_too_long_are_asked_for_in_smaller_parts() {
    let setup = Setup { contacts: 600, burst: 3000, ..Setup::default() };
    let shape = SearchShape { padding: 20_000, ..SearchShape::default() };
    let (app, scan) = imported(setup, shape).await;
    assert_eq!((scan.contacts, scan.passed_over, scan.not_shown), (600, 0, 0));
    all_are_here(&app).await;
    // One of 500 in vain, then three of 250, which are not doubled again.
    assert_eq!(app.calls(&app.location().id, "POST /contacts/search"), 4);
    app.finish().await;
}

/// However long the caller waits: a page of more than 70 contacts never comes, and no other could bring all of them.
#[tokio::test]
async fn pages_that_take_too_long_are_asked_for_in_smaller_parts() {
    let setup = Setup { contacts: 100, burst: 3000, ..Setup::impatient() };
    let shape = SearchShape { unanswered_above: 70, ..SearchShape::default() };
    let (app, scan) = imported(setup, shape).await;
    assert_eq!((scan.contacts, scan.passed_over, scan.not_shown), (100, 0, 0));
    // Of 500, of 250 and of 125 in vain, since a call whose time is up spends no attempt that could be counted; then two that come.
    let calls = app.calls(&app.location().id, "POST /contacts/search");
    assert!(calls >= 3 + 2, "{calls}");
    all_are_here(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn pages_that_are_shorter_than_asked_are_not_the_last_while_the_total_says_more() {
    let setup = Setup { contacts: 23, ..Setup::default() };
    let (app, scan) = imported(setup, SearchShape { most: 5, ..SearchShape::default() }).await;
    assert_eq!((scan.contacts, scan.not_shown), (23, 0));
    all_are_here(&app).await;
    assert_eq!(app.calls(&app.location().id, "POST /contacts/search"), 5);
    app.finish().await;
}

#[tokio::test]
async fn items_without_an_id_are_passed_over_and_reported() {
    let setup = Setup { contacts: 23, ..Setup::default() };
    let (app, scan) = imported(setup, SearchShape { without_id: 7, ..SearchShape::default() }).await;
    assert_eq!((scan.contacts, scan.passed_over, scan.not_shown), (20, 3, 0));
    let (location, mut known) = (app.location().id, 0);
    for contact in app.contacts(&location) {
        known += usize::from(app.view(&contact).await.is_some());
    }
    assert_eq!(known, 20);
    app.finish().await;
}

/// Ids that no database keeps, no index holds or no path addresses, in each of GHL's lists.
#[tokio::test]
async fn items_whose_ids_can_be_none_are_passed_over_and_the_scan_goes_on() {
    let odd = ["x".repeat(5000), "nul\0nul".to_owned(), ".\t.".to_owned(), "..".to_owned()];
    for id in &odd {
        let setup = Setup { contacts: 23, ..Setup::default() };
        let app = TestApp::working(setup).await;
        let location = app.location().id;
        app.sandbox.set_search_shape(SearchShape {
            without_id: 7,
            id_instead: Some(id.clone()),
            ..SearchShape::default()
        });
        let lists = [
            (call::SEARCH_TASKS, json!({"tasks": [{"_id": id, "contactId": id, "title": "Odd"}]})),
            (call::LIST_TASKS, json!({"tasks": [{"id": id, "title": "Odd"}]})),
            (call::LIST_NOTES, json!({"notes": [{"id": id, "body": "Odd"}, {"id": "sound", "body": "Sound"}]})),
            (call::LIST_APPOINTMENTS, json!({"events": [{"id": id, "title": "Odd"}]})),
        ];
        // The first call of each list.
        app.sandbox.request_errors(
            lists.map(|(list, body)| RequestedError::once(list, ErrorAnswer::Raw { status: 200, body })).into(),
        );
        import(&app).await;
        let scan = app.app.records.latest_scan(&location, Purpose::Import).await.unwrap().unwrap();
        assert_eq!((scan.phase, scan.contacts, scan.passed_over), (Phase::Done, 20, 3));
        let mut sound = 0;
        for contact in app.contacts(&location) {
            let notes =
                app.view(&contact).await.map(|view| view["notes"].as_array().unwrap().clone()).unwrap_or_default();
            sound += notes.iter().filter(|note| note["noteId"] == "sound").count();
        }
        assert_eq!(sound, 1);
        let counted = app.app.metrics.render().unwrap();
        for list in ["search-contacts-advanced", "task-search", "get-all-notes", "get-appointments-for-contact"] {
            let is_counted = |line: &&str| line.starts_with("clienty_ghl_passed_over_total") && line.contains(list);
            assert!(counted.lines().any(|line| is_counted(&line)), "{list}: {counted}");
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn a_search_that_stands_still_ends_and_is_reported() {
    let setup = Setup { contacts: 23, ..Setup::default() };
    let (app, scan) = imported(setup, SearchShape { most: 5, stuck: true, ..SearchShape::default() }).await;
    // The first page twice.
    assert_eq!((scan.contacts, scan.not_shown), (10, 13));
    app.finish().await;
}

#[tokio::test]
async fn a_lone_surrogate_in_one_text_costs_nothing_but_itself() {
    let app = TestApp::working(Setup { contacts: 30, ..Setup::default() }).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    let odd = &contacts[11];
    // The sandbox shows this character as half of an emoji.
    app.contact_by_hand(Some(odd), json!({"firstName": "Cut \u{e000}"})).await;
    let note = json!({"contactId": odd, "body": "Half \u{e000} of it", "userId": null});
    app.by_hand(reqwest::Method::POST, &format!("/_sandbox/locations/{location}/notes"), note).await;
    import(&app).await;
    for contact in &contacts {
        assert!(app.view(contact).await.is_some());
    }
    let view = app.view(odd).await.unwrap();
    assert_eq!(view["contact"]["firstName"], "Cut \u{fffd}");
    let notes: Vec<_> =
        view["notes"].as_array().unwrap().iter().map(|note| note["noteText"].as_str().unwrap()).collect();
    assert!(notes.contains(&"Half \u{fffd} of it"), "{notes:?}");
    // And a click brings it as well.
    app.report("contact.selected", odd, json!({})).await;
    app.settle().await;
    assert!(app.calls(&location, call::GET_CONTACT) > 0);
    assert_eq!(app.view(odd).await.unwrap()["contact"]["firstName"], "Cut \u{fffd}");
    app.finish().await;
}
