//! One person is one person: whatever ids an event names, whichever rows become one, whatever id comes later (law 17).

use serde_json::{Value, json};
use sync_model::decide::fields::{Fields, fields};
use sync_model::record::Contact;
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    both_ids_name_one_contact_or_the_event_is_refused,
    a_create_waits_for_the_deletion_of_the_contact_in_its_way,
    two_rows_that_become_one_lose_nothing_that_is_pending,
    another_id_of_a_contact_is_an_alias_for_its_parts_too,
    a_contact_that_got_another_clienty_id_meanwhile_is_not_adopted,
    a_run_whose_contact_became_one_with_another_settles_nothing,
    a_pending_contact_that_ghl_has_is_read_before_it_is_written,
    a_create_is_not_sent_of_a_contact_that_was_linked_meanwhile,
    an_answer_about_another_contact_than_the_linked_one_changes_nobody,
    the_id_of_a_deleted_contact_has_a_way_back,
    a_fetch_links_the_id_that_it_names,
    an_erasure_holds_under_ids_that_come_later,
    an_erasure_takes_along_what_the_lost_create_made,
    an_event_that_names_an_erased_person_beside_another_is_refused,
}

/// The field for which the event is refused; none where it is accepted.
async fn refusal(db: &Db, trigger: IncomingEvent) -> Option<(&'static str, String)> {
    match db.records.accept(&[trigger]).await {
        Ok(_) => None,
        Err(AcceptError::Refused(Refusal { field, message, .. })) => Some((field, message)),
        Err(other) => panic!("{other:?}"),
    }
}

async fn row(db: &Db, id: &str) -> Option<ContactRow> {
    db.records.find_contact(LOC, id).await.unwrap()
}

async fn run_of(db: &Db, row_id: &str, epoch: i64) -> Run {
    db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, row_id), epoch).await.unwrap().unwrap()
}

async fn pull(db: &Db, contact: Contact, epoch: i64) {
    let whole = Pulled { contact, tasks: Vec::new(), notes: Vec::new(), appointments: Vec::new() };
    db.pull(epoch, &whole).await;
}

async fn gone(db: &Db, contact_id: &str, epoch: i64) {
    let run = db.pull_run(contact_id, epoch).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone(contact_id).await.unwrap();
    tx.close_run(&[]).await.unwrap();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Known,
    Unknown,
    Pending,
    Hidden,
}

const STATES: [State; 4] = [State::Known, State::Unknown, State::Pending, State::Hidden];

/// Brings about that the id names such a contact; `of_clienty`: as Clienty's id of it.
async fn arrange(db: &Db, id: &str, state: State, of_clienty: bool) {
    let ghl_id = if of_clienty { format!("ghl-{id}") } else { id.to_owned() };
    match state {
        State::Unknown => {}
        State::Pending => {
            accept(db, change(Act::Create, None, Some(id), json!({"firstName": id}))).await;
        }
        State::Known | State::Hidden => {
            pull(db, remote(&ghl_id, json!({"firstName": id})), 1).await;
            if of_clienty {
                accept(db, change(Act::Edit, Some(&ghl_id), Some(id), json!({}))).await;
            }
            if state == State::Hidden {
                gone(db, &ghl_id, 2).await;
            }
        }
    }
}

/// What is pending by every contact of before, but for that of the two ids.
async fn others(db: &Db, but: Option<&str>) -> Vec<(String, Contact, bool)> {
    let query = ListQuery { limit: 500, include_deleted: true, ..ListQuery::default() };
    let all = db.records.list_contacts(LOC, &query).await.unwrap().items;
    let of = |shown: Shown<Contact>| {
        let doc = Contact { clienty_contact_id: None, ..shown.record };
        (shown.record_id, doc, shown.deleted_at.is_some())
    };
    all.into_iter().map(of).filter(|(row_id, ..)| but != Some(row_id.as_str())).collect()
}

