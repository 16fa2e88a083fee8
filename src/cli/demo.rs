//! `demo`: everything in one process, with a simulated GHL.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use sync_workers::presence::Presence;
use sync_workers::records::{ConnectionKind, JobFilter, JobState, NewKey, Role};
use tokio::time::Instant;
use uuid::Uuid;

use super::serve::{Listeners, Servers, Signals, reachable, until_stopped};
use super::{Context, Outcome, Output};
use crate::app::{App, Workers, vault};
use crate::compare::{self, Mismatch};
use crate::config::{Config, MasterKey};
use crate::signature::{Algorithm, PublicKeys};
use crate::triggers;
use ghl_sandbox::{Sandbox, SandboxConfig, SigningKey, WebhookConfig, Webhooks};

use self::beside::{Beside, Left};

pub(super) mod beside;

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Run the main job over every contact, compare the records with the sandbox, and exit
    #[arg(long)]
    once: bool,
    /// Number of locations in the sandbox
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    locations: u16,
    /// Contacts in each location
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    contacts: u32,
    /// Seed of the sandbox's data
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

/// What `demo --once` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    contacts: usize,
    tasks: usize,
    notes: usize,
    appointments: usize,
    ghl_calls: u64,
    throttled: u64,
    mismatches: usize,
    seconds: f64,
    /// The first few, to look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    examples: Vec<Mismatch>,
}

/// The parts of a demo that has been started.
struct Demo {
    sandbox: Sandbox,
    app: App,
    servers: Servers,
    workers: Workers,
    /// Delivers the sandbox's webhooks.
    _webhooks: Webhooks,
    _presence: Presence,
    /// Where the settings have the data, though a demo keeps its own elsewhere.
    settled: PathBuf,
    /// Removed with the value.
    _folder: Folder,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let signals = Signals::listen()?;
    let once = args.once;
    let demo = Demo::start(context.config, args).await?;
    if once {
        return demo.once(context.output).await;
    }
    let _left = demo.introduce(context.output).await?;
    until_stopped(signals, demo.servers, Some(demo.workers)).await;
    demo.sandbox.stop().await;
    Ok(Outcome::Done)
}

impl Demo {
    async fn start(mut config: Config, args: Args) -> anyhow::Result<Self> {
        let Args { once, locations, contacts, seed } = args;
        let sandbox = Sandbox::start(SandboxConfig {
            locations: usize::from(locations),
            contacts: usize::try_from(contacts)?,
            seed,
            ..SandboxConfig::default()
        })
        .await?;
        let folder = Folder::new()?;
        let settled = config.data.dir.clone();
        beside::stand_alone(&mut config, &folder.0, &sandbox.url(), MasterKey::random("demo"));
        config.ghl.webhook_keys.ed25519 =
            PublicKeys::from_pem(Algorithm::Ed25519, &SigningKey::from_seed(seed).public_pem())?;
        if once {
            config.gateway.listen.set_port(0);
            config.metrics.listen.set_port(0);
        }
        let listeners = Listeners::open(&config).await;
        let listeners = listeners.context("the demo needs an address; CLIENTY_LISTEN=127.0.0.1:0 takes a free port")?;
        let app = App::open(config).await?;
        let presence = app.announce("demo").await;
        let vault = vault(&app.config)?;
        for location in sandbox.locations() {
            let sealed = vault.seal(&SecretString::from(location.token), &location.id)?;
            app.records.save_connection(&location.id, ConnectionKind::Pit, &sealed, Some(&location.name), None).await?;
        }
        let servers = listeners.serve(&app)?;
        let workers = app.start_workers()?;
        let url = format!("http://{}/webhooks/ghl", reachable(servers.address));
        let webhooks = Webhooks::send(WebhookConfig::new(url, seed), &sandbox)?;
        Ok(Self { sandbox, app, servers, workers, _webhooks: webhooks, _presence: presence, settled, _folder: folder })
    }

