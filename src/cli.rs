//! The command line. One file a subcommand; here is what they share: the settings, results, exit codes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use sync_model::clock::Clock;
use sync_workers::records::{Records, RecordsError, cause_of_failure};
use sync_workers::scripts::child;

use crate::app;
use crate::config::Config;
use crate::flows::watch;
use crate::telemetry;

mod audit;
mod catalog;
mod completions;
mod config;
mod connect;
#[cfg(feature = "sandbox")]
mod demo;
mod disconnect;
mod doctor;
mod enrich;
mod flows;
mod gateway;
mod hooks;
mod import;
mod jobs;
mod json_argument;
mod keys;
mod locations;
mod mapping;
mod migrate;
mod openapi;
mod period;
mod reconcile;
mod remote;
#[cfg(feature = "sandbox")]
mod sandbox;
mod scan_progress;
mod secrets;
mod send;
mod serve;
mod table;
mod tail;
mod up;
mod verify;
mod version;
mod worker;

/// Keeps the CRM Clienty and GoHighLevel (GHL) in sync: contacts, tasks, notes, appointments.
///
/// Settings come from `clienty-sync.toml` and the environment, which wins; `clienty-sync config show` lists them. Results go to
/// standard output, logs to standard error.
#[derive(Debug, Parser)]
#[command(name = "clienty-sync", version)]
struct Cli {
    /// Settings file [default: clienty-sync.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document instead of text; `{"error": …}` if the command fails
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process with a simulated GHL, to try it out
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    /// Run the gateway and workers in one process, for real GHL
    Up,
    /// Run the HTTP gateway only; needs REDIS_URL
    Gateway,
    /// Run a pool of workers and its /metrics; needs REDIS_URL
    Worker(worker::Args),
    /// Run the simulated GHL only
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Args),
    /// Print the link that connects a location, or connect one by its Private Integration Token
    Connect(connect::Args),
    /// Delete the login of a location and stop its reconciliations; its records stay
    Disconnect(disconnect::Args),
    /// Import all contacts, tasks, notes and appointments of a location
    Import(import::Args),
    /// Compare the records with GHL, field by field; exit code 3 if they differ
    Verify(verify::Args),
    /// Find changes in GHL that no webhook reported, now instead of when it is due
    #[command(name = "reconcile", visible_alias = "sweep")]
    Reconcile(reconcile::Args),
    /// Show connected locations: state, time zone, token, last success, calls left
    #[command(subcommand)]
    Locations(locations::Command),
    /// Manage the master keys that seal tokens
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Inspect and manage jobs
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// List GHL's actions and triggers, or call an action
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// List, check and run flows: steps that follow a trigger
    #[command(subcommand)]
    Flows(flows::Command),
    /// Map custom fields of GHL's to fields of Clienty's, each with its type and choices
    #[command(subcommand)]
    Mapping(mapping::Command),
    /// Manage hooks, which send changes to your URLs
    #[command(subcommand)]
    Hooks(hooks::Command),
    /// Look up what is missing of contacts: providers, keys, runs, cost, undo
    #[command(subcommand)]
    Enrich(enrich::Command),
    /// Send an event to a running gateway, and show its outcome
    Send(send::Args),
    /// Follow the change feed of a running gateway
    Tail(tail::Args),
    /// Manage the API keys of producers and readers
    #[command(subcommand)]
    Keys(keys::Command),
    /// List, verify or export the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Print a script with completions for a shell
    Completions(completions::Completions),
    /// Write the manual pages into a folder
    Man(completions::Man),
    /// Show or check the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Migrate the database to the current schema
    Migrate,
    /// Check settings, database, Redis and GHL, and suggest remedies
    Doctor(doctor::Args),
    /// Print the version of the program and of its database schema
    Version,
}

impl Command {
    /// Whether the command stores events that may start a flow.
    fn takes_in(&self) -> bool {
        #[cfg(feature = "sandbox")]
        if let Self::Demo(_) = self {
            return true;
        }
        matches!(
            self,
            Self::Up | Self::Gateway | Self::Worker(_) | Self::Import(_) | Self::Reconcile(_) | Self::Verify(_)
        )
    }
}

