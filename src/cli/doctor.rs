//! `doctor`: checks settings, database, Redis, GHL and tokens, and suggests remedies.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde::Serialize;
use sync_workers::records::{self, Records, RecordsError};

use super::{Context, Outcome};
use crate::app::{self, vault};
use crate::config::Config;

mod enrichment;
mod hints;
mod keys;
mod ledger;
mod locations;
mod redis;
mod tokens;
mod work;

/// The most names in a line.
const NAMED: usize = 5;

/// The first of the names.
fn named(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
}

/// One result of `doctor`.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    /// What to do if something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Works, but not as it should in production.
    Warning,
    Failed,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), remedy: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warning, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn failed(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Failed, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// One line for the result and one for the remedy: side by side they would be wider than a screen.
    fn report(&self) -> String {
        let Self { name, state, found, remedy } = self;
        let state = match state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        let remedy = remedy.as_ref().map(|remedy| format!("\n{:9}-> {remedy}", "")).unwrap_or_default();
        format!("{state:<8} {name}: {found}{remedy}")
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask GHL whether it accepts each stored token: two calls a location
    #[arg(long)]
    live: bool,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let config = &context.config;
    // Settings that can't be read have ended the program before this.
    let mut checks = vec![match config.ignored_variables.as_slice() {
        [] => Check::ok("settings", "all are valid"),
        ignored => Check::warning(
            "settings",
            format!("unknown variables are set: {}", named(ignored)),
            "correct the names or unset them; `clienty-sync config show` lists all settings",
        ),
    }];
    checks.push(match vault(config) {
        Ok(_) => Check::ok("master keys", format!("{} set", config.secrets.master_keys.len())),
        Err(_) if config.secrets.master_keys.is_empty() => Check::failed(
            "master keys",
            "none is set, so no token can be sealed or opened",
            "set CLIENTY_MASTER_KEYS, for instance to \"k1:$(openssl rand -base64 32)\", and keep it safe",
        ),
        Err(_) => Check::failed(
            "master keys",
            "two keys have the same id, so it is ambiguous which one opens a token",
            "give each key in CLIENTY_MASTER_KEYS its own id",
        ),
    });
    let flows = crate::flows::load(&config.flows.dir);
    let mistakes = match &flows {
        Ok(flows) => flows.mistakes(),
        Err(mistakes) => mistakes.clone(),
    };
    let count = flows.as_ref().map_or(0, |loaded| loaded.flows.len());
    let loaded = flows.unwrap_or_default();
    let file_names: Vec<String> = loaded
        .flows
        .iter()
        .map(|flow| flow.name.clone())
        .chain(loaded.broken.iter().map(|broken| broken.name.clone()))
        .collect();
    checks.push(match mistakes.0.as_slice() {
        [] => Check::ok("flows", format!("{count} in {}", config.flows.dir.display())),
        mistakes => Check::failed(
            "flows",
            mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            "correct the file; until then its flow starts no run, and the others do",
        ),
    });
    checks.push(tokens::app(config));
    let (records, of_database) = database(config).await;
    checks.extend(of_database);
    checks.extend(enrichment::check(config, records.as_ref()).await);
    let deployment = match &records {
        Some(records) => records.known_deployment_id().await.unwrap_or_default(),
        None => None,
    };
    checks.extend(redis::check(config, deployment).await);
    if let Some(records) = records {
        checks.extend(flows_twice(&records, &file_names).await);
        checks.extend(keys::check(&records).await);
        checks.extend(ledger::check(&records).await);
        checks.extend(ledger::unpushed(&records).await);
        checks.extend(locations::check(config, &records).await);
        checks.extend(work::check(config, &records).await);
        if args.live {
            checks.push(tokens::live(config, &records).await);
        }
    }
    checks.push(ghl(config).await);
    let failed = checks.iter().any(|check| check.state == State::Failed);
    context.output.print(&serde_json::json!({"ok": !failed, "checks": checks}), |_| {
        checks.iter().map(Check::report).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

/// One name is one flow: of a file, or of the database.
async fn flows_twice(records: &Records, files: &[String]) -> Option<Check> {
    const NAME: &str = "flow names";
    let kept = match records.kept_flows().await {
        Ok(kept) => kept,
        Err(error) => return Some(Check::failed(NAME, error.to_string(), "see the database above")),
    };
    let twice: Vec<_> = kept.into_iter().map(|flow| flow.name).filter(|name| files.contains(name)).collect();
    (!twice.is_empty()).then(|| {
        Check::failed(
            NAME,
            format!("a file and the database both have {}", named(&twice)),
            "the files count; rename them, or `clienty-sync flows delete` the others once the files are away",
        )
    })
}

async fn database(config: &Config) -> (Option<Records>, Vec<Check>) {
    let kind = if config.is_sqlite() { "SQLite" } else { "PostgreSQL" };
    let url = config.database_url();
    let records = match Records::open(url.expose_secret(), app::for_a_person()).await {
        Ok(records) => records,
        Err(error @ RecordsError::NoDatabase { .. }) => {
            let remedy = "run `clienty-sync migrate`, or start `clienty-sync up`; if a database should exist, this shell lacks the settings of \
                          the deployment (DATABASE_URL, CLIENTY_DATA_DIR)";
            return (None, vec![Check::failed("database", error.to_string(), remedy)]);
        }
        Err(error) => {
            // The pool only reports a timeout, whatever the cause.
            let cause = records::cause_of_failure(url.expose_secret()).await.unwrap_or_else(|| error.to_string());
            let found = format!("{}: {cause}", config.database_name());
            return (None, vec![Check::failed("database", found, hints::remedy(&cause, "DATABASE_URL"))]);
        }
    };
    let mut checks = vec![match records.ping().await {
        Ok(()) => Check::ok("database", format!("{kind} answers ({})", config.database_name())),
        Err(error) => Check::failed("database", error.to_string(), "check DATABASE_URL, and that the server runs"),
    }];
    checks.push(match records.check_schema().await {
        Ok(()) => Check::ok("schema", "up to date"),
        Err(RecordsError::SchemaOlder { pending }) => {
            checks.push(Check::warning(
                "schema",
                format!("{pending} migrations are pending"),
                "run `clienty-sync migrate`",
            ));
            return (None, checks);
        }
        Err(error @ RecordsError::SchemaNewer { .. }) => {
            let remedy = "install the release that migrated it, or a newer one, on this machine";
            checks.push(Check::failed("schema", error.to_string(), remedy));
            return (None, checks);
        }
        Err(error) => {
            Check::failed("schema", error.to_string(), "run `clienty-sync migrate`; if it fails, see the runbook")
        }
    });
    checks.extend(tokens::check(config, &records).await);
    (Some(records), checks)
}

async fn ghl(config: &Config) -> Check {
    let url = &config.ghl.api_url;
    let reached = reachable(url).await;
    match reached {
        Ok(()) => Check::ok("ghl", format!("{url} accepts connections")),
        Err(error) => {
            let remedy = hints::remedy(&error.to_string(), "GHL_API_URL");
            Check::failed("ghl", format!("{url}: {error}"), remedy)
        }
    }
}

/// Opens a connection and sends nothing: a request would spend a call of a location's limit.
async fn reachable(url: &str) -> std::io::Result<()> {
    let bad = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "the address has no host");
    let parsed: axum::http::Uri = url.parse().map_err(|_| bad())?;
    let host = parsed.host().ok_or_else(bad)?;
    let port = parsed.port_u16().unwrap_or(if parsed.scheme_str() == Some("http") { 80 } else { 443 });
    let connect = tokio::net::TcpStream::connect((host.trim_matches(['[', ']']), port));
    tokio::time::timeout(Duration::from_secs(5), connect).await.map_err(std::io::Error::from)??;
    Ok(())
}
