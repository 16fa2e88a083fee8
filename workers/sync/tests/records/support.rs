//! A database for each test, and small fixtures.

use job_engine::Priority;
use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_model::record::{Contact, Task};
use sync_workers::events::{IncomingEvent, NewEvent};
use sync_workers::records::*;
use sync_workers::vault::{MasterKeys, Vault};
use uuid::Uuid;

use crate::postgres;

pub(crate) const LOC: &str = "loc1";
pub(crate) const NOW: &str = "2026-06-01T12:00:00Z";

/// A database of its own for one test.
pub(crate) struct Db {
    pub(crate) records: Records,
    pub(crate) clock: Clock,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) url: String,
}

impl Db {
    /// Forgets some of what was old before that time; how much.
    pub(crate) async fn forget(&self, old: Old, before_ms: i64) -> u64 {
        self.records.forget(old, before_ms, &mut Place::default(), 10).await.unwrap().unwrap_or(0)
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(format!("clienty-records-{}", Uuid::new_v4()));
        let url = format!("sqlite://{}", folder.join("records.db").display());
        Self::open(&url, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = postgres::url();
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
        Self { records, clock, folder, url: url.to_owned() }
    }

    /// Accepts an event about `contact_id` and takes the run of its pull.
    pub(crate) async fn pull_run(&self, contact_id: &str, epoch: i64) -> Run {
        self.records.accept(&[selected(None, contact_id)]).await.unwrap();
        self.records.start_run(&pull_key(contact_id), epoch).await.unwrap().unwrap()
    }

    pub(crate) async fn pull(&self, epoch: i64, pulled: &Pulled) {
        let contact_id = pulled.contact.id.as_str();
        let run = self.pull_run(contact_id, epoch).await;
        let snapshot = self.records.snapshot(LOC, contact_id).await.unwrap();
        self.store(&run, pulled, &snapshot).await;
    }

    pub(crate) async fn store(&self, run: &Run, pulled: &Pulled, snapshot: &Snapshot) {
        let mut tx = self.records.begin(run).await.unwrap();
        tx.store_pull(pulled, snapshot).await.unwrap();
        tx.close_run(&[]).await.unwrap();
    }

    /// Accepts an edit and returns the row id of its task.
    pub(crate) async fn edit(&self, change: TaskChange) -> String {
        self.records.accept(&[edited(change)]).await.unwrap().remove(0).key.record_id
    }

    pub(crate) async fn task(&self, row_id: &str) -> TaskRow {
        self.records.entry::<Task>(row_id).await.unwrap().unwrap()
    }

    pub(crate) async fn push_run(&self, row_id: &str, epoch: i64) -> Run {
        self.records.start_run(&push_key(row_id), epoch).await.unwrap().unwrap()
    }

    pub(crate) async fn titles(&self, contact_id: &str) -> Vec<String> {
        let view = self.records.contact_view(LOC, contact_id).await.unwrap().unwrap();
        view.tasks.into_iter().map(|shown| shown.record.task.title).collect()
    }

    pub(crate) async fn refusal(&self, change: TaskChange) -> Refusal {
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

pub(crate) fn vault() -> Vault {
    Vault::new(MasterKeys::new([("k1".to_owned(), &[1; 32])]).unwrap())
}

pub(crate) fn event(id: Option<&str>, event_type: &str, contact_id: Option<&str>) -> NewEvent {
    NewEvent {
        id: id.map(str::to_owned),
        occurred_at: None,
        source: "api".to_owned(),
        event_type: event_type.to_owned(),
        location_id: LOC.to_owned(),
        contact_id: contact_id.map(str::to_owned),
        data: json!({}),
    }
}

pub(crate) fn selected(id: Option<&str>, contact_id: &str) -> IncomingEvent {
    IncomingEvent {
        event: event(id, "contact.selected", Some(contact_id)),
        kind: JobKind::PullContact,
        priority: Priority::Interactive,
        change: Change::None { record_id: contact_id.to_owned() },
    }
}

pub(crate) fn edited(change: TaskChange) -> IncomingEvent {
    IncomingEvent {
        event: event(None, "task.updated", None),
        kind: JobKind::PushTask,
        priority: Priority::Realtime,
        change: Change::Task(change),
    }
}

pub(crate) fn new_task(clienty_id: &str, contact_id: &str, title: &str) -> TaskChange {
    TaskChange {
        act: Act::Create,
        clienty_id: Some(clienty_id.to_owned()),
        ghl_id: None,
        contact_id: Some(contact_id.to_owned()),
        patch: TaskPatch { title: Some(title.to_owned()), ..TaskPatch::default() },
    }
}

pub(crate) fn edit_by_ghl_id(ghl_id: &str, title: &str) -> TaskChange {
    TaskChange {
        act: Act::Edit,
        clienty_id: None,
        ghl_id: Some(ghl_id.to_owned()),
        contact_id: None,
        patch: TaskPatch { title: Some(title.to_owned()), ..TaskPatch::default() },
    }
}

pub(crate) fn delete_by_clienty_id(clienty_id: &str) -> TaskChange {
    TaskChange {
        act: Act::Delete,
        clienty_id: Some(clienty_id.to_owned()),
        ghl_id: None,
        contact_id: None,
        patch: TaskPatch::default(),
    }
}

pub(crate) fn pull_key(contact_id: &str) -> JobKey {
    JobKey::new(JobKind::PullContact, LOC, contact_id)
}

pub(crate) fn push_key(row_id: &str) -> JobKey {
    JobKey::new(JobKind::PushTask, LOC, row_id)
}

pub(crate) fn contact(id: &str, name: &str) -> Contact {
    Contact { id: id.to_owned(), name: Some(name.to_owned()), ..Contact::default() }
}

pub(crate) fn task(ghl_id: &str, title: &str) -> Task {
    Task { task_id: Some(ghl_id.to_owned()), title: title.to_owned(), ..Task::default() }
}

pub(crate) fn pulled(contact_id: &str, tasks: &[(&str, &str)]) -> Pulled {
    let tasks = tasks.iter().map(|(ghl_id, title)| task(ghl_id, title)).collect();
    Pulled { contact: contact(contact_id, "Ada Lovelace"), tasks, notes: Vec::new(), appointments: Vec::new() }
}

pub(crate) fn is_lost<T: std::fmt::Debug>(result: Result<T, RecordsError>) -> bool {
    match result {
        Err(RecordsError::LostRun(_)) => true,
        other => panic!("not a lost run: {other:?}"),
    }
}

/// An edit of a contact, named by GHL's id, Clienty's, or both.
pub(crate) fn change(act: Act, id: Option<&str>, clienty_id: Option<&str>, set: Value) -> IncomingEvent {
    let change = ContactChange {
        act,
        contact_id: id.map(str::to_owned),
        clienty_id: clienty_id.map(str::to_owned),
        patch: ContactPatch { fields: serde_json::from_value(set).unwrap(), ..ContactPatch::default() },
    };
    IncomingEvent {
        event: event(None, "contact.updated", id),
        kind: JobKind::PushContact,
        priority: job_engine::Priority::Realtime,
        change: Change::Contact(change),
    }
}

/// A contact as GHL shows it.
pub(crate) fn remote(id: &str, set: Value) -> Contact {
    let mut contact = set;
    contact["id"] = json!(id);
    serde_json::from_value(contact).unwrap()
}

/// Accepts one event and returns the record of its job.
pub(crate) async fn accept(db: &Db, trigger: IncomingEvent) -> String {
    db.records.accept(&[trigger]).await.unwrap().remove(0).key.record_id
}