impl Command {
    /// Whether the command uses the database of the settings and does not log that itself.
    fn looks_at_records(&self) -> bool {
        #[cfg(feature = "sandbox")]
        if let Self::Demo(_) | Self::Sandbox(_) = self {
            return false;
        }
        !matches!(
            self,
            Self::Config(_)
                | Self::Up
                | Self::Gateway
                | Self::Worker(_)
                | Self::Version
                | Self::Openapi
                | Self::Completions(_)
                | Self::Man(_)
                | Self::Send(_)
                | Self::Tail(_)
                | Self::Hooks(hooks::Command::Listen(_))
                | Self::Catalog(catalog::Command::List(_) | catalog::Command::Show { .. } | catalog::Command::Page)
                | Self::Flows(
                    flows::Command::Check { .. }
                        | flows::Command::Try(_)
                        | flows::Command::Test { .. }
                        | flows::Command::Gallery
                        | flows::Command::New(_)
                )
                | Self::Mapping(mapping::Command::Check { location: None, .. })
        )
    }
}

#[cfg(feature = "sandbox")]
impl Command {
    /// Whether the command means a running demo where there is no database: those that prepare or check one of this shell's own never do.
    fn looks_beside(&self) -> bool {
        !matches!(self, Self::Migrate | Self::Doctor(_) | Self::Connect(_) | Self::Secrets(_))
    }
}

/// What a command needs to know of how it was called.
struct Context {
    config: Config,
    output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy)]
struct Output {
    json: bool,
}

impl Output {
    /// Prints a result: as JSON if that was requested, else as `text` formats it.
    fn print<T: Serialize>(self, result: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let line = if self.json { serde_json::to_string_pretty(result)? } else { text(result) };
        put(&format!("{line}\n")).map(drop)
    }
}

/// Writes to standard output; whether anything still reads it. A reader that has seen enough, such as `head`, is no failure.
fn put(text: &str) -> anyhow::Result<bool> {
    use std::io::{ErrorKind, Write as _};
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => Ok(written.map(|()| true)?),
    }
}

/// How a command ended, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1: the command has reported the fault.
    Failed,
    /// Exit code 2: the command has reported what is wrong with its arguments or settings.
    WrongUsage,
    /// Exit code 3: the command has reported the differences.
    Differs,
}

/// Stack size of each thread: a build without optimization keeps the futures of whole runs on it.
const STACK: usize = 8 * 1024 * 1024;

/// Runs the program.
pub fn main() -> ExitCode {
    // It needs no settings, and has a moment to live.
    if std::env::args_os().nth(1).is_some_and(|word| word == child::WORD) {
        return child::serve();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return wrong_usage(&error),
    };
    let output = Output { json: cli.json };
    // The settings may name that very file.
    #[cfg(feature = "sandbox")]
    if let Command::Sandbox(args) = &cli.command
        && let Err(error) = args.write_key()
    {
        return fail(&error, output);
    }
    let config = match Config::from_process(cli.config.as_deref()) {
        Ok(config) => config,
        Err(errors) => return config::refuse(&errors, output),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into(), output),
    };
    let _within = runtime.enter();
    let _traces = telemetry::init(&config.log);
    let context = Context { config, output };
    match runtime.block_on(run(context, cli.command)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::WrongUsage) => ExitCode::from(2),
        Ok(Outcome::Differs) => ExitCode::from(3),
        Err(error) => fail(&error, output),
    }
}

/// Opens an existing database for an operator's command; an error names the remedy. Commands that only read neither create a database nor change its schema.
async fn open_records(config: &Config) -> anyhow::Result<Records> {
    let records = app::open_existing_records(config, &Clock::system()).await;
    let records = match records {
        // The pool only reports a timeout, whatever the cause.
        Err(RecordsError::Database(error)) => {
            let cause = cause_of_failure(config.database_url().expose_secret()).await;
            Err(anyhow::anyhow!(cause.unwrap_or_else(|| error.to_string())))
        }
        other => other.map_err(anyhow::Error::from),
    };
    let records = records.map(|records| records.on_behalf_of(app::operator(config)));
    records.with_context(|| {
        format!(
            "can't use the database ({}); check DATABASE_URL and CLIENTY_DATA_DIR, and that this shell has the settings of the deployment. \
             `clienty-sync migrate` creates a new one",
            config.database_name()
        )
    })
}

