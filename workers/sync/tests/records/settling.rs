//! Runs that end together: what they store is what each would store alone, and what befalls one of them costs the others nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_workers::records::*;

use crate::sent::Sent;
use crate::support::*;

promises!(
    what_runs_store_together_is_what_each_stores_alone,
    zombies_among_runs_that_end_together_lose_and_the_others_do_not,
    an_erasure_stops_its_contact_alone_among_runs_that_end_together,
    runs_that_begin_together_each_get_the_rows_of_their_key,
    the_feed_is_whole_and_in_order_while_many_write,
);

/// What a pull of the contact hands in that found these tasks.
async fn settlement(db: &Db, run: &Run, name: &str, tasks: &[(&str, &str)]) -> Settlement {
    let Pulled { mut contact, tasks, notes, appointments } = pulled(&run.key.record_id, tasks);
    contact.name = Some(name.to_owned());
    let (contact, tasks, notes, appointments) = (Some(contact), Some(tasks), Some(notes), Some(appointments));
    let parts = Parts { contact, tasks, notes, appointments, unread: Needs::NONE };
    let snapshot = db.records.at_hand(run).await.unwrap().snapshot;
    let came = vec![Part::Contact, Part::Tasks, Part::Notes, Part::Appointments];
    Settlement { parts, snapshot, came, ..Settlement::nothing(run.clone()) }
}

/// Of so many contacts, numbered from `first`.
async fn settlements(db: &Db, count: usize, first: usize) -> Vec<Settlement> {
    let mut all = Vec::new();
    for number in first..first + count {
        let run = db.pull_run(&format!("c{number:02}"), 1).await;
        all.push(settlement(db, &run, "Ada", &[(&format!("t{number:02}"), "Call")]).await);
    }
    all
}

/// Hands them all in before any is stored.
async fn settle(db: &Db, settlements: Vec<Settlement>) -> Vec<Result<(), RecordsError>> {
    join_all(settlements.into_iter().map(|one| db.records.settle(one))).await
}

async fn names(db: &Db) -> Vec<(String, Option<String>)> {
    let query = ListQuery { limit: 100, ..ListQuery::default() };
    let page = db.records.list_contacts(LOC, &query).await.unwrap();
    let mut names: Vec<_> =
        page.items.into_iter().map(|one| (one.record.id.clone(), one.record.name.clone())).collect();
    names.sort();
    names
}

async fn what_runs_store_together_is_what_each_stores_alone(db: Db) {
    // Known as it is, known otherwise, with a task less, with a task of another, new.
    for (contact, tasks) in [
        ("same", &[("t1", "Call")][..]),
        ("renamed", &[]),
        ("less", &[("t2", "Call"), ("t3", "Write")]),
        ("from", &[("t4", "Visit")]),
        ("to", &[]),
    ] {
        let run = db.pull_run(contact, 1).await;
        let handed_in = settlement(&db, &run, "Ada", tasks).await;
        db.records.settle(handed_in).await.unwrap();
    }
    let last = db.records.last_change().await.unwrap();
    let mut together = Vec::new();
    for (contact, name, tasks) in [
        ("same", "Ada", &[("t1", "Call")][..]),
        ("renamed", "Grace", &[]),
        ("less", "Ada", &[("t2", "Call")]),
        ("from", "Ada", &[]),
        ("to", "Ada", &[("t4", "Visit")]),
        ("new", "Alan", &[("t5", "Call")]),
    ] {
        let run = db.pull_run(contact, 2).await;
        together.push(settlement(&db, &run, name, tasks).await);
    }
    let runs: Vec<_> = together.iter().map(|one| one.run.clone()).collect();
    assert!(settle(&db, together).await.iter().all(Result::is_ok));

    for run in &runs {
        let job = db.records.job(&run.ids[0]).await.unwrap().unwrap();
        assert_eq!((job.state, job.attempts, job.finished_at), (JobState::Done, 1, Some(db.clock.now())));
    }
    for (contact, titles) in [
        ("same", &["Call"][..]),
        ("renamed", &[]),
        ("less", &["Call"]),
        ("from", &[]),
        ("to", &["Visit"]),
        ("new", &["Call"]),
    ] {
        assert_eq!(db.titles(contact).await, titles, "{contact}");
    }
    let changes = db.records.list_changes(Some(&last.to_string()), 100).await.unwrap().items;
    let numbers: Vec<_> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(numbers, (last + 1..=last + numbers.len() as i64).collect::<Vec<_>>(), "no number is left out");
    for change in &changes {
        let run = runs.iter().find(|run| run.key.record_id == change.contact_id).unwrap();
        assert_eq!(change.caused_by.as_ref(), run.ids.first(), "{change:?} is another's");
    }
    let of = |contact: &str| changes.iter().filter(|change| change.contact_id == contact).count();
    assert_eq!(["same", "renamed", "less", "to", "new"].map(of), [0, 1, 1, 1, 2]);
}

