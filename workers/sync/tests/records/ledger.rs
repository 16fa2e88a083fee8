//! Accepting events, running their jobs, and looking at them.

use job_engine::Priority;
use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::Connection as _;
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    an_event_sent_twice_is_accepted_once,
    an_event_repeated_within_its_batch_is_accepted_once,
    the_same_event_from_two_callers_at_once_is_accepted_once,
    a_batch_is_accepted_as_a_whole_or_not_at_all,
    a_thousand_events_fit_one_batch,
    a_run_serves_all_open_rows_and_leaves_later_ones_open,
    a_zombie_can_neither_close_nor_write,
    a_claim_that_was_overtaken_cannot_start,
    a_failed_attempt_is_scheduled_and_a_released_one_is_free,
    poison_is_buried_and_can_be_revived_or_discarded,
    follow_ups_come_with_the_close_or_not_at_all,
    the_sweeper_finds_each_key_once_and_no_live_run,
    a_clock_that_was_set_back_hides_no_job_and_puts_none_off,
    the_oldest_job_is_one_that_somebody_could_run,
    finished_rows_are_forgotten_and_open_ones_kept,
    every_failed_attempt_is_kept_as_long_as_its_row,
    an_id_is_its_producers_own_and_remembered_for_a_time,
    rows_of_an_earlier_release_match_for_every_producer_of_their_location,
    what_is_no_id_is_refused_by_name,
    a_refused_value_is_no_outage,
}

async fn an_event_sent_twice_is_accepted_once(db: Db) {
    let first = db.records.accept(&[selected(Some("e1"), "c1")]).await.unwrap().remove(0);
    let again = db.records.accept(&[selected(Some("e1"), "c1")]).await.unwrap().remove(0);
    assert!(!first.duplicate);
    assert_eq!(again, Accepted { duplicate: true, ..first });
    assert_eq!(db.records.list_jobs(&JobFilter::default(), 10).await.unwrap().len(), 1);

    let mut elsewhere = selected(Some("e1"), "c1");
    elsewhere.event.source = "webhook".to_owned();
    assert!(!db.records.accept(&[elsewhere]).await.unwrap()[0].duplicate, "ids of two sources are two ids");
}

async fn an_event_repeated_within_its_batch_is_accepted_once(db: Db) {
    let mut create = edited(new_task("t1", "c1", "Call"));
    create.event.id = Some("e1".to_owned());
    let mut repeated = edited(TaskChange {
        patch: TaskPatch { title: Some("Not applied".to_owned()), ..TaskPatch::default() },
        ..new_task("t1", "c1", "Call")
    });
    repeated.event.id = Some("e1".to_owned());
    let accepted = db.records.accept(&[create, repeated]).await.unwrap();
    assert_eq!(accepted.iter().map(|one| one.duplicate).collect::<Vec<_>>(), [false, true]);
    assert_eq!(accepted[0].job_id, accepted[1].job_id);
    assert_eq!(db.task(&accepted[0].key.record_id).await.doc.title, "Call");
}

async fn the_same_event_from_two_callers_at_once_is_accepted_once(db: Db) {
    let mut create = edited(new_task("t1", "c1", "Call"));
    create.event.id = Some("e1".to_owned());
    let callers = (0..8).map(|_| {
        let (records, batch) = (db.records.clone(), [create.clone()]);
        tokio::spawn(async move { records.accept(&batch).await.unwrap().remove(0) })
    });
    let mut accepted = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        accepted.push(caller.await.unwrap());
    }
    assert_eq!(accepted.iter().filter(|one| !one.duplicate).count(), 1);
    let jobs: HashSet<&str> = accepted.iter().map(|one| one.job_id.as_str()).collect();
    assert_eq!(jobs.len(), 1);
    assert_eq!(db.task(&accepted[0].key.record_id).await.revision, 1, "the edit was applied once");
}

