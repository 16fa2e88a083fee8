//! The history of records: what changed, where that came from, and what was there before.

use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sync_model::decide::absent::Unread;
use sync_model::decide::fields::Fields;
use sync_model::decide::fields::fields;
use sync_model::record::Contact;
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;
use sync_workers::retention::{self, Keeping};

use crate::support::*;

promises! {
    every_source_says_where_its_changes_came_from,
    the_past_is_what_readers_saw_then,
    two_rows_that_became_one_were_two_before,
    a_changed_field_takes_at_most_80_bytes_beside_its_value,
    what_is_new_or_known_already_keeps_nothing,
    the_history_is_forgotten_in_bites_whichever_is_kept_for_longer,
    an_erasure_leaves_no_value_and_no_past,
    what_a_field_held_can_be_asked_for,
    entries_of_an_earlier_release_end_the_history,
}

/// Contacts by GHL's words, with a first name that no reading leaves out.
fn ada(id: &str, more: Value) -> Contact {
    let mut set = json!({"firstName": "Ada"});
    set.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    remote(id, set)
}

async fn look(db: &Db, epoch: i64, contact: Contact, tasks: &[(&str, &str)]) {
    let id = contact.id.clone();
    db.pull(epoch, &Pulled { contact, ..pulled(&id, tasks) }).await;
}

async fn all(db: &Db, contact_id: &str) -> Vec<HistoryItem> {
    let query = HistoryQuery { limit: 1000, ..HistoryQuery::default() };
    db.records.history(LOC, contact_id, &query).await.unwrap().unwrap().items
}

/// What the last change of the contact itself did, as (via, op, field, from, to).
async fn last(db: &Db, contact_id: &str) -> (String, ChangeOp, Vec<(String, Value, Value)>) {
    let item = all(db, contact_id).await.into_iter().find(|item| item.record == "contact").unwrap();
    let changes = item.changes.into_iter().map(|FieldChange { field, from, to }| (field, from, to)).collect();
    (item.via.unwrap().word().to_owned(), item.op, changes)
}

/// The steps of the chain behind the contact's city.
async fn chain(db: &Db, contact_id: &str, field: &str) -> Vec<String> {
    let why = db.records.why(LOC, contact_id, None, field).await.unwrap().unwrap();
    let step = |link: &Link| {
        let link = json!(link);
        let kind = link["kind"].as_str().filter(|_| link["step"] == "actor").unwrap_or_default();
        format!("{} {kind}", link["step"].as_str().unwrap()).trim().to_owned()
    };
    why.chain.iter().map(step).collect()
}

fn as_city(city: &str) -> Value {
    if city.is_empty() { Value::Null } else { json!(city) }
}

/// A source: gives the contact a city, or makes or deletes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Event,
    Look,
    List,
    Webhook,
    Reply,
}

impl Source {
    const ALL: [Self; 5] = [Self::Event, Self::Look, Self::List, Self::Webhook, Self::Reply];

    /// What its changes end in.
    fn chain(self) -> &'static [&'static str] {
        match self {
            Self::Event => &["change", "event", "actor key"],
            Self::Look => &["change", "look", "event", "actor key"],
            Self::List => &["change", "list", "actor ghl"],
            Self::Webhook => &["change", "webhook", "actor ghlUser"],
            Self::Reply => &["change", "reply", "event", "actor key"],
        }
    }
}

struct World {
    db: Db,
    key: ProducerId,
    epoch: i64,
}

impl World {
    async fn accept(&self, trigger: IncomingEvent) -> Accepted {
        self.db.records.accept_from(&self.key, &[trigger]).await.unwrap().remove(0)
    }

    async fn row(&self, id: &str) -> Option<ContactRow> {
        self.db.records.find_contact(LOC, id).await.unwrap()
    }

    async fn run(&mut self, kind: JobKind, record_id: &str) -> Run {
        self.epoch += 1;
        let key = JobKey::new(kind, LOC, record_id);
        self.db.records.start_run(&key, self.epoch).await.unwrap().unwrap()
    }