async fn both_ids_name_one_contact_or_the_event_is_refused(db: Db) {
    use State::{Hidden, Known, Pending, Unknown};
    for act in ["update", "tag", "create", "delete"] {
        for (g, by_contact) in STATES.into_iter().enumerate() {
            for (k, by_clienty) in STATES.into_iter().enumerate() {
                let case = format!("{act}: {by_contact:?} × {by_clienty:?}");
                let (contact_id, clienty_id) = (format!("{act}-g{g}{k}"), format!("{act}-k{g}{k}"));
                arrange(&db, &contact_id, by_contact, false).await;
                arrange(&db, &clienty_id, by_clienty, true).await;
                let before = others(&db, None).await;
                let (does, set) = match act {
                    "tag" => (Act::Edit, json!({"tags.vip": true})),
                    "create" => (Act::Create, json!({"city": "Bonn"})),
                    "delete" => (Act::Delete, json!({})),
                    _ => (Act::Edit, json!({"city": "Bonn"})),
                };
                let deletes = act == "delete";
                let refused = refusal(&db, change(does, Some(&contact_id), Some(&clienty_id), set)).await;
                let is_right = match (by_contact, by_clienty) {
                    (Hidden, Unknown) => deletes,
                    (_, Unknown) | (Known | Unknown, Pending) => true,
                    (Known | Unknown | Pending, Hidden) => !deletes,
                    _ => false,
                };
                assert_eq!(refused.is_none(), is_right, "{case}: {refused:?}");
                if let Some((field, message)) = refused {
                    assert!(field.ends_with("ontactId") && message.contains("`contact.selected`"), "{case}: {message}");
                    assert_eq!(others(&db, None).await, before, "{case}");
                    continue;
                }
                let meant = row(&db, &contact_id).await.unwrap();
                assert_eq!(row(&db, &clienty_id).await.unwrap().row_id, meant.row_id, "{case}: both lead to one");
                assert_eq!(meant.is_visible(), !deletes, "{case}");
                let left = others(&db, Some(&meant.row_id)).await;
                let untouched = left.iter().all(|other| before.contains(other));
                assert!(untouched, "{case}: nobody else is changed: {left:?} of {before:?}");
            }
        }
    }
}

/// Between the look at the contact in the way of a create and its adoption, a producer gives that contact an id of its own.
async fn a_contact_that_got_another_clienty_id_meanwhile_is_not_adopted(db: Db) {
    let theirs = remote("g1", json!({"email": "a@x.de"}));
    pull(&db, theirs.clone(), 1).await;
    let row_id = accept(&db, change(Act::Create, None, Some("k2"), json!({"email": "a@x.de", "city": "Ulm"}))).await;
    accept(&db, change(Act::Edit, Some("g1"), Some("k1"), json!({}))).await;
    let raced = match_lost_create(&db, &row_id, &theirs, 2).await;
    assert!(matches!(raced, Err(RecordsError::Raced)), "{raced:?}");
    let (one, other) = (row(&db, "k1").await.unwrap(), row(&db, "k2").await.unwrap());
    assert!(one.row_id != other.row_id && other.is_pending() && one.doc.city.is_none());
}

/// An adoption of `theirs`, of which nobody knows what it holds.
async fn match_lost_create(
    db: &Db,
    row_id: &str,
    theirs: &Contact,
    epoch: i64,
) -> Result<Option<String>, RecordsError> {
    let run = run_of(db, row_id, epoch).await;
    let row = db.records.contact_row(LOC, row_id).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    let pending = tx.contact_linked(&row, theirs, None).await?;
    tx.keep_open().await.unwrap();
    Ok(pending)
}

async fn a_create_waits_for_the_deletion_of_the_contact_in_its_way(db: Db) {
    let theirs = remote("g1", json!({"email": "a@x.de", "city": "Berlin"}));
    pull(&db, theirs.clone(), 1).await;
    let deleted = accept(&db, change(Act::Delete, Some("g1"), None, json!({}))).await;
    let created = accept(&db, change(Act::Create, None, Some("k1"), json!({"email": "a@x.de"}))).await;
    assert!(matches!(match_lost_create(&db, &created, &theirs, 1).await, Err(RecordsError::Raced)));
    let waits = db.records.contact_row(LOC, &deleted).await.unwrap().unwrap();
    assert!(waits.awaits_deletion() && !waits.is_settled() && db.records.is_pushed(&waits).await.unwrap());
    assert!(row(&db, "k1").await.unwrap().is_pending());
}