async fn a_batch_is_accepted_as_a_whole_or_not_at_all(db: Db) {
    let mut stray = selected(None, "c2");
    stray.event.location_id = "nowhere".to_owned();
    let batches = [
        (vec![edited(new_task("t1", "c1", "Call")), selected(None, "c1"), stray], 2, "locationId"),
        (vec![edited(new_task("t1", "c1", "Call")), edited(edit_by_ghl_id("g9", "x"))], 1, "data.taskId"),
    ];
    for (batch, index, field) in batches {
        let Err(AcceptError::Refused(refusal)) = db.records.accept(&batch).await else {
            panic!("a batch with a bad event was accepted");
        };
        assert_eq!((refusal.index, refusal.field), (index, field));
        assert!(db.records.list_jobs(&JobFilter::default(), 10).await.unwrap().is_empty());
    }
    let edit = TaskChange { act: Act::Edit, ..new_task("t1", "c1", "x") };
    assert_eq!(db.refusal(edit).await.field, "data.clientyTaskId", "the refused batches made no task");
}

async fn a_thousand_events_fit_one_batch(db: Db) {
    let ids: Vec<String> = (0..1000).map(|number| format!("e{number}")).collect();
    let batch: Vec<IncomingEvent> = ids.iter().map(|id| selected(Some(id), id)).collect();
    let accepted = db.records.accept(&batch).await.unwrap();
    assert!(accepted.iter().all(|one| !one.duplicate));
    assert!(accepted.iter().map(|one| one.event_id.clone().unwrap()).eq(ids));
    assert!(db.records.accept(&batch).await.unwrap().iter().all(|one| one.duplicate));
    let counts = db.records.job_counts().await.unwrap();
    assert_eq!(counts[0], (JobState::Waiting, 1000));
}

async fn a_run_serves_all_open_rows_and_leaves_later_ones_open(db: Db) {
    let before = db.records.accept(&[selected(None, "c1"), selected(None, "c1")]).await.unwrap();
    let run = db.records.start_run(&pull_key("c1"), 1).await.unwrap().unwrap();
    assert_eq!(run.ids.iter().collect::<HashSet<_>>(), before.iter().map(|one| &one.job_id).collect());
    let during = db.records.accept(&[selected(None, "c1")]).await.unwrap().remove(0);
    db.records.begin(&run).await.unwrap().close_run(&[]).await.unwrap();

    let closed = db.records.job(&before[0].job_id).await.unwrap().unwrap();
    assert_eq!((closed.state, closed.attempts, closed.finished_at), (JobState::Done, 1, Some(db.clock.now())));
    assert_eq!(db.records.job(&during.job_id).await.unwrap().unwrap().state, JobState::Waiting);
    let next = db.records.start_run(&pull_key("c1"), 2).await.unwrap().unwrap();
    assert_eq!(next.ids, [during.job_id]);
    db.records.begin(&next).await.unwrap().close_run(&[]).await.unwrap();
    assert_eq!(db.records.start_run(&pull_key("c1"), 3).await.unwrap(), None, "nothing is owed");
}

async fn a_zombie_can_neither_close_nor_write(db: Db) {
    let zombie = db.pull_run("c1", 1).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let live = db.records.start_run(&pull_key("c1"), 2).await.unwrap().unwrap();
    assert_eq!(zombie.ids, live.ids);

    let mut tx = db.records.begin(&zombie).await.unwrap();
    tx.store_pull(&pulled("c1", &[("g1", "From the dead")]), &snapshot).await.unwrap();
    assert!(is_lost(tx.close_run(&[]).await));
    assert!(is_lost(db.records.retry_run(&zombie, "late", 0).await));
    assert!(is_lost(db.records.release_run(&zombie, None, None).await));
    assert!(is_lost(db.records.dead_letter_run(&zombie, "late").await));
    assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap(), None);

    db.store(&live, &pulled("c1", &[("g1", "Alive")]), &snapshot).await;
    assert_eq!(db.titles("c1").await, ["Alive"]);
}

async fn a_claim_that_was_overtaken_cannot_start(db: Db) {
    db.pull_run("c1", 5).await;
    assert!(is_lost(db.records.start_run(&pull_key("c1"), 4).await));
    assert_eq!(db.records.max_epoch().await.unwrap(), 5);
}