    /// Reads the contact by a run of that kind.
    async fn read(&mut self, kind: JobKind, contact: Contact) {
        let id = contact.id.clone();
        let run = match kind {
            JobKind::PullContact => {
                // By its id it is known whose it was.
                self.accept(selected(Some(&uuid::Uuid::new_v4().to_string()), &id)).await;
                self.run(kind, &id).await
            }
            _ => {
                let mut page = selected(None, &id);
                (page.kind, page.event.source, page.event.event_type) = (kind, "walk".to_owned(), "walk".to_owned());
                self.accept(page).await;
                self.run(kind, &id).await
            }
        };
        let snapshot = self.db.records.snapshot(LOC, &id).await.unwrap();
        self.db.store(&run, &Pulled { contact, ..pulled(&id, &[]) }, &snapshot).await;
    }

    /// The contact has the city from now on, or none, as the source reports.
    async fn set(&mut self, source: Source, id: &str, city: &str) {
        let with = |city: Value| ada(id, json!({"city": city}));
        match source {
            Source::Event => {
                self.accept(change(Act::Edit, Some(id), None, json!({"city": as_city(city)}))).await;
            }
            Source::Look => self.read(JobKind::PullContact, with(as_city(city))).await,
            Source::List => self.read(JobKind::WalkContacts, with(as_city(city))).await,
            Source::Webhook => {
                let webhook_id = self.webhook(id).await;
                let run = self.run(JobKind::PullContact, id).await;
                let news = Fields::from([("city".to_owned(), as_city(city))]);
                let reported = ReportedContact::Fields {
                    row_id: self.row(id).await.unwrap().row_id,
                    fields: news,
                    at: self.db.clock.now(),
                    shown: Unread::new(),
                    webhook_id,
                };
                let reported = Reported { contact: Some(reported), ..Reported::default() };
                self.db.records.settle(Settlement { reported, ..Settlement::nothing(run) }).await.unwrap();
            }
            Source::Reply => {
                // GHL answers in a form of its own.
                let asked = json!({"city": format!(" {city}")});
                let accepted = self.accept(change(Act::Edit, Some(id), None, asked.clone())).await;
                let run = self.run(JobKind::PushContact, &accepted.key.record_id).await;
                let mut tx = self.db.records.begin(&run).await.unwrap();
                let reply = ContactReply {
                    asked: serde_json::from_value(asked).unwrap(),
                    contact: with(as_city(city)),
                    refused: Vec::new(),
                    is_partial: false,
                    unread: Unread::new(),
                };
                tx.contact_written(&accepted.key.record_id, &reply).await.unwrap();
                tx.close_run(&[]).await.unwrap();
            }
        }
    }

    /// Takes in a webhook about the contact; its id.
    async fn webhook(&self, contact_id: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let hook = NewWebhook {
            id: id.clone(),
            event_type: "ContactUpdate",
            location_id: Some(LOC.to_owned()),
            needs_connection: true,
            is_late: false,
            body: json!({"id": contact_id, "userId": "u1"}).to_string(),
            work: WebhookWork::Pull { contact_id: contact_id.to_owned() },
        };
        self.db.records.accept_webhooks(&[hook]).await.unwrap();
        id
    }

    async fn delete(&mut self, source: Source, id: &str) {
        match source {
            Source::Event | Source::Reply => {
                self.accept(change(Act::Delete, Some(id), None, json!({}))).await;
            }
            Source::Look => {
                self.accept(selected(None, id)).await;
                let run = self.run(JobKind::PullContact, id).await;
                let mut tx = self.db.records.begin(&run).await.unwrap();
                tx.mark_contact_gone(id).await.unwrap();
                tx.close_run(&[]).await.unwrap();
            }
            Source::List => {
                let mut page = selected(None, id);
                (page.kind, page.event.source) = (JobKind::WalkContacts, "walk".to_owned());
                self.accept(page).await;
                let run = self.run(JobKind::WalkContacts, id).await;
                let mut tx = self.db.records.begin(&run).await.unwrap();
                tx.mark_contact_gone(id).await.unwrap();
                tx.close_run(&[]).await.unwrap();
            }
            Source::Webhook => {
                let hook = NewWebhook {
                    id: uuid::Uuid::new_v4().to_string(),
                    event_type: "ContactDelete",
                    location_id: Some(LOC.to_owned()),
                    needs_connection: true,
                    is_late: false,
                    body: json!({"id": id}).to_string(),
                    work: WebhookWork::ContactGone { contact_id: id.to_owned(), at: Some(self.db.clock.now()) },
                };
                self.db.records.accept_webhooks(&[hook]).await.unwrap();
            }
        }
    }
}

