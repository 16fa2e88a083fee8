//! A PostgreSQL that is lost at each statement in turn.

use futures_util::future::join_all;

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

/// Systems side by side, each with a database of its own: a create whose answer was lost is looked for only when it can't arrive any more, so
/// most of the time is spent waiting.
const LANES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_statement_loses_the_connection_what_was_accepted_is_done_afterwards() {
    let server = PostgresServer::start();
    join_all((0..LANES).map(|lane| every_nth(&server, lane))).await;
}

/// The statements of one lane: its own number, and from there every [`LANES`]th.
async fn every_nth(server: &PostgresServer, lane: usize) {
    let (wire, url) = Wire::before(&server.create_database(&format!("lost{lane}"))).await;
    let mut story = Story::begin(Setup { database_url: Some(url), ..Setup::impatient() }).await;
    wire.count();
    story.report().await;
    story.app.settle().await;
    let statements = wire.statements();
    for part in ["insert into jobs", "update jobs", "commit"] {
        let is_there = statements.iter().any(|text| text.to_lowercase().contains(part));
        assert!(is_there, "no {part} among {statements:#?}");
    }
    let (mut reported, mut struck) = (0, 0);
    for steps in (lane..statements.len()).step_by(LANES) {
        reported += 1;
        struck += usize::from(story.report_under(&wire, steps).await);
    }
    assert!(struck >= reported / 2, "of {reported} statements {struck} broke");
    story.end().await;
}