async fn zombies_among_runs_that_end_together_lose_and_the_others_do_not(db: Db) {
    let handed_in = settlements(&db, 20, 0).await;
    let dead: BTreeSet<usize> = [3, 4, 19].into();
    let mut alive = Vec::new();
    for number in &dead {
        let key = &handed_in[*number].run.key;
        alive.push(db.records.start_run(key, 2).await.unwrap().unwrap());
    }
    let last = db.records.last_change().await.unwrap();
    let outcomes = settle(&db, handed_in).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match dead.contains(&number) {
            true => assert!(is_lost(outcome)),
            false => outcome.unwrap(),
        }
    }
    assert_eq!(names(&db).await.len(), 17, "nothing of a zombie is kept");
    assert_eq!(db.records.last_change().await.unwrap(), last + 2 * 17);
    for run in alive {
        let handed_in = settlement(&db, &run, "Grace", &[]).await;
        db.records.settle(handed_in).await.unwrap();
    }
    assert_eq!(names(&db).await.len(), 20);
}

async fn an_erasure_stops_its_contact_alone_among_runs_that_end_together(db: Db) {
    let handed_in = settlements(&db, 10, 0).await;
    db.records.erase(LOC, "c04").await.unwrap().unwrap();
    for (number, outcome) in settle(&db, handed_in).await.into_iter().enumerate() {
        match outcome {
            Err(RecordsError::Erased { contact_id }) => assert_eq!((number, contact_id.as_str()), (4, "c04")),
            outcome => assert!(outcome.is_ok() && number != 4, "{number}: {outcome:?}"),
        }
    }
    let kept: Vec<_> = names(&db).await.into_iter().map(|(id, _)| id).collect();
    assert!(kept.len() == 9 && !kept.contains(&"c04".to_owned()), "{kept:?}");
}

async fn runs_that_begin_together_each_get_the_rows_of_their_key(db: Db) {
    let mut pending = Vec::new();
    for number in 0..70 {
        let contact = format!("c{number}");
        let twice = [selected(None, &contact), selected(None, &contact)];
        pending.push(db.records.accept(&twice).await.unwrap().into_iter().map(|one| one.job_id).collect::<Vec<_>>());
    }
    // One is done, and one is asked for by a zombie as well.
    let done = db.records.start_run(&pull_key("c5"), 1).await.unwrap().unwrap();
    db.records.begin(&done).await.unwrap().close_run(&[]).await.unwrap();
    let wanted = (0..70).map(|number| (pull_key(&format!("c{number}")), 7)).chain([(pull_key("c9"), 6)]);
    let wanted: Vec<_> = wanted.collect();
    let begun = join_all(wanted.iter().map(|(key, epoch)| db.records.start_run(key, *epoch))).await;
    for (number, begun) in begun.into_iter().enumerate() {
        match number {
            5 => assert_eq!(begun.unwrap(), None),
            70 => assert!(is_lost(begun)),
            number => {
                let run = begun.unwrap().unwrap();
                assert_eq!((&run.key, run.epoch, &run.ids), (&wanted[number].0, 7, &pending[number]));
            }
        }
    }
}