async fn every_source_says_where_its_changes_came_from(db: Db) {
    let key = db.records.create_key(&NewKey::of_all("crm")).await.unwrap().0.id;
    let mut world = World { db, key: ProducerId::Key(key.clone()), epoch: 0 };
    let tick = |world: &World| world.db.clock.set(world.db.clock.now() + Duration::from_secs(1));
    for source in Source::ALL {
        let id = format!("{source:?}").to_lowercase();
        // Created. A webhook's contact is fetched, and what is answered to must be there.
        match source {
            Source::List => world.set(source, &id, "Rome").await,
            Source::Event => {
                world.accept(change(Act::Create, None, Some(&id), json!({"firstName": "Ada", "city": "Rome"}))).await;
            }
            _ => world.set(Source::Look, &id, "Rome").await,
        }
        let (via, op, changes) = last(&world.db, &id).await;
        let created =
            [("city", "Rome"), ("firstName", "Ada")].map(|(name, to)| (name.to_owned(), Value::Null, json!(to)));
        assert_eq!((op, changes), (ChangeOp::Stored, created.to_vec()), "{source:?}");
        let expected = if [Source::Event, Source::List].contains(&source) { source } else { Source::Look };
        assert_eq!(
            (via, chain(&world.db, &id, "city").await),
            (format!("{expected:?}").to_lowercase(), expected.chain().iter().map(|step| (*step).to_owned()).collect())
        );
        // Changed, and emptied.
        for (from, to) in [("Rome", "Bonn"), ("Bonn", "")] {
            tick(&world);
            world.set(source, &id, to).await;
            let (via, op, changes) = last(&world.db, &id).await;
            assert_eq!(via, format!("{source:?}").to_lowercase());
            let from = if source == Source::Reply { json!(format!(" {to}")) } else { json!(from) };
            assert_eq!((op, changes), (ChangeOp::Stored, vec![("city".to_owned(), from, as_city(to))]), "{source:?}");
            assert_eq!(chain(&world.db, &id, "city").await, source.chain(), "{source:?}");
        }
        tick(&world);
        world.delete(source, &id).await;
        let (via, op, changes) = last(&world.db, &id).await;
        let expected = if source == Source::Reply { Source::Event } else { source };
        assert_eq!((via, op), (format!("{expected:?}").to_lowercase(), ChangeOp::Deleted), "{source:?}");
        assert_eq!(changes, [("firstName".to_owned(), json!("Ada"), Value::Null)], "{source:?}");
    }
    let why = world.db.records.why(LOC, "webhook", None, "city").await.unwrap().unwrap();
    let Link::Webhook { sha256: Some(sha256), signature_checked: true, r#type: Some(kind), .. } = &why.chain[1] else {
        panic!("{why:?}")
    };
    assert_eq!((sha256.len(), kind.as_str()), (43, "ContactUpdate"));
    let Link::Actor { id, name, .. } =
        &world.db.records.why(LOC, "event", None, "city").await.unwrap().unwrap().chain[2]
    else {
        panic!("no actor")
    };
    assert_eq!((id.as_deref(), name.as_deref()), (Some(key.as_str()), Some("crm")));
}

