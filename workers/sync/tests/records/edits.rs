//! Edits that events carry.

use sync_model::record::{Appointment, Note, Task};
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    edits_meet_the_row_they_mean,
    an_edit_back_is_over_once_a_look_confirms_it,
    what_is_met_during_a_look_has_pending_another_one,
    an_edit_back_during_a_look_has_pending_another_one,
    an_edit_that_means_nothing_names_its_field,
    concurrent_edits_of_one_task_all_count,
    a_conflict_is_taken_back_once_and_not_over_a_later_edit,
    a_start_that_moved_while_ghl_reported_the_end_takes_it_along,
}

async fn edits_meet_the_row_they_mean(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "From GHL")])).await;
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let again = TaskPatch { completed: Some(true), ..TaskPatch::default() };
    assert_eq!(db.edit(TaskChange { patch: again, ..new_task("t1", "c1", "") }).await, row_id);
    let row = db.task(&row_id).await;
    assert_eq!((row.doc.title.as_str(), row.doc.completed, row.revision), ("Call", true, 2));
    assert_eq!(row.doc.clienty_task_id.as_deref(), Some("t1"));
    assert!(!row.is_settled());

    let body = TaskPatch { body: Some(Some("By phone".to_owned())), ..TaskPatch::default() };
    let linked = TaskChange { clienty_id: Some("t2".to_owned()), patch: body, ..edit_by_ghl_id("g1", "") };
    let row = db.task(&db.edit(linked).await).await;
    assert_eq!((row.ghl_id.as_deref(), row.clienty_id.as_deref()), (Some("g1"), Some("t2")));
    let cleared = TaskPatch { body: Some(None), ..TaskPatch::default() };
    let by_clienty_id = TaskChange { act: Act::Edit, patch: cleared, ..new_task("t2", "c1", "") };
    assert_eq!(db.edit(by_clienty_id).await, row.row_id);
    let row = db.task(&row.row_id).await;
    assert_eq!(row.doc.body, None);
    assert!(row.goes_back() && !row.is_settled(), "it reads as GHL held it, which a look has to confirm");

    let note = NoteChange {
        act: Act::Create,
        clienty_id: Some("t1".to_owned()),
        ghl_id: None,
        contact_id: Some("c1".to_owned()),
        patch: NotePatch { note_text: Some("Met at the fair".to_owned()), ..NotePatch::default() },
    };
    let note =
        IncomingEvent { kind: JobKind::PushNote, change: Change::Note(note), ..edited(new_task("t1", "c1", "")) };
    let key = db.records.accept(&[note]).await.unwrap().remove(0).key;
    let row = db.records.entry::<Note>(&key.record_id).await.unwrap().unwrap();
    assert_eq!(row.doc.note_text, "Met at the fair");
    assert_eq!(db.records.entry::<Task>(&key.record_id).await.unwrap(), None, "a note is no task");
}

async fn an_edit_back_is_over_once_a_look_confirms_it(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let row_id = db.edit(edit_by_ghl_id("g1", "Mail")).await;
    db.edit(edit_by_ghl_id("g1", "Call")).await;
    let mut tx = db.records.begin(&db.push_run(&row_id, 2).await).await.unwrap();
    tx.entry_looked(&db.task(&row_id).await, &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let row = db.task(&row_id).await;
    assert!(row.is_settled() && row.edits.is_empty(), "{row:?}");

    db.pull(3, &pulled("c1", &[("g1", "Call, says GHL")])).await;
    assert_eq!(db.titles("c1").await, ["Call, says GHL"]);
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items.len(), 0);
    db.pull(4, &pulled("c1", &[])).await;
    assert!(db.task(&row_id).await.deleted);
}

