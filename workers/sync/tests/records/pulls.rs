//! What a pull stores and what it leaves alone.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use sync_model::decide::sync_status::SyncStatus;
use sync_model::record::{Appointment, Note, Task};
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_pull_keeps_an_edit_made_meanwhile,
    a_pull_follows_what_is_settled_and_only_rebases_what_is_not,
    a_pull_removes_what_ghl_no_longer_has,
    what_moved_during_a_pull_whose_list_lacks_it_is_looked_at,
    a_pull_leaves_an_awaited_create_to_its_push,
    a_deleted_task_does_not_come_back_with_an_older_pull,
    a_contact_that_is_gone_is_not_returned,
    a_part_that_ghl_reported_to_be_deleted_is_not_brought_by_an_older_list,
    an_older_list_takes_no_part_back_from_the_contact_that_has_it_now,
    an_older_list_brings_no_part_back_that_was_deleted_under_another_contact,
    a_clock_that_was_set_back_keeps_no_part_from_moving,
    a_part_that_ghl_deleted_before_we_received_of_its_create_is_gone,
    what_no_list_reports_stays_with_an_appointment_that_moves_to_another_contact,
    a_series_goes_with_the_event_that_heads_it,
    an_edit_that_ghl_has_not_seen_outlives_the_news_of_a_deletion,
    an_event_that_confirms_what_is_known_is_remembered_by_its_time,
}

/// SQLite has one writer at a time, so only here can two transactions have the contact in their hands.
#[tokio::test]
async fn a_pull_that_meets_another_one_waits_for_it_and_does_not_fail() {
    let db = Db::postgres().await;
    db.pull(1, &pulled("c1", &[])).await;
    let named = |name: &str| Pulled { contact: contact("c1", name), ..pulled("c1", &[]) };
    let (first, second) = (db.pull_run("c2", 2).await, db.pull_run("c1", 3).await);
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let mut one = db.records.begin(&first).await.unwrap();
    one.store_pull(&named("Ada, says the first"), &snapshot).await.unwrap();
    let mut other = db.records.begin(&second).await.unwrap();
    let (reported, watcher) = (named("Ada, says the second"), sqlx::PgPool::connect(&db.url).await.unwrap());
    let storing = async {
        other.store_pull(&reported, &snapshot).await.unwrap();
        other.close_run(&[]).await.unwrap();
    };
    let letting = async {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&watcher).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        one.close_run(&[]).await.unwrap();
    };
    tokio::join!(storing, letting);
    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    assert_eq!(view.contact.record.name.as_deref(), Some("Ada, says the first"), "it moved since the snapshot");
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
    let shown: Vec<_> = view.appointments.into_iter().map(|Shown { record, sync, .. }| (record, sync)).collect();
    assert_eq!(shown, [(appointment("a2"), SyncStatus::default())]);
    assert!(!db.task(&local).await.deleted);

    db.pull(3, &first).await;
    assert_eq!(db.titles("c1").await, ["Call", "Write today", "Only here"], "GHL has it again");
}