async fn two_rows_that_become_one_lose_nothing_that_is_pending(db: Db) {
    let theirs = remote("g1", json!({"email": "a@x.de", "city": "Berlin"}));
    pull(&db, theirs.clone(), 1).await;
    let edited = accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Bonn", "tags.vip": true}))).await;
    let run = run_of(&db, &edited, 1).await;
    db.records.set_contact_asked(&run, &Fields::from([("city".to_owned(), json!("Bonn"))])).await.unwrap();
    db.records.retry_run(&run, "GHL is out of order", 0).await.unwrap();
    let created = accept(&db, change(Act::Create, None, Some("k1"), json!({"email": "a@x.de", "state": "NW"}))).await;
    db.edit(new_task("t1", "k1", "Call")).await;
    match_lost_create(&db, &created, &theirs, 2).await.unwrap();
    for id in ["g1", "k1"] {
        let row = row(&db, id).await.unwrap();
        let doc = &row.doc;
        assert_eq!(
            (doc.city.as_deref(), doc.state.as_deref(), &doc.tags[..]),
            (Some("Bonn"), Some("NW"), &["vip".to_owned()][..])
        );
        assert_eq!((row.row_id.as_str(), row.is_settled()), (created.as_str(), false));
        assert_eq!(row.unanswered.asked["city"], json!("Bonn"), "what was asked and not answered is still asked");
        assert_eq!(db.titles(id).await, ["Call"]);
    }
    let jobs = db.records.list_jobs(&JobFilter::default(), 100).await.unwrap();
    let open: Vec<_> = jobs.iter().filter(|job| job.finished_at.is_none() && job.key.kind == "push_contact").collect();
    assert!(open.len() == 2 && open.iter().all(|job| job.key.record_id == created), "{open:#?}");
    // The same the other way round: a producer says it.
    pull(&db, remote("g2", json!({"email": "b@x.de"})), 3).await;
    accept(&db, change(Act::Edit, Some("g2"), None, json!({"city": "Ulm"}))).await;
    accept(&db, change(Act::Create, None, Some("k2"), json!({"email": "b@x.de", "state": "BW"}))).await;
    accept(&db, change(Act::Edit, Some("g2"), Some("k2"), json!({"country": "DE"}))).await;
    let row = row(&db, "k2").await.unwrap();
    let pending: Vec<_> = row.pending().fields.into_keys().collect();
    assert_eq!(
        (row.contact_id.as_str(), pending),
        ("g2", vec!["city".to_owned(), "country".to_owned(), "state".to_owned()])
    );
}

async fn another_id_of_a_contact_is_an_alias_for_its_parts_too(db: Db) {
    pull(&db, remote("g1", json!({"firstName": "Ada"})), 1).await;
    accept(&db, change(Act::Edit, Some("g1"), Some("p1"), json!({}))).await;
    // Whoever knew the id before the contact did.
    db.edit(new_task("t1", "p2", "Call")).await;
    accept(&db, change(Act::Edit, Some("g1"), Some("p2"), json!({}))).await;
    db.edit(new_task("t2", "p2", "Write")).await;
    assert_eq!(db.titles("g1").await, ["Call", "Write"]);
    let row = row(&db, "p2").await.unwrap();
    assert_eq!((row.contact_id.as_str(), row.clienty_id.as_deref()), ("g1", Some("p1")));
    gone(&db, "g1", 2).await;
    assert_eq!(db.refusal(new_task("t3", "p2", "Late")).await.field, "contactId", "nothing is hung on who is gone");
}

async fn a_run_whose_contact_became_one_with_another_settles_nothing(db: Db) {
    let theirs = remote("g1", json!({"email": "a@x.de", "city": "Berlin"}));
    pull(&db, theirs.clone(), 1).await;
    let edited = accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Bonn"}))).await;
    let zombie = run_of(&db, &edited, 7).await;
    let created = accept(&db, change(Act::Create, None, Some("k1"), json!({"email": "a@x.de"}))).await;
    match_lost_create(&db, &created, &theirs, 2).await.unwrap();
    let tx = db.records.begin(&zombie).await.unwrap();
    assert!(is_lost(tx.close_run(&[]).await), "its jobs are the other row's");
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, &*created), 3).await.unwrap().unwrap();
    assert!(run.ids.iter().any(|id| zombie.ids.contains(id)), "and owed still");
    assert_eq!(row(&db, "g1").await.unwrap().doc.city.as_deref(), Some("Bonn"));
}

async fn a_pending_contact_that_ghl_has_is_read_before_it_is_written(db: Db) {
    let created = accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    db.edit(new_task("t1", "k1", "Call")).await;
    let linked = accept(&db, change(Act::Edit, Some("g1"), Some("k1"), json!({"city": "Bonn"}))).await;
    assert_eq!(linked, created);
    let row = row(&db, "g1").await.unwrap();
    assert!(row.is_unread() && !row.is_settled() && !row.is_pending());
    assert_eq!(row.edits.keys().collect::<Vec<_>>(), ["city", "firstName"]);
    assert_eq!(db.titles("g1").await, ["Call"]);
}

