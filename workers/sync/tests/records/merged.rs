//! Contacts that GHL merges, with what hangs on them and what is pending for it. GHL informs nobody of a merge: one contact is gone, and its tasks,
//! notes and appointments are met under the other.

use sync_model::decide::absent::Absent;
use sync_model::record::{Appointment, Task};
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    an_edit_that_waits_goes_along_whichever_contact_is_looked_at_first,
    a_deletion_that_waits_goes_along_whichever_contact_is_looked_at_first,
    what_was_agreed_goes_along_and_has_pending_nothing,
    an_edit_that_came_too_late_does_not_come_back_as_agreed,
    what_is_pending_is_pending_again_where_the_contact_is_back,
    a_known_appointment_is_not_taken_for_an_announced_one,
}

/// As GHL lists a task without a body: the field is left out.
fn listed(title: &str) -> Task {
    let mut absent = Absent::default();
    absent.add("body");
    Task { absent, ..task("g1", title) }
}

fn with_task(contact_id: &str, title: &str) -> Pulled {
    Pulled { tasks: vec![listed(title)], ..pulled(contact_id, &[]) }
}

/// c1 with a task, and c2.
async fn two_contacts(db: &Db) {
    db.pull(1, &with_task("c1", "Call")).await;
    db.pull(1, &pulled("c2", &[])).await;
}

async fn edit_the_body(db: &Db) -> String {
    let patch = TaskPatch { body: Some(Some("Ours".to_owned())), ..TaskPatch::default() };
    db.edit(TaskChange { patch, ..edit_by_ghl_id("g1", "") }).await
}