/// Whether the list or the write that was answered meanwhile is the older one, only GHL can show.
async fn what_moved_during_a_pull_whose_list_lacks_it_is_looked_at(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Write")])).await;
    let run = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let (written, pending) =
        (db.edit(edit_by_ghl_id("g1", "Call now")).await, db.edit(edit_by_ghl_id("g2", "Mail")).await);
    let push = db.push_run(&written, 3).await;
    let row = db.task(&written).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    assert!(tx.pushed(&row, "g1", &task("g1", "Call now")).await.unwrap().1);
    tx.close_run(&[]).await.unwrap();
    db.store(&run, &pulled("c1", &[]), &snapshot).await;

    let row = db.task(&written).await;
    assert!(!row.deleted && row.unanswered.needs_look(), "{row:?}");
    assert!(db.records.start_run(&push_key(&written), 4).await.unwrap().is_some(), "its push is owed");
    let row = db.task(&pending).await;
    assert!(!row.deleted && row.unanswered.is_none(), "its push is told by GHL: {row:?}");
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

async fn reported_gone(db: &Db, epoch: i64, gone: &Task) {
    let run = db.pull_run("c1", epoch).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.reported_gone("c1", gone).await.unwrap();
    tx.close_run(&[]).await.unwrap();
}

async fn a_part_that_ghl_reported_to_be_deleted_is_not_brought_by_an_older_list(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let run = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    for (epoch, gone) in [(3, "g1"), (4, "g2")] {
        reported_gone(&db, epoch, &task(gone, "Call")).await;
    }
    // The run was overtaken; what it read is stored by one that holds the rows.
    drop(run);
    let run = db.pull_run("c1", 5).await;
    db.store(&run, &pulled("c1", &[("g1", "Call"), ("g2", "Never seen"), ("g3", "Write")]), &snapshot).await;
    assert_eq!(db.titles("c1").await, ["Write"]);
    let shown = db.records.view_with_deleted(LOC, "c1").await.unwrap().unwrap();
    assert_eq!(shown.tasks.iter().filter(|task| task.deleted_at.is_some()).count(), 2, "as they last were");
    db.pull(6, &pulled("c1", &[("g1", "Call")])).await;
    assert_eq!(db.titles("c1").await, ["Call"], "a list that is newer counts");
}

/// Seconds after [`NOW`].
fn later(seconds: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// What is reported about the task g1 while a pull of c1 is on its way whose list shows it.
async fn an_older_list_of_c1(db: &Db, reported: impl AsyncFnOnce(&Db)) {
    db.pull(1, &pulled("c1", &[])).await;
    db.pull(1, &pulled("c2", &[("g1", "Call")])).await;
    db.clock.set(later(10));
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    db.clock.set(later(20));
    reported(db).await;
    db.clock.set(later(30));
    let run = db.pull_run("c1", 3).await;
    db.store(&run, &pulled("c1", &[("g1", "Call")]), &snapshot).await;
}

async fn an_older_list_takes_no_part_back_from_the_contact_that_has_it_now(db: Db) {
    let met_again = async |db: &Db| {
        db.pull(2, &pulled("c1", &[("g1", "Call")])).await;
        db.clock.set(later(25));
        db.pull(2, &pulled("c2", &[("g1", "Call")])).await;
    };
    an_older_list_of_c1(&db, met_again).await;
    assert_eq!((db.titles("c1").await, db.titles("c2").await), (vec![], vec!["Call".to_owned()]));
    let run = db.records.start_run(&pull_key("c1"), 4).await.unwrap().expect("a pull orders what the list could not");
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    db.store(&run, &pulled("c1", &[("g1", "Call")]), &snapshot).await;
    assert_eq!((db.titles("c1").await, db.titles("c2").await), (vec!["Call".to_owned()], vec![]), "its list is newer");
    assert!(db.records.start_run(&pull_key("c1"), 5).await.unwrap().is_none());
}

async fn an_older_list_brings_no_part_back_that_was_deleted_under_another_contact(db: Db) {
    let deleted = async |db: &Db| {
        let run = db.pull_run("c2", 2).await;
        let mut tx = db.records.begin(&run).await.unwrap();
        tx.reported_gone("c2", &task("g1", "Call")).await.unwrap();
        tx.close_run(&[]).await.unwrap();
    };
    an_older_list_of_c1(&db, deleted).await;
    assert_eq!((db.titles("c1").await, db.titles("c2").await), (vec![], vec![]));
    assert!(db.records.start_run(&pull_key("c1"), 4).await.unwrap().is_some(), "a pull finds out");
}

async fn a_clock_that_was_set_back_keeps_no_part_from_moving(db: Db) {
    db.clock.set(later(7200));
    db.pull(1, &pulled("c1", &[])).await;
    db.pull(1, &pulled("c2", &[("g1", "Call")])).await;
    db.clock.set(later(0));
    db.pull(2, &pulled("c1", &[("g1", "Call")])).await;
    assert_eq!(db.titles("c1").await, ["Call"]);
    assert!(db.records.start_run(&pull_key("c1"), 3).await.unwrap().is_none());
}

async fn a_part_that_ghl_deleted_before_we_received_of_its_create_is_gone(db: Db) {
    db.pull(1, &pulled("c1", &[])).await;
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.records.set_intent(&push, &row_id, Some(&row.doc)).await.unwrap();
    reported_gone(&db, 2, &task("g1", "Call")).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    let (_, settled) = tx.pushed(&row, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert!(settled);
    assert_eq!(db.titles("c1").await, [""; 0]);
    let row = db.task(&row_id).await;
    assert!(row.deleted && row.is_settled());
    assert_eq!(row.ghl_id.as_deref(), Some("g1"), "it still is known by it");
}

async fn what_no_list_reports_stays_with_an_appointment_that_moves_to_another_contact(db: Db) {
    let reported = |contact: &str, title: &str| Appointment {
        appointment_id: Some("a1".to_owned()),
        contact_id: contact.to_owned(),
        title: Some(title.to_owned()),
        ..Appointment::default()
    };
    for contact in ["c1", "c2"] {
        db.pull(1, &pulled(contact, &[])).await;
    }
    let change = AppointmentChange {
        act: Act::Create,
        clienty_id: Some("k1".to_owned()),
        ghl_id: None,
        contact_id: Some("c1".to_owned()),
        patch: AppointmentPatch {
            calendar_id: Some("cal".to_owned()),
            start_time: Some(jiff::Timestamp::UNIX_EPOCH),
            notes: Some(Some("Bring it".to_owned())),
            ..AppointmentPatch::default()
        },
    };
    let event = event(None, "appointment.created", None);
    let (kind, change) = (JobKind::PushAppointment, Change::Appointment(change));
    let trigger = IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change };
    let key = db.records.accept(&[trigger]).await.unwrap().remove(0).key;
    let push = db.records.start_run(&key, 1).await.unwrap().unwrap();
    let row = db.records.entry::<Appointment>(&key.record_id).await.unwrap().unwrap();
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&row, "a1", &Appointment { appointment_id: Some("a1".to_owned()), ..row.doc.clone() }).await.unwrap();
    tx.close_run(&[]).await.unwrap();

    // Whichever contact is read first after the merge.
    db.pull(2, &Pulled { appointments: vec![reported("c2", "Moved")], ..pulled("c2", &[]) }).await;
    db.pull(3, &pulled("c2", &[])).await;
    db.pull(4, &Pulled { appointments: vec![reported("c1", "Moved again")], ..pulled("c1", &[]) }).await;
    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    let shown = &view.appointments[0].record;
    assert_eq!((shown.title.as_deref(), shown.notes.as_deref()), (Some("Moved again"), Some("Bring it")));
    assert!(db.records.entry::<Appointment>(&key.record_id).await.unwrap().unwrap().is_settled());
}

async fn a_series_goes_with_the_event_that_heads_it(db: Db) {
    let appointment = |id: &str| Appointment {
        appointment_id: Some(id.to_owned()),
        contact_id: "c1".to_owned(),
        ..Appointment::default()
    };
    let series = ["m_1783342800000_1800", "m_1783429200000_1800", "n_1783342800000_1800"].map(appointment);
    db.pull(1, &Pulled { appointments: series.to_vec(), ..pulled("c1", &[]) }).await;
    let gone = async |epoch, id: &str| {
        let run = db.pull_run("c1", epoch).await;
        let mut tx = db.records.begin(&run).await.unwrap();
        tx.reported_gone("c1", &appointment(id)).await.unwrap();
        tx.close_run(&[]).await.unwrap();
        let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
        view.appointments.into_iter().filter_map(|shown| shown.record.appointment_id).collect::<Vec<_>>()
    };
    assert_eq!(gone(2, "m_1783342800000_1800").await, ["m_1783429200000_1800", "n_1783342800000_1800"]);
    assert_eq!(gone(3, "m").await, ["n_1783342800000_1800"]);
}

async fn an_edit_that_ghl_has_not_seen_outlives_the_news_of_a_deletion(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    db.edit(edit_by_ghl_id("g1", "Call at noon")).await;
    reported_gone(&db, 2, &task("g1", "Call")).await;
    assert_eq!(db.titles("c1").await, ["Call at noon"], "the push will be told that it came too late");
}

async fn an_event_that_confirms_what_is_known_is_remembered_by_its_time(db: Db) {
    db.pull(1, &pulled("c1", &[])).await;
    let received = async || db.records.find_contact(LOC, "c1").await.unwrap().unwrap().received_at;
    assert_eq!(received().await, None);
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    for (epoch, second, expected) in [(2, 20, 20), (3, 10, 20), (4, 30, 30)] {
        let run = db.pull_run("c1", epoch).await;
        let mut tx = db.records.begin(&run).await.unwrap();
        tx.contact_received("c1", at(second)).await.unwrap();
        tx.close_run(&[]).await.unwrap();
        assert_eq!(received().await, Some(at(expected)));
    }
}