    /// Prints how to use it, and leaves what other commands need to find it.
    async fn introduce(&self, output: Output) -> anyhow::Result<Option<Left>> {
        // The demo's key may do everything.
        let new = NewKey { roles: vec![Role::Admin], ..NewKey::of_all("demo") };
        let (_, key) = self.app.records.create_key(&new).await?;
        let key = key.expose_secret();
        let left = self.leave(key)?;
        let url = format!("http://{}", self.servers.address);
        let location = self.sandbox.locations().into_iter().next().context("the sandbox has a location")?;
        let contact = self.reporting_contact(&location.id).context("the sandbox has a contact")?;
        let id = &location.id;
        let select = format!(
            "curl -s {url}/v1/events -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
             -d '{{\"type\":\"contact.selected\",\"locationId\":\"{id}\",\"contactId\":\"{contact}\"}}'"
        );
        let show = format!("curl -s {url}/v1/locations/{id}/contacts/{contact} -H 'Authorization: Bearer {key}'");
        let edit = format!(
            "curl -s -X PUT {sandbox}/contacts/{contact} -H 'Authorization: Bearer {token}' -H 'Version: 2021-07-28' \
             -H 'Content-Type: application/json' -d '{{\"city\":\"Paderborn\"}}'",
            sandbox = self.sandbox.url(),
            token = location.token,
        );
        let console = self.app.console_link().map(|path| format!("{}{path}", url_of(self.servers.address)));
        let first = console.as_ref().map_or_else(String::new, |link| {
            format!("Open the console in a browser, once and within a quarter of an hour:\n\n  {link}\n\n")
        });
        let others = left.as_ref().map_or("", |_| {
            "Other commands find the demo from the same folder: try `clienty-sync tail` or `clienty-sync jobs list`.\n\n"
        });
        let started = json!({
            "url": url, "console": console, "apiKey": key, "locationId": id, "contactId": contact, "sandbox": self.sandbox.url(),
            "metrics": format!("http://{}/metrics", self.servers.metrics),
            "select": select, "show": show, "edit": edit,
        });
        output.print(&started, |_| {
            format!(
                "clienty-sync demo is up at {url}, with a simulated GHL at {sandbox}\nAPI key: {key}\n\n\
                 {first}Send an event that fetches a contact from GHL:\n\n  {select}\n\n\
                 Read the contact with its tasks, notes and appointments:\n\n  {show}\n\n\
                 Edit it in GHL, which reports the change by webhook:\n\n  {edit}\n\n{others}Ctrl-C ends the demo and deletes its data.",
                sandbox = self.sandbox.url(),
            )
        })?;
        Ok(left)
    }

    /// Leaves what other commands need to find the demo. Without it, they need its address and key.
    fn leave(&self, key: &str) -> anyhow::Result<Option<Left>> {
        let config = &self.app.config;
        let beside = Beside {
            listen: self.servers.address,
            data_dir: config.data.dir.clone(),
            api_key: key.to_owned(),
            master_key: config.secrets.master_keys.first().context("a demo has a master key")?.written(),
            ghl_api_url: config.ghl.api_url.clone(),
        };
        let left = beside.leave(&self.settled);
        if let Err(error) = &left {
            tracing::warn!(folder = %self.settled.display(), %error, "other commands can't find this demo by themselves: set CLIENTY_URL and CLIENTY_API_KEY");
        }
        Ok(left.ok())
    }