/// A view without what has no history.
fn bare(view: Option<Value>) -> Value {
    fn strip(value: &mut Value) {
        if let Some(object) = value.as_object_mut() {
            for name in ["sync", "syncedAt", "missing", "unread", "lastActivity", "dateUpdated", "at"] {
                object.remove(name);
            }
            // Their order means nothing.
            for list in ["tags", "customFields"] {
                if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
                    items.sort_by_key(Value::to_string);
                }
            }
        }
        match value {
            Value::Object(object) => object.values_mut().for_each(strip),
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut view = view.unwrap_or_default();
    strip(&mut view);
    view
}

async fn now(db: &Db, id: &str) -> Value {
    bare(db.records.contact_view(LOC, id).await.unwrap().map(|view| json!(view)))
}

async fn then(db: &Db, id: &str, at: Timestamp) -> Value {
    bare(db.records.contact_view_at(LOC, id, at).await.unwrap().map(|view| json!(view)))
}

/// Readers look after each of many changes, which a seed draws; whenever they ask later, they are informed what they saw.
async fn the_past_is_what_readers_saw_then(db: Db) {
    const CONTACTS: [&str; 3] = ["c1", "c2", "c3"];
    for seed in 0..3 {
        let mut dice = StdRng::seed_from_u64(seed);
        let (mut epoch, mut seen) = (1 + i64::try_from(seed).unwrap() * 1000, Vec::new());
        for step in 0..40 {
            db.clock.set(db.clock.now() + Duration::from_secs(1));
            epoch += 1;
            let id = CONTACTS[dice.random_range(0..CONTACTS.len())];
            let word = format!("{seed}.{step}");
            match dice.random_range(0..10) {
                // GHL's state is read: a city, tags and tasks as they happen to be.
                0..4 => {
                    let tags: Vec<_> = ["a", "b", "c"].into_iter().filter(|_| dice.random_range(0..2) == 0).collect();
                    let city = [json!(word), json!("same"), Value::Null][dice.random_range(0..3)].clone();
                    let fields = json!([{"id": "f1", "value": dice.random_range(0..3)}]);
                    let contact = ada(id, json!({"city": city, "tags": tags, "customFields": fields}));
                    let mut tasks = Vec::new();
                    for task in 0..3 {
                        if dice.random_range(0..3) > 0 {
                            tasks.push((format!("{id}-{task}"), format!("title {}", dice.random_range(0..3))));
                        }
                    }
                    let tasks: Vec<(&str, &str)> =
                        tasks.iter().map(|(id, title): &(String, String)| (id.as_str(), title.as_str())).collect();
                    look(&db, epoch, contact, &tasks).await;
                }
                4 => {
                    let run = db.pull_run(id, epoch).await;
                    let mut tx = db.records.begin(&run).await.unwrap();
                    tx.mark_contact_gone(id).await.unwrap();
                    tx.close_run(&[]).await.unwrap();
                }
                5 | 6 => {
                    let set = [json!({"city": word}), json!({"tags.z": true, "city": null}), json!({"state": "BE"})];
                    let edit = change(Act::Edit, Some(id), None, set[dice.random_range(0..3)].clone());
                    let _ = db.records.accept(&[edit]).await;
                }
                7 => {
                    let _ = db.records.accept(&[edited(new_task(&format!("{seed}-{step}"), id, &word))]).await;
                }
                8 => {
                    let task = format!("{id}-{}", dice.random_range(0..3));
                    let _ = db.records.accept(&[edited(edit_by_ghl_id(&task, &word))]).await;
                }
                _ => {
                    // A deletion, which an operator may call off.
                    let Ok(accepted) = db.records.accept(&[change(Act::Delete, Some(id), None, json!({}))]).await
                    else {
                        continue;
                    };
                    if dice.random_range(0..2) == 0 {
                        db.clock.set(db.clock.now() + Duration::from_millis(500));
                        let jobs = db.records.open_rows(&accepted[0].key).await.unwrap();
                        db.records.cancel_jobs(&jobs, &Decision::default()).await.unwrap();
                    }
                }
            }
            let mut views = Vec::new();
            for id in CONTACTS {
                views.push(now(&db, id).await);
            }
            seen.push((db.clock.now(), views));
        }
        for (at, views) in &seen {
            for (id, view) in CONTACTS.iter().zip(views) {
                let (then, changes) = (then(&db, id, *at).await, all(&db, id).await);
                assert_eq!(then, *view, "seed {seed}: {id} at {at}: {changes:#?}");
            }
        }
    }
}

async fn two_rows_that_became_one_were_two_before(db: Db) {
    let tick = || db.clock.set(db.clock.now() + Duration::from_secs(1));
    for (keeps_other, known) in [(false, None), (true, Some("k0"))] {
        let (own, ghl_id) = (format!("k-{keeps_other}"), format!("g-{keeps_other}"));
        look(&db, 1, ada(&ghl_id, json!({"city": "Rome", "email": "a@x.de"})), &[]).await;
        if let Some(known) = known {
            accept(&db, change(Act::Edit, Some(&ghl_id), Some(known), json!({}))).await;
        }
        tick();
        accept(&db, change(Act::Create, None, Some(&own), json!({"firstName": "Ada", "state": "BE"}))).await;
        db.edit(new_task(&format!("t-{keeps_other}"), &own, "Call")).await;
        let (at, before) = (db.clock.now(), [now(&db, &own).await, now(&db, &ghl_id).await]);
        assert!(before.iter().all(Value::is_object));
        tick();
        accept(&db, change(Act::Edit, Some(&ghl_id), Some(&own), json!({}))).await;
        let joined = now(&db, &own).await;
        assert_eq!((&joined["contact"]["state"], &joined["contact"]["city"]), (&json!("BE"), &json!("Rome")));
        assert_eq!(then(&db, &own, db.clock.now()).await, joined);
        for (id, before) in [&own, &ghl_id].into_iter().zip(before) {
            let then = then(&db, id, at).await;
            for name in ["city", "state", "email", "firstName"] {
                assert_eq!(then["contact"][name], before["contact"][name], "{keeps_other}: {id}: {name} in {then}");
            }
        }
    }
}

/// All that the history adds to the database, measured: what goes with it again.
async fn a_changed_field_takes_at_most_80_bytes_beside_its_value(db: Db) {
    const CONTACTS: usize = 400;
    const ROUNDS: usize = 25;
    const CITY: usize = 12;
    let pool = db.pool().await;
    let mut world = World { db, key: ProducerId::Program(String::new()), epoch: 0 };
    let id = "ocQHyuzHvysMo5N10000";
    world.set(Source::Look, id, &"0".repeat(CITY)).await;
    for round in 1..=ROUNDS {
        // The longest way of all: it names its webhook.
        world.db.clock.set(world.db.clock.now() + Duration::from_millis(1));
        world.set(Source::Webhook, id, &format!("{round:0CITY$}")).await;
    }
    // As many contacts with the same.
    let columns = "record, record_id, op, changed_at, clienty_id, ghl_id, origin, fields, sync, caused_by, is_new, key_id, was, via";
    let more = format!(
        "insert into changes (seq, location_id, contact_id, {columns})
         with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {CONTACTS} - 1)
         select seq + n * 100, location_id, substr(contact_id, 1, 15) || cast(10000 + n as text), {columns}
         from changes cross join numbers"
    );
    sqlx::query(sqlx::AssertSqlSafe(more)).execute(&pool).await.unwrap();
    let changed = i64::try_from(CONTACTS * ROUNDS).unwrap();
    let rows: Vec<(String, String)> =
        sqlx::query_as("select was, via from changes where was is not null").fetch_all(&pool).await.unwrap();
    assert_eq!(rows.len(), usize::try_from(changed).unwrap());
    // In quotes.
    let value = CITY + 2;
    let beside = rows.iter().map(|(was, via)| was.len() - value + via.len()).max().unwrap();
    // The index has an entry for each change: the contact's id and the row's, with a few bytes of each database.
    let index = 20 + 8 + 12;
    assert!(beside + index <= 80, "{beside} bytes in the row and {index} in the index: {:?}", rows.last());

    let size = async || -> i64 {
        match world.db.folder {
            Some(_) => {
                sqlx::query("vacuum").execute(&pool).await.unwrap();
                sqlx::query_scalar("select page_count * page_size from pragma_page_count, pragma_page_size")
                    .fetch_one(&pool)
                    .await
                    .unwrap()
            }
            None => {
                sqlx::query("vacuum full changes").execute(&pool).await.unwrap();
                sqlx::query_scalar("select pg_total_relation_size('changes')").fetch_one(&pool).await.unwrap()
            }
        }
    };
    let with = size().await;
    sqlx::query("drop index changes_contact").execute(&pool).await.unwrap();
    sqlx::query("update changes set was = null, via = null").execute(&pool).await.unwrap();
    let without = size().await;
    let each = (with - without) / changed - i64::try_from(value).unwrap();
    assert!((1..=80).contains(&each), "{each} bytes a changed field beside its value: {with} against {without}");
    pool.close().await;
}

