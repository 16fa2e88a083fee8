//! One field has one name, and fields that belong together are one: whatever an event calls them, and whoever edits which of them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use sync_model::decide::fields::fields;
use sync_model::decide::refused::Refusal as Refused;
use sync_model::decide::sync_status::Progress;
use sync_model::decide::verify::SyncState;
use sync_model::record::{Appointment, Contact, Note, ReadIn};
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_custom_field_has_one_name_whichever_an_event_uses,
    a_custom_field_that_was_made_anew_is_the_new_one_and_one_that_is_gone_is_refused,
    an_edit_by_a_key_that_nobody_knows_yet_is_merged_once_it_is_known,
    a_key_that_no_field_has_takes_nothing_away,
    an_appointments_start_and_end_are_one_field,
    times_that_were_read_in_another_zone_are_unread_until_they_are_read_again,
    only_what_was_edited_outlives_a_zone,
    an_end_that_is_impossible_in_the_zone_of_now_has_lost_and_is_reported,
    all_tags_are_replaced_whether_the_contact_was_read_or_not,
    what_ghl_keeps_can_not_be_taken_away,
    a_note_of_a_contact_that_nobody_selected_is_shown,
    what_both_sides_agree_on_is_not_refused,
    a_conflict_is_taken_back_though_ghl_wrote_the_winner_in_a_form_of_its_own,
}

const KEYED: &str = "customFields.contact.pin_code";
const BY_ID: &str = "customFields.f1";

async fn row(db: &Db, row_id: &str) -> ContactRow {
    db.records.contact_row(LOC, row_id).await.unwrap().unwrap()
}

async fn know_fields(db: &Db, known: &[(&str, &str)]) {
    let known: Vec<_> = known.iter().map(|(id, key)| ((*id).to_owned(), (*key).to_owned())).collect();
    db.records.save_custom_fields(LOC, &known).await.unwrap();
}

async fn pull(db: &Db, epoch: i64, id: &str, pin: &str) {
    let contact = remote(id, json!({"customFields": [{"id": "f1", "value": pin}]}));
    db.pull(epoch, &Pulled { contact, ..pulled(id, &[]) }).await;
}

async fn edit(db: &Db, id: &str, set: Value) -> String {
    accept(db, change(Act::Edit, Some(id), None, set)).await
}

fn pin(contact: &Contact) -> Value {
    assert!(contact.custom_fields.iter().all(|field| field.id == "f1"), "{:?}", contact.custom_fields);
    contact.custom_fields.first().map(|field| field.value.clone()).unwrap_or_default()
}

/// What a push does before anything else: it learns the keys.
async fn resolve(db: &Db, row_id: &str, known: &[(&str, &str)]) {
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, row_id), 50).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    let ids: HashMap<_, _> = known.iter().map(|(id, key)| ((*key).to_owned(), (*id).to_owned())).collect();
    tx.name_custom_fields(row_id, &ids).await.unwrap();
    tx.keep_open().await.unwrap();
}

type Edits = &'static [(&'static str, Option<&'static str>)];

/// GHL holds "A". Edits by key and by id, in any order, and what they come to.
const EDITS: [(Edits, Option<&str>); 8] = [
    (&[(KEYED, None)], None),
    (&[(KEYED, Some("first")), (BY_ID, Some("second"))], Some("second")),
    (&[(BY_ID, Some("first")), (KEYED, Some("second"))], Some("second")),
    (&[(KEYED, Some("first")), (BY_ID, None)], None),
    (&[(BY_ID, Some("first")), (KEYED, None)], None),
    (&[(KEYED, None), (BY_ID, Some("second"))], Some("second")),
    (&[(KEYED, Some("first")), (BY_ID, Some("A"))], Some("A")),
    (&[(KEYED, Some("first")), (KEYED, Some("second"))], Some("second")),
];