async fn a_failed_attempt_is_scheduled_and_a_released_one_is_free(db: Db) {
    let run = db.pull_run("c1", 1).await;
    db.records.retry_run(&run, "GHL said 503", 4102).await.unwrap();
    let job = db.records.job(&run.ids[0]).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.last_error.as_deref()), (JobState::Scheduled, 1, Some("GHL said 503")));
    assert_eq!(job.due_at, Some(Timestamp::from_millisecond(4102).unwrap()));
    assert!(is_lost(db.records.retry_run(&run, "twice", 0).await));

    let run = db.records.start_run(&pull_key("c1"), 2).await.unwrap().unwrap();
    assert_eq!(run.attempts, 1);
    db.records.release_run(&run, None, None).await.unwrap();
    let job = db.records.job(&run.ids[0]).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.due_at), (JobState::Waiting, 1, None));
}

async fn poison_is_buried_and_can_be_revived_or_discarded(db: Db) {
    let newer = db.pull_run("c1", 7).await;
    assert_eq!(db.records.dead_letter_key(&pull_key("c1"), 6, "an older claim").await.unwrap(), 0);
    assert_eq!(db.records.dead_letter_key(&pull_key("c1"), 7, "killed its worker").await.unwrap(), 1);
    let job = db.records.job(&newer.ids[0]).await.unwrap().unwrap();
    assert_eq!((job.state, job.last_error.as_deref()), (JobState::Dead, Some("killed its worker")));

    assert_eq!(db.records.revive_jobs(&newer.ids).await.unwrap(), [pull_key("c1")]);
    assert_eq!(db.records.revive_jobs(&newer.ids).await.unwrap(), [], "it is not dead any more");
    let run = db.records.start_run(&pull_key("c1"), 8).await.unwrap().unwrap();
    assert_eq!(run.attempts, 0);
    db.records.dead_letter_run(&run, "again").await.unwrap();
    assert_eq!(db.records.discard_jobs(&run.ids, &Decision::default()).await.unwrap(), 1);
    assert_eq!(db.records.job(&run.ids[0]).await.unwrap().unwrap().state, JobState::Discarded);
}

async fn follow_ups_come_with_the_close_or_not_at_all(db: Db) {
    let zombie = db.pull_run("c1", 1).await;
    let live = db.records.start_run(&pull_key("c1"), 2).await.unwrap().unwrap();
    let follow_up = FollowUp {
        kind: JobKind::PullContact,
        location_id: LOC.to_owned(),
        record_id: "c2".to_owned(),
        priority: Priority::Bulk,
    };
    let follow_ups = [follow_up.clone()];
    assert!(is_lost(db.records.begin(&zombie).await.unwrap().close_run(&follow_ups).await));
    assert_eq!(db.records.start_run(&follow_up.key(), 1).await.unwrap(), None);
    db.records.begin(&live).await.unwrap().close_run(&follow_ups).await.unwrap();
    assert!(db.records.start_run(&follow_up.key(), 1).await.unwrap().is_some());
}

async fn the_sweeper_finds_each_key_once_and_no_live_run(db: Db) {
    let now = db.clock.now_ms();
    let batch = ["c1", "c1", "c2", "c3"].map(|contact_id| selected(None, contact_id));
    db.records.accept(&batch).await.unwrap();
    assert_eq!(db.records.last_activity_ms().await.unwrap(), None);
    let live = db.records.start_run(&pull_key("c2"), 1).await.unwrap().unwrap();
    let failed = db.records.start_run(&pull_key("c3"), 1).await.unwrap().unwrap();
    db.records.retry_run(&failed, "GHL said 503", now + 60_000).await.unwrap();
    let last = db.records.last_activity_ms().await.unwrap().unwrap();
    assert!((now..=now + 1000).contains(&last), "never too early, and up to a second too late: {last}, {now}");

    assert_eq!(db.records.open_jobs(None, 1, now - 1, 10).await.unwrap(), [], "all were accepted just now");
    let first = db.records.open_jobs(None, 0, now - 1, 1).await.unwrap().remove(0);
    assert_eq!((first.key.clone(), first.state, first.due_at_ms), (pull_key("c1"), JobState::Waiting, now));
    let rest = db.records.open_jobs(Some(&first.key), 0, now - 1, 10).await.unwrap();
    assert_eq!(rest.len(), 1, "the live run is left alone");
    assert_eq!((rest[0].key.clone(), rest[0].state, rest[0].attempts), (pull_key("c3"), JobState::Scheduled, 1));
    assert_eq!(rest[0].due_at_ms, now + 60_000);

    let silent = db.records.open_jobs(None, 0, now, 10).await.unwrap();
    let found: Vec<_> = silent.iter().map(|open| (open.key.clone(), open.state)).collect();
    assert_eq!(found[1], (live.key, JobState::Running));
    assert_eq!(db.records.oldest_open_ms(|_, _| true).await.unwrap(), Some(now));
}

