//! Erasing one person's data.

use serde_json::json;
use sync_workers::records::model::{Appointment, Note};
use sync_workers::records::*;

use crate::support::*;

promises! {
    everything_of_a_person_goes_and_a_receipt_stays,
    nothing_brings_it_back_but_a_producer_who_asks,
    an_erasure_and_pulls_at_once_end_erased,
    a_location_that_nobody_knows_has_nothing_to_erase,
    an_id_that_is_part_of_a_word_erases_nothing_of_others,
}

/// A contact with one of everything, and a neighbour with a task.
async fn two_people(db: &Db) {
    let note = Note { note_id: Some("n1".to_owned()), note_text: "Met Ada".to_owned(), ..Note::default() };
    let meeting =
        Appointment { appointment_id: Some("a1".to_owned()), contact_id: "c1".to_owned(), ..Appointment::default() };
    let whole = Pulled { notes: vec![note], appointments: vec![meeting], ..pulled("c1", &[("g1", "Call Ada")]) };
    db.pull(1, &whole).await;
    db.pull(1, &pulled("c2", &[("g2", "Call Grace")])).await;
}

/// A webhook with something of c1 in it.
fn hook(id: &str, work: WebhookWork) -> NewWebhook {
    NewWebhook {
        id: id.to_owned(),
        event_type: "ContactUpdate",
        location_id: Some(LOC.to_owned()),
        needs_connection: true,
        is_stale: false,
        body: json!({"id": "c1", "firstName": "Secret"}).to_string(),
        work,
    }
}

/// What the ledger holds of events.
async fn told(db: &Db) -> String {
    let jobs = db.records.list_jobs(&JobFilter::default(), 1000).await.unwrap();
    jobs.into_iter().map(|job| job.data.to_string()).collect()
}

async fn everything_of_a_person_goes_and_a_receipt_stays(db: Db) {
    two_people(&db).await;
    let row_id = db.edit(new_task("t1", "c1", "Secret")).await;
    let with_data = |mut trigger: Trigger, data| {
        trigger.event.data = data;
        trigger
    };
    let events = [
        with_data(selected(None, "c1"), json!({"seen": "Secret"})),
        with_data(edited(edit_by_ghl_id("g1", "New")), json!({"title": "Secret"})),
        with_data(selected(None, "c2"), json!({"beside": "c1", "said": "Secret"})),
        with_data(selected(None, "c2"), json!({"seen": "Kept"})),
    ];
    db.records.accept(&events).await.unwrap();
    let hooks = [hook("w1", WebhookWork::Pull { contact_id: "c1".to_owned() }), hook("w2", WebhookWork::Nothing)];
    db.records.accept_webhooks(&hooks).await.unwrap();
    let end = db.records.last_change().await.unwrap();

    let receipt = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    let count = |table: &str| receipt.erased[table];
    assert_eq!(["contacts", "entries", "jobs", "webhooks"].map(count), [1, 4, 3, 2]);
    assert_eq!((receipt.contact_id.as_str(), receipt.erased_at.to_string().as_str()), ("c1", NOW));
    assert_eq!(db.records.view_with_deleted(LOC, "c1").await.unwrap(), None);
    assert!(db.records.entry::<model::Task>(&row_id).await.unwrap().is_none());
    let told = told(&db).await;
    assert!(!told.contains("Secret") && told.contains("Kept"), "{told}");
    assert!(db.records.contact_view(LOC, "c2").await.unwrap().is_some_and(|view| view.tasks.len() == 1));

    let feed = db.records.list_changes(Some(&end.to_string()), 10).await.unwrap().items;
    assert_eq!(
        feed.iter().map(|item| (item.record_id.as_str(), item.op)).collect::<Vec<_>>(),
        [("c1", ChangeOp::Erased)]
    );
    assert_eq!(db.records.erase(LOC, "c1").await.unwrap(), Some(receipt.clone()));
    assert_eq!(db.records.erasure(LOC, "c1").await.unwrap(), Some(receipt));
    assert_eq!(db.records.last_change().await.unwrap(), end + 1, "asking again changes nothing");
}

