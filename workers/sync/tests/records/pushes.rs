//! What a push leaves behind.

use sync_workers::records::*;

use crate::support::*;

promises! {
    a_push_takes_over_the_row_that_a_pull_made,
    an_edit_during_a_push_stays_and_is_still_owed,
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

async fn an_edit_during_a_push_stays_and_is_still_owed(db: Db) {
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