async fn what_is_new_or_known_already_keeps_nothing(db: Db) {
    let pool = db.pool().await;
    look(&db, 1, ada("c1", json!({"city": "Rome"})), &[("g1", "Call")]).await;
    let kept: Vec<Option<String>> = sqlx::query_scalar("select was from changes").fetch_all(&pool).await.unwrap();
    assert_eq!(kept, [None, None]);
    look(&db, 2, ada("c1", json!({"city": "Rome"})), &[("g1", "Call")]).await;
    assert_eq!(db.records.last_change().await.unwrap(), 2);
}

async fn the_history_is_forgotten_in_bites_whichever_is_kept_for_longer(db: Db) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let pool = db.pool().await;
    let start = db.clock.now();
    for day in 0..10 {
        db.clock.set(start + DAY * day);
        look(&db, i64::from(day) + 1, ada("c1", json!({"city": format!("day {day}")})), &[]).await;
    }
    let noon = |day: u32| start + DAY * day + DAY / 2;
    let city = async |day: u32| match db.records.contact_view_at(LOC, "c1", noon(day)).await {
        Ok(view) => view.map(|view| view.contact.record.city.unwrap()),
        Err(RecordsError::Forgotten { .. }) => Some("forgotten".to_owned()),
        Err(error) => panic!("{error}"),
    };
    let rows = async || sqlx::query_scalar::<_, i64>("select count(*) from changes").fetch_one(&pool).await.unwrap();
    let feed = async || db.records.list_changes(None, 100).await.unwrap().items.len();
    assert_eq!(city(0).await.as_deref(), Some("day 0"));

    // The feed is forgotten earlier: its rows stay for the history.
    db.clock.set(noon(9));
    let keeping = Keeping { changes: DAY * 4, history: DAY * 8, ..Keeping::default() };
    retention::round(&db.records, &db.clock, keeping).await.unwrap();
    assert_eq!((feed().await, rows().await), (4, 8), "six are forgotten of the feed, and two of both");
    assert_eq!(
        [city(0).await, city(2).await, city(5).await],
        ["forgotten", "day 2", "day 5"].map(|city| Some(city.to_owned()))
    );
    assert_eq!(all(&db, "c1").await.len(), 8);

    // The history is forgotten earlier: the entries stay for the feed.
    let keeping = Keeping { changes: DAY * 4, history: DAY * 2, ..Keeping::default() };
    retention::round(&db.records, &db.clock, keeping).await.unwrap();
    assert_eq!((feed().await, rows().await), (4, 4));
    assert_eq!(
        [city(6).await, city(7).await, city(8).await],
        ["forgotten", "day 7", "day 8"].map(|city| Some(city.to_owned()))
    );
    let kept: i64 =
        sqlx::query_scalar("select count(*) from changes where was is not null").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 2);

    // No more at once than asked for.
    db.clock.set(start + DAY * 30);
    assert_eq!(db.records.forget_history(db.clock.now_ms(), 1).await.unwrap(), 1);
    assert_eq!(db.records.forget_history(db.clock.now_ms(), 9).await.unwrap(), 1);
    assert_eq!(db.records.forget_history(db.clock.now_ms(), 9).await.unwrap(), 0);
    assert_eq!(city(29).await.as_deref(), Some("day 9"));
    let why = db.records.why(LOC, "c1", None, "city").await.unwrap().unwrap();
    assert!(matches!(why.chain[..], [Link::LastEdit { .. }]), "{why:?}");
    assert!(why.history_since.is_some());
}