async fn nothing_brings_it_back_but_a_producer_who_asks(db: Db) {
    two_people(&db).await;
    // A pull that has its answer already, and one that an older event asks for.
    let late = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    db.records.erase(LOC, "c1").await.unwrap();
    let mut tx = db.records.begin(&late).await.unwrap();
    tx.store_pull(&pulled("c1", &[("g1", "Call")]), &snapshot).await.unwrap();
    assert!(matches!(tx.close_run(&[]).await, Err(RecordsError::Erased { .. })));
    assert_eq!(db.records.view_with_deleted(LOC, "c1").await.unwrap(), None);

    let told_of = |work| hook("w3", work);
    let hooks = [told_of(WebhookWork::Pull { contact_id: "c1".to_owned() })];
    let outcome = db.records.accept_webhooks(&hooks).await.unwrap().remove(0);
    assert_eq!((outcome.result, outcome.job), (WebhookResult::Accepted, None));

    // What others tell is accepted without what it tells; what a producer says of the contact is refused.
    let mut hook = selected(Some("w1"), "c1");
    hook.event.source = "webhook".to_owned();
    hook.event.data = json!({"email": "ada@example.com"});
    db.records.accept(&[hook]).await.unwrap();
    assert!(!told(&db).await.contains("ada@"));
    let mut task = edited(new_task("t2", "c1", "Call"));
    task.event.contact_id = Some("c1".to_owned());
    let refused = db.records.accept(&[selected(None, "c2"), task.clone()]).await;
    assert!(matches!(&refused, Err(AcceptError::Refused(Refusal { index: 1, field: "contactId", .. }))), "{refused:?}");

    db.pull(3, &pulled("c1", &[("g1", "Call")])).await;
    assert_eq!(db.titles("c1").await, ["Call"]);
    assert_eq!(db.records.erasure(LOC, "c1").await.unwrap(), None);
    db.records.accept(&[task]).await.unwrap();
    let again = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((again.erased["contacts"], again.erased["entries"]), (1, 2));
}

async fn an_erasure_and_pulls_at_once_end_erased(db: Db) {
    for round in 0..10 {
        let contact = format!("c{round}");
        let run = db.pull_run(&contact, 1).await;
        let snapshot = db.records.snapshot(LOC, &contact).await.unwrap();
        let (records, id) = (db.records.clone(), contact.clone());
        let pull = tokio::spawn(async move {
            let mut tx = records.begin(&run).await.unwrap();
            tx.store_pull(&pulled(&id, &[("g1", "Call")]), &snapshot).await.unwrap();
            tokio::task::yield_now().await;
            tx.close_run(&[]).await
        });
        db.records.erase(LOC, &contact).await.unwrap();
        let stored = pull.await.unwrap();
        assert!(matches!(stored, Ok(()) | Err(RecordsError::Erased { .. })), "{stored:?}");
        assert_eq!(db.records.view_with_deleted(LOC, &contact).await.unwrap(), None, "round {round}: {stored:?}");
    }
}

async fn a_location_that_nobody_knows_has_nothing_to_erase(db: Db) {
    assert_eq!(db.records.erase("elsewhere", "c1").await.unwrap(), None);
    assert_eq!(db.records.erasure("elsewhere", "c1").await.unwrap(), None);
    let nothing = db.records.erase(LOC, "never-seen").await.unwrap().unwrap();
    assert!(nothing.erased.values().all(|rows| *rows == 0), "and yet the wish is kept: {nothing:?}");
}

async fn an_id_that_is_part_of_a_word_erases_nothing_of_others(db: Db) {
    let mut of_another = selected(Some("e1"), "c2");
    of_another.event.data = json!({"remark": "Kept"});
    db.records.accept(&[of_another]).await.unwrap();
    let hooks = [hook("w1", WebhookWork::Nothing)];
    db.records.accept_webhooks(&hooks).await.unwrap();
    let receipt = db.records.erase(LOC, "e").await.unwrap().unwrap();
    assert!(receipt.erased.values().all(|rows| *rows == 0), "{receipt:?}");
    assert!(told(&db).await.contains("Kept"));
}