async fn the_oldest_job_is_one_that_somebody_could_run(db: Db) {
    let start = db.clock.now_ms();
    let later = |ms| db.clock.set(jiff::Timestamp::from_millisecond(start + ms).unwrap());
    let of = |contact_id: &str, location_id: &str| {
        let mut trigger = selected(None, contact_id);
        location_id.clone_into(&mut trigger.event.location_id);
        trigger
    };
    let token = vault().seal(&secrecy::SecretString::from("pit-token"), "gone").unwrap();
    for location in ["gone", "paused"] {
        db.records.save_connection(location, ConnectionKind::Pit, &token, None, None).await.unwrap();
    }
    for (ms, trigger) in
        [(0, of("c1", "gone")), (1, of("c1", "paused")), (2, edited(new_task("t1", "c1", "Call"))), (3, of("c1", LOC))]
    {
        later(ms);
        accept(&db, trigger).await;
    }
    db.records.disconnect("gone").await.unwrap();
    let oldest = async |counts: fn(&str, &str) -> bool| db.records.oldest_open_ms(counts).await.unwrap();
    assert_eq!(oldest(|_, _| true).await, Some(start + 1));
    assert_eq!(oldest(|_, location| location != "paused").await, Some(start + 2));
    assert_eq!(oldest(|kind, location| kind != "push_task" && location != "paused").await, Some(start + 3));
    assert_eq!(oldest(|_, _| false).await, None);
}

async fn a_clock_that_was_set_back_hides_no_job_and_puts_none_off(db: Db) {
    let (now, hours) = (db.clock.now_ms(), 2 * 3_600_000);
    let at = |ms| jiff::Timestamp::from_millisecond(ms).unwrap();
    db.clock.set(at(now + hours));
    db.records.accept(&["c1", "c2", "c3"].map(|contact_id| selected(None, contact_id))).await.unwrap();
    db.records.start_run(&pull_key("c2"), 7_200_000_000).await.unwrap().unwrap();
    let failed = db.records.start_run(&pull_key("c3"), 7_200_000_000).await.unwrap().unwrap();
    db.records.retry_run(&failed, "GHL said 503", now + hours + 60_000).await.unwrap();
    // As after a crash, on a machine whose clock is right again.
    db.clock.set(at(now));
    let found = db.records.open_jobs(None, 15_000, now - 30_000, 10).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|open| (open.key, open.state)).collect();
    let expected = [("c1", JobState::Waiting), ("c2", JobState::Running), ("c3", JobState::Scheduled)];
    assert_eq!(found, expected.map(|(contact, state)| (pull_key(contact), state)));
    let delayed = db.records.open_jobs(Some(&pull_key("c2")), 15_000, now, 10).await.unwrap().remove(0);
    assert!(delayed.due_at_ms - now <= 66_000, "a delay is as long as it was: {}", delayed.due_at_ms - now);
    assert_eq!(db.records.max_epoch().await.unwrap(), 7_200_000_000);
}

async fn finished_rows_are_forgotten_and_open_ones_kept(db: Db) {
    let now = db.clock.now_ms();
    db.pull(1, &pulled("c1", &[])).await;
    let open = db.records.accept(&[selected(None, "c1")]).await.unwrap().remove(0);
    assert_eq!(db.forget(Old::DoneJobs, now).await, 0);
    assert_eq!(db.forget(Old::DoneJobs, now + 1).await, 1);
    let here =
        JobFilter { location_id: Some(LOC.to_owned()), kind: Some("pull_contact".to_owned()), ..JobFilter::default() };
    let left = db.records.list_jobs(&here, 10).await.unwrap();
    for (state, found) in [(JobState::Waiting, 1), (JobState::Done, 0)] {
        let in_state = JobFilter { state: Some(state), ..here.clone() };
        assert_eq!(db.records.list_jobs(&in_state, 10).await.unwrap().len(), found);
    }
    let elsewhere = JobFilter { location_id: Some("nowhere".to_owned()), ..here };
    assert_eq!(db.records.list_jobs(&elsewhere, 10).await.unwrap(), []);
    assert_eq!(left.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [open.job_id]);
}

