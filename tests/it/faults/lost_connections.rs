//! A PostgreSQL that is lost at each statement in turn.

use super::story::{Fault, Story};
use crate::support::postgres::PostgresServer;
use crate::support::test_app::Setup;
use crate::support::wire::Wire;

impl Fault for Wire {
    fn strike_after(&self, steps: usize) {
        self.break_after(steps);
    }

    fn has_struck(&self) -> bool {
        self.is_broken()
    }

    fn mend(&self) {
        Wire::mend(self);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_statement_loses_the_connection_what_was_accepted_is_done_afterwards() {
    let server = PostgresServer::start();
    let (wire, url) = Wire::before(&server.create_database("lost")).await;
    let mut story = Story::begin(Setup { database_url: Some(url), ..Setup::impatient() }).await;
    wire.count();
    story.tell().await;
    story.app.settle().await;
    let statements = wire.statements();
    for part in ["insert into jobs", "update jobs", "commit", "insert into records"] {
        let is_there = statements.iter().any(|text| text.to_lowercase().contains(part));
        assert!(is_there || part.contains("records"), "no {part} among {statements:#?}");
    }
    let mut struck = 0;
    for steps in 0..statements.len() {
        struck += usize::from(story.tell_under(&wire, steps).await);
    }
    assert!(struck >= statements.len() / 2, "of {} statements {struck} broke", statements.len());
    story.end().await;
}