async fn a_custom_field_has_one_name_whichever_an_event_uses(db: Db) {
    let known = [("f1", "contact.pin_code"), ("f2", "contact.size")];
    for is_known in [false, true] {
        if is_known {
            know_fields(&db, &known).await;
        }
        for (case, (edits, expected)) in EDITS.into_iter().enumerate() {
            let id = format!("c{case}-{is_known}");
            pull(&db, 1, &id, "A").await;
            let mut row_id = String::new();
            for (name, value) in edits {
                row_id = edit(&db, &id, json!({*name: value})).await;
            }
            if !is_known {
                resolve(&db, &row_id, &known).await;
            }
            let row = row(&db, &row_id).await;
            assert_eq!(pin(&row.doc), json!(expected), "{edits:?}");
            let pending = if expected == Some("A") { json!({}) } else { json!({BY_ID: expected}) };
            assert_eq!(json!(row.pending().fields), pending, "{edits:?}");
            assert_eq!(row.edits.keys().collect::<Vec<_>>(), [BY_ID], "{edits:?}");
            let view = db.records.contact_view(LOC, &id).await.unwrap().unwrap().contact.record;
            assert_eq!(pin(&view), json!(expected));
        }
    }
    let both = change(Act::Edit, Some("c0-true"), None, json!({KEYED: "x", BY_ID: "y"}));
    let refused = db.records.accept(&[both]).await.unwrap_err();
    assert!(matches!(refused, AcceptError::Refused(Refusal { field: "data.customFields", .. })), "{refused}");
    edit(&db, "c0-true", json!({KEYED: "x", BY_ID: "x"})).await;
}

async fn a_custom_field_that_was_made_anew_is_the_new_one_and_one_that_is_gone_is_refused(db: Db) {
    know_fields(&db, &[("f0", "contact.pin_code"), ("f3", "contact.shoe")]).await;
    db.clock.set("2026-06-01T13:00:00Z".parse().unwrap());
    know_fields(&db, &[("f1", "contact.pin_code")]).await;
    pull(&db, 1, "c1", "A").await;
    let row_id = edit(&db, "c1", json!({KEYED: "B"})).await;
    assert_eq!(json!(row(&db, &row_id).await.pending().fields), json!({BY_ID: "B"}));
    let gone = change(Act::Edit, Some("c1"), None, json!({"customFields.contact.shoe": 42}));
    let refused = db.records.accept(&[gone]).await.unwrap_err();
    assert!(matches!(refused, AcceptError::Refused(Refusal { field: "data.customFields", .. })), "{refused}");
}

/// GHL's newer edit of the same field is no less known because ours names the field otherwise.
async fn an_edit_by_a_key_that_nobody_knows_yet_is_merged_once_it_is_known(db: Db) {
    pull(&db, 1, "c1", "A").await;
    let row_id = edit(&db, "c1", json!({KEYED: "ours"})).await;
    pull(&db, 2, "c1", "theirs").await;
    assert!(row(&db, &row_id).await.unanswered.needs_look(), "what can't be compared yet is looked at");
    resolve(&db, &row_id, &[("f1", "contact.pin_code")]).await;
    let run =
        db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, row_id.as_str()), 51).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    let theirs = remote("c1", json!({"customFields": [{"id": "f1", "value": "theirs"}]}));
    tx.contact_looked(&row(&db, &row_id).await, &theirs).await.unwrap();
    tx.keep_open().await.unwrap();
    let conflict = db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items.remove(0);
    let reported = (conflict.field.as_str(), &conflict.base, &conflict.ours, &conflict.theirs);
    assert_eq!(reported, (BY_ID, &json!("A"), &json!("ours"), &json!("theirs")));
}

async fn a_key_that_no_field_has_takes_nothing_away(db: Db) {
    pull(&db, 1, "c1", "A").await;
    let row_id = edit(&db, "c1", json!({"customFields.contact.none": null})).await;
    assert!(!row(&db, &row_id).await.is_settled(), "nobody knows yet");
    resolve(&db, &row_id, &[("f1", "contact.pin_code")]).await;
    let row = row(&db, &row_id).await;
    assert!(row.is_settled() && row.edits.is_empty());
    assert_eq!(fields(&row.doc), fields(row.base.as_ref().unwrap()));
}

fn at(text: &str) -> Option<Timestamp> {
    Some(format!("2026-07-01T{text}:00Z").parse().unwrap())
}

fn meeting(start: &str, end: &str) -> Appointment {
    Appointment {
        appointment_id: Some("a1".to_owned()),
        contact_id: "c1".to_owned(),
        calendar_id: Some("cal".to_owned()),
        start_time: at(start),
        end_time: at(end),
        ..Appointment::default()
    }
}

