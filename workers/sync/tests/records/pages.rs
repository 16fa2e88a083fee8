//! A scan's pages: hundreds of contacts in one transaction.

use sync_model::record::{Contact, Task};
use sync_workers::records::*;

use crate::sent::Sent;
use crate::support::*;

promises! {
    a_page_stores_what_is_new_follows_what_differs_and_reports_each_once,
    a_task_of_two_contacts_of_a_page_belongs_to_whom_it_was_reported_of_last,
    a_page_leaves_an_awaited_create_to_its_push,
}

/// Stores a page as a scan does; when it ended, all of it was seen.
async fn page(db: &Db, epoch: i64, contacts: &[(Contact, Vec<Task>)]) -> Scan {
    let scan = db.records.begin_scan(LOC, Purpose::Import, false, 0).await.unwrap().unwrap();
    let run = db.records.start_run(&scan.next_job().unwrap(), epoch).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    store(&mut tx, &scan, contacts).await;
    let ended = Scan { phase: Phase::Done, ..scan };
    tx.save_scan(&ended).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.records.unseen_contacts(&ended, "", 1000).await.unwrap(), [""; 0]);
    ended
}

async fn store(tx: &mut Tx, scan: &Scan, contacts: &[(Contact, Vec<Task>)]) {
    let ids: Vec<_> = contacts.iter().map(|(contact, _)| contact.id.as_str()).collect();
    let beside = tx.beside(&ids, i64::MAX).await.unwrap();
    for (contact, tasks) in contacts {
        let snapshot = beside.snapshots.get(&contact.id).cloned().unwrap_or_default();
        let parts = Parts { contact: Some(contact.clone()), tasks: Some(tasks.clone()), ..Parts::default() };
        tx.store_parts(&contact.id, &parts, &snapshot).await.unwrap();
        tx.mark_seen(scan, &contact.id).await.unwrap();
    }
}

fn contacts(count: usize) -> Vec<(Contact, Vec<Task>)> {
    let of =
        |n| (contact(&format!("c{n}"), "Ada"), vec![task(&format!("a{n}"), "Call"), task(&format!("b{n}"), "Write")]);
    (0..count).map(of).collect()
}

async fn reported(db: &Db, since: &mut String) -> Vec<String> {
    let page = db.records.list_changes(Some(since), 1000).await.unwrap();
    *since = page.next_cursor.unwrap();
    let reported = |change: ChangeItem| format!("{} {} {:?}", change.record, change.ghl_id.unwrap(), change.op);
    let mut reported: Vec<_> = page.items.into_iter().map(reported).collect();
    reported.sort();
    reported
}

async fn a_page_stores_what_is_new_follows_what_differs_and_reports_each_once(db: Db) {
    let mut since = "0".to_owned();
    let mut all = contacts(120);
    page(&db, 1, &all).await;
    assert_eq!(reported(&db, &mut since).await.len(), 360);
    assert_eq!(db.records.count_shown_contacts(LOC).await.unwrap(), 120);
    assert_eq!(db.titles("c119").await, ["Call", "Write"]);

    page(&db, 2, &all).await;
    assert_eq!(reported(&db, &mut since).await, [""; 0], "nothing reads differently");

    all[3].0.name = Some("Grace".to_owned());
    all[4].1 = vec![task("a4", "Call today")];
    all.push((contact("new", "Eve"), Vec::new()));
    page(&db, 3, &all).await;
    assert_eq!(
        reported(&db, &mut since).await,
        ["contact c3 Stored", "contact new Stored", "task a4 Stored", "task b4 Deleted"]
    );
    assert_eq!(db.titles("c4").await, ["Call today"]);
}

async fn a_task_of_two_contacts_of_a_page_belongs_to_whom_it_was_reported_of_last(db: Db) {
    let reported_of = |ids: [&str; 2]| ids.map(|id| (contact(id, "Ada"), vec![task("shared", "Shared")]));
    for (epoch, order) in [(1, ["c1", "c2"]), (2, ["c2", "c1"])] {
        page(&db, epoch, &reported_of(order)).await;
        assert_eq!(db.titles(order[1]).await, ["Shared"]);
        assert_eq!(db.titles(order[0]).await, [""; 0]);
    }
}

async fn a_page_leaves_an_awaited_create_to_its_push(db: Db) {
    page(&db, 1, &[(contact("c1", "Ada"), Vec::new())]).await;
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.records.set_intent(&push, &row_id, Some(&row.doc)).await.unwrap();
    page(&db, 2, &[(contact("c1", "Ada"), vec![task("g1", "Call"), task("g2", "Another")])]).await;
    assert_eq!(db.titles("c1").await, ["Call", "Another"], "one row each");
}

#[tokio::test]
async fn of_scans_one_at_a_time_stores_and_nobody_else_waits_for_it() {
    let db = Db::postgres().await;
    let (scan, other) = (JobKey::new(JobKind::WalkContacts, LOC, "w1"), JobKey::new(JobKind::WalkDetails, LOC, "w2"));
    let run = |key| Run {
        key,
        epoch: 1,
        ids: Vec::new(),
        attempts: 0,
        created_at_ms: 0,
        steps: Vec::new(),
        by_webhook: 0,
        found: Vec::new(),
    };
    let (scan, other, pull) = (run(scan), run(other), run(pull_key("c1")));
    let stores = db.records.begin(&scan).await.unwrap();
    let mut waits = std::pin::pin!(db.records.begin(&other));
    // Many times as long as it would take.
    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = &mut waits => panic!("two walks store at once"),
            pull = db.records.begin(&pull) => drop(pull.unwrap()),
        }
    }
    drop(stores);
    waits.await.unwrap();
}

#[tokio::test]
async fn an_edit_that_comes_while_a_page_is_stored_stays() {
    // Where writers are not all in one line, as they are over SQLite.
    let db = Db::postgres().await;
    page(&db, 1, &contacts(2)).await;
    let scan = db.records.begin_scan(LOC, Purpose::Import, false, 0).await.unwrap().unwrap();
    let run = db.records.start_run(&scan.next_job().unwrap(), 2).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    let beside = tx.beside(&["c0"], i64::MAX).await.unwrap();
    let row_id = db.edit(edit_by_ghl_id("a0", "Call at noon")).await;
    let parts = Parts { tasks: Some(vec![task("b0", "Write")]), ..Parts::default() };
    tx.store_parts("c0", &parts, &beside.snapshots["c0"]).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.titles("c0").await, ["Call at noon", "Write"]);
    assert!(db.task(&row_id).await.base.is_some(), "the push will be told that it is gone");
}

#[tokio::test]
async fn how_many_statements_a_page_takes_does_not_grow_with_its_contacts() {
    // SQLite's are run in threads of their own, where this test can't count them.
    let db = Db::postgres().await;
    Sent::listen();
    let all = contacts(400);
    for (epoch, most) in [(1, 70), (2, 20)] {
        page(&db, epoch, &all).await;
        let taken = Sent::take().len();
        assert!((10..=most).contains(&taken), "{taken} statements for 400 contacts with 800 tasks");
    }
}