async fn what_is_met_during_a_look_has_pending_another_one(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let row_id = db.edit(edit_by_ghl_id("g1", "Mail")).await;
    let push = db.push_run(&row_id, 2).await;
    db.records.set_asked(&push, &row_id, &db.task(&row_id).await.pending().fields).await.unwrap();
    let before = db.task(&row_id).await;
    // While the look is on its way, a pull shows what may be newer or older than it.
    db.pull(3, &pulled("c1", &[("g1", "Call, says GHL")])).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.entry_looked(&before, &task("g1", "Call")).await.unwrap();
    tx.keep_open().await.unwrap();
    let row = db.task(&row_id).await;
    assert!(row.unanswered.needs_look() && !row.is_settled(), "{row:?}");
    assert_eq!(row.doc.title, "Mail");
}

/// The write may still arrive. It was looked for only because the same was about to be sent again, which is not so any more.
async fn an_edit_back_during_a_look_has_pending_another_one(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let row_id = db.edit(edit_by_ghl_id("g1", "Mail")).await;
    let push = db.push_run(&row_id, 2).await;
    db.records.set_asked(&push, &row_id, &db.task(&row_id).await.pending().fields).await.unwrap();
    let before = db.task(&row_id).await;
    db.edit(edit_by_ghl_id("g1", "Call")).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.entry_looked(&before, &task("g1", "Call")).await.unwrap();
    tx.keep_open().await.unwrap();
    let row = db.task(&row_id).await;
    assert!(row.unanswered.needs_look() && row.unanswered.is_open() && !row.is_settled(), "{row:?}");
    assert_eq!(row.doc.title, "Call");
}

async fn an_edit_that_means_nothing_names_its_field(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "From GHL")])).await;
    db.edit(new_task("t1", "c1", "Call")).await;
    let refused = [
        (edit_by_ghl_id("g9", "x"), "data.taskId"),
        (TaskChange { act: Act::Edit, ..new_task("t9", "c1", "x") }, "data.clientyTaskId"),
        (TaskChange { clienty_id: None, act: Act::Edit, ..new_task("", "c1", "x") }, "data.clientyTaskId"),
        (TaskChange { contact_id: None, ..new_task("t9", "c1", "x") }, "contactId"),
        (TaskChange { contact_id: Some("c2".to_owned()), ..edit_by_ghl_id("g1", "x") }, "contactId"),
        (new_task("t9", "c1", " "), "data.title"),
        (TaskChange { ghl_id: Some("g9".to_owned()), ..new_task("t9", "c1", "x") }, "data.taskId"),
        (TaskChange { ghl_id: Some("g1".to_owned()), ..new_task("t1", "c1", "x") }, "data.taskId"),
    ];
    for (change, field) in refused {
        let shown = format!("{change:?}");
        assert_eq!(db.refusal(change).await.field, field, "{shown}");
    }
    db.edit(delete_by_clienty_id("t1")).await;
    db.edit(delete_by_clienty_id("t1")).await;
    assert_eq!(db.refusal(new_task("t1", "c1", "x")).await.field, "data.clientyTaskId");
}

async fn concurrent_edits_of_one_task_all_count(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let patches = [
        TaskPatch { body: Some(Some("By phone".to_owned())), ..TaskPatch::default() },
        TaskPatch { completed: Some(true), ..TaskPatch::default() },
        TaskPatch { assigned_to: Some(Some("u1".to_owned())), ..TaskPatch::default() },
    ];
    let edits: Vec<_> = patches
        .into_iter()
        .map(|patch| {
            let records = db.records.clone();
            let change = TaskChange { act: Act::Edit, patch, ..new_task("t1", "c1", "") };
            tokio::spawn(async move { records.accept(&[edited(change)]).await.unwrap() })
        })
        .collect();
    for edit in edits {
        edit.await.unwrap();
    }
    let Task { body, completed, assigned_to, .. } = db.task(&row_id).await.doc;
    assert_eq!((body.as_deref(), completed, assigned_to.as_deref()), (Some("By phone"), true, Some("u1")));
}