async fn an_appointments_start_and_end_are_one_field(db: Db) {
    let pull = async |epoch, meeting: Appointment| {
        db.pull(epoch, &Pulled { appointments: vec![meeting], ..pulled("c1", &[]) }).await;
        db.records.entry_of_ghl::<Appointment>(LOC, "a1").await.unwrap().unwrap()
    };
    let send = async |change| {
        let event = event(None, "appointment.updated", None);
        let trigger =
            IncomingEvent { event, kind: JobKind::PushAppointment, priority: job_engine::Priority::Realtime, change };
        db.records.accept(&[trigger]).await.unwrap().remove(0).key
    };
    pull(1, meeting("10:00", "11:00")).await;
    let patch = AppointmentPatch { end_time: at("11:30"), ..AppointmentPatch::default() };
    let change =
        AppointmentChange { act: Act::Edit, clienty_id: None, ghl_id: Some("a1".to_owned()), contact_id: None, patch };
    send(Change::Appointment(change)).await;
    let row = pull(2, meeting("14:00", "15:00")).await;
    assert_eq!((row.doc.start_time, row.doc.end_time), (at("10:00"), at("11:30")), "the edit here is the newest");
    let conflicts = async || db.records.list_conflicts(LOC, Some("c1"), None, 10).await.unwrap().items;
    let reported = conflicts().await;
    assert_eq!((reported.len(), reported[0].field.as_str()), (1, "startTime"));
    assert_eq!(reported[0].theirs, json!({"startTime": at("14:00"), "endTime": at("15:00")}));
    assert_eq!(reported[0].ours, json!({"startTime": at("10:00"), "endTime": at("11:30")}));
    send(Change::Undo { conflict_id: reported[0].id.clone() }).await;
    let row = db.records.entry::<Appointment>(&row.row_id).await.unwrap().unwrap();
    assert_eq!((row.doc.start_time, row.doc.end_time), (at("14:00"), at("15:00")), "both are given back");
    assert!(conflicts().await[0].undone_at.is_some());
}

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";

/// As GHL's list shows it by the clock on the wall, read in that zone.
fn read_in(zone: &str, meeting: Appointment) -> Pulled {
    let read_in = ReadIn(Some(zone.to_owned()));
    Pulled { appointments: vec![Appointment { read_in, ..meeting }], ..pulled("c1", &[]) }
}

async fn the_meeting(db: &Db) -> EntryRow<Appointment> {
    db.records.entry_of_ghl(LOC, "a1").await.unwrap().unwrap()
}

async fn unread(db: &Db) -> Vec<String> {
    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    view.appointments[0].unread.iter().cloned().collect()
}

async fn is_read_again(db: &Db, epoch: i64) -> bool {
    db.records.start_run(&pull_key("c1"), epoch).await.unwrap().is_some()
}

async fn times_that_were_read_in_another_zone_are_unread_until_they_are_read_again(db: Db) {
    db.records.set_time_zone(LOC, BERLIN).await.unwrap();
    db.pull(1, &read_in(BERLIN, meeting("08:00", "09:00"))).await;
    assert_eq!(unread(&db).await, [""; 0]);
    db.records.set_time_zone(LOC, BERLIN).await.unwrap();
    assert!(!is_read_again(&db, 2).await, "nothing has changed");
    let run = db.pull_run("c1", 3).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    db.records.set_time_zone(LOC, NEW_YORK).await.unwrap();
    assert_eq!(unread(&db).await, ["endTime", "startTime"]);
    // A pull of before comes late with times of before: they are unread still, and read once more.
    db.store(&run, &read_in(BERLIN, meeting("08:00", "10:00")), &snapshot).await;
    assert_eq!(unread(&db).await, ["endTime", "startTime"]);
    assert!(is_read_again(&db, 4).await);
    db.pull(5, &read_in(NEW_YORK, meeting("14:00", "15:00"))).await;
    let row = the_meeting(&db).await;
    assert_eq!((row.doc.start_time, row.doc.end_time), (at("14:00"), at("15:00")));
    assert!(row.is_settled() && unread(&db).await.is_empty());
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
    // The same instants in a zone of another name are read as well.
    db.records.set_time_zone(LOC, "America/Toronto").await.unwrap();
    db.pull(6, &read_in("America/Toronto", meeting("14:00", "15:00"))).await;
    assert_eq!(unread(&db).await, [""; 0]);
}

