//! What readers get.

use jiff::SignedDuration;

use serde_json::json;
use sync_model::record::{Appointment, Contact, Task, TaskStatus};
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_view_reports_the_status_of_its_tasks,
    the_cursor_of_a_list_is_stable,
    a_list_is_searched_as_text_and_by_date,
    the_feed_reports_changes_in_order_and_nothing_unchanged,
    a_reader_that_was_away_for_too_long_is_reported_so,
    what_was_deleted_is_shown_to_those_who_ask_until_it_is_forgotten,
}

async fn a_view_reports_the_status_of_its_tasks(db: Db) {
    let due = |ghl_id: &str, due: &str| Task { due_date: Some(due.parse().unwrap()), ..task(ghl_id, "Call") };
    let tasks = vec![
        due("g1", "2026-06-01T11:00:00Z"),
        due("g2", "2026-06-01T13:00:00Z"),
        Task { completed: true, ..due("g3", "2026-06-01T11:00:00Z") },
    ];
    db.pull(1, &Pulled { tasks, ..pulled("c1", &[]) }).await;
    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    let statuses: Vec<TaskStatus> = view.tasks.iter().map(|shown| shown.record.status).collect();
    assert_eq!(statuses, [TaskStatus::Overdue, TaskStatus::Open, TaskStatus::Completed]);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["syncedAt"], NOW);
    assert_eq!(json["tasks"][0]["taskId"], "g1");
    assert_eq!(json["tasks"][0]["contactId"], "c1");
    assert_eq!(json["tasks"][0]["status"], "overdue");
    assert_eq!(json["tasks"][0]["dueDate"], "2026-06-01T11:00:00Z");
    assert_eq!(db.records.contact_view("elsewhere", "c1").await.unwrap(), None);
}

async fn the_cursor_of_a_list_is_stable(db: Db) {
    for id in ["c1", "c3", "c5", "c7"] {
        db.pull(1, &pulled(id, &[])).await;
    }
    let query = ListQuery { limit: 2, ..ListQuery::default() };
    let first = db.records.list_contacts(LOC, &query).await.unwrap();
    let ids = |page: &Page<Shown<Contact>>| page.items.iter().map(|shown| shown.record.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ["c1", "c3"]);
    db.pull(1, &pulled("c2", &[])).await;
    db.pull(1, &pulled("c6", &[])).await;
    db.pull(2, &Pulled { contact: contact("c1", "Ada King"), ..pulled("c1", &[]) }).await;
    let second = ListQuery { cursor: first.next_cursor, ..query.clone() };
    let second = db.records.list_contacts(LOC, &second).await.unwrap();
    assert_eq!(ids(&second), ["c5", "c6"]);
    let third = db.records.list_contacts(LOC, &ListQuery { cursor: second.next_cursor, ..query }).await.unwrap();
    assert_eq!((ids(&third), third.next_cursor), (vec!["c7".to_owned()], None));

    let stray = ListQuery { limit: 2, cursor: Some("?".to_owned()), ..ListQuery::default() };
    assert!(matches!(db.records.list_contacts(LOC, &stray).await, Err(RecordsError::Cursor)));
}

async fn a_list_is_searched_as_text_and_by_date(db: Db) {
    let updated = |at: &str| Some(at.parse().unwrap());
    let people = [
        Contact { date_updated: updated("2026-05-01T00:00:00Z"), ..contact("c1", "Ada Lovelace") },
        Contact { email: Some("50%_off@example.com".to_owned()), ..contact("c2", "Édith") },
        Contact { date_updated: updated("2026-05-03T00:00:00Z"), ..contact("c3", "Grace Hopper!") },
    ];
    for contact in people {
        db.pull(1, &Pulled { contact: contact.clone(), ..pulled(&contact.id, &[]) }).await;
    }
    let cases = [("LOVE", "c1"), ("%_OFF", "c2"), ("édith", "c2"), ("!", "c3")];
    for (text, expected) in cases {
        let query = ListQuery { limit: 10, query: Some(text.to_owned()), ..ListQuery::default() };
        let page = db.records.list_contacts(LOC, &query).await.unwrap();
        assert_eq!(page.items.iter().map(|shown| shown.record.id.as_str()).collect::<Vec<_>>(), [expected], "{text}");
    }
    let since = ListQuery { limit: 10, updated_since: updated("2026-05-02T00:00:00Z"), ..ListQuery::default() };
    assert_eq!(db.records.list_contacts(LOC, &since).await.unwrap().items.len(), 2);
}

