//! What the records promise, over SQLite and over PostgreSQL.

use std::collections::HashSet;
use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sync_workers::clock::Clock;
use sync_workers::records::model::{Appointment, Contact, Note, Task, TaskStatus};
use sync_workers::records::*;
use sync_workers::vault::{MasterKeys, Vault, VaultError};
use uuid::Uuid;

#[path = "support/postgres.rs"]
mod postgres_server;

const LOC: &str = "loc1";
const NOW: &str = "2026-06-01T12:00:00Z";

/// Each promise is a test of both databases.
macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(super::Db::sqlite().await).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() { super::$name(super::Db::postgres().await).await; })*
        }
    };
}

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
    edits_meet_the_row_they_mean,
    an_edit_that_means_nothing_names_its_field,
    concurrent_edits_of_one_task_all_count,
    a_pull_keeps_an_edit_made_meanwhile,
    a_pull_follows_what_is_settled_and_only_rebases_what_is_not,
    a_pull_removes_what_ghl_no_longer_has,
    a_pull_leaves_an_awaited_create_to_its_push,
    a_push_takes_over_the_row_that_a_pull_made,
    an_edit_during_a_push_stays_and_is_still_owed,
    an_intent_needs_a_live_run,
    a_deleted_task_does_not_come_back_with_an_older_pull,
    a_contact_that_is_gone_is_not_returned,
    a_view_tells_the_status_of_its_tasks,
    the_cursor_of_a_list_is_stable,
    a_list_is_searched_as_text_and_by_date,
    the_feed_tells_changes_in_order_and_nothing_unchanged,
    a_connection_keeps_its_token_sealed,
    a_revoked_or_rotated_key_is_refused,
    migrating_twice_changes_nothing,
    finished_rows_are_forgotten_and_open_ones_kept,
}

/// A database of its own for one test.
struct Db {
    records: Records,
    clock: Clock,
    folder: Option<PathBuf>,
}