/// GHL holds 14 to 15, which was read as 8 to 9 when somebody edited the end.
async fn edited_in_another_zone(db: &Db, end: &str) -> EntryRow<Appointment> {
    db.records.set_time_zone(LOC, BERLIN).await.unwrap();
    db.pull(1, &read_in(BERLIN, meeting("08:00", "09:00"))).await;
    let patch = AppointmentPatch { end_time: at(end), ..AppointmentPatch::default() };
    let ghl_id = Some("a1".to_owned());
    let change = AppointmentChange { act: Act::Edit, clienty_id: None, ghl_id, contact_id: None, patch };
    let (kind, change) = (JobKind::PushAppointment, Change::Appointment(change));
    let event = event(None, "appointment.updated", None);
    db.records
        .accept(&[IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change }])
        .await
        .unwrap();
    assert!(the_meeting(db).await.rests_on_reading());
    db.records.set_time_zone(LOC, NEW_YORK).await.unwrap();
    assert!(the_meeting(db).await.is_read_otherwise(Some(NEW_YORK)));
    db.pull(2, &read_in(NEW_YORK, meeting("14:00", "15:00"))).await;
    the_meeting(db).await
}

async fn only_what_was_edited_outlives_a_zone(db: Db) {
    let row = edited_in_another_zone(&db, "16:00").await;
    assert_eq!((row.doc.start_time, row.doc.end_time), (at("14:00"), at("16:00")));
    assert_eq!(row.edits.keys().collect::<Vec<_>>(), ["endTime"]);
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
}

async fn an_end_that_is_impossible_in_the_zone_of_now_has_lost_and_is_reported(db: Db) {
    let row = edited_in_another_zone(&db, "09:30").await;
    assert_eq!((row.doc.start_time, row.doc.end_time), (at("14:00"), at("15:00")));
    assert!(row.is_settled() && row.edits.is_empty());
    let reported = db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items.remove(0);
    assert_eq!((reported.field.as_str(), reported.winner.as_str()), ("startTime", "ghl"));
    assert_eq!(reported.ours, json!({"startTime": at("08:00"), "endTime": at("09:30")}));
}

fn all_tags(id: &str, tags: &[&str]) -> IncomingEvent {
    let trigger = change(Act::Edit, Some(id), None, json!({"city": "Bonn"}));
    let Change::Contact(change) = trigger.change else { panic!("a contact") };
    let tags = Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
    let patch = ContactPatch { tags, ..change.patch };
    IncomingEvent { change: Change::Contact(ContactChange { patch, ..change }), ..trigger }
}

async fn all_tags_are_replaced_whether_the_contact_was_read_or_not(db: Db) {
    for (id, is_known) in [("c1", true), ("c2", false)] {
        let theirs = remote(id, json!({"tags": ["old", "kept"]}));
        if is_known {
            db.pull(1, &Pulled { contact: theirs.clone(), ..pulled(id, &[]) }).await;
        }
        let row_id = accept(&db, all_tags(id, &["kept", "new"])).await;
        if !is_known {
            let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, row_id.as_str()), 2).await.unwrap();
            let mut tx = db.records.begin(&run.unwrap()).await.unwrap();
            tx.contact_looked(&row(&db, &row_id).await, &theirs).await.unwrap();
            tx.keep_open().await.unwrap();
        }
        let row = row(&db, &row_id).await;
        let mut tags = row.doc.tags.clone();
        tags.sort();
        assert_eq!(tags, ["kept", "new"], "{id}");
        assert_eq!(json!(row.pending().fields), json!({"city": "Bonn", "tags.new": true, "tags.old": null}), "{id}");
    }
}

