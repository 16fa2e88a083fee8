//! `migrate`: brings the database's schema up to date.

use secrecy::ExposeSecret;
use serde_json::json;
use sync_workers::records::{Options, Records};

use super::{Context, Outcome};

pub(super) async fn run(context: Context) -> anyhow::Result<Outcome> {
    let records = Records::open(context.config.database_url().expose_secret(), Options::default()).await?;
    let applied = records.pending_migrations().await?;
    records.migrate().await?;
    context.output.print(&json!({"applied": applied}), |_| match applied.len() {
        0 => "the schema is up to date".to_owned(),
        _ => format!("applied: {}", applied.join(", ")),
    })?;
    Ok(Outcome::Done)
}
