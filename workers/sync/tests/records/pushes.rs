//! What a push leaves behind.

use sync_workers::records::*;

use crate::support::*;

promises! {
    a_push_takes_over_the_row_that_a_pull_made,
    the_reply_to_a_create_takes_nothing_back_of_a_part_that_a_pull_met_first,
    what_is_pending_by_the_row_that_a_pull_made_is_pending_still,
    an_edit_during_a_push_stays_and_is_still_pending,
    an_intent_needs_a_live_run,
}

async fn a_push_takes_over_the_row_that_a_pull_made(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Write")])).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&row, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.titles("c1").await, ["Call", "Write"]);

    let named = TaskChange { clienty_id: Some("t2".to_owned()), ..edit_by_ghl_id("g2", "Write") };
    db.edit(named).await;
    let other = db.edit(new_task("t3", "c1", "Write")).await;
    let push = db.push_run(&other, 1).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    let refused = tx.pushed(&db.task(&other).await, "g2", &task("g2", "Write")).await;
    assert!(matches!(refused, Err(RecordsError::Conflict { .. })), "{refused:?}");
}

/// A task that was announced, and that a pull met before the reply came: GHL's user has edited it by then.
async fn met_first(db: &Db) -> (String, Run, TaskRow) {
    db.pull(1, &pulled("c1", &[])).await;
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.pull(2, &pulled("c1", &[("g1", "Call, says GHL")])).await;
    (row_id, push, row)
}

async fn replied(db: &Db, push: &Run, row: &TaskRow) {
    let mut tx = db.records.begin(push).await.unwrap();
    tx.pushed(row, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
}

async fn the_reply_to_a_create_takes_nothing_back_of_a_part_that_a_pull_met_first(db: Db) {
    let (row_id, push, row) = met_first(&db).await;
    replied(&db, &push, &row).await;
    let row = db.task(&row_id).await;
    assert_eq!((row.doc.title.as_str(), db.titles("c1").await.len()), ("Call, says GHL", 1));
    assert!(row.is_settled(), "{row:?}");
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
}

async fn what_is_pending_by_the_row_that_a_pull_made_is_pending_still(db: Db) {
    for deletes in [false, true] {
        let (id, ghl_id) = (format!("t{deletes}"), format!("g{deletes}"));
        db.pull(1, &pulled("c1", &[])).await;
        let row_id = db.edit(new_task(&id, "c1", "Call")).await;
        let push = db.push_run(&row_id, 1).await;
        let row = db.task(&row_id).await;
        db.pull(2, &pulled("c1", &[(&ghl_id, "Call")])).await;
        let patch = TaskPatch { body: Some(Some("By phone".to_owned())), ..TaskPatch::default() };
        let act = if deletes { Act::Delete } else { Act::Edit };
        db.edit(TaskChange { act, patch, ..edit_by_ghl_id(&ghl_id, "") }).await;
        let mut tx = db.records.begin(&push).await.unwrap();
        tx.pushed(&row, &ghl_id, &task(&ghl_id, "Call")).await.unwrap();
        tx.close_run(&[]).await.unwrap();
        let row = db.task(&row_id).await;
        assert_eq!((row.deleted, row.is_settled()), (deletes, false));
        if !deletes {
            assert_eq!(row.doc.body.as_deref(), Some("By phone"));
        }
        assert!(db.records.start_run(&push_key(&row_id), 9).await.unwrap().is_some(), "it has a job");
        db.pull(3, &pulled("c1", &[])).await;
    }
}

async fn an_edit_during_a_push_stays_and_is_still_pending(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let sent = db.task(&row_id).await;
    let later = TaskPatch { title: Some("Call at noon".to_owned()), ..TaskPatch::default() };
    db.edit(TaskChange { patch: later, ..new_task("t1", "c1", "") }).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&sent, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();

    let row = db.task(&row_id).await;
    assert_eq!((row.doc.title.as_str(), row.base.clone().unwrap().title.as_str()), ("Call at noon", "Call"));
    assert!(!row.is_settled());
    assert!(db.records.start_run(&push_key(&row_id), 2).await.unwrap().is_some());
}

async fn an_intent_needs_a_live_run(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let zombie = db.push_run(&row_id, 1).await;
    db.push_run(&row_id, 2).await;
    let doc = db.task(&row_id).await.doc;
    assert!(is_lost(db.records.set_intent(&zombie, &row_id, Some(&doc)).await));
    assert_eq!(db.task(&row_id).await.intent, None);
}
