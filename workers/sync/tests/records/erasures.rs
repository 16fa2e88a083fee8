//! Erasing one person's data.

use ghl::catalog::Wish;
use job_engine::Priority;
use serde_json::json;
use sync_model::record::{Appointment, Note};
use sync_workers::events::IncomingEvent;
use sync_workers::events::operation;
use sync_workers::flows::{Flow, Work, WorkOf};
use sync_workers::records::*;

use crate::schema;
use crate::support::*;

promises! {
    everything_of_a_person_goes_and_a_receipt_stays,
    nothing_brings_it_back_but_a_producer_who_asks,
    an_erasure_and_pulls_at_once_end_erased,
    a_location_that_nobody_knows_has_nothing_to_erase,
    an_id_that_is_part_of_a_word_erases_nothing_of_others,
    no_text_of_the_schema_holds_an_erased_person,
    what_was_forgotten_before_is_erased_all_the_same,
    no_event_about_an_erased_person_is_kept_with_what_it_says,
    an_erasure_holds_under_every_id,
    an_erasure_that_was_interrupted_is_completed,
    a_call_about_an_erased_person_is_refused_whoever_sends_it,
    a_reply_that_shows_an_erased_person_is_not_kept,
    an_erasure_and_replies_at_once_end_erased,
    a_call_that_was_accepted_before_is_not_sent,
    what_an_attempt_said_goes_with_what_its_job_holds,
    what_fails_after_the_erasure_says_nothing_of_the_person,
    a_call_that_names_nobody_is_found_by_what_the_person_is_known_by,
    the_jobs_of_a_persons_flows_hold_nothing_of_the_person,
    what_started_a_flow_is_kept_as_a_hash,
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
        is_late: false,
        body: json!({"id": "c1", "firstName": "Secret"}).to_string(),
        work,
    }
}

/// What the ledger holds of events.
async fn reported(db: &Db) -> String {
    let jobs = db.records.list_jobs(&JobFilter::default(), 1000).await.unwrap();
    jobs.into_iter().map(|job| job.data.to_string()).collect()
}

