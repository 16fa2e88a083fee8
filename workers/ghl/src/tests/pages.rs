//! Walks over pages, and the limits of a search.

use std::pin::pin;

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::super::model::{ContactPage, Filter, SearchContacts, SearchTasks, TaskPage};
use super::super::{Class, GhlError};
use super::requests::sent;
use super::*;

fn search() -> SearchContacts {
    SearchContacts { page_limit: 2, ..SearchContacts::all("l1") }
}

fn page(contacts: Value) -> Answer {
    Answer::json(200, &json!({"contacts": contacts, "total": 3}).to_string())
}

fn full() -> Answer {
    page(json!([{"id": "c1", "searchAfter": [1, "c1"]}, {"id": "c2", "searchAfter": [2, "c2"]}]))
}

fn ids(page: &ContactPage) -> Vec<&str> {
    page.contacts.iter().map(|found| found.contact.id.as_str()).collect()
}

#[tokio::test]
async fn of_a_series_each_appointment_is_reported_once() {
    let event = |id: &str, day: u8| json!({"id": id, "startTime": format!("2026-07-{day:02} 09:00:00")});
    for (events, expected) in [
        // By its instances alone, with the event that heads it, and with that in the place of the first.
        (
            json!([event("m_1783342800000_1800", 6), event("m_1783429200000_1800", 7)]),
            vec!["m_1783342800000_1800", "m_1783429200000_1800"],
        ),
        (
            json!([event("m", 6), event("m_1783342800000_1800", 6), event("m_1783429200000_1800", 7)]),
            vec!["m_1783342800000_1800", "m_1783429200000_1800"],
        ),
        (json!([event("m", 6), event("m_1783429200000_1800", 7)]), vec!["m", "m_1783429200000_1800"]),
        (
            json!([event("m", 6), event("n_1783342800000_1800", 6), event("a_b", 6)]),
            vec!["m", "n_1783342800000_1800", "a_b"],
        ),
    ] {
        let bench = Bench::with([Answer::json(200, &json!({ "events": events }).to_string())]).await;
        let reported = bench.run().list_appointments("c1").await.unwrap().items;
        assert_eq!(reported.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), expected);
    }
}

fn bodies(bench: &Bench) -> Vec<Value> {
    bench.server.requests().iter().map(|request| sent(request).1.unwrap()).collect()
}

#[tokio::test]
async fn a_scan_hands_the_end_of_each_page_to_the_next_and_ends_after_the_last() {
    let bench = Bench::with([full(), page(json!([{"id": "c3", "searchAfter": [3, "c3"]}]))]).await;
    let pages: Vec<_> = bench.run().contact_pages(search()).try_collect().await.unwrap();
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), ["c1", "c2", "c3"]);
    assert_eq!((pages[0].total, &pages[1].next), (Some(3), &None));
    let asked = bodies(&bench);
    assert_eq!(asked[0], json!({"locationId": "l1", "pageLimit": 2}));
    assert_eq!(asked[1], json!({"locationId": "l1", "pageLimit": 2, "searchAfter": [2, "c2"]}));
    assert_eq!((asked.len(), bench.permits.used()), (2, 2));
}

#[tokio::test]
async fn a_scan_without_a_permit_left_ends_and_says_where_another_run_goes_on() {
    let bench = Bench::with([full(), page(json!([{"id": "c3", "searchAfter": [3, "c3"]}]))]).await;
    let (first, second) = (permits(1), permits(1));
    let scan = |permits| bench.ghl.for_run(&bench.token, permits);
    let pages: Vec<ContactPage> = scan(&first).contact_pages(search()).try_collect().await.unwrap();
    assert_eq!(pages.len(), 1);

    // What is kept between the runs is text.
    let kept = serde_json::to_string(&pages[0].next).unwrap();
    let resumed = SearchContacts { search_after: serde_json::from_str(&kept).unwrap(), shown: 2, ..search() };
    let pages: Vec<_> = scan(&second).contact_pages(resumed).try_collect().await.unwrap();
    assert_eq!((ids(&pages[0]), &pages[0].next), (vec!["c3"], &None));
    assert_eq!(bodies(&bench)[1]["searchAfter"], json!([2, "c2"]));
}

