//! What a pull stores and what it leaves alone.

use std::collections::HashSet;

use sync_workers::records::model::{Appointment, Note, Task};
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_pull_keeps_an_edit_made_meanwhile,
    a_pull_follows_what_is_settled_and_only_rebases_what_is_not,
    a_pull_removes_what_ghl_no_longer_has,
    a_pull_leaves_an_awaited_create_to_its_push,
    a_deleted_task_does_not_come_back_with_an_older_pull,
    a_contact_that_is_gone_is_not_returned,
}

async fn a_pull_keeps_an_edit_made_meanwhile(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let run = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let row_id = db.edit(edit_by_ghl_id("g1", "Call at noon")).await;
    let created = db.edit(new_task("t2", "c1", "New here")).await;
    db.store(&run, &pulled("c1", &[("g1", "Call, says GHL")]), &snapshot).await;

    let row = db.task(&row_id).await;
    assert_eq!(row.doc.title, "Call at noon");
    assert_eq!(row.base.unwrap().title, "Call", "the base is as old as the edit's");
    assert!(!db.task(&created).await.deleted);
    assert_eq!(db.titles("c1").await, ["Call at noon", "New here"]);
}

async fn a_pull_follows_what_is_settled_and_only_rebases_what_is_not(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Write")])).await;
    let edited = db.edit(edit_by_ghl_id("g2", "Write today")).await;
    db.pull(2, &pulled("c1", &[("g1", "Call, says GHL"), ("g2", "Write, says GHL")])).await;
    assert_eq!(db.titles("c1").await, ["Call, says GHL", "Write today"]);
    let row = db.task(&edited).await;
    assert_eq!((row.base.unwrap().title.as_str(), row.revision), ("Write, says GHL", 3));
    assert_eq!(row.edits.keys().collect::<Vec<_>>(), ["title"]);
    let conflict = db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items.remove(0);
    let values = [&conflict.base, &conflict.ours, &conflict.theirs].map(|value| value.as_str().unwrap());
    assert_eq!((values, conflict.winner.as_str()), (["Write", "Write today", "Write, says GHL"], "clienty"));
}

async fn a_pull_removes_what_ghl_no_longer_has(db: Db) {
    let appointment = |id: &str| Appointment {
        appointment_id: Some(id.to_owned()),
        contact_id: "c1".to_owned(),
        ..Appointment::default()
    };
    let note = Note { note_id: Some("n1".to_owned()), note_text: "Met".to_owned(), ..Note::default() };
    let first = Pulled {
        notes: vec![note],
        appointments: vec![appointment("a1"), appointment("a2")],
        ..pulled("c1", &[("g1", "Call"), ("g2", "Write")])
    };
    db.pull(1, &first).await;
    let local = db.edit(new_task("t1", "c1", "Only here")).await;
    db.edit(edit_by_ghl_id("g2", "Write today")).await;
    db.pull(2, &Pulled { appointments: vec![appointment("a2")], ..pulled("c1", &[]) }).await;

    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    let titles: Vec<&str> = view.tasks.iter().map(|shown| shown.record.task.title.as_str()).collect();
    assert_eq!(titles, ["Write today", "Only here"], "an edit that GHL has not seen is the push's to decide");
    assert_eq!(view.notes, []);
    assert_eq!(view.appointments, [Shown { record: appointment("a2"), deleted_at: None, sync: None }]);
    assert!(!db.task(&local).await.deleted);

    db.pull(3, &first).await;
    assert_eq!(db.titles("c1").await, ["Call", "Write today", "Only here"], "GHL has it again");
}

async fn a_pull_leaves_an_awaited_create_to_its_push(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.records.set_intent(&push, &row_id, Some(&row.doc)).await.unwrap();
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Another")])).await;
    assert_eq!(db.titles("c1").await, ["Call", "Another"], "one row each");
    assert_eq!(db.records.linked_ids::<Task>(LOC, "c1").await.unwrap(), HashSet::from(["g2".to_owned()]));

    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&row, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let row = db.task(&row_id).await;
    assert_eq!((row.ghl_id.as_deref(), row.intent.clone()), (Some("g1"), None));
    assert!(row.is_settled());
}

async fn a_deleted_task_does_not_come_back_with_an_older_pull(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&db.task(&row_id).await, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;

    db.edit(delete_by_clienty_id("t1")).await;
    let row = db.task(&row_id).await;
    assert!(row.deleted && !row.is_settled(), "GHL still has to be told");
    let pull = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let push = db.push_run(&row_id, 2).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.removed(&row).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    db.store(&pull, &pulled("c1", &[("g1", "Call")]), &snapshot).await;

    assert_eq!(db.titles("c1").await, [""; 0]);
    assert!(db.task(&row_id).await.is_settled());
}

async fn a_contact_that_is_gone_is_not_returned(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let run = db.pull_run("c1", 2).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone("c1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap(), None);
    let page = db.records.list_contacts(LOC, &ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert_eq!(page.items, []);

    db.pull(3, &pulled("c1", &[("g1", "Call")])).await;
    assert_eq!(db.titles("c1").await, ["Call"], "GHL has it again");
}