impl Db {
    async fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(format!("clienty-records-{}", Uuid::new_v4()));
        let url = format!("sqlite://{}", folder.join("records.db").display());
        Self::open(&url, Some(folder)).await
    }

    async fn postgres() -> Self {
        let server = postgres_server::url();
        let name = format!("records_{}", Uuid::new_v4().simple());
        let pool = sqlx::PgPool::connect(&server).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("create database {name}"));
        sqlx::query(create).execute(&pool).await.unwrap();
        pool.close().await;
        let (host, _) = server.rsplit_once('/').unwrap();
        Self::open(&format!("{host}/{name}"), None).await
    }

    async fn open(url: &str, folder: Option<PathBuf>) -> Self {
        let clock = Clock::fixed(NOW.parse().unwrap());
        let options = Options { max_connections: 4, clock: clock.clone(), ..Options::default() };
        let records = Records::open(url, options).await.unwrap();
        records.migrate().await.unwrap();
        let token = vault().seal(&SecretString::from("pit-token"), LOC).unwrap();
        records.save_connection(LOC, ConnectionKind::Pit, &token, None, None).await.unwrap();
        Self { records, clock, folder }
    }

    /// Accepts an event about `contact_id` and takes the run of its pull.
    async fn pull_run(&self, contact_id: &str, epoch: i64) -> Run {
        self.records.accept(&[selected(None, contact_id)]).await.unwrap();
        self.records.start_run(&pull_key(contact_id), epoch).await.unwrap().unwrap()
    }

    async fn pull(&self, epoch: i64, pulled: &Pulled) {
        let contact_id = pulled.contact.id.as_str();
        let run = self.pull_run(contact_id, epoch).await;
        let snapshot = self.records.snapshot(LOC, contact_id).await.unwrap();
        self.store(&run, pulled, &snapshot).await;
    }

    async fn store(&self, run: &Run, pulled: &Pulled, snapshot: &Snapshot) {
        let mut tx = self.records.begin(run).await.unwrap();
        tx.store_pull(pulled, snapshot).await.unwrap();
        tx.close_run(&[]).await.unwrap();
    }

    /// Accepts an edit and returns the row id of its task.
    async fn edit(&self, change: TaskChange) -> String {
        self.records.accept(&[edited(change)]).await.unwrap().remove(0).key.record_id
    }

    async fn task(&self, row_id: &str) -> TaskRow {
        self.records.entry::<Task>(row_id).await.unwrap().unwrap()
    }

    async fn push_run(&self, row_id: &str, epoch: i64) -> Run {
        self.records.start_run(&push_key(row_id), epoch).await.unwrap().unwrap()
    }

    async fn titles(&self, contact_id: &str) -> Vec<String> {
        let view = self.records.contact_view(LOC, contact_id).await.unwrap().unwrap();
        view.tasks.into_iter().map(|view| view.task.title).collect()
    }

    async fn refusal(&self, change: TaskChange) -> Refusal {
        match self.records.accept(&[edited(change)]).await {
            Err(AcceptError::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn vault() -> Vault {
    Vault::new(MasterKeys::new([("k1".to_owned(), &[1; 32])]).unwrap())
}

fn event(id: Option<&str>, event_type: &str, contact_id: Option<&str>) -> NewEvent {
    NewEvent {
        id: id.map(str::to_owned),
        source: "api".to_owned(),
        event_type: event_type.to_owned(),
        location_id: LOC.to_owned(),
        contact_id: contact_id.map(str::to_owned),
        data: json!({}),
    }
}

fn selected(id: Option<&str>, contact_id: &str) -> Trigger {
    Trigger {
        event: event(id, "contact.selected", Some(contact_id)),
        kind: JobKind::PullContact,
        priority: Priority::Interactive,
        change: Change::None { record_id: contact_id.to_owned() },
    }
}

fn edited(change: TaskChange) -> Trigger {
    Trigger {
        event: event(None, "task.updated", None),
        kind: JobKind::PushTask,
        priority: Priority::Realtime,
        change: Change::Task(change),
    }
}

fn new_task(clienty_id: &str, contact_id: &str, title: &str) -> TaskChange {
    TaskChange {
        act: Act::Create,
        clienty_id: Some(clienty_id.to_owned()),
        ghl_id: None,
        contact_id: Some(contact_id.to_owned()),
        patch: TaskPatch { title: Some(title.to_owned()), ..TaskPatch::default() },
    }
}

fn edit_by_ghl_id(ghl_id: &str, title: &str) -> TaskChange {
    TaskChange {
        act: Act::Edit,
        clienty_id: None,
        ghl_id: Some(ghl_id.to_owned()),
        contact_id: None,
        patch: TaskPatch { title: Some(title.to_owned()), ..TaskPatch::default() },
    }
}

fn delete_by_clienty_id(clienty_id: &str) -> TaskChange {
    TaskChange {
        act: Act::Delete,
        clienty_id: Some(clienty_id.to_owned()),
        ghl_id: None,
        contact_id: None,
        patch: TaskPatch::default(),
    }
}

fn pull_key(contact_id: &str) -> JobKey {
    JobKey::new(JobKind::PullContact, LOC, contact_id)
}

fn push_key(row_id: &str) -> JobKey {
    JobKey::new(JobKind::PushTask, LOC, row_id)
}

fn contact(id: &str, name: &str) -> Contact {
    Contact { id: id.to_owned(), name: Some(name.to_owned()), ..Contact::default() }
}

fn task(ghl_id: &str, title: &str) -> Task {
    Task { task_id: Some(ghl_id.to_owned()), title: title.to_owned(), ..Task::default() }
}

fn pulled(contact_id: &str, tasks: &[(&str, &str)]) -> Pulled {
    let tasks = tasks.iter().map(|(ghl_id, title)| task(ghl_id, title)).collect();
    Pulled { contact: contact(contact_id, "Ada Lovelace"), tasks, notes: Vec::new(), appointments: Vec::new() }
}

fn is_lost<T: std::fmt::Debug>(result: Result<T, RecordsError>) -> bool {
    match result {
        Err(RecordsError::LostRun(_)) => true,
        other => panic!("not a lost run: {other:?}"),
    }
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
    let batch: Vec<Trigger> = ids.iter().map(|id| selected(Some(id), id)).collect();
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
    assert!(is_lost(db.records.release_run(&zombie, None).await));
    assert!(is_lost(db.records.bury_run(&zombie, "late").await));
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
    db.records.release_run(&run, None).await.unwrap();
    let job = db.records.job(&run.ids[0]).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.due_at), (JobState::Waiting, 1, None));
}

async fn poison_is_buried_and_can_be_revived_or_discarded(db: Db) {
    let newer = db.pull_run("c1", 7).await;
    assert_eq!(db.records.bury_key(&pull_key("c1"), 6, "an older claim").await.unwrap(), 0);
    assert_eq!(db.records.bury_key(&pull_key("c1"), 7, "killed its worker").await.unwrap(), 1);
    let job = db.records.job(&newer.ids[0]).await.unwrap().unwrap();
    assert_eq!((job.state, job.last_error.as_deref()), (JobState::Dead, Some("killed its worker")));

    assert_eq!(db.records.revive_jobs(&newer.ids).await.unwrap(), [pull_key("c1")]);
    assert_eq!(db.records.revive_jobs(&newer.ids).await.unwrap(), [], "it is not dead any more");
    let run = db.records.start_run(&pull_key("c1"), 8).await.unwrap().unwrap();
    assert_eq!(run.attempts, 0);
    db.records.bury_run(&run, "again").await.unwrap();
    assert_eq!(db.records.discard_jobs(&run.ids).await.unwrap(), 1);
    assert_eq!(db.records.job(&run.ids[0]).await.unwrap().unwrap().state, JobState::Done);
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
    assert_eq!(db.records.last_activity_ms().await.unwrap(), Some(now));

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
    assert_eq!(db.records.oldest_open_ms().await.unwrap(), Some(now));
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
    assert!(row.is_settled(), "it reads as GHL has it again");

    let note = NoteChange {
        act: Act::Create,
        clienty_id: Some("t1".to_owned()),
        ghl_id: None,
        contact_id: Some("c1".to_owned()),
        patch: NotePatch { note_text: Some("Met at the fair".to_owned()), user_id: None },
    };
    let note = Trigger { kind: JobKind::PushNote, change: Change::Note(note), ..edited(new_task("t1", "c1", "")) };
    let key = db.records.accept(&[note]).await.unwrap().remove(0).key;
    let row = db.records.entry::<Note>(&key.record_id).await.unwrap().unwrap();
    assert_eq!(row.doc.note_text, "Met at the fair");
    assert_eq!(db.records.entry::<Task>(&key.record_id).await.unwrap(), None, "a note is no task");
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

async fn a_pull_keeps_an_edit_made_meanwhile(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let run = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let row_id = db.edit(edit_by_ghl_id("g1", "Call at noon")).await;
    let created = db.edit(new_task("t2", "c1", "New here")).await;
    db.store(&run, &pulled("c1", &[("g1", "Call, says GHL")]), &snapshot).await;

    let row = db.task(&row_id).await;
    assert_eq!(row.doc.title, "Call at noon");
    assert_eq!(row.base.unwrap().title, "Call", "the base is as old as the edit's");
    assert!(!db.task(&created).await.deleted);
    assert_eq!(db.titles("c1").await, ["Call at noon", "New here"]);
}

async fn a_pull_follows_what_is_settled_and_only_rebases_what_is_not(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Write")])).await;
    let edited = db.edit(edit_by_ghl_id("g2", "Write today")).await;
    db.pull(2, &pulled("c1", &[("g1", "Call, says GHL"), ("g2", "Write, says GHL")])).await;
    assert_eq!(db.titles("c1").await, ["Call, says GHL", "Write today"]);
    let row = db.task(&edited).await;
    assert_eq!((row.base.unwrap().title.as_str(), row.revision), ("Write, says GHL", 2));
}

async fn a_pull_removes_what_ghl_no_longer_has(db: Db) {
    let appointment = |id: &str| Appointment { appointment_id: id.to_owned(), ..Appointment::default() };
    let note = Note { note_id: Some("n1".to_owned()), note_text: "Met".to_owned(), ..Note::default() };
    let first = Pulled {
        notes: vec![note],
        appointments: vec![appointment("a1"), appointment("a2")],
        ..pulled("c1", &[("g1", "Call"), ("g2", "Write")])
    };
    db.pull(1, &first).await;
    let local = db.edit(new_task("t1", "c1", "Only here")).await;
    db.edit(edit_by_ghl_id("g2", "Write today")).await;
    db.pull(2, &Pulled { appointments: vec![appointment("a2")], ..pulled("c1", &[]) }).await;

    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    let titles: Vec<&str> = view.tasks.iter().map(|view| view.task.title.as_str()).collect();
    assert_eq!(titles, ["Write today", "Only here"], "an edit that GHL has not seen is the push's to decide");
    assert_eq!(view.notes, []);
    assert_eq!(view.appointments, [appointment("a2")]);
    assert!(!db.task(&local).await.deleted);

    db.pull(3, &first).await;
    assert_eq!(db.titles("c1").await, ["Call", "Write today", "Only here"], "GHL has it again");
}

async fn a_pull_leaves_an_awaited_create_to_its_push(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.records.set_intent(&push, &row_id, &row.doc).await.unwrap();
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Another")])).await;
    assert_eq!(db.titles("c1").await, ["Call", "Another"], "one row each");
    assert_eq!(db.records.linked_ids::<Task>(LOC, "c1").await.unwrap(), HashSet::from(["g2".to_owned()]));

    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&row, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let row = db.task(&row_id).await;
    assert_eq!((row.ghl_id.as_deref(), row.intent.clone()), (Some("g1"), None));
    assert!(row.is_settled());
}

async fn a_push_takes_over_the_row_that_a_pull_made(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let row = db.task(&row_id).await;
    db.pull(1, &pulled("c1", &[("g1", "Call"), ("g2", "Write")])).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&row, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.titles("c1").await, ["Call", "Write"]);

    let named = TaskChange { clienty_id: Some("t2".to_owned()), ..edit_by_ghl_id("g2", "Write") };
    db.edit(named).await;
    let other = db.edit(new_task("t3", "c1", "Write")).await;
    let push = db.push_run(&other, 1).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    let refused = tx.pushed(&db.task(&other).await, "g2", &task("g2", "Write")).await;
    assert!(matches!(refused, Err(RecordsError::Conflict { .. })), "{refused:?}");
}

async fn an_edit_during_a_push_stays_and_is_still_owed(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let sent = db.task(&row_id).await;
    let later = TaskPatch { title: Some("Call at noon".to_owned()), ..TaskPatch::default() };
    db.edit(TaskChange { patch: later, ..new_task("t1", "c1", "") }).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&sent, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();

    let row = db.task(&row_id).await;
    assert_eq!((row.doc.title.as_str(), row.base.clone().unwrap().title.as_str()), ("Call at noon", "Call"));
    assert!(!row.is_settled());
    assert!(db.records.start_run(&push_key(&row_id), 2).await.unwrap().is_some());
}

async fn an_intent_needs_a_live_run(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let zombie = db.push_run(&row_id, 1).await;
    db.push_run(&row_id, 2).await;
    let doc = db.task(&row_id).await.doc;
    assert!(is_lost(db.records.set_intent(&zombie, &row_id, &doc).await));
    assert_eq!(db.task(&row_id).await.intent, None);
}

async fn a_deleted_task_does_not_come_back_with_an_older_pull(db: Db) {
    let row_id = db.edit(new_task("t1", "c1", "Call")).await;
    let push = db.push_run(&row_id, 1).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.pushed(&db.task(&row_id).await, "g1", &task("g1", "Call")).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;

    db.edit(delete_by_clienty_id("t1")).await;
    let row = db.task(&row_id).await;
    assert!(row.deleted && !row.is_settled(), "GHL still has to be told");
    let pull = db.pull_run("c1", 2).await;
    let snapshot = db.records.snapshot(LOC, "c1").await.unwrap();
    let push = db.push_run(&row_id, 2).await;
    let mut tx = db.records.begin(&push).await.unwrap();
    tx.removed(&row).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    db.store(&pull, &pulled("c1", &[("g1", "Call")]), &snapshot).await;

    assert_eq!(db.titles("c1").await, [""; 0]);
    assert!(db.task(&row_id).await.is_settled());
}

async fn a_contact_that_is_gone_is_not_returned(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let run = db.pull_run("c1", 2).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone("c1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!(db.records.contact_view(LOC, "c1").await.unwrap(), None);
    let page = db.records.list_contacts(LOC, &ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert_eq!(page.items, []);

    db.pull(3, &pulled("c1", &[("g1", "Call")])).await;
    assert_eq!(db.titles("c1").await, ["Call"], "GHL has it again");
}

async fn a_view_tells_the_status_of_its_tasks(db: Db) {
    let due = |ghl_id: &str, due: &str| Task { due_date: Some(due.parse().unwrap()), ..task(ghl_id, "Call") };
    let tasks = vec![
        due("g1", "2026-06-01T11:00:00Z"),
        due("g2", "2026-06-01T13:00:00Z"),
        Task { completed: true, ..due("g3", "2026-06-01T11:00:00Z") },
    ];
    db.pull(1, &Pulled { tasks, ..pulled("c1", &[]) }).await;
    let view = db.records.contact_view(LOC, "c1").await.unwrap().unwrap();
    let statuses: Vec<TaskStatus> = view.tasks.iter().map(|view| view.status).collect();
    assert_eq!(statuses, [TaskStatus::Overdue, TaskStatus::Open, TaskStatus::Completed]);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["syncedAt"], NOW);
    assert_eq!(json["tasks"][0]["taskId"], "g1");
    assert_eq!(json["tasks"][0]["contactId"], "c1");
    assert_eq!(json["tasks"][0]["status"], "overdue");
    assert_eq!(json["tasks"][0]["dueDate"], "2026-06-01T11:00:00Z");
    assert_eq!(db.records.contact_view("elsewhere", "c1").await.unwrap(), None);
}

async fn the_cursor_of_a_list_is_stable(db: Db) {
    for id in ["c1", "c3", "c5", "c7"] {
        db.pull(1, &pulled(id, &[])).await;
    }
    let query = ListQuery { limit: 2, ..ListQuery::default() };
    let first = db.records.list_contacts(LOC, &query).await.unwrap();
    let ids = |page: &Page<Contact>| page.items.iter().map(|contact| contact.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ["c1", "c3"]);
    db.pull(1, &pulled("c2", &[])).await;
    db.pull(1, &pulled("c6", &[])).await;
    db.pull(2, &Pulled { contact: contact("c1", "Ada King"), ..pulled("c1", &[]) }).await;
    let second = ListQuery { cursor: first.next_cursor, ..query.clone() };
    let second = db.records.list_contacts(LOC, &second).await.unwrap();
    assert_eq!(ids(&second), ["c5", "c6"]);
    let third = db.records.list_contacts(LOC, &ListQuery { cursor: second.next_cursor, ..query }).await.unwrap();
    assert_eq!((ids(&third), third.next_cursor), (vec!["c7".to_owned()], None));

    let stray = ListQuery { limit: 2, cursor: Some("?".to_owned()), ..ListQuery::default() };
    assert!(matches!(db.records.list_contacts(LOC, &stray).await, Err(RecordsError::Cursor)));
}

async fn a_list_is_searched_as_text_and_by_date(db: Db) {
    let updated = |at: &str| Some(at.parse().unwrap());
    let people = [
        Contact { date_updated: updated("2026-05-01T00:00:00Z"), ..contact("c1", "Ada Lovelace") },
        Contact { email: Some("50%_off@example.com".to_owned()), ..contact("c2", "Édith") },
        Contact { date_updated: updated("2026-05-03T00:00:00Z"), ..contact("c3", "Grace Hopper!") },
    ];
    for contact in people {
        db.pull(1, &Pulled { contact: contact.clone(), ..pulled(&contact.id, &[]) }).await;
    }
    let cases = [("LOVE", "c1"), ("%_OFF", "c2"), ("édith", "c2"), ("!", "c3")];
    for (text, expected) in cases {
        let query = ListQuery { limit: 10, query: Some(text.to_owned()), ..ListQuery::default() };
        let page = db.records.list_contacts(LOC, &query).await.unwrap();
        assert_eq!(page.items.iter().map(|contact| contact.id.as_str()).collect::<Vec<_>>(), [expected], "{text}");
    }
    let since = ListQuery { limit: 10, updated_since: updated("2026-05-02T00:00:00Z"), ..ListQuery::default() };
    assert_eq!(db.records.list_contacts(LOC, &since).await.unwrap().items.len(), 2);
}

async fn the_feed_tells_changes_in_order_and_nothing_unchanged(db: Db) {
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    let told = db.records.list_changes(None, 10).await.unwrap();
    let seen: Vec<_> = told.items.iter().map(|item| (item.seq, item.record.as_str(), item.op)).collect();
    assert_eq!(seen, [(1, "contact", ChangeOp::Stored), (2, "task", ChangeOp::Stored)]);

    db.pull(2, &pulled("c1", &[("g1", "Call")])).await;
    let nothing = db.records.list_changes(told.next_cursor.as_deref(), 10).await.unwrap();
    assert_eq!((nothing.items, nothing.next_cursor), (vec![], told.next_cursor.clone()));

    let writers: Vec<_> = (0..8)
        .map(|number| {
            let records = db.records.clone();
            let change = new_task(&format!("t{number}"), "c1", "Call");
            tokio::spawn(async move { records.accept(&[edited(change)]).await.unwrap() })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let later = db.records.list_changes(told.next_cursor.as_deref(), 10).await.unwrap();
    assert_eq!(later.items.iter().map(|item| item.seq).collect::<Vec<_>>(), (3..11).collect::<Vec<_>>());
}

async fn a_connection_keeps_its_token_sealed(db: Db) {
    let records = &db.records;
    let connection = records.connection(LOC).await.unwrap().unwrap();
    assert_eq!(vault().open(&connection.token, LOC).unwrap().expose_secret(), "pit-token");
    let other = Vault::new(MasterKeys::new([("k1".to_owned(), &[2; 32])]).unwrap());
    let refused = other.open(&connection.token, LOC).unwrap_err();
    assert_eq!(refused, VaultError::NotOpened { key_id: "k1".to_owned() });

    let new = vault().seal(&SecretString::from("second"), LOC).unwrap();
    assert!(records.replace_token(LOC, &connection.token, &new).await.unwrap());
    assert!(!records.replace_token(LOC, &connection.token, &new).await.unwrap(), "the loser of a race keeps nothing");
    records.set_time_zone(LOC, "Europe/Vienna").await.unwrap();
    records.set_connection_state(LOC, "revoked").await.unwrap();
    let connection = records.list_connections().await.unwrap().remove(0);
    assert_eq!((connection.time_zone.as_deref(), connection.state.as_str()), (Some("Europe/Vienna"), "revoked"));
    records.save_connection(LOC, ConnectionKind::Oauth, &new, Some("Main street"), None).await.unwrap();
    let connection = records.connection(LOC).await.unwrap().unwrap();
    assert_eq!((connection.time_zone.as_deref(), connection.state.as_str()), (Some("Europe/Vienna"), "active"));
    let asked = [LOC.to_owned(), "nowhere".to_owned()];
    assert_eq!(records.known_locations(&asked).await.unwrap(), HashSet::from([LOC.to_owned()]));
}

async fn a_revoked_or_rotated_key_is_refused(db: Db) {
    let records = &db.records;
    let (key, text) = records.create_key("importer").await.unwrap();
    let text = text.expose_secret();
    let (prefix, secret) = text.split_at(4 + key.id.len());
    assert_eq!((prefix, secret.len()), (format!("cs_{}_", key.id).as_str(), 43));
    assert_eq!(records.authenticate(text).await.unwrap(), Some(key.clone()));
    for wrong in ["", "cs_", "cs__", &text[..text.len() - 1], &text.replacen("cs_", "", 1), "cs_0_\0", "cs_\0_x"] {
        assert_eq!(records.authenticate(wrong).await.unwrap(), None, "{wrong}");
    }
    let rotated = records.rotate_key(&key.id).await.unwrap().unwrap();
    assert_eq!(records.authenticate(text).await.unwrap(), None);
    assert_eq!(records.authenticate(rotated.expose_secret()).await.unwrap(), Some(key.clone()));

    assert!(records.revoke_key(&key.id).await.unwrap());
    assert!(!records.revoke_key(&key.id).await.unwrap());
    assert_eq!(records.authenticate(rotated.expose_secret()).await.unwrap(), None);
    assert!(records.rotate_key(&key.id).await.unwrap().is_none());
    assert_eq!(records.list_keys().await.unwrap()[0].revoked_at, Some(db.clock.now()));
}

async fn migrating_twice_changes_nothing(db: Db) {
    db.pull(1, &pulled("c1", &[])).await;
    assert_eq!(db.records.pending_migrations().await.unwrap(), [""; 0]);
    db.records.migrate().await.unwrap();
    db.records.ping().await.unwrap();
    assert_eq!(db.records.is_sqlite(), db.folder.is_some());
    assert!(db.records.contact_view(LOC, "c1").await.unwrap().is_some());
}

async fn finished_rows_are_forgotten_and_open_ones_kept(db: Db) {
    let now = db.clock.now_ms();
    db.pull(1, &pulled("c1", &[])).await;
    let open = db.records.accept(&[selected(None, "c1")]).await.unwrap().remove(0);
    assert_eq!(db.records.forget_jobs(now, 10).await.unwrap(), 0);
    assert_eq!(db.records.forget_jobs(now + 1, 10).await.unwrap(), 1);
    let left = db.records.list_jobs(&JobFilter::default(), 10).await.unwrap();
    assert_eq!(left.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [open.job_id]);
}