#[tokio::test]
async fn no_permit_at_all_is_no_empty_list() {
    let bench = Bench::with([]).await;
    let none = permits(0);
    let run = bench.ghl.for_run(&bench.token, &none);
    assert!(matches!(pin!(run.contact_pages(search())).next().await, Some(Err(GhlError::Permit(_)))));
    let tasks = run.task_pages("l1", SearchTasks { limit: 2, ..SearchTasks::default() });
    assert!(matches!(pin!(tasks).next().await, Some(Err(GhlError::Permit(_)))));
}

#[tokio::test]
async fn an_error_ends_the_scan_and_the_last_page_still_says_where_to_go_on() {
    let bench = Bench::with([full(), Answer::json(500, "")]).await;
    let run = bench.run();
    let mut pages = pin!(run.contact_pages(search()));
    let first = pages.next().await.unwrap().unwrap();
    assert!(first.next.is_some());
    assert_eq!(pages.next().await.unwrap().unwrap_err().class(), Class::Passing);
    assert!(pages.next().await.is_none());
}

/// Items of the search, each with its place.
fn items(ids: &[u64]) -> Vec<Value> {
    ids.iter().map(|id| json!({"id": format!("c{id}"), "searchAfter": [id, format!("c{id}")]})).collect()
}

fn of(total: u64, contacts: Vec<Value>) -> Answer {
    Answer::json(200, &json!({"contacts": contacts, "total": total}).to_string())
}

#[tokio::test]
async fn a_full_page_whose_end_is_missing_is_an_error_that_names_the_place() {
    let no_end = page(json!([{"id": "c1"}, {"id": "c2", "searchAfter": []}]));
    let bench = Bench::with([no_end]).await;
    let error = bench.run().contact_pages(search()).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(
        matches!(&error, GhlError::Undecodable { operation: "search-contacts-advanced", field, .. }
            if field == "contacts[].searchAfter"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_page_shorter_than_asked_is_the_last_only_where_the_total_agrees() {
    let bench = Bench::with([of(4, items(&[1])), of(4, items(&[2, 3])), of(4, items(&[4]))]).await;
    let search = SearchContacts { page_limit: 3, ..search() };
    let pages: Vec<_> = bench.run().contact_pages(search).try_collect().await.unwrap();
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), ["c1", "c2", "c3", "c4"]);
    assert_eq!(pages.last().unwrap().not_shown, 0);
    let after: Vec<_> = bodies(&bench).iter().map(|body| body["searchAfter"][0].clone()).collect();
    assert_eq!(after, [json!(null), json!(1), json!(3)]);
}

#[tokio::test]
async fn pages_that_bring_nothing_new_end_the_scan_and_report_how_many_are_missing() {
    let by_change = || SearchContacts { page_limit: 2, ..SearchContacts::by_change("l1") };
    for (answers, not_shown) in [
        // Nothing more comes.
        (vec![of(9, items(&[1, 2])), of(9, Vec::new())], 7),
        // The same page again.
        (vec![of(9, items(&[1, 2])), of(9, items(&[1, 2]))], 5),
        // Round in a circle.
        (vec![of(9, items(&[1, 2])), of(9, items(&[3, 4])), of(9, items(&[1, 2]))], 3),
    ] {
        let calls = answers.len();
        let bench = Bench::with(answers).await;
        let pages: Vec<_> = bench.run().contact_pages(by_change()).try_collect().await.unwrap();
        assert_eq!((pages.len(), pages.last().unwrap().not_shown), (calls, not_shown));
    }
}

#[tokio::test]
async fn an_item_without_an_id_costs_neither_its_page_nor_those_behind_it() {
    let odd = |place: u64| json!({"email": "x@y.z", "searchAfter": [place, "?"]});
    let first = vec![odd(1), items(&[2]).remove(0), odd(3)];
    let bench = Bench::with([of(4, first), of(4, items(&[4]))]).await;
    let search = SearchContacts { page_limit: 3, ..search() };
    let pages: Vec<_> = bench.run().contact_pages(search).try_collect().await.unwrap();
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), ["c2", "c4"]);
    assert_eq!(pages.iter().map(|page| page.passed_over).collect::<Vec<_>>(), [2, 0]);
    // It goes on behind the last item, which could not be read.
    assert_eq!(bodies(&bench)[1]["searchAfter"], json!([3, "?"]));
}