async fn an_erasure_leaves_no_value_and_no_past(db: Db) {
    let secret = |word: &str| ada("c1", json!({"city": format!("Secret {word}"), "tags": [format!("secret {word}")]}));
    look(&db, 1, secret("one"), &[("g1", "Secret call"), ("g2", "Secret visit")]).await;
    look(&db, 2, secret("two"), &[("g1", "Secret mail")]).await;
    // A task that GHL moved to the contact when it made one of two: what it was under the other is this person's too.
    look(&db, 1, ada("c2", json!({})), &[("g3", "Secret plan")]).await;
    look(&db, 2, ada("c2", json!({})), &[("g3", "Secret plot")]).await;
    look(&db, 3, secret("two"), &[("g1", "Secret mail"), ("g3", "Secret plot")]).await;
    let run = db.pull_run("c2", 3).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone("c2").await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let before = db.clock.now();
    let held = db.columns_with("ecret").await;
    assert!(held.contains(&"changes.was".to_owned()), "{held:?}");
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!(db.columns_with("ecret").await, [""; 0]);
    let query = HistoryQuery { limit: 10, ..HistoryQuery::default() };
    assert_eq!(db.records.history(LOC, "c1", &query).await.unwrap(), None);
    assert_eq!(db.records.contact_view_at(LOC, "c1", before).await.unwrap(), None);
    assert_eq!(db.records.why(LOC, "c1", None, "city").await.unwrap(), None);
    // Fetched anew, it has a history of its own.
    db.clock.set(db.clock.now() + Duration::from_secs(1));
    look(&db, 4, ada("c1", json!({"city": "New"})), &[]).await;
    assert_eq!(all(&db, "c1").await.len(), 1);
    assert_eq!(db.records.contact_view_at(LOC, "c1", before).await.unwrap(), None);
    if let Some(folder) = &db.folder {
        let mut bytes = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        assert!(!bytes.windows(6).any(|word| word == b"Secret"), "the file holds a word of it");
    }
}

