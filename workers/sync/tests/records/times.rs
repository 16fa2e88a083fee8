//! Which edit is the newest: by the time of the field, from whatever reported it first; and where nobody reported it, the conflict says so.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sync_model::record::{Contact, Note};
use sync_workers::events::{IncomingEvent, NewEvent};
use sync_workers::records::*;

use crate::support::*;

promises! {
    the_newest_edit_of_a_note_is_known_by_its_webhook,
    a_tag_that_was_added_later_makes_no_city_newer,
    an_event_that_comes_late_is_not_the_newest_edit,
    a_part_of_which_an_event_comes_late_keeps_what_was_edited_since,
}

fn at(seconds: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// GHL reported it so many seconds after now.
async fn reported(db: &Db, id: &str, event_type: &'static str, mut body: Value, seconds: i64) {
    body["timestamp"] = json!(at(seconds));
    let webhook = NewWebhook {
        id: id.to_owned(),
        event_type,
        location_id: Some(LOC.to_owned()),
        needs_connection: true,
        is_late: false,
        body: body.to_string(),
        work: WebhookWork::Pull { contact_id: "c1".to_owned() },
    };
    db.records.accept_webhooks(&[webhook]).await.unwrap();
}

async fn conflicts(db: &Db) -> Vec<KeptConflict> {
    db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items
}

async fn edit_note(db: &Db, text: &str, occurred_at: Option<Timestamp>) {
    let patch = NotePatch { note_text: Some(text.to_owned()), ..NotePatch::default() };
    let ghl_id = Some("n1".to_owned());
    let change = NoteChange { act: Act::Edit, clienty_id: None, ghl_id, contact_id: None, patch };
    let event = NewEvent { occurred_at, ..event(None, "note.updated", None) };
    let (kind, change) = (JobKind::PushNote, Change::Note(change));
    db.records
        .accept(&[IncomingEvent { event, kind, priority: job_engine::Priority::Realtime, change }])
        .await
        .unwrap();
}

async fn pull_note(db: &Db, epoch: i64, text: &str) -> String {
    let note = Note { note_id: Some("n1".to_owned()), note_text: text.to_owned(), ..Note::default() };
    db.pull(epoch, &Pulled { notes: vec![note], ..pulled("c1", &[]) }).await;
    note_text(db).await
}

async fn note_text(db: &Db) -> String {
    db.records.entry_of_ghl::<Note>(LOC, "n1").await.unwrap().unwrap().doc.note_text
}

async fn the_newest_edit_of_a_note_is_known_by_its_webhook(db: Db) {
    // When GHL reported its edit, after ours or before; none where its webhook is lost.
    for (case, (seconds, winner)) in
        [(Some(4), "ghl"), (Some(-4), "clienty"), (None, "clienty")].into_iter().enumerate()
    {
        let epoch = i64::try_from(case).unwrap() * 10;
        // Each case long after the one before.
        let at = |seconds: i64| at(seconds + epoch * 60);
        db.clock.set(at(0));
        let (agreed, theirs) = (format!("agreed {case}"), format!("theirs {case}"));
        pull_note(&db, epoch + 1, &agreed).await;
        let row = db.records.entry_of_ghl::<Note>(LOC, "n1").await.unwrap().unwrap();
        let was = conflicts(&db).await.len();
        edit_note(&db, "ours", None).await;
        db.clock.set(at(9));
        if let Some(seconds) = seconds {
            let body = json!({"id": "n1", "contactId": "c1", "body": theirs});
            reported(&db, &format!("w{case}"), "NoteUpdate", body, seconds + epoch * 60).await;
        }
        let text = pull_note(&db, epoch + 2, &theirs).await;
        assert_eq!(text, if winner == "ghl" { theirs.as_str() } else { "ours" }, "{seconds:?}");
        let kept = conflicts(&db).await;
        assert_eq!(kept.len(), was + 1);
        let reported = (kept[0].winner.as_str(), kept[0].ours_at, kept[0].theirs_at);
        assert_eq!(reported, (winner, Some(at(0)), seconds.map(at)));
        // GHL gets it, so that the next case begins with both sides equal.
        let key = JobKey::new(JobKind::PushNote, LOC, row.row_id.as_str());
        let run = db.records.start_run(&key, epoch + 3).await.unwrap().unwrap();
        let row = db.records.entry_of_ghl::<Note>(LOC, "n1").await.unwrap().unwrap();
        let mut tx = db.records.begin(&run).await.unwrap();
        tx.pushed(&row, "n1", &row.doc.clone()).await.unwrap();
        tx.close_run(&[]).await.unwrap();
    }
}

fn of(city: &str, tags: &[&str], seconds: i64) -> Contact {
    remote("c1", json!({"city": city, "tags": tags, "dateUpdated": at(seconds)}))
}

async fn city(db: &Db) -> Option<String> {
    db.records.find_contact(LOC, "c1").await.unwrap().unwrap().doc.city
}

async fn pull(db: &Db, epoch: i64, contact: Contact) {
    db.pull(epoch, &Pulled { contact, ..pulled("c1", &[]) }).await;
}

async fn a_tag_that_was_added_later_makes_no_city_newer(db: Db) {
    pull(&db, 1, of("A", &[], -60)).await;
    reported(&db, "w1", "ContactUpdate", json!({"id": "c1", "city": "theirs", "tags": []}), -5).await;
    accept(&db, change(Act::Edit, Some("c1"), None, json!({"city": "ours"}))).await;
    db.clock.set(at(30));
    reported(&db, "w2", "ContactTagUpdate", json!({"id": "c1", "city": "theirs", "tags": ["vip"]}), 20).await;
    pull(&db, 2, of("theirs", &["vip"], 20)).await;
    assert_eq!(city(&db).await.as_deref(), Some("ours"));
    let kept = conflicts(&db).await.remove(0);
    let reported = (kept.winner.as_str(), kept.ours_at, kept.theirs_at);
    assert_eq!(reported, ("clienty", Some(at(0)), Some(at(-5))));
}

async fn say(db: &Db, set: Value, occurred_at: Option<Timestamp>) {
    let trigger = change(Act::Edit, Some("c1"), None, set);
    let event = NewEvent { occurred_at, ..trigger.event };
    accept(db, IncomingEvent { event, ..trigger }).await;
}

async fn an_event_that_comes_late_is_not_the_newest_edit(db: Db) {
    pull(&db, 1, of("A", &[], -60)).await;
    pull(&db, 2, of("theirs", &[], -1)).await;
    // GHL's edit was first seen now; what the event says occurred before, and it comes late.
    say(&db, json!({"city": "late", "state": "NW"}), Some(at(-600))).await;
    let row = db.records.find_contact(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((row.doc.city.as_deref(), row.doc.state.as_deref()), (Some("theirs"), Some("NW")));
    assert_eq!(row.edits, [("state".to_owned(), at(-600).as_millisecond())].into());
    let kept = conflicts(&db).await;
    let lost: Vec<_> = kept.iter().map(|one| (one.field.as_str(), &one.ours, one.ours_at)).collect();
    assert_eq!(lost, [("city", &json!("late"), Some(at(-600)))]);

    // Of two events of the producer's own, the later one stands whichever comes first.
    db.clock.set(at(60));
    say(&db, json!({"city": "second"}), Some(at(50))).await;
    say(&db, json!({"city": "first"}), Some(at(40))).await;
    assert_eq!(city(&db).await.as_deref(), Some("second"));
    say(&db, json!({"city": "third"}), None).await;
    assert_eq!((city(&db).await.as_deref(), conflicts(&db).await.len()), (Some("third"), 1));
    // One that says nothing of its time counts from now, and one ahead of us no later than now.
    say(&db, json!({"city": "fourth"}), Some(at(90))).await;
    let row = db.records.find_contact(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((row.doc.city.as_deref(), row.edits["city"]), (Some("fourth"), at(60).as_millisecond()));
}

async fn a_part_of_which_an_event_comes_late_keeps_what_was_edited_since(db: Db) {
    pull_note(&db, 1, "A").await;
    db.clock.set(at(60));
    edit_note(&db, "second", Some(at(50))).await;
    edit_note(&db, "first", Some(at(40))).await;
    assert_eq!(note_text(&db).await, "second");
    edit_note(&db, "third", Some(at(55))).await;
    assert_eq!(note_text(&db).await, "third");
}
