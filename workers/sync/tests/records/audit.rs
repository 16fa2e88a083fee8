//! The audit: each act has its row, written with it, and nobody changes one unseen.

use std::time::Duration;

use serde_json::{Value, json};
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;
use sync_workers::retention::{self, Keeping};

use crate::support::*;

promises! {
    each_act_has_its_row_by_whom_it_was_done_and_on_what,
    an_act_that_is_rolled_back_has_no_row_and_one_that_fails_has_none,
    acts_at_once_make_one_chain,
    the_database_refuses_to_change_or_delete_a_row,
    a_row_that_was_changed_taken_out_or_put_in_is_found,
    what_is_old_goes_and_the_rest_is_verified_from_there_on,
    a_key_reads_what_was_done_at_its_locations,
    many_jobs_are_named_in_rows_that_are_not_long,
}

/// Action, actor, target and location of each row, the oldest first.
async fn reported(db: &Db) -> Vec<[String; 4]> {
    let rows = db.records.page_of_audit(0, 1000).await.unwrap();
    let word = |text: Option<String>| text.unwrap_or_default();
    rows.into_iter()
        .map(|row| [row.action, format!("{}:{}", row.actor_kind, row.actor), word(row.target), word(row.location_id)])
        .collect()
}

async fn assert_whole(db: &Db, rows: u64) -> AuditReport {
    let report = db.records.verify_audit(None).await.unwrap();
    assert!(report.is_whole() && report.rows == rows, "{report:?}");
    report
}

fn by(records: &Records, name: &str) -> Records {
    records.on_behalf_of(Principal::new(Actor::Cli(name.to_owned())))
}

async fn each_act_has_its_row_by_whom_it_was_done_and_on_what(db: Db) {
    // The setup has connected the location.
    let mut expected = vec![["location.connect", "system:clienty-sync", "", LOC].map(str::to_owned)];
    let mut expect = |action: &str, actor: &str, target: &str, location: &str| {
        expected.push([action, actor, target, location].map(str::to_owned));
    };
    let ada = by(&db.records, "ada");
    let (key, _) = ada.create_key(&NewKey::of_all("crm")).await.unwrap();
    expect("key.create", "cli:ada", &key.id, "");
    ada.rotate_key(&key.id, Duration::ZERO, None).await.unwrap().unwrap();
    expect("key.rotate", "cli:ada", &key.id, "");
    assert!(ada.revoke_key(&key.id).await.unwrap() && !ada.revoke_key(&key.id).await.unwrap());
    expect("key.revoke", "cli:ada", &key.id, "");

    let request = Some("request-7".to_owned());
    let crm = db.records.on_behalf_of(Principal::of_key(&key, request.clone()));
    let crm_acts = format!("key:{}", key.id);
    db.pull(1, &pulled("c1", &[])).await;
    crm.erase(LOC, "c1").await.unwrap().unwrap();
    expect("contact.erase", &crm_acts, "c1", LOC);
    crm.erase(LOC, "c1").await.unwrap().unwrap();

    let decision = Decision::default();
    let dead = async || {
        let run = db.pull_run("c2", 1).await;
        db.records.dead_letter_run(&run, "GHL said 400").await.unwrap();
        let filter = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
        db.records.list_jobs(&filter, 1).await.unwrap().remove(0).id
    };
    let id = dead().await;
    assert_eq!(crm.revive_jobs(std::slice::from_ref(&id)).await.unwrap().len(), 1);
    expect("jobs.retry", &crm_acts, &id, LOC);
    assert_eq!(crm.revive_jobs(std::slice::from_ref(&id)).await.unwrap().len(), 0);
    assert_eq!(crm.run_jobs_now(std::slice::from_ref(&id)).await.unwrap().len(), 1);
    expect("jobs.run-now", &crm_acts, &id, LOC);
    assert_eq!(crm.cancel_jobs(std::slice::from_ref(&id), &decision).await.unwrap().len(), 1);
    expect("jobs.cancel", &crm_acts, &id, LOC);
    let id = dead().await;
    assert_eq!(crm.discard_jobs(std::slice::from_ref(&id), &decision).await.unwrap(), 1);
    expect("jobs.discard", &crm_acts, &id, LOC);
    assert_eq!(crm.discard_jobs(&[id], &decision).await.unwrap(), 0);

    ada.note_act(AuditAct::new(Action::JobsPause).at(LOC)).await.unwrap();
    expect("jobs.pause", "cli:ada", "", LOC);
    sync_workers::key_rotation::rotate(&ada, &vault()).await.unwrap();
    expect("secrets.rotate", "cli:ada", "", "");
    assert!(ada.disconnect(LOC).await.unwrap() && !ada.disconnect(LOC).await.unwrap());
    expect("location.disconnect", "cli:ada", "", LOC);
    for _ in 0..3 {
        ada.note_audit_read().await.unwrap();
    }
    expect("audit.read", "cli:ada", "", "");
    assert_eq!(reported(&db).await, expected);
    assert_whole(&db, expected.len() as u64).await;
    let rows = db.records.page_of_audit(0, 100).await.unwrap();
    let erased = rows.iter().find(|row| row.action == "contact.erase").unwrap();
    assert_eq!((&erased.request_id, erased.outcome.as_str()), (&request, "done"));
    assert!(!json!(rows).to_string().contains("Ada Lovelace"), "the name of the erased person");
}