async fn a_create_is_not_sent_of_a_contact_that_was_linked_meanwhile(db: Db) {
    let created = accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    let run = run_of(&db, &created, 1).await;
    let doc = row(&db, "k1").await.unwrap().doc;
    accept(&db, change(Act::Edit, Some("g1"), Some("k1"), json!({}))).await;
    let announced = db.records.set_contact_intent(&run, Some(&doc)).await;
    assert!(matches!(announced, Err(RecordsError::Raced)), "{announced:?}");
}

async fn an_answer_about_another_contact_than_the_linked_one_changes_nobody(db: Db) {
    let created = accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    let run = run_of(&db, &created, 1).await;
    let before = row(&db, "k1").await.unwrap();
    db.records.set_contact_intent(&run, Some(&before.doc)).await.unwrap();
    // GHL may have made this one, and nobody has looked at it.
    accept(&db, change(Act::Edit, Some("g1"), Some("k1"), json!({"city": "Bonn"}))).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    let theirs = remote("g2", json!({"firstName": "Ada"}));
    tx.contact_linked(&before, &theirs, Some(&fields(&before.doc))).await.unwrap();
    tx.keep_open().await.unwrap();
    let row = row(&db, "k1").await.unwrap();
    assert_eq!((row.contact_id.as_str(), row.is_unread()), ("g1", true));
    let jobs = db.records.list_jobs(&JobFilter::default(), 100).await.unwrap();
    assert!(jobs.iter().any(|job| job.key == pull_key("g2")), "what the create made is fetched: {jobs:#?}");
}

async fn the_id_of_a_deleted_contact_has_a_way_back(db: Db) {
    pull(&db, remote("a", json!({"firstName": "Ada"})), 1).await;
    pull(&db, remote("b", json!({"firstName": "Ada"})), 1).await;
    accept(&db, change(Act::Edit, Some("a"), Some("k1"), json!({}))).await;
    // GHL merges a into b, of which it informs nobody.
    let named = change(Act::Edit, Some("b"), Some("k1"), json!({"city": "Bonn"}));
    let (field, message) = refusal(&db, named.clone()).await.unwrap();
    assert!(field == "data.clientyContactId" && message.contains("merged"), "{message}");
    gone(&db, "a", 2).await;
    for act in [Act::Edit, Act::Create] {
        let (field, message) = refusal(&db, change(act, None, Some("k1"), json!({"city": "Ulm"}))).await.unwrap();
        assert!(field == "data.clientyContactId" && message.contains("contactId"), "{message}");
    }
    accept(&db, named).await;
    let now = row(&db, "k1").await.unwrap();
    assert_eq!(
        (now.contact_id.as_str(), now.clienty_id.as_deref(), now.doc.city.as_deref()),
        ("b", Some("k1"), Some("Bonn"))
    );
    assert_eq!(row(&db, "a").await.unwrap().clienty_id, None);
    accept(&db, change(Act::Edit, None, Some("k1"), json!({"city": "Ulm"}))).await;
    // So has that of one whose deletion GHL has yet to do: the deletion waits on.
    pull(&db, remote("c", json!({"firstName": "Eve"})), 2).await;
    accept(&db, change(Act::Edit, Some("c"), Some("k3"), json!({}))).await;
    accept(&db, change(Act::Delete, None, Some("k3"), json!({}))).await;
    accept(&db, change(Act::Edit, Some("d"), Some("k3"), json!({"city": "Bonn"}))).await;
    assert_eq!(row(&db, "k3").await.unwrap().contact_id, "d");
    let waits = row(&db, "c").await.unwrap();
    assert!(waits.awaits_deletion() && db.records.is_pushed(&waits).await.unwrap());
    // A contact that GHL has again.
    pull(&db, remote("a", json!({"firstName": "Ada"})), 3).await;
    accept(&db, change(Act::Edit, Some("a"), None, json!({"city": "Bonn"}))).await;
}

async fn a_fetch_links_the_id_that_it_names(db: Db) {
    let fetch = |contact_id: &str, clienty_id: &str| {
        let mut trigger = change(Act::Edit, Some(contact_id), Some(clienty_id), json!({}));
        trigger.kind = JobKind::PullContact;
        trigger
    };
    accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    let keys = [("g1", "k1"), ("g2", "k2")].map(|(contact_id, clienty_id)| fetch(contact_id, clienty_id));
    let accepted = db.records.accept(&keys).await.unwrap();
    assert_eq!(accepted.into_iter().map(|one| one.key).collect::<Vec<_>>(), [pull_key("g1"), pull_key("g2")]);
    for (contact_id, clienty_id) in [("g1", "k1"), ("g2", "k2")] {
        assert_eq!(row(&db, clienty_id).await.unwrap().contact_id, contact_id);
        assert_ne!(db.records.is_pending(LOC, contact_id).await.unwrap(), Some(true));
    }
    assert_eq!(refusal(&db, fetch("g2", "k1")).await.unwrap().0, "data.clientyContactId");
}