/// A pull of c1 finds nothing.
async fn c1_is_gone(db: &Db) {
    let run = db.pull_run("c1", 2).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone("c1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
}

/// As [`c1_is_gone`], for the push, which is closed with it.
async fn c1_is_gone_for_the_push(db: &Db, row_id: &str) {
    let push = db.push_run(row_id, 2).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.mark_contact_gone("c1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
}

async fn is_a_job(db: &Db, row_id: &str) -> bool {
    db.records.start_run(&push_key(row_id), 9).await.unwrap().is_some()
}

async fn an_edit_that_waits_goes_along_whichever_contact_is_looked_at_first(db: Db) {
    for heir_first in [true, false] {
        two_contacts(&db).await;
        let row_id = edit_the_body(&db).await;
        if heir_first {
            db.pull(3, &with_task("c2", "Call")).await;
            c1_is_gone(&db).await;
        } else {
            c1_is_gone_for_the_push(&db, &row_id).await;
            db.pull(3, &with_task("c2", "Call")).await;
        }
        let row = db.task(&row_id).await;
        assert_eq!((row.contact_id.as_str(), row.deleted), ("c2", false));
        assert_eq!((row.doc.body.as_deref(), row.base.as_ref().unwrap().body.as_deref()), (Some("Ours"), None));
        assert!(row.edits.contains_key("body"));
        assert!(is_a_job(&db, &row_id).await, "what is owed has a job");
        let mut tx = db.records.begin(&db.push_run(&row_id, 10).await).await.unwrap();
        tx.pushed(&row, "g1", &row.doc.clone()).await.unwrap();
        tx.close_run(&[]).await.unwrap();
        // The other way round in the next round.
        db.pull(11, &Pulled { tasks: vec![Task { body: None, ..task("g1", "Call") }], ..pulled("c1", &[]) }).await;
        assert_eq!(db.task(&row_id).await.contact_id, "c1");
    }
}

async fn a_deletion_that_waits_goes_along_whichever_contact_is_looked_at_first(db: Db) {
    for (at, heir_first) in [("g1", true), ("g2", false)] {
        db.pull(1, &pulled("c1", &[(at, "Call")])).await;
        db.pull(1, &pulled("c2", &[])).await;
        let row_id =
            db.edit(TaskChange { act: Act::Delete, patch: TaskPatch::default(), ..edit_by_ghl_id(at, "") }).await;
        if heir_first {
            db.pull(3, &pulled("c2", &[(at, "Call")])).await;
            c1_is_gone(&db).await;
        } else {
            c1_is_gone_for_the_push(&db, &row_id).await;
            db.pull(3, &pulled("c2", &[(at, "Call")])).await;
        }
        let row = db.task(&row_id).await;
        assert_eq!((row.contact_id.as_str(), row.deleted, row.base.is_some()), ("c2", true, true));
        assert_eq!(db.titles("c2").await, [""; 0], "nobody sees again what was deleted");
        assert!(is_a_job(&db, &row_id).await, "what is owed has a job");
    }
}

async fn what_was_agreed_goes_along_and_has_pending_nothing(db: Db) {
    two_contacts(&db).await;
    let row_id = db.records.entry_of_ghl::<Task>(LOC, "g1").await.unwrap().unwrap().row_id;
    c1_is_gone(&db).await;
    db.pull(3, &with_task("c2", "Call back")).await;
    assert_eq!(db.titles("c2").await, ["Call back"]);
    assert!(db.task(&row_id).await.is_settled() && !is_a_job(&db, &row_id).await);
}

async fn an_edit_that_came_too_late_does_not_come_back_as_agreed(db: Db) {
    two_contacts(&db).await;
    let row_id = edit_the_body(&db).await;
    let push = db.push_run(&row_id, 2).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.removed(&db.task(&row_id).await).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    db.pull(3, &with_task("c1", "Call")).await;
    let row = db.task(&row_id).await;
    assert_eq!((row.deleted, row.doc.body.as_deref()), (false, None));
    assert!(row.is_settled());
}

async fn what_is_pending_is_pending_again_where_the_contact_is_back(db: Db) {
    two_contacts(&db).await;
    let row_id = edit_the_body(&db).await;
    c1_is_gone_for_the_push(&db, &row_id).await;
    db.pull(3, &with_task("c1", "Call")).await;
    let row = db.task(&row_id).await;
    assert_eq!((row.deleted, row.doc.body.as_deref()), (false, Some("Ours")));
    assert_eq!(row.base.as_ref().unwrap().body, None);
    assert!(is_a_job(&db, &row_id).await);
}

async fn a_known_appointment_is_not_taken_for_an_announced_one(db: Db) {
    let at = Some(jiff::Timestamp::UNIX_EPOCH);
    let known = Appointment { appointment_id: Some("a1".to_owned()), start_time: at, ..Appointment::default() };
    db.pull(1, &Pulled { appointments: vec![known.clone()], ..pulled("c1", &[]) }).await;
    db.pull(1, &pulled("c2", &[])).await;
    let change = AppointmentChange {
        act: Act::Create,
        clienty_id: Some("k1".to_owned()),
        ghl_id: None,
        contact_id: Some("c2".to_owned()),
        patch: AppointmentPatch { calendar_id: Some("cal".to_owned()), start_time: at, ..AppointmentPatch::default() },
    };
    let event = event(None, "appointment.created", None);
    let (kind, change) = (JobKind::PushAppointment, Change::Appointment(change));
    let trigger = IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change };
    let key = db.records.accept(&[trigger]).await.unwrap().remove(0).key;
    let push = db.records.start_run(&key, 1).await.unwrap().unwrap();
    let doc = db.records.entry::<Appointment>(&key.record_id).await.unwrap().unwrap().doc;
    db.records.set_intent(&push, &key.record_id, Some(&doc)).await.unwrap();
    // GHL merges c1 into c2, which has an appointment at the same time then.
    db.pull(3, &Pulled { appointments: vec![known], ..pulled("c2", &[]) }).await;
    c1_is_gone(&db).await;
    let moved = db.records.entry_of_ghl::<Appointment>(LOC, "a1").await.unwrap().unwrap();
    assert_eq!((moved.contact_id.as_str(), moved.deleted), ("c2", false));
}