/// Of 16 writers some store runs and some are zombies, whose groups roll back; some pause. A transaction of somebody else stays open all the time.
async fn the_feed_is_whole_and_in_order_while_many_write(db: Db) {
    const WRITERS: usize = 16;
    const EACH: usize = 12;
    let db = Arc::new(db);
    let foreign = match db.folder {
        // SQLite has one writer.
        Some(_) => None,
        None => {
            let pool = sqlx::PgPool::connect(&db.url).await.unwrap();
            let mut open = pool.begin().await.unwrap();
            sqlx::query("create table of_others (id bigint)").execute(&mut *open).await.unwrap();
            Some((open, pool))
        }
    };
    let is_over = AtomicBool::new(false);
    let reading = async {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let over = is_over.load(Ordering::SeqCst);
            let page = db.records.list_changes(cursor.as_deref(), 7).await.unwrap();
            seen.extend(page.items.iter().map(|item| (item.seq, item.record_id.clone())));
            cursor = page.next_cursor;
            if over && page.items.is_empty() {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let writer = async |number: usize| {
        let mut dice = StdRng::seed_from_u64(number as u64);
        let mut stored = 0;
        for round in 0..EACH {
            let contact = format!("w{number}r{round}");
            let run = db.pull_run(&contact, 1).await;
            let handed_in = settlement(&db, &run, "Ada", &[(&format!("{contact}t"), "Call")]).await;
            if dice.random_bool(0.2) {
                db.records.start_run(&run.key, 2).await.unwrap().unwrap();
                assert!(is_lost(db.records.settle(handed_in).await));
                continue;
            }
            for _ in 0..dice.random_range(0..20) {
                tokio::task::yield_now().await;
            }
            db.records.settle(handed_in).await.unwrap();
            stored += 1;
        }
        stored
    };
    let writing = async {
        let stored: usize = join_all((0..WRITERS).map(writer)).await.into_iter().sum();
        is_over.store(true, Ordering::SeqCst);
        stored
    };
    let (stored, seen) = tokio::join!(writing, reading);
    let numbers: Vec<_> = seen.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(
        numbers,
        (1..=2 * stored as i64).collect::<Vec<_>>(),
        "a contact and a task each, none missed, none twice"
    );
    let records: BTreeSet<_> = seen.into_iter().map(|(_, record)| record).collect();
    assert_eq!(records.len(), 2 * stored);
    if let Some((open, pool)) = foreign {
        open.rollback().await.unwrap();
        pool.close().await;
    }
}

/// What one run takes that stores a contact with a task, beside the beginning of its transaction.
const OF_ONE: [&str; 9] = [
    // What is known of the contact, of what hangs on it, of missing parts, and of the location.
    "-- The pairs of",
    "-- As for contacts.",
    "-- The pairs of",
    "-- The list of",
    // Contacts, entries, the ledger, the feed.
    "-- The rows to",
    "-- The rows to",
    "-- Ends rows that",
    "-- Numbers the changes",
    "COMMIT",
];

#[tokio::test]
async fn a_group_takes_as_many_statements_as_one_run_but_for_rows_beyond_those_of_a_statement() {
    let db = Db::postgres().await;
    let (one, many) = (settlements(&db, 1, 0).await, settlements(&db, 40, 1).await);
    Sent::listen();
    assert!(settle(&db, one).await.iter().all(Result::is_ok));
    assert_eq!(Sent::take(), OF_ONE);
    assert!(settle(&db, many).await.iter().all(Result::is_ok));
    // 40 tasks are rows of 25, 10 and 5; so are the rows of the ledger.
    let of_many = [&OF_ONE[..5], &[OF_ONE[5]; 3], &[OF_ONE[6]; 3], &OF_ONE[7..]].concat();
    assert_eq!(Sent::take(), of_many, "0.3 statements and 0.025 transactions a run");
}

#[tokio::test]
async fn a_poisoned_run_costs_the_others_one_more_round_and_nothing_else() {
    let db = Db::postgres().await;
    let mut handed_in = settlements(&db, 40, 0).await;
    // PostgreSQL keeps no NUL in a text.
    handed_in[7].came.clear();
    handed_in[7].missing = vec![(Part::Notes, "a\0b".to_owned())];
    Sent::listen();
    for (number, outcome) in settle(&db, handed_in).await.into_iter().enumerate() {
        match number {
            7 => assert!(outcome.is_err_and(|error| error.is_about_a_value())),
            _ => outcome.unwrap(),
        }
    }
    let sent = Sent::take();
    let count = |words: &str| sent.iter().filter(|sent| sent.starts_with(words)).count();
    // The group with it, and the group without it.
    assert_eq!((count("-- As for contacts."), count("COMMIT")), (2, 1), "{sent:#?}");
    assert_eq!(names(&db).await.len(), 39);
}

#[tokio::test]
async fn where_the_database_does_not_say_whose_value_it_refuses_each_stores_alone() {
    let db = Db::postgres().await;
    let mut handed_in = settlements(&db, 10, 0).await;
    handed_in[7].parts.tasks = Some(vec![task("t\0", "Call")]);
    for (number, outcome) in settle(&db, handed_in).await.into_iter().enumerate() {
        match number {
            7 => assert!(outcome.is_err_and(|error| error.is_about_a_value())),
            _ => outcome.unwrap(),
        }
    }
    assert_eq!(names(&db).await.len(), 9);
}