async fn what_ghl_keeps_can_not_be_taken_away(db: Db) {
    let contact = remote("c1", json!({"dateOfBirth": "1990-09-25"}));
    let note = |user: Option<&str>| Note {
        note_id: Some("n1".to_owned()),
        note_text: "Met".to_owned(),
        user_id: user.map(str::to_owned),
        ..Note::default()
    };
    let clear = || {
        let patch = NotePatch { kept: vec![("userId", "data.userId")], ..NotePatch::default() };
        let ghl_id = Some("n1".to_owned());
        let change = Change::Note(NoteChange { act: Act::Edit, clienty_id: None, ghl_id, contact_id: None, patch });
        let (event, kind) = (event(None, "note.updated", None), JobKind::PushNote);
        IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change }
    };
    db.pull(1, &Pulled { contact: contact.clone(), notes: vec![note(None)], ..pulled("c1", &[]) }).await;
    db.records.accept(&[clear()]).await.expect("it reads so, and may be sent back");
    db.pull(2, &Pulled { contact, notes: vec![note(Some("u1"))], ..pulled("c1", &[]) }).await;
    let refused = db.records.accept(&[clear()]).await.unwrap_err();
    assert!(matches!(refused, AcceptError::Refused(Refusal { field: "data.userId", .. })), "{refused}");
    let born = change(Act::Edit, Some("c1"), None, json!({}));
    let Change::Contact(change) = born.change else { panic!("a contact") };
    let patch = ContactPatch { kept: vec![("dateOfBirth", "data.dateOfBirth")], ..ContactPatch::default() };
    let born = IncomingEvent { change: Change::Contact(ContactChange { patch, ..change }), ..born };
    let refused = db.records.accept(&[born]).await.unwrap_err();
    assert!(matches!(refused, AcceptError::Refused(Refusal { field: "data.dateOfBirth", .. })), "{refused}");
}

async fn a_note_of_a_contact_that_nobody_selected_is_shown(db: Db) {
    assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap(), None);
    db.edit(new_task("t1", "c1", "Call")).await;
    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    let contact = &view.contact;
    assert_eq!((contact.record.id.as_str(), contact.sync.state, view.synced_at), ("c1", Progress::Applied, None));
    assert!(contact.unread.contains("email") && contact.unread.contains("tags"), "nobody has read it");
    assert_eq!(view.tasks[0].record.task.title, "Call");
    db.edit(delete_by_clienty_id("t1")).await;
    assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap(), None);
}

async fn what_both_sides_agree_on_is_not_refused(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let row_id = db.edit(edit_by_ghl_id("g1", "Call at noon")).await;
    let run = db.push_run(&row_id, 2).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    let reason = "a missing scope".to_owned();
    let state = SyncState::refused(Refused { at: db.clock.now(), reason }, Vec::new(), Vec::new());
    tx.refuse_entry::<sync_model::record::Task>(&row_id, &state).await.unwrap();
    tx.keep_open().await.unwrap();
    assert_eq!(db.task(&row_id).await.status().state, Progress::Refused);
    db.pull(3, &pulled("c1", &[("g1", "Call at noon")])).await;
    let status = db.task(&row_id).await.status();
    assert_eq!((status.state, status.reason), (Progress::Applied, None), "GHL holds it by now");
}

async fn a_conflict_is_taken_back_though_ghl_wrote_the_winner_in_a_form_of_its_own(db: Db) {
    let note = |text: &str| Note { note_id: Some("n1".to_owned()), note_text: text.to_owned(), ..Note::default() };
    let pull = async |epoch, text: &str| db.pull(epoch, &Pulled { notes: vec![note(text)], ..pulled("c1", &[]) }).await;
    pull(1, "Met").await;
    let patch = NotePatch { note_text: Some("ours".to_owned()), ..NotePatch::default() };
    let ghl_id = Some("n1".to_owned());
    let change = Change::Note(NoteChange { act: Act::Edit, clienty_id: None, ghl_id, contact_id: None, patch });
    let send = async |change| {
        let (event, kind) = (event(None, "note.updated", None), JobKind::PushNote);
        db.records.accept(&[IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change }]).await
    };
    let key = send(change).await.unwrap().remove(0).key;
    pull(2, "theirs").await;
    let conflict = db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items.remove(0);
    assert_eq!(conflict.winner, "clienty");
    let run = db.records.start_run(&key, 3).await.unwrap().unwrap();
    let row = db.records.entry::<Note>(&key.record_id).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.pushed(&row, "n1", &note("<p>ours</p>")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let row = db.records.entry::<Note>(&key.record_id).await.unwrap().unwrap();
    assert_eq!(row.doc.note_text, "<p>ours</p>");
    send(Change::Undo { conflict_id: conflict.id.clone() }).await.unwrap();
    let row = db.records.entry::<Note>(&key.record_id).await.unwrap().unwrap();
    assert_eq!(row.doc.note_text, "theirs");
}
