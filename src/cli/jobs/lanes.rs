//! Pausing and resuming a location, or a kind of jobs in all of them.

use anyhow::{bail, ensure};
use clap::Args;
use job_engine::QueueError;
use serde_json::json;
use sync_workers::records::{Action, AuditAct};

use super::super::{Context, Outcome};
use super::check_kind;
use crate::app::App;

/// What is paused or resumed.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Target {
    /// GHL's id of the location
    #[arg(value_parser = super::super::id)]
    location: Option<String>,
    /// Jobs of this kind in every location: pull_contact, push_task, push_note, call_operation, …
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

pub(super) async fn run(context: Context, target: Target, pause: bool) -> anyhow::Result<Outcome> {
    ensure!(
        context.config.is_distributed(),
        "REDIS_URL is not set: a queue in memory belongs to its process, and this command can't reach it; set REDIS_URL for `up` and for \
         this command, or stop `up`: accepted jobs wait for it in the ledger, and every circuit is closed after its next start"
    );
    let app = App::open_existing(context.config).await?;
    let (field, name, again) = match target {
        Target { kind: Some(kind), .. } => {
            steer_kind(&app, &kind, pause).await?;
            ("kind", kind.clone(), format!("--kind {kind}"))
        }
        Target { location: Some(location), kind: None } => {
            steer_location(&app, &location, pause).await?;
            ("locationId", location.clone(), location)
        }
        Target { location: None, kind: None } => bail!("name a location, or a kind with --kind"),
    };
    context.output.print(&json!({field: name, "paused": pause}), |_| match pause {
        true => format!("{name} is paused: its jobs wait until `clienty-sync jobs resume {again}`"),
        false => format!("{name} is resumed"),
    })?;
    Ok(Outcome::Done)
}

async fn steer_location(app: &App, location: &str, pause: bool) -> anyhow::Result<()> {
    ensure!(
        app.records.connection(location).await?.is_some(),
        "location {location} is not connected; `clienty-sync connect` connects it"
    );
    let act = AuditAct::new(action(pause)).at(location);
    let steered = async {
        match pause {
            true => app.queue.pause(location).await,
            false => app.queue.resume(location).await,
        }
    };
    noted(app, act, steered).await
}

async fn steer_kind(app: &App, kind: &str, pause: bool) -> anyhow::Result<()> {
    // A kind of another version may be resumed: it can have been paused by that version.
    if pause {
        check_kind(Some(kind))?;
    }
    let act = AuditAct::new(action(pause)).on(kind);
    let steered = async {
        match pause {
            true => app.queue.pause_kind(kind).await,
            false => app.queue.resume_kind(kind).await,
        }
    };
    noted(app, act, steered).await
}

fn action(pause: bool) -> Action {
    if pause { Action::JobsPause } else { Action::JobsResume }
}

/// The queue and the audit share no transaction: the row comes first, and a second row reports a failure.
async fn noted(app: &App, act: AuditAct, steered: impl Future<Output = Result<(), QueueError>>) -> anyhow::Result<()> {
    app.records.note_act(act.clone()).await?;
    if let Err(error) = steered.await {
        app.records.note_act(act.failed()).await?;
        return Err(error.into());
    }
    Ok(())
}