async fn run(mut context: Context, command: Command) -> anyhow::Result<Outcome> {
    if command.takes_in() {
        if let Err(mistakes) = context.config.load_flows() {
            config::report(&mistakes, "the flows can't be read", context.output);
            return Ok(Outcome::WrongUsage);
        }
        watch::report(&context.config.flows.broken);
    }
    if command.looks_at_records() {
        #[cfg(feature = "sandbox")]
        if command.looks_beside()
            && let Some(demo) = demo::beside::Beside::find(&context.config)
        {
            demo.apply(&mut context.config);
            tracing::info!(url = demo.url(), "the command works beside this demo");
        }
        let (database, queue) = (context.config.database_name(), context.config.queue_name());
        tracing::info!(database, queue, "the command uses this database and this queue");
    }
    match command {
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(context, args).await,
        Command::Up => up::run(context).await,
        Command::Gateway => gateway::run(context).await,
        Command::Worker(args) => worker::run(context, args).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(context, args).await,
        Command::Connect(args) => connect::run(context, args).await,
        Command::Disconnect(args) => disconnect::run(context, args).await,
        Command::Catalog(command) => catalog::run(context, command).await,
        Command::Import(args) => import::run(context, args).await,
        Command::Verify(args) => verify::run(context, args).await,
        Command::Reconcile(args) => reconcile::run(context, args).await,
        Command::Secrets(command) => secrets::run(context, command).await,
        Command::Jobs(command) => jobs::run(context, command).await,
        Command::Flows(command) => flows::run(context, command).await,
        Command::Mapping(command) => mapping::run(context, command).await,
        Command::Hooks(command) => hooks::run(context, command).await,
        Command::Enrich(command) => enrich::run(context, command).await,
        Command::Keys(command) => keys::run(context, command).await,
        Command::Audit(command) => audit::run(context, command).await,
        Command::Config(command) => config::run(context, &command),
        Command::Migrate => migrate::run(context).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Locations(command) => locations::run(context, command).await,
        Command::Openapi => openapi::run(&context),
        Command::Send(args) => send::run(context, args).await,
        Command::Tail(args) => tail::run(context, args).await,
        Command::Completions(args) => completions::completions(&args, context.output),
        Command::Man(args) => completions::man(&args, context.output),
        Command::Version => version::run(&context),
    }
}

/// Prints what is wrong with the arguments, or the requested help; as one JSON document if `--json` is among the arguments.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let is_usage = error.use_stderr();
    if is_usage && std::env::args_os().any(|argument| argument == "--json") {
        let reported = error.render().to_string();
        let reason = match error.kind() {
            // The rendered text is the help, which begins with the purpose of the command.
            clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a subcommand is missing",
            _ => reported.lines().next().unwrap_or_default().trim_start_matches("error: "),
        };
        // Nothing is left to do where not even this can be printed.
        let _ = Output { json: true }.print(&json!({"error": reason, "usage": reported.trim_end()}), |_| String::new());
    }
    let _ = error.print();
    ExitCode::from(if is_usage { 2 } else { 0 })
}

/// Reports why a command failed, in the JSON document too.
fn fail(error: &anyhow::Error, output: Output) -> ExitCode {
    let reason = reason(error);
    if output.json {
        // Nothing is left to do where not even this can be printed.
        let _ = output.print(&json!({"error": reason}), |_| String::new());
    }
    eprintln!("clienty-sync: {reason}");
    ExitCode::from(if error.is::<WrongUsage>() { 2 } else { 1 })
}

/// A wrong argument that only the command itself can detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

/// The error with its causes, each stated once: most errors of the libraries repeat their cause in their own text.
fn reason(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |reported, cause| match reported.as_str() {
        "" => cause,
        said if said.contains(&cause) => reported,
        said => format!("{said}: {cause}"),
    })
}

/// An argument that is an id of a location, a contact or a record.
fn id(text: &str) -> Result<String, String> {
    sync_model::ids::check(text).map(|()| text.to_owned()).map_err(|bad| bad.to_string())
}