/// A contact of Clienty's whose create was sent and not answered.
async fn in_doubt(db: &Db, set: Value) -> ContactRow {
    let created = accept(db, change(Act::Create, None, Some("k1"), set)).await;
    let run = run_of(db, &created, 1).await;
    let doc = row(db, "k1").await.unwrap().doc;
    db.records.set_contact_intent(&run, Some(&doc)).await.unwrap();
    db.records.retry_run(&run, "the connection broke", 0).await.unwrap();
    row(db, "k1").await.unwrap()
}

async fn an_erasure_holds_under_ids_that_come_later(db: Db) {
    let made = remote("g1", json!({"firstName": "Secret", "email": "ada@x.de", "dateAdded": NOW}));
    let lost = in_doubt(&db, json!({"firstName": "Secret", "email": "ada@x.de"})).await;
    db.records.erase(LOC, "k1").await.unwrap().unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
    assert_eq!(db.columns_with("ada@x.de").await, [""; 0]);
    // Whoever was there before, or came long after, is somebody else.
    for (id, added) in [("g2", "2024-05-06T07:08:09Z"), ("g3", "2026-06-02T12:00:00Z")] {
        let other = remote(id, json!({"email": "ada@x.de", "dateAdded": added}));
        assert!(!db.records.is_erased_person(LOC, &other).await.unwrap());
    }
    // GHL's webhook reports the contact under its own id.
    let body =
        json!({"type": "ContactCreate", "id": "g1", "firstName": "Secret", "email": "ada@x.de", "dateAdded": NOW});
    let hook = NewWebhook {
        id: "w1".to_owned(),
        event_type: "ContactCreate",
        location_id: Some(LOC.to_owned()),
        needs_connection: true,
        is_late: false,
        body: body.to_string(),
        work: WebhookWork::Pull { contact_id: "g1".to_owned() },
    };
    assert_eq!(db.records.accept_webhooks(&[hook]).await.unwrap().remove(0).job, None);
    for id in ["k1", "g1"] {
        assert_eq!(db.records.erasure(LOC, id).await.unwrap().unwrap().contact_id, "k1");
    }
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
    // So does the answer to the create that comes after all.
    let run = run_of(&db, &lost.row_id, 2).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.contact_linked(&lost, &remote("g4", json!({"email": "ada@x.de"})), None).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert!(db.records.erasure(LOC, "g4").await.unwrap().is_some());
    assert!(!db.records.is_erased_person(LOC, &made).await.unwrap(), "who is known to be erased is waited for no more");
}

async fn an_erasure_takes_along_what_the_lost_create_made(db: Db) {
    in_doubt(&db, json!({"firstName": "Secret", "email": "ada@x.de"})).await;
    let made = json!({"firstName": "Secret", "email": "ada@x.de", "dateAdded": NOW, "dateUpdated": NOW});
    pull(&db, remote("g1", made), 1).await;
    pull(&db, remote("g2", json!({"email": "grace@x.de", "dateAdded": NOW, "dateUpdated": NOW})), 1).await;
    db.records.erase(LOC, "k1").await.unwrap().unwrap();
    assert_eq!((row(&db, "g1").await, db.columns_with("Secret").await), (None, Vec::<String>::new()));
    assert!(db.records.erasure(LOC, "g1").await.unwrap().is_some() && row(&db, "g2").await.is_some());
}

async fn an_event_that_names_an_erased_person_beside_another_is_refused(db: Db) {
    pull(&db, remote("g1", json!({"firstName": "Ada"})), 1).await;
    accept(&db, change(Act::Edit, Some("g1"), Some("k1"), json!({}))).await;
    db.records.erase(LOC, "g1").await.unwrap().unwrap();
    for (act, id) in [(Act::Edit, Some("g2")), (Act::Create, None), (Act::Create, Some("g2"))] {
        let (field, message) = refusal(&db, change(act, id, Some("k1"), json!({"city": "Bonn"}))).await.unwrap();
        assert!(field == "data.clientyContactId" && message.contains("erased"), "{field}: {message}");
    }
    assert_eq!(row(&db, "g2").await, None);
}