#[tokio::test]
async fn a_reply_that_is_too_long_says_so_and_a_list_without_pages_may_be_longer() {
    let notes = |length: usize| {
        let note = json!({"id": "n1", "contactId": "c1", "body": "x".repeat(length)});
        Answer::json(200, &json!({"notes": [note], "contacts": [{"id": "c1"}], "total": 1}).to_string())
    };
    let mib = 1024 * 1024;
    let bench = Bench::with([notes(9 * mib), notes(9 * mib), notes(9 * mib), notes(65 * mib)]).await;
    let two = bench.run().search_contacts(&search()).await.unwrap_err();
    assert!(matches!(two, GhlError::TooLong { operation: "search-contacts-advanced", .. }), "{two:?}");
    // A page of one has no half.
    let one = SearchContacts { page_limit: 1, ..search() };
    assert_eq!(bench.run().search_contacts(&one).await.unwrap().contacts.len(), 1);
    assert_eq!(bench.run().list_notes("c1").await.unwrap().items.len(), 1);
    let error = bench.run().list_notes("c1").await.unwrap_err();
    assert!(error.to_string().contains("GHL_LONG_LIST_MIB"), "{error}");
}

#[tokio::test]
async fn a_search_past_the_limits_names_the_limit_and_is_not_sent() {
    let bench = Bench::with([]).await;
    let order = SearchContacts::changed("l1", jiff::Timestamp::UNIX_EPOCH, None).sort;
    let three = [order.clone(), order.clone(), order].concat();
    for (search, named) in [
        (SearchContacts { page_limit: 0, ..search() }, "pageLimit"),
        (SearchContacts { page_limit: 501, ..search() }, "pageLimit"),
        (SearchContacts { query: Some("é".repeat(76)), ..search() }, "query"),
        (SearchContacts { sort: three, ..search() }, "sort"),
    ] {
        let error = bench.run().search_contacts(&search).await.unwrap_err();
        assert!(matches!(&error, GhlError::Unsendable { reason, .. } if reason.contains(named)), "{error:?}");
    }
    let ids = vec!["c1".to_owned(); 51];
    let error = bench.run().set_business("l1", &ids, None).await.unwrap_err();
    assert!(error.to_string().contains("ids has 51"), "{error}");
    let error = bench.run().find_duplicate_contact("l1", None, None).await.unwrap_err();
    assert!(matches!(error, GhlError::Unsendable { .. }), "{error:?}");
    assert_eq!((bench.server.requests().len(), bench.permits.used()), (0, 0));
}

#[tokio::test]
async fn a_scan_over_tasks_counts_what_it_was_given_until_nothing_comes() {
    let tasks = |ids: &[&str]| {
        let tasks: Vec<_> = ids.iter().map(|id| json!({"_id": id, "contactId": "c1"})).collect();
        Answer::json(200, &json!({"tasks": tasks}).to_string())
    };
    let bench = Bench::with([tasks(&["t1", "t2"]), tasks(&["t3"]), tasks(&[])]).await;
    // GHL may give fewer than it is asked for.
    let search = SearchTasks { limit: 100, completed: Some(false), ..SearchTasks::default() };
    let pages: Vec<TaskPage> = bench.run().task_pages("l1", search).try_collect().await.unwrap();
    let found: Vec<_> = pages.iter().flat_map(|page| &page.tasks).map(|task| task.id.as_str()).collect();
    assert_eq!(found, ["t1", "t2", "t3"]);
    assert_eq!(pages.iter().map(|page| page.next).collect::<Vec<_>>(), [Some(2), Some(3), None]);
    let skips: Vec<_> = bodies(&bench).iter().map(|body| body["skip"].clone()).collect();
    assert_eq!(skips, [json!(0), json!(2), json!(3)]);
}

#[test]
fn an_open_span_of_change_has_no_end() {
    let filter = Filter::changed("2026-01-01T00:00:00.25Z".parse().unwrap(), None);
    let expected = json!({"field": "dateUpdated", "operator": "range", "value": {"gte": "2026-01-01T00:00:00.25Z"}});
    assert_eq!(json!(filter), expected);
}