async fn every_failed_attempt_is_kept_as_long_as_its_row(db: Db) {
    let run = db.pull_run("c1", 1).await;
    let id = &run.ids[0];
    db.records.retry_run(&run, "GHL said 503", 0).await.unwrap();
    let run = db.records.start_run(&pull_key("c1"), 2).await.unwrap().unwrap();
    db.records.release_run(&run, None, Some("GHL asked to wait")).await.unwrap();
    let run = db.records.start_run(&pull_key("c1"), 3).await.unwrap().unwrap();
    db.records.dead_letter_run(&run, "GHL said 400").await.unwrap();
    assert!(is_lost(db.records.dead_letter_run(&run, "a zombie").await));
    db.records.revive_jobs(&run.ids).await.unwrap();
    db.records.dead_letter_key(&pull_key("c1"), 4, "killed its worker").await.unwrap();

    let history = db.records.failed_attempts(id).await.unwrap();
    let reported: Vec<_> = history.iter().map(|failed| (failed.attempt, failed.error.as_str())).collect();
    assert_eq!(reported, [(1, "GHL said 503"), (2, "GHL said 400"), (3, "killed its worker")]);
    assert!(history.iter().all(|failed| failed.failed_at == db.clock.now()), "{history:?}");

    let with = async |error: &str| {
        let filter = JobFilter { state: Some(JobState::Dead), error: Some(error.to_owned()), ..JobFilter::default() };
        let any_state = JobFilter { state: None, ..filter.clone() };
        let found = db.records.list_jobs(&filter, 10).await.unwrap();
        assert_eq!(db.records.list_jobs(&any_state, 10).await.unwrap(), found);
        found.len()
    };
    assert_eq!((with("its worker").await, with("503").await, with("%").await), (1, 0, 0));

    db.records.discard_jobs(&run.ids, &Decision::default()).await.unwrap();
    assert_eq!(db.forget(Old::DoneJobs, db.clock.now_ms() + 1).await, 1);
    assert_eq!(db.records.failed_attempts(id).await.unwrap(), []);
}

fn of_key(id: &str) -> ProducerId {
    ProducerId::Key(id.to_owned())
}

async fn an_id_is_its_producers_own_and_remembered_for_a_time(db: Db) {
    let accept = async |producer: &str, trigger: &IncomingEvent| {
        db.records.accept_from(&of_key(producer), std::slice::from_ref(trigger)).await.map(|mut all| all.remove(0))
    };
    let create = |clienty_id: &str, title: &str| {
        let mut create = edited(new_task(clienty_id, "c1", title));
        create.event.id = Some("e1".to_owned());
        create.event.data = serde_json::json!({"title": title});
        create
    };
    let older = selected(Some("e0"), "c1");
    accept("a", &older).await.unwrap();
    let of_a = accept("a", &create("t1", "Call")).await.unwrap();
    let of_b = accept("b", &create("t2", "Write")).await.unwrap();
    assert!(!of_a.duplicate && !of_b.duplicate && of_a.job_id != of_b.job_id);
    let again = accept("b", &create("t2", "Write")).await.unwrap();
    assert_eq!(again, Accepted { duplicate: true, ..of_b.clone() });
    for (producer, title) in [("a", "Write"), ("b", "Call"), ("b", "write")] {
        let refused = accept(producer, &create("t9", title)).await;
        assert!(
            matches!(&refused, Err(AcceptError::IdReused(Refusal { index: 0, field: "id", .. }))),
            "{producer} {title}: {refused:?}"
        );
    }
    let ids: Vec<_> = db.records.list_jobs(&JobFilter::default(), 9).await.unwrap();
    let ids: Vec<_> = ids.iter().map(|job| job.event_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["e1", "e1", "e0"]);

    // A millisecond before the time is over, and after it.
    let kept = Options::default().remember_event_ids;
    let end = db.clock.now().checked_add(kept).unwrap();
    db.clock.set(end);
    assert!(accept("a", &create("t1", "Call")).await.unwrap().duplicate);
    db.clock.set(end.checked_add(std::time::Duration::from_millis(1)).unwrap());
    let anew = accept("a", &create("t3", "Another")).await.unwrap();
    assert!(!anew.duplicate, "the id is free, though its row is still there");
    assert!(accept("a", &create("t3", "Another")).await.unwrap().duplicate);
    assert_eq!(db.forget(Old::EventIds, db.clock.now_ms()).await, 1, "e0; e1 is new");
    assert_eq!(db.forget(Old::EventIds, db.clock.now_ms()).await, 0);
}