async fn an_act_that_is_rolled_back_has_no_row_and_one_that_fails_has_none(db: Db) {
    let before = reported(&db).await;
    assert!(db.records.rotate_key("0123456789ab", Duration::ZERO, None).await.unwrap().is_none());
    assert!(!db.records.revoke_key("0123456789ab").await.unwrap());
    assert!(db.records.erase("nowhere", "nobody").await.unwrap().is_none());
    // A batch of which one event is refused stores nothing, and has done nothing.
    let conflict = "insert into conflicts (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at)
        values ('f1', 'loc1', 'c1', 'contact', 'c1', 'city', '\"A\"', '\"B\"', '\"C\"', 'ghl', 1)";
    sqlx::query(conflict).execute(&db.pool().await).await.unwrap();
    let undo = IncomingEvent {
        change: Change::Undo { conflict_id: "f1".to_owned() },
        ..change(Act::Edit, Some("c1"), None, json!({}))
    };
    let refused = db.records.accept(&[undo]).await;
    assert!(matches!(refused, Err(AcceptError::Refused(_))), "{refused:?}");
    assert_eq!(reported(&db).await, before);
    // The database gives up before the commit: neither the key nor its row.
    let break_off = match db.folder.is_some() {
        true => "create trigger broken before insert on audit begin select raise(abort, 'broken'); end",
        false => "alter table audit add constraint broken check (action <> 'key.create')",
    };
    sqlx::raw_sql(break_off).execute(&db.pool().await).await.unwrap();
    assert!(db.records.create_key(&NewKey::of_all("crm")).await.is_err());
    assert_eq!(db.records.list_keys().await.unwrap(), []);
    assert_eq!(reported(&db).await, before);
}

async fn acts_at_once_make_one_chain(db: Db) {
    let acts = (0..40).map(|number| {
        let records = by(&db.records, &format!("user{number}"));
        tokio::spawn(async move { records.create_key(&NewKey::of_all("one")).await.unwrap() })
    });
    for act in acts.collect::<Vec<_>>() {
        act.await.unwrap();
    }
    assert_whole(&db, 41).await;
}

async fn the_database_refuses_to_change_or_delete_a_row(db: Db) {
    let pool = db.pool().await;
    db.records.migrate().await.unwrap();
    for statement in ["update audit set actor = 'eve'", "delete from audit", "delete from audit where seq = 1"] {
        let refused = sqlx::query(statement).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("a row of the audit"), "{statement}: {refused}");
    }
    if db.folder.is_none() {
        assert!(sqlx::query("truncate audit").execute(&pool).await.is_err());
    }
    assert_whole(&db, 1).await;
}

/// Takes the guard away, as who owns the database can.
async fn unguarded(db: &Db) -> sqlx::AnyPool {
    let pool = db.pool().await;
    let statements = match db.folder.is_some() {
        true => "drop trigger audit_is_not_changed; drop trigger audit_is_not_deleted",
        false => "alter table audit disable trigger user",
    };
    sqlx::raw_sql(statements).execute(&pool).await.unwrap();
    pool
}

