//! That GHL does not have a record is as old as the call that reported it: what was met since is not hidden by it.

use crate::support::*;

promises! {
    a_contact_that_was_met_since_the_call_is_not_gone,
    a_part_that_was_met_since_the_call_is_looked_at,
}

async fn a_contact_that_was_met_since_the_call_is_not_gone(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let met_at = db.clock.now_ms();
    for (since_ms, is_gone) in [(met_at - 5, false), (met_at, false), (met_at + 1, true)] {
        let run = db.pull_run("c1", 2 + since_ms).await;
        let mut tx = db.records.begin(&run).await.unwrap();
        assert_eq!(tx.contact_is_gone_since("c1", since_ms).await.unwrap(), is_gone);
        tx.close_run(&[]).await.unwrap();
        assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap().is_none(), is_gone);
    }
}

async fn a_part_that_was_met_since_the_call_is_looked_at(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let row_id = db.edit(edit_by_ghl_id("g1", "Call at noon")).await;
    let before = db.task(&row_id).await;
    db.pull(2, &pulled("c1", &[("g1", "Call, says GHL")])).await;
    let push = db.push_run(&row_id, 3).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    assert!(!tx.removed_unless_met(&before).await.unwrap());
    tx.keep_open().await.unwrap();
    let now = db.task(&row_id).await;
    assert!(!now.deleted && now.unanswered.needs_look());
    let mut tx = db.records.begin(&db.push_run(&row_id, 4).await).await.unwrap();
    assert!(tx.removed_unless_met(&now).await.unwrap());
    tx.close_run(&[]).await.unwrap();
    assert!(db.task(&row_id).await.deleted);
}