/// As the release before this one wrote them: without a producer and without a hash.
async fn rows_of_an_earlier_release_match_for_every_producer_of_their_location(db: Db) {
    let accepted = db.records.accept(&[selected(Some("e1"), "c1")]).await.unwrap().remove(0);
    let mut connection = sqlx::AnyConnection::connect(&db.url).await.unwrap();
    for statement in ["delete from event_ids", "update jobs set given_event_id = null"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    for producer in ["a", "b"] {
        let again = db.records.accept_from(&of_key(producer), &[selected(Some("e1"), "c2")]).await.unwrap().remove(0);
        assert_eq!(again, Accepted { duplicate: true, ..accepted.clone() }, "of {producer}");
    }
    let mut elsewhere = selected(Some("e1"), "c1");
    elsewhere.event.location_id = "loc2".to_owned();
    let token = vault().seal(&secrecy::SecretString::from("pit-token"), "loc2").unwrap();
    db.records.save_connection("loc2", ConnectionKind::Pit, &token, None, None).await.unwrap();
    let elsewhere = db.records.accept_from(&of_key("a"), &[elsewhere]).await.unwrap().remove(0);
    assert!(!elsewhere.duplicate);
    assert_eq!(db.records.job(&elsewhere.job_id).await.unwrap().unwrap().event_id.as_deref(), Some("e1"));
}

/// What no database would take is refused by name before it is asked, whoever calls.
async fn what_is_no_id_is_refused_by_name(db: Db) {
    let long = "x".repeat(3000);
    for bad in [long.as_str(), "a\0b", "a\tb", "..", ""] {
        let mut wrong_id = selected(None, "c1");
        wrong_id.event.id = Some(bad.to_owned());
        let mut wrong_location = selected(None, "c1");
        wrong_location.event.location_id = bad.to_owned();
        let cases = [
            ("contactId", selected(None, bad)),
            ("id", wrong_id),
            ("locationId", wrong_location),
            ("data.clientyTaskId", edited(new_task(bad, "c1", "x"))),
            ("data.taskId", edited(edit_by_ghl_id(bad, "x"))),
        ];
        for (field, wrong) in cases {
            let refused = db.records.accept(&[selected(None, "c1"), wrong]).await;
            let Err(AcceptError::Refused(refusal)) = refused else { panic!("{field} {bad:?}: {refused:?}") };
            assert_eq!((refusal.index, refusal.field), (1, field), "{bad:?}");
        }
    }
    assert_eq!(db.records.list_jobs(&JobFilter::default(), 9).await.unwrap(), []);
}

/// Behind the doors a value that the database refuses is no outage: sent again, it is refused again.
async fn a_refused_value_is_no_outage(db: Db) {
    let refused = db.records.job("a\0b").await;
    match db.records.is_sqlite() {
        true => assert!(matches!(refused, Ok(None)), "{refused:?}"),
        false => {
            let error = refused.unwrap_err();
            assert!(error.is_about_a_value() && !error.is_passing() && !error.is_race(), "{error:?}");
        }
    }
    db.records.close().await;
    let outage = db.records.job("a").await.unwrap_err();
    assert!(!outage.is_about_a_value(), "{outage:?}");
}