async fn the_feed_reports_changes_in_order_and_nothing_unchanged(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let reported = db.records.list_changes(None, 10).await.unwrap();
    let seen: Vec<_> = reported.items.iter().map(|item| (item.seq, item.record.as_str(), item.op)).collect();
    assert_eq!(seen, [(1, "contact", ChangeOp::Stored), (2, "task", ChangeOp::Stored)]);

    db.pull(2, &pulled("c1", &[("g1", "Call")])).await;
    let nothing = db.records.list_changes(reported.next_cursor.as_deref(), 10).await.unwrap();
    assert_eq!((nothing.items, nothing.next_cursor), (vec![], reported.next_cursor.clone()));

    let writers: Vec<_> = (0..8)
        .map(|number| {
            let records = db.records.clone();
            let change = new_task(&format!("t{number}"), "c1", "Call");
            tokio::spawn(async move { records.accept(&[edited(change)]).await.unwrap() })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let later = db.records.list_changes(reported.next_cursor.as_deref(), 10).await.unwrap();
    assert_eq!(later.items.iter().map(|item| item.seq).collect::<Vec<_>>(), (3..11).collect::<Vec<_>>());
}

async fn a_reader_that_was_away_for_too_long_is_reported_so(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Write")])).await;
    let first = db.records.list_changes(None, 1).await.unwrap().next_cursor;
    db.clock.set(db.clock.now() + SignedDuration::from_secs(60));
    let between = db.clock.now_ms();
    db.pull(2, &pulled("c2", &[])).await;

    assert_eq!(db.records.prune_changes(between, 2).await.unwrap(), 2, "no more at once than asked for");
    assert_eq!(db.records.prune_changes(between, 2).await.unwrap(), 1);
    assert_eq!(db.records.prune_changes(between, 2).await.unwrap(), 0);
    for cursor in ["0", first.as_deref().unwrap(), "2"] {
        let answer = db.records.list_changes(Some(cursor), 10).await;
        assert!(matches!(answer, Err(RecordsError::Pruned)), "{cursor}: {answer:?}");
    }
    for cursor in [None, Some("3")] {
        let kept = db.records.list_changes(cursor, 10).await.unwrap();
        assert_eq!(kept.items.iter().map(|item| (item.seq, item.record_id.as_str())).collect::<Vec<_>>(), [(4, "c2")]);
    }
    for stray in ["5", "-1", "", "x", "99999999999999999999"] {
        assert!(matches!(db.records.list_changes(Some(stray), 10).await, Err(RecordsError::Cursor)), "{stray}");
    }
    let end = db.records.list_changes(Some(LATEST), 10).await.unwrap();
    assert_eq!((end.items, end.next_cursor.as_deref()), (vec![], Some("4")));

    // Even where nothing is left, the next change has the next number.
    db.clock.set(db.clock.now() + SignedDuration::from_secs(60));
    assert_eq!(db.records.prune_changes(db.clock.now_ms(), 10).await.unwrap(), 1);
    db.pull(3, &pulled("c3", &[])).await;
    assert_eq!(db.records.list_changes(Some("4"), 10).await.unwrap().items[0].seq, 5);
}

async fn what_was_deleted_is_shown_to_those_who_ask_until_it_is_forgotten(db: Db) {
    let meeting =
        Appointment { appointment_id: Some("a1".to_owned()), contact_id: "c1".to_owned(), ..Appointment::default() };
    db.pull(1, &Pulled { appointments: vec![meeting], ..pulled("c1", &[("g1", "Call"), ("g2", "Write")]) }).await;
    db.pull(2, &pulled("c1", &[("g1", "Call")])).await;
    db.pull(1, &pulled("c2", &[])).await;
    let view = async || serde_json::to_value(db.records.view_with_deleted(LOC, "c1").await.unwrap()).unwrap();
    let shown = view().await;
    assert_eq!(shown["contact"]["deletedAt"], json!(null));
    let deleted =
        |list: &str| shown[list].as_array().unwrap().iter().map(|one| one["deletedAt"].clone()).collect::<Vec<_>>();
    assert_eq!((deleted("tasks"), deleted("appointments")), (vec![json!(null), json!(NOW)], vec![json!(NOW)]));
    assert_eq!(shown["tasks"][1]["title"], "Write");
    let plain = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((plain.tasks.len(), plain.appointments.len()), (1, 0));

    let run = db.pull_run("c1", 3).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone("c1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap(), None);
    assert_eq!(view().await["contact"]["deletedAt"], NOW);
    let query = ListQuery { limit: 1, include_deleted: true, ..ListQuery::default() };
    let page = db.records.list_contacts(LOC, &query).await.unwrap();
    assert_eq!((page.items[0].record.id.as_str(), page.items[0].deleted_at.is_some()), ("c1", true));
    let page = db.records.list_contacts(LOC, &ListQuery { cursor: page.next_cursor, ..query }).await.unwrap();
    assert_eq!((page.items[0].record.id.as_str(), page.items[0].deleted_at), ("c2", None));

    let now = db.clock.now_ms();
    for (old, rows) in [(Old::Entries, 3), (Old::Contacts, 1)] {
        assert_eq!(db.forget(old, now).await, 0);
        assert_eq!(db.forget(old, now + 1).await, rows);
    }
    assert_eq!(view().await, json!(null));
    assert!(db.records.contact_view(LOC, "c2").await.unwrap().is_some());
}
