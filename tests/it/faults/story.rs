//! One accept, one pull and one push, reported again and again while the database fails somewhere in it.

use serde_json::{Value, json};
use sync_workers::records::{AcceptError, JobState};
use tokio::time::{Duration, sleep};

use crate::support::test_app::{Setup, TestApp};

const DUE: &str = "2026-03-01T09:00:00Z";

/// A fault that a test can order and end.
pub(super) trait Fault {
    /// From now on so many steps of the database get through; the next one fails, and all others until it is mended.
    fn strike_after(&self, steps: usize);
    /// Whether it struck.
    fn has_struck(&self) -> bool;
    /// The end of it.
    fn mend(&self);
}

/// A system with one known contact, and what was accepted from it.
pub(super) struct Story {
    pub(super) app: TestApp,
    contact: String,
    jobs: Vec<String>,
    notes: Vec<String>,
    reported: usize,
}

impl Story {
    pub(super) async fn begin(setup: Setup) -> Self {
        let (app, contact) = TestApp::knowing_one(setup).await;
        Self { app, contact, jobs: Vec::new(), notes: Vec::new(), reported: 0 }
    }

    /// informs it once: a contact is selected, a task and a note are made.
    pub(super) async fn report(&mut self) {
        self.reported += 1;
        let (location, contact) = (self.app.location().id, self.contact.clone());
        let event =
            |kind: &str, data: Value| json!({"type": kind, "locationId": location, "contactId": contact, "data": data});
        let (task, note) = (format!("task {}", self.reported), format!("note {}", self.reported));
        let events = [
            event("contact.selected", json!({})),
            event("task.created", json!({"clientyTaskId": task, "title": task, "dueDate": DUE})),
            event("note.created", json!({"clientyNoteId": note, "noteText": note})),
        ];
        for event in events {
            let trigger = clienty_sync::triggers::translate(&event).unwrap();
            match self.app.app.producer().send(&[trigger]).await {
                Ok(accepted) => {
                    self.jobs.extend(accepted.into_iter().map(|accepted| accepted.job_id));
                    self.notes.extend((event["type"] == "note.created").then(|| note.clone()));
                }
                Err(AcceptError::Records(error)) => assert!(error.is_passing(), "told as lasting: {error}"),
                Err(AcceptError::Refused(refusal) | AcceptError::IdReused(refusal)) => panic!("{refusal}"),
                Err(AcceptError::Unmapped { field, message, .. }) => panic!("{field}: {message}"),
            }
        }
    }

    /// informs it while the fault strikes after so many steps. Whether it struck at all.
    pub(super) async fn report_under(&mut self, fault: &impl Fault, steps: usize) -> bool {
        let before = self.jobs.len();
        fault.strike_after(steps);
        self.report().await;
        // Until it struck, or nothing is left that it could strike.
        while !fault.has_struck() && !self.is_done(before).await {
            sleep(Duration::from_millis(2)).await;
        }
        let has_struck = fault.has_struck();
        fault.mend();
        for job in &self.jobs[before..] {
            self.app
                .wait_until("a job is done after the fault", async || self.state(job).await == Some(JobState::Done))
                .await;
        }
        has_struck
    }

    async fn is_done(&self, since: usize) -> bool {
        for job in &self.jobs[since..] {
            if self.state(job).await != Some(JobState::Done) {
                return false;
            }
        }
        true
    }

    /// None where the database does not say.
    async fn state(&self, job: &str) -> Option<JobState> {
        Some(self.app.app.records.job(job).await.ok()??.state)
    }

    /// All that was accepted is done, once, and GHL has it.
    pub(super) async fn end(self) {
        self.app.settle().await;
        let held = self.app.held("notes", &self.contact);
        for note in &self.notes {
            let copies = held.iter().filter(|held| held["body"] == note.as_str()).count();
            assert_eq!(copies, 1, "{note} is in GHL {copies} times");
        }
        self.app.finish().await;
    }
}