    /// Pulls every contact of the sandbox and compares what is stored with what is there.
    async fn once(self, output: Output) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        self.select_everything().await?;
        self.until_idle().await?;
        let seconds = began.elapsed().as_secs_f64();
        let mut summary = self.compare().await?;
        summary.seconds = (seconds * 1000.0).round() / 1000.0;
        self.workers.stop().await;
        self.servers.stop().await;
        self.sandbox.stop().await;
        output.print(&summary, Summary::report)?;
        Ok(if summary.mismatches == 0 { Outcome::Done } else { Outcome::Failed })
    }

    async fn select_everything(&self) -> anyhow::Result<()> {
        let producer = self.app.producer();
        for location in self.sandbox.locations() {
            let events = self.contacts(&location.id).into_iter().map(|contact| {
                let event = json!({"type": "contact.selected", "locationId": location.id, "contactId": contact});
                triggers::translate(&event)
            });
            let events: Vec<_> = events.collect::<Result<_, _>>().map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
            for chunk in events.chunks(1000) {
                producer.send(chunk).await?;
            }
        }
        Ok(())
    }

    /// Waits until no job is open; a dead one ends the wait with its reason.
    async fn until_idle(&self) -> anyhow::Result<()> {
        loop {
            let counts = self.app.records.job_counts().await?;
            let of = |wanted: &[JobState]| -> i64 {
                counts.iter().filter(|(state, _)| wanted.contains(state)).map(|(_, count)| count).sum()
            };
            if of(&[JobState::Dead]) > 0 {
                let filter = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
                let dead = self.app.records.list_jobs(&filter, 1).await?;
                let reason = dead.first().and_then(|job| job.last_error.clone()).unwrap_or_default();
                ensure!(false, "a job is dead: {reason}");
            }
            if of(&[JobState::Waiting, JobState::Scheduled, JobState::Running]) == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn compare(&self) -> anyhow::Result<Summary> {
        let (mut contacts, mut tasks, mut notes, mut appointments) = (0, 0, 0, 0);
        let mut mismatches = Vec::new();
        for location in self.sandbox.locations() {
            let state = self.sandbox.state(&location.id).context("the sandbox knows its own location")?;
            let zone = TimeZone::get(&location.time_zone)?;
            for contact in self.contacts(&location.id) {
                let view = self.app.records.contact_view(&location.id, &contact).await?;
                let view = view.map(serde_json::to_value).transpose()?;
                let count = |list: &str| view.as_ref().and_then(|view| view[list].as_array()).map_or(0, Vec::len);
                contacts += usize::from(view.is_some());
                tasks += count("tasks");
                notes += count("notes");
                appointments += count("appointments");
                mismatches.extend(compare::contact(&state, &contact, &zone, view.as_ref()));
            }
        }
        let stats = self.sandbox.stats();
        Ok(Summary {
            contacts,
            tasks,
            notes,
            appointments,
            ghl_calls: stats.locations.values().map(|location| location.calls).sum(),
            throttled: stats.locations.values().map(|location| location.throttled).sum(),
            mismatches: mismatches.len(),
            seconds: 0.0,
            examples: mismatches.into_iter().take(10).collect(),
        })
    }

    /// The contact with the most records.
    fn reporting_contact(&self, location: &str) -> Option<String> {
        let state = self.sandbox.state(location)?;
        let has = |list: &str, contact: &str| {
            let rows = state[list].as_array().into_iter().flatten();
            rows.filter(|row| row["contactId"] == contact).count()
        };
        let wealth =
            |contact: &String| ["appointments", "notes", "tasks"].map(|list| has(list, contact)).into_iter().min();
        self.contacts(location).into_iter().max_by_key(wealth)
    }

    fn contacts(&self, location: &str) -> Vec<String> {
        let state = self.sandbox.state(location).unwrap_or_default();
        let ids = state["contacts"].as_array().into_iter().flatten();
        ids.filter_map(|contact| contact["id"].as_str().map(str::to_owned)).collect()
    }
}

impl Summary {
    fn report(&self) -> String {
        let Self { contacts, tasks, notes, appointments, ghl_calls, throttled, mismatches, seconds, examples } = self;
        let mut lines = vec![
            format!("{contacts} contacts, {tasks} tasks, {notes} notes and {appointments} appointments in {seconds} s"),
            format!("{ghl_calls} calls to GHL, {throttled} of them throttled"),
            match mismatches {
                0 => "the records equal the sandbox in every field".to_owned(),
                _ => format!("{mismatches} MISMATCHES between the records and the sandbox"),
            },
        ];
        let kinds: BTreeSet<_> = examples.iter().map(|found| (found.record, found.field)).collect();
        lines.extend(kinds.iter().map(|(record, field)| format!("  {record}.{field}")));
        lines.join("\n")
    }
}

fn url_of(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// A folder of its own, removed when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("clienty-sync-demo-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed is the system's temporary folder's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