async fn a_conflict_is_taken_back_once_and_not_over_a_later_edit(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let row_id = db.edit(edit_by_ghl_id("g1", "Call, say we")).await;
    db.pull(2, &pulled("c1", &[("g1", "Call, says GHL")])).await;
    let conflicts = async || db.records.list_conflicts(LOC, Some("c1"), None, 10).await.unwrap().items;
    let conflict = conflicts().await.remove(0);
    assert_eq!((conflict.field.as_str(), conflict.winner.as_str()), ("title", "clienty"));

    let undo = || {
        let change = Change::Undo { conflict_id: conflict.id.clone() };
        IncomingEvent { change, kind: JobKind::PushTask, ..selected(None, "c1") }
    };
    let accepted = db.records.accept(&[undo()]).await.unwrap().remove(0);
    assert_eq!((accepted.key, db.titles("c1").await), (push_key(&row_id), vec!["Call, says GHL".to_owned()]));
    assert!(conflicts().await[0].undone_at.is_some());
    assert!(matches!(db.records.accept(&[undo()]).await, Err(AcceptError::Refused(_))));

    db.edit(edit_by_ghl_id("g1", "Call at one")).await;
    db.pull(3, &pulled("c1", &[("g1", "Call at two")])).await;
    let newest = conflicts().await.remove(0);
    db.edit(edit_by_ghl_id("g1", "Call at three")).await;
    let change = Change::Undo { conflict_id: newest.id.clone() };
    let late = IncomingEvent { change, kind: JobKind::PushTask, ..selected(None, "c1") };
    assert!(matches!(db.records.accept(&[late]).await, Err(AcceptError::Refused(_))));
    assert_eq!((db.titles("c1").await, conflicts().await[0].undone_at), (vec!["Call at three".to_owned()], None));
}

async fn a_start_that_moved_while_ghl_reported_the_end_takes_it_along(db: Db) {
    let at = |day: u8, minute: u8| Some(format!("2026-07-{day:02}T09:{minute:02}:00Z").parse().unwrap());
    let edit = async |act, patch| {
        let change = AppointmentChange {
            act,
            clienty_id: Some("k1".to_owned()),
            ghl_id: None,
            contact_id: Some("c1".to_owned()),
            patch,
        };
        let (kind, change) = (JobKind::PushAppointment, Change::Appointment(change));
        let event = event(None, "appointment.updated", None);
        let trigger = IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change };
        db.records.accept(&[trigger]).await.map(|mut accepted| accepted.remove(0).key)
    };
    db.pull(1, &pulled("c1", &[])).await;
    let new =
        AppointmentPatch { calendar_id: Some("cal".to_owned()), start_time: at(1, 0), ..AppointmentPatch::default() };
    let key = edit(Act::Create, new).await.unwrap();
    let push = db.records.start_run(&key, 1).await.unwrap().unwrap();
    let sent = db.records.entry::<Appointment>(&key.record_id).await.unwrap().unwrap();
    edit(Act::Edit, AppointmentPatch { start_time: at(2, 0), ..AppointmentPatch::default() }).await.unwrap();
    let made = Appointment { end_time: at(1, 30), appointment_id: Some("a1".to_owned()), ..sent.doc.clone() };
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&sent, "a1", &made).await.unwrap();
    tx.close_run(&[]).await.unwrap();

    let row = db.records.entry::<Appointment>(&key.record_id).await.unwrap().unwrap();
    assert_eq!((row.doc.start_time, row.doc.end_time), (at(2, 0), at(2, 30)));
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
    let elsewhere = AppointmentPatch { address: Some(Some("Room 2".to_owned())), ..AppointmentPatch::default() };
    edit(Act::Edit, elsewhere).await.unwrap();
    edit(Act::Edit, AppointmentPatch { start_time: at(3, 0), ..AppointmentPatch::default() }).await.unwrap();
    let row = db.records.entry::<Appointment>(&key.record_id).await.unwrap().unwrap();
    assert_eq!((row.doc.start_time, row.doc.end_time), (at(3, 0), at(3, 30)));
    edit(Act::Edit, AppointmentPatch { end_time: at(3, 20), ..AppointmentPatch::default() }).await.unwrap();
    let wrong = edit(Act::Edit, AppointmentPatch { end_time: at(2, 0), ..AppointmentPatch::default() }).await;
    assert!(matches!(wrong, Err(AcceptError::Refused(_))), "{wrong:?}");
}