async fn everything_of_a_person_goes_and_a_receipt_stays(db: Db) {
    two_people(&db).await;
    let row_id = db.edit(new_task("t1", "c1", "Secret")).await;
    let with_data = |mut trigger: IncomingEvent, data| {
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
    assert!(db.records.entry::<sync_model::record::Task>(&row_id).await.unwrap().is_none());
    let reported = reported(&db).await;
    assert!(!reported.contains("Secret") && reported.contains("Kept"), "{reported}");
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

    let reported_of = |work| hook("w3", work);
    let hooks = [reported_of(WebhookWork::Pull { contact_id: "c1".to_owned() })];
    let outcome = db.records.accept_webhooks(&hooks).await.unwrap().remove(0);
    assert_eq!((outcome.result, outcome.job), (WebhookResult::Accepted, None));

    // What others report is accepted without what it reports; what a producer says of the contact is refused.
    let mut hook = selected(Some("w1"), "c1");
    hook.event.source = "webhook".to_owned();
    hook.event.data = json!({"email": "ada@example.com"});
    db.records.accept(&[hook]).await.unwrap();
    assert!(!reported(&db).await.contains("ada@"));
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
    assert!(reported(&db).await.contains("Kept"));
}

/// The columns that hold ids, our own words, or what is of no person.
const NOT_OF_PEOPLE: [&str; 40] = [
    "audit",
    "key_",
    "changes.caused_by",
    "changes.fields",
    "changes.key_id",
    "changes.origin",
    "changes.sync",
    "changes.via",
    "processes.",
    "location_activity.",
    "event_ids.",
    "api_keys.",
    "connections.",
    "custom_fields.",
    "deployment.",
    "enrich_keys.",
    "enrich_spend.",
    "erasure_ids.",
    "erasures.",
    "findings.",
    "flow_secrets.",
    "hook_deliveries.",
    "hook_places.",
    "hook_pump.",
    "hooks.",
    "flow_counter.",
    "flow_places.",
    "flow_touched.",
    "flow_versions.",
    "flows.",
    "installs.",
    "mapping_counter.",
    "mapping_versions.",
    "mappings.",
    "marks.",
    "notice_counter.",
    "notices.",
    "spent_installs.",
    "tokens.",
    "walks.",
];
/// In the other tables, columns that hold an id, a word of ours or a number.
const IDS_AND_WORDS: &[&str] = &[
    "id",
    "source",
    "event_id",
    "event_type",
    "kind",
    "location_id",
    "record_id",
    "contact_id",
    "state",
    "type",
    "result",
    "job_id",
    "row_id",
    "ghl_id",
    "clienty_id",
    "alias",
    "record",
    "op",
    "field",
    "winner",
    "flow",
    "definition",
    "log",
    "outcome",
    "seen_walk",
    "unread",
    "discarded_by",
    "stopped_by",
    "given_event_id",
    "unapplied",
    "created_by",
];

/// One person with a secret in every column that may hold one. The columns are filled as they are: what leads to each is tested elsewhere.
async fn with_secrets(db: &Db) -> Vec<String> {
    two_people(db).await;
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let note = trigger_of_note("n-of-clienty", "c1");
    let job = db.records.accept(&[note]).await.unwrap().remove(0).job_id;
    db.records.accept_webhooks(&[hook("w1", WebhookWork::Pull { contact_id: "c1".to_owned() })]).await.unwrap();
    db.records.keep_unreadable("sha256:x", b"{\"said").await.unwrap();
    let pool = db.pool().await;
    let run = db.records.start_run(&push_key(&row_id), 9).await.unwrap().unwrap();
    db.records.retry_run(&run, "GHL refused Secret", 0).await.unwrap();
    for statement in [
        "insert into conflicts (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at)
         values ('f1', 'loc1', 'c1', 'contact', 'c1', 'name', '\"Secret\"', '\"Secret\"', '\"Secret\"', 'ghl', 1)",
        "insert into missing_parts (location_id, contact_id, part, reason, since) values ('loc1', 'c1', 'notes', 'Secret', 1)",
        "insert into flow_runs (id, flow, location_id, contact_id, definition, knows, priority, started_at)
         values ('r1', 'welcome', 'loc1', 'c1', '{}', '{\"event\":\"Secret\"}', 1, 1)",
        "insert into enrichments (location_id, contact_id, field, provider, value, at, expires_at)
         values ('loc1', 'c1', 'city', 'pdl', '\"Secret\"', 1, 1)",
        "insert into enrich_cache (name, provider, location_id, contact_id, state, call_id, cost, sent, answer, asked_at, expires_at)
         values ('hmac', 'pdl', 'loc1', 'c1', 'match', 'call', 1, '[]', '{}', 1, 1)",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let mut filled = Vec::new();
    for schema::Column { table, name } in db.text_columns().await {
        let column = format!("{table}.{name}");
        let is_of_people = !NOT_OF_PEOPLE.iter().any(|other| column.starts_with(other));
        if !is_of_people || IDS_AND_WORDS.contains(&name.as_str()) {
            continue;
        }
        let theirs = match table.as_str() {
            "jobs" => format!("id = '{job}' or record_id = '{row_id}'"),
            // Nobody can say of whom those speak that can't be read.
            "job_attempts" | "unreadable_webhooks" => "true".to_owned(),
            _ => "contact_id = 'c1'".to_owned(),
        };
        // What is read as a document stays one.
        let update = format!("update {table} set {name} = '{{\"said\":\"Secret\"}}' where {theirs}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(update)).execute(&pool).await.unwrap().rows_affected();
        assert!(rows > 0, "no row of the person in {table}: has the test to learn of it?");
        filled.push(column);
    }
    pool.close().await;
    filled
}

fn trigger_of_note(clienty_id: &str, contact_id: &str) -> IncomingEvent {
    let patch = NotePatch { note_text: Some("Met".to_owned()), ..NotePatch::default() };
    let change = NoteChange {
        act: Act::Create,
        clienty_id: Some(clienty_id.to_owned()),
        ghl_id: None,
        contact_id: Some(contact_id.to_owned()),
        patch,
    };
    let mut event = event(None, "note.created", None);
    event.data = json!({"noteText": "Secret"});
    IncomingEvent { event, kind: JobKind::PushNote, priority: Priority::Realtime, change: Change::Note(change) }
}

async fn no_text_of_the_schema_holds_an_erased_person(db: Db) {
    let filled = with_secrets(&db).await;
    assert_eq!(db.columns_with("Secret").await, filled, "the test sees what stands there");
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

/// Thirty days after a note was deleted nothing leads from it to its contact any more.
async fn what_was_forgotten_before_is_erased_all_the_same(db: Db) {
    two_people(&db).await;
    db.records.accept(&[trigger_of_note("k1", "c1")]).await.unwrap();
    let pool = db.pool().await;
    sqlx::query("delete from entries where clienty_id = 'k1'").execute(&pool).await.unwrap();
    assert_eq!(db.columns_with("Secret").await, ["jobs.data"]);
    let receipt = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((receipt.erased["jobs"], db.columns_with("Secret").await), (1, Vec::<String>::new()));
}

async fn no_event_about_an_erased_person_is_kept_with_what_it_says(db: Db) {
    two_people(&db).await;
    let receipt = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    let long = "ocQHyuzHvysMo5N5VsXc";
    db.pull(2, &pulled(long, &[])).await;
    db.records.erase(LOC, long).await.unwrap().unwrap();
    let said = [
        json!({"type": "InboundMessage", "contactId": "c1", "body": "Secret"}),
        json!({"type": "OrderCreate", "order": {"contactSnapshot": {"id": "c1", "firstName": "Secret"}}}),
        json!({"type": "RelationCreate", "firstRecordId": "other", "secondRecordId": "c1", "note": "Secret"}),
        json!({"type": "Unheard", "members": [{"who": long, "called": "Secret"}]}),
    ];
    for (number, body) in said.iter().enumerate() {
        let mut hook = hook(&format!("w{number}"), WebhookWork::Nothing);
        hook.body = body.to_string();
        let outcome = db.records.accept_webhooks(&[hook]).await.unwrap().remove(0);
        assert_eq!(outcome.result, WebhookResult::Accepted, "GHL need not send it again");
    }
    assert_eq!(db.columns_with("Secret").await, [""; 0]);

    // What came in by no door of ours is erased by asking again; the receipt stays the same one.
    let pool = db.pool().await;
    let slipped = "update webhooks set body = '{\"contactId\":\"c1\",\"body\":\"Secret\"}' where id = 'w0'";
    sqlx::query(slipped).execute(&pool).await.unwrap();
    let again = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((again.id, again.erased["webhooks"]), (receipt.id, receipt.erased["webhooks"] + 1));
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

async fn an_erasure_holds_under_every_id(db: Db) {
    two_people(&db).await;
    let link = ContactChange {
        act: Act::Edit,
        contact_id: Some("c1".to_owned()),
        clienty_id: Some("k1".to_owned()),
        patch: ContactPatch::default(),
    };
    let mut trigger = selected(None, "c1");
    (trigger.kind, trigger.change) = (JobKind::PushContact, Change::Contact(link));
    db.records.accept(&[trigger]).await.unwrap();
    let receipt = db.records.erase(LOC, "k1").await.unwrap().unwrap();
    assert_eq!(receipt.contact_id, "c1");
    for id in ["c1", "k1"] {
        assert_eq!(db.records.erasure(LOC, id).await.unwrap().as_ref(), Some(&receipt), "{id}");
        let mut task = edited(new_task("t9", id, "Call"));
        task.event.contact_id = Some(id.to_owned());
        let refused = db.records.accept(&[task]).await;
        assert!(matches!(refused, Err(AcceptError::Refused(Refusal { field: "contactId", .. }))), "{id}: {refused:?}");
    }
    // Whoever asks for the contact by the other id gets it.
    let accepted = db.records.accept(&[selected(None, "k1")]).await.unwrap().remove(0);
    assert_eq!((accepted.key, db.records.erasure(LOC, "c1").await.unwrap()), (pull_key("c1"), None));
}

async fn an_erasure_that_was_interrupted_is_completed(db: Db) {
    with_secrets(&db).await;
    let pool = db.pool().await;
    let receipt = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    for statement in [
        "update erasures set pending = 1",
        "update webhooks set body = '{\"id\":\"c1\",\"name\":\"Secret\"}'",
        "update jobs set data = '{\"name\":\"Secret\"}' where contact_id = 'c1'",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    sync_workers::retention::round(&db.records, &db.clock, Default::default()).await.unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
    assert_eq!(db.records.erasure(LOC, "c1").await.unwrap().unwrap().id, receipt.id);
    assert_eq!(db.records.complete_erasures(10).await.unwrap(), 0);
}

/// An id as GHL's are.
const LONG: &str = "ocQHyuzHvysMo5N5VsXc";

fn call(name: &str, request: serde_json::Value, source: &str) -> IncomingEvent {
    let request = Wish {
        location_id: LOC.to_owned(),
        version: None,
        parameters: request["parameters"].as_object().cloned().unwrap_or_default(),
        body: request.get("body").cloned(),
        confirmed: true,
    };
    operation::call(name, request, source, None).unwrap()
}

/// Accepts the call and takes its run.
async fn calling(db: &Db, trigger: IncomingEvent) -> Run {
    let key = db.records.accept(&[trigger]).await.unwrap().remove(0).key;
    db.records.start_run(&key, 1).await.unwrap().unwrap()
}

fn business(name: &str) -> IncomingEvent {
    call("create-business", json!({"body": {"name": name, "locationId": LOC}}), "api")
}

async fn a_call_about_an_erased_person_is_refused_whoever_sends_it(db: Db) {
    db.pull(1, &pulled(LONG, &[])).await;
    let message =
        json!({"body": {"type": "SMS", "subType": "x", "status": "pending", "contactId": LONG, "message": "Secret"}});
    let calls = [
        ("get-contact", json!({"parameters": {"contactId": LONG}})),
        ("send-a-new-message", message),
        ("add-remove-contact-from-business", json!({"body": {"ids": [LONG], "businessId": "b", "locationId": LOC}})),
    ];
    for (name, request) in &calls {
        db.records.accept(&[call(name, request.clone(), "api")]).await.unwrap();
    }
    db.records.erase(LOC, LONG).await.unwrap().unwrap();
    assert!(!reported(&db).await.contains(LONG));
    for source in ["api", "cli", "flow"] {
        for (name, request) in &calls {
            let refused = db.records.accept(&[call(name, request.clone(), source)]).await;
            let Err(AcceptError::Refused(refusal)) = refused else { panic!("{source} {name}: {refused:?}") };
            assert_eq!(refusal.field, "contactId", "{source} {name}");
        }
    }
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

async fn a_reply_that_shows_an_erased_person_is_not_kept(db: Db) {
    two_people(&db).await;
    let of = |id: &str| call("get-contact", json!({"parameters": {"contactId": id}}), "api");
    let (hers, of_all) = (calling(&db, of("c1")).await, calling(&db, business("x")).await);
    let others = calling(&db, of("c2")).await;
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    for (run, body, kept) in [
        (hers, json!({"name": "Secret"}), json!(null)),
        (of_all, json!({"list": [{"contactId": "c1", "name": "Secret"}]}), json!(null)),
        (others, json!({"id": "c2"}), json!({"id": "c2"})),
    ] {
        let mut tx = db.records.begin(&run).await.unwrap();
        tx.store_reply(200, body).await.unwrap();
        tx.close_run(&[]).await.unwrap();
        assert_eq!(db.records.reply(&run.ids[0]).await.unwrap(), Some(json!({"status": 200, "body": kept})));
    }
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

async fn an_erasure_and_replies_at_once_end_erased(db: Db) {
    for round in 0..10 {
        let contact = format!("{LONG}{round}");
        db.pull(1, &pulled(&contact, &[])).await;
        let run = calling(&db, business("x")).await;
        let (records, body) = (db.records.clone(), json!({"contactId": contact, "name": "Secret"}));
        let reply = tokio::spawn(async move {
            let mut tx = records.begin(&run).await.unwrap();
            tx.store_reply(200, body).await.unwrap();
            tokio::task::yield_now().await;
            tx.close_run(&[]).await
        });
        db.records.erase(LOC, &contact).await.unwrap().unwrap();
        reply.await.unwrap().unwrap();
        assert_eq!(db.columns_with("Secret").await, [""; 0], "round {round}");
    }
}

async fn a_call_that_was_accepted_before_is_not_sent(db: Db) {
    two_people(&db).await;
    let pool = db.pool().await;
    let run = calling(&db, call("get-contact", json!({"parameters": {"contactId": "c1"}}), "api")).await;
    let of_another = calling(&db, call("get-contact", json!({"parameters": {"contactId": "c2"}}), "api")).await;
    let data: String =
        sqlx::query_scalar("select data from jobs where id = $1").bind(&run.ids[0]).fetch_one(&pool).await.unwrap();
    assert!(!db.records.called(&run).await.unwrap().erased);
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert!(db.records.called(&run).await.unwrap().erased);
    assert!(!db.records.called(&of_another).await.unwrap().erased);
    // It was being accepted as the erasure looked through the ledger.
    let late = sqlx::query("update jobs set data = $1 where id = $2").bind(data).bind(&run.ids[0]);
    late.execute(&pool).await.unwrap();
    assert!(db.records.called(&run).await.unwrap().erased);
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.forget_call().await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.records.job(&run.ids[0]).await.unwrap().unwrap().data, json!({}));
}

async fn what_an_attempt_said_goes_with_what_its_job_holds(db: Db) {
    db.pull(1, &pulled(LONG, &[])).await;
    let run = calling(&db, business(&format!("of {LONG}"))).await;
    db.records.retry_run(&run, "GHL refused Secret", 0).await.unwrap();
    assert_eq!(db.columns_with("Secret").await, ["job_attempts.error", "jobs.last_error"]);
    db.records.erase(LOC, LONG).await.unwrap().unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

async fn what_fails_after_the_erasure_says_nothing_of_the_person(db: Db) {
    two_people(&db).await;
    let of = || call("get-contact", json!({"parameters": {"contactId": "c1"}}), "api");
    let (retried, dead_lettered) = (calling(&db, of()).await, calling(&db, of()).await);
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    db.records.retry_run(&retried, "GHL refused Secret", 0).await.unwrap();
    db.records.dead_letter_run(&dead_lettered, "GHL refused Secret").await.unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

async fn a_call_that_names_nobody_is_found_by_what_the_person_is_known_by(db: Db) {
    let of = |id: &str, email: &str, phone: &str| {
        let contact = remote(id, json!({"email": email, "phone": phone}));
        Pulled { contact, ..pulled(id, &[]) }
    };
    db.pull(1, &of("c1", "ada@example.com", "+4915112345678")).await;
    db.pull(1, &of("c2", "nada@example.com", "+4915112345679")).await;
    let create = |body| call("create-contact", json!({"body": body}), "api");
    let dead = [
        create(json!({"locationId": LOC, "email": "Ada@Example.com", "firstName": "Secret"})),
        create(json!({"locationId": LOC, "phone": "+49 (151) 123-456-78", "firstName": "Secret"})),
    ];
    for trigger in dead {
        let run = calling(&db, trigger).await;
        db.records.dead_letter_run(&run, "GHL refused Secret").await.unwrap();
    }
    let mut of_others = calling(&db, create(json!({"locationId": LOC, "email": "nada@example.com"}))).await;
    db.records.dead_letter_run(&of_others, "is a duplicate").await.unwrap();
    let message = json!({"body": {"type": "SMS", "subType": "x", "status": "pending", "contactId": "c2", "message": "ada@example.com"}});
    of_others.ids.extend(calling(&db, call("send-a-new-message", message, "api")).await.ids);
    assert_eq!(db.columns_with("Secret").await, ["job_attempts.error", "jobs.data", "jobs.last_error"]);

    // What breaks off is completed, and finds the same.
    let pool = db.pool().await;
    sqlx::query("alter table job_attempts rename to job_attempts_away").execute(&pool).await.unwrap();
    assert!(db.records.erase(LOC, "c1").await.is_err());
    sqlx::query("alter table job_attempts_away rename to job_attempts").execute(&pool).await.unwrap();
    assert_eq!(db.records.complete_erasures(10).await.unwrap(), 1);
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
    for (column, word) in [("jobs.data", "12345678"), ("erasures.traces", "@"), ("erasures.traces", "151")] {
        assert!(!db.columns_with(word).await.contains(&column.to_owned()), "{column} {word}");
    }
    for id in &of_others.ids {
        assert_ne!(db.records.job(id).await.unwrap().unwrap().data, json!({}), "another's");
    }
}

async fn the_jobs_of_a_persons_flows_hold_nothing_of_the_person(db: Db) {
    two_people(&db).await;
    let run = "00000000-0000-7000-8000-000000000001";
    let of = WorkOf {
        flow: "welcome",
        run,
        step: 2,
        location_id: LOC,
        contact_id: Some("c1"),
        priority: Priority::Realtime,
    };
    let work = Work::Call("create-business".to_owned(), json!({"body": {"name": "Secret", "locationId": LOC}}));
    let trigger = of.trigger(&work).unwrap().unwrap();
    assert_eq!(trigger.event.contact_id.as_deref(), Some("c1"));
    let called = calling(&db, trigger.clone()).await;
    db.records.dead_letter_run(&called, "GHL refused Secret").await.unwrap();
    // Those of earlier releases name nobody, and their runs have ended.
    let pool = db.pool().await;
    let earlier = calling(&db, of_step(&trigger, 3)).await;
    let step = sqlx::query(
        "insert into flow_runs (id, flow, location_id, contact_id, definition, knows, priority, started_at, outcome)
         values ($1, 'welcome', 'loc1', 'c1', '{}', '{}', 1, 1, 'done')",
    );
    step.bind(run).execute(&pool).await.unwrap();
    db.records.dead_letter_run(&earlier, "GHL refused Secret").await.unwrap();
    sqlx::query("update jobs set contact_id = null where id = $1").bind(&earlier.ids[0]).execute(&pool).await.unwrap();
    db.records
        .accept(&[call("create-business", json!({"body": {"name": "Kept", "locationId": LOC}}), "api")])
        .await
        .unwrap();
    assert_eq!(db.columns_with("Secret").await, ["job_attempts.error", "jobs.data", "jobs.last_error"]);
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
    assert!(reported(&db).await.contains("Kept"));
}

fn of_step(trigger: &IncomingEvent, step: usize) -> IncomingEvent {
    let mut trigger = trigger.clone();
    trigger.event.id = trigger.event.id.map(|id| id.replace(".2", &format!(".{step}")));
    trigger.change = Change::None { record_id: format!("call {step}") };
    trigger
}

async fn what_started_a_flow_is_kept_as_a_hash(db: Db) {
    let flow = Flow::read("care", &json!({"on": "contact.tagged=secret", "step": [{"wait": "1d"}]})).unwrap();
    let options = Options { clock: db.clock.clone(), flows: vec![flow], ..Options::default() };
    let records = Records::open(&db.url, options).await.unwrap();
    two_people(&db).await;
    let pool = db.pool().await;
    let tagged = async |epoch: i64, contact_id: &str| {
        db.records.accept(&[selected(None, contact_id)]).await.unwrap();
        let run = records.start_run(&pull_key(contact_id), epoch).await.unwrap().unwrap();
        let mut tx = records.begin(&run).await.unwrap();
        let began = tx.contact_created(contact_id, &["secret".to_owned()]).await.unwrap();
        tx.close_run(&[]).await.unwrap();
        began
    };
    assert!(tagged(5, "c1").await);
    assert!(!tagged(6, "c1").await, "once");
    assert!(tagged(7, "c2").await);
    assert_eq!(db.columns_with("contact.tagged").await, ["flow_runs.definition", "flow_runs.knows"]);
    // As an earlier release kept it.
    let text =
        "update flow_runs set occasion = 'contact.tagged ' || contact_id || ' secret', outcome = 'done', knows = '{}'";
    sqlx::query(text).execute(&pool).await.unwrap();
    assert!(!tagged(8, "c1").await, "it is known by its text");
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    let left: Vec<Option<String>> =
        sqlx::query_scalar("select occasion from flow_runs order by contact_id").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [None, Some("contact.tagged c2 secret".to_owned())]);
    records.close().await;
}