async fn what_a_field_held_can_be_asked_for(db: Db) {
    let tags = |tags: &[&str], city: &str| ada("c1", json!({"city": city, "tags": tags}));
    look(&db, 1, tags(&["a"], "Rome"), &[("g1", "Call")]).await;
    look(&db, 2, tags(&["a", "b"], "Bonn"), &[("g1", "Write")]).await;
    let items = all(&db, "c1").await;
    let of = |record: &str| items.iter().find(|item| item.record == record).unwrap();
    let (contact, task) = (of("contact"), of("task"));
    let number = |item: &HistoryItem| item.id.parse::<i64>().unwrap();
    for (item, record_id, field, before, after) in [
        (contact, None, "city", json!("Rome"), json!("Bonn")),
        (contact, None, "tags", json!(["a"]), json!(["a", "b"])),
        (contact, None, "tags.b", Value::Null, json!(true)),
        (contact, None, "firstName", json!("Ada"), json!("Ada")),
        (task, Some(task.record_id.as_str()), "title", json!("Call"), json!("Write")),
    ] {
        for (moment, value) in [(Moment::Before(number(item)), before), (Moment::After(number(item)), after)] {
            let earlier = db.records.earlier(LOC, "c1", record_id, field, moment).await.unwrap().unwrap();
            assert_eq!(earlier.fields, [(field.to_owned(), value)], "{field} {moment:?}");
        }
    }
    // Before it was there, and of another's change.
    let first = items.iter().rfind(|item| item.record == "contact").unwrap();
    for moment in [Moment::Before(number(first)), Moment::After(number(task)), Moment::After(9_999)] {
        assert_eq!(db.records.earlier(LOC, "c1", None, "city", moment).await.unwrap(), None, "{moment:?}");
    }
    // By field, by record, and page by page.
    let query = |field: Option<&str>, record_id: Option<&str>, limit| HistoryQuery {
        field: field.map(str::to_owned),
        record_id: record_id.map(str::to_owned),
        cursor: None,
        limit,
    };
    let count = async |query: HistoryQuery| db.records.history(LOC, "c1", &query).await.unwrap().unwrap().items.len();
    assert_eq!(count(query(Some("city"), None, 9)).await, 2);
    assert_eq!(count(query(Some("tags"), None, 9)).await, 2);
    assert_eq!(count(query(Some("tags.b"), None, 9)).await, 1);
    assert_eq!(count(query(None, Some(&task.record_id), 9)).await, 2);
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let query = HistoryQuery { cursor, ..query(None, None, 1) };
        let page = db.records.history(LOC, "c1", &query).await.unwrap().unwrap();
        pages.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, items);
    let stray = HistoryQuery { cursor: Some("x".to_owned()), limit: 1, ..HistoryQuery::default() };
    assert!(matches!(db.records.history(LOC, "c1", &stray).await, Err(RecordsError::Cursor)));
    assert_eq!(fields(&tags(&["a"], "Rome")).len(), 3);
}

async fn entries_of_an_earlier_release_end_the_history(db: Db) {
    let pool = db.pool().await;
    look(&db, 1, ada("c1", json!({"city": "Rome"})), &[]).await;
    let tick = || db.clock.set(db.clock.now() + Duration::from_secs(10));
    tick();
    let old = db.clock.now();
    look(&db, 2, ada("c1", json!({"city": "Bonn"})), &[]).await;
    sqlx::query("update changes set was = null, via = null").execute(&pool).await.unwrap();
    tick();
    look(&db, 3, ada("c1", json!({"city": "Oslo"})), &[]).await;
    let before = old - Duration::from_secs(1);
    let reported = db.records.contact_view_at(LOC, "c1", before).await;
    assert!(matches!(reported, Err(RecordsError::Forgotten { since }) if since == old), "{reported:?}");
    assert_eq!(then(&db, "c1", old).await["contact"]["city"], "Bonn");
    assert_eq!(all(&db, "c1").await.len(), 1);
    assert_eq!(chain(&db, "c1", "city").await[0], "change");
}