async fn a_row_that_was_changed_taken_out_or_put_in_is_found(db: Db) {
    for name in ["a", "b", "c", "d", "e"] {
        by(&db.records, "ada").create_key(&NewKey::of_all(name)).await.unwrap();
    }
    let kept = assert_whole(&db, 6).await;
    let pool = unguarded(&db).await;
    let columns = "seq, at, actor_kind, actor, action, target, location_id, request_id, outcome, details, hash";
    sqlx::raw_sql("create table kept_rows as select * from audit; create table kept_ends as select * from audit_ends")
        .execute(&pool)
        .await
        .unwrap();
    let changed = |seq| (seq, FaultKind::Changed);
    let missing = |seq| (seq, FaultKind::Missing);
    let mut cases: Vec<(String, Vec<(i64, FaultKind)>)> = [
        "at = at + 1",
        "actor_kind = 'key'",
        "actor = 'eve'",
        "action = 'key.revoke'",
        "target = 'x'",
        "target = null",
        "location_id = 'l'",
        "location_id = ''",
        "request_id = 'r'",
        "outcome = 'failed'",
        "details = '{}'",
        "details = 'no json'",
    ]
    .map(|set| (format!("update audit set {set} where seq = 3"), vec![changed(3)]))
    .into();
    // Whoever changes the hash as well breaks the row behind it, or the end.
    cases.extend([
        ("update audit set hash = 'x' where seq = 3".to_owned(), vec![changed(3), changed(4)]),
        ("update audit set hash = 'x' where seq = 6".to_owned(), vec![changed(6), changed(6)]),
        ("delete from audit where seq = 3".to_owned(), vec![missing(3)]),
        ("delete from audit where seq in (1, 2)".to_owned(), vec![missing(1), missing(2)]),
        ("delete from audit where seq > 4".to_owned(), vec![missing(5), missing(6)]),
        ("delete from audit".to_owned(), (1..=6).map(missing).collect()),
        ("update audit set seq = 9 where seq = 6".to_owned(), vec![missing(6), missing(7), missing(8)]),
        ("update audit set target = 'x', seq = 70 where seq = 6".to_owned(), (6..70).map(missing).collect()),
        ("update audit_ends set hash = 'x'".to_owned(), vec![changed(6)]),
    ]);
    for (tampering, faults) in cases {
        sqlx::raw_sql(sqlx::AssertSqlSafe(tampering.clone())).execute(&pool).await.unwrap();
        let report = db.records.verify_audit(None).await.unwrap();
        let found: Vec<_> = report.faults.iter().map(|fault| (fault.seq, fault.fault)).collect();
        assert_eq!(found, faults, "{tampering}");
        let restore = format!(
            "delete from audit; insert into audit ({columns}) select {columns} from kept_rows;
             delete from audit_ends; insert into audit_ends select * from kept_ends"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(restore)).execute(&pool).await.unwrap();
    }
    // A chain whose end was cut off together with the note of it is whole, but not the one that was kept.
    let cut =
        "delete from audit where seq > 4; update audit_ends set seq = 4, hash = (select hash from audit where seq = 4)";
    sqlx::raw_sql(cut).execute(&pool).await.unwrap();
    assert_whole(&db, 4).await;
    let report = db.records.verify_audit(Some((kept.newest, &kept.hash))).await.unwrap();
    assert_eq!(report.faults, [AuditFault { seq: 6, fault: FaultKind::Missing }]);
    for _ in 0..2 {
        by(&db.records, "eve").create_key(&NewKey::of_all("x")).await.unwrap();
    }
    let report = db.records.verify_audit(Some((kept.newest, &kept.hash))).await.unwrap();
    assert_eq!(report.faults, [AuditFault { seq: 6, fault: FaultKind::NotTheOneKept }]);
}

async fn what_is_old_goes_and_the_rest_is_verified_from_there_on(db: Db) {
    let ada = by(&db.records, "ada");
    for name in ["a", "b"] {
        ada.create_key(&NewKey::of_all(name)).await.unwrap();
    }
    let kept = assert_whole(&db, 3).await;
    let days = |days: i64| {
        let start: jiff::Timestamp = NOW.parse().unwrap();
        db.clock.set(start + jiff::SignedDuration::from_hours(24 * days));
    };
    days(300);
    ada.create_key(&NewKey::of_all("c")).await.unwrap();
    let forget = async || retention::round(&db.records, &db.clock, Keeping::default()).await.unwrap();
    forget().await;
    assert_whole(&db, 4).await;
    days(401);
    forget().await;
    let report = assert_whole(&db, 2).await;
    assert_eq!((report.begins_behind, report.newest), (3, 5));
    assert_eq!(reported(&db).await[1][..2], ["audit.forget", "system:clienty-sync"].map(str::to_owned));
    // What was forgotten is not missing, though it was kept elsewhere.
    assert!(db.records.verify_audit(Some((kept.newest, &kept.hash))).await.unwrap().is_whole());
    forget().await;
    assert_whole(&db, 2).await;
    let pool = db.pool().await;
    assert!(sqlx::query("delete from audit where seq = 4").execute(&pool).await.is_err(), "it is not forgotten yet");
}

async fn a_key_reads_what_was_done_at_its_locations(db: Db) {
    let ada = by(&db.records, "ada");
    for location in ["loc1", "loc2", "loc1", "loc3"] {
        ada.note_act(AuditAct::new(Action::JobsPause).at(location)).await.unwrap();
    }
    let new = NewKey { locations: Places::Listed(vec!["loc1".parse().unwrap()]), ..NewKey::of_all("one") };
    let (key, _) = ada.create_key(&new).await.unwrap();
    let seen = db.records.on_behalf_of(Principal::of_key(&key, None));
    let everything = AuditFilter::default();
    let list = async |records: &Records, filter: &AuditFilter, limit| {
        let (mut cursor, mut read): (Option<String>, Vec<i64>) = (None, Vec::new());
        loop {
            let page = records.list_audit(filter, cursor.as_deref(), limit).await.unwrap();
            read.extend(page.items.iter().map(|row| row.seq));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return read;
            }
        }
    };
    for limit in [1, 2, 100] {
        assert_eq!(list(&db.records, &everything, limit).await, [6, 5, 4, 3, 2, 1]);
        assert_eq!(list(&seen, &everything, limit).await, [4, 2, 1]);
    }
    let filter = |set: fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::default();
        set(&mut filter);
        filter
    };
    let cases = [
        (filter(|filter| filter.action = Some("key.create".to_owned())), vec![6]),
        (filter(|filter| filter.actor = Some("ada".to_owned())), vec![6, 5, 4, 3, 2]),
        (filter(|filter| filter.location_id = Some("loc3".to_owned())), vec![5]),
        (filter(|filter| filter.since = Some(NOW.parse().unwrap())), vec![6, 5, 4, 3, 2, 1]),
        (filter(|filter| filter.since = Some("2026-06-01T12:00:00.001Z".parse().unwrap())), vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(list(&db.records, &filter, 100).await, expected, "{filter:?}");
    }
    for wrong in ["", "x", "0", "-1"] {
        let reported = db.records.list_audit(&everything, Some(wrong), 1).await;
        assert!(matches!(reported, Err(RecordsError::Cursor)), "{wrong}");
    }
}

async fn many_jobs_are_named_in_rows_that_are_not_long(db: Db) {
    let triggers: Vec<_> = (0..450).map(|number| selected(None, &format!("c{number}"))).collect();
    let accepted = db.records.accept(&triggers).await.unwrap();
    let ids: Vec<_> = accepted.into_iter().map(|accepted| accepted.job_id).collect();
    assert_eq!(db.records.cancel_jobs(&ids, &Decision::default()).await.unwrap().len(), 450);
    let rows = db.records.page_of_audit(1, 100).await.unwrap();
    let named = |row: &AuditRow| row.details["jobs"].as_array().unwrap().clone();
    assert_eq!(rows.iter().map(|row| named(row).len()).collect::<Vec<_>>(), [200, 200, 50]);
    let mut all: Vec<Value> = rows.iter().flat_map(named).collect();
    all.sort_by_key(Value::to_string);
    let mut expected: Vec<_> = ids.into_iter().map(Value::from).collect();
    expected.sort_by_key(Value::to_string);
    assert_eq!(all, expected);
    assert_whole(&db, 4).await;
}
