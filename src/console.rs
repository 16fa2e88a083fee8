//! The console under `/ui`: what is wrong, why, and the button that mends it.
//!
//! Pages are HTML from the server, one file a page with its template beside it, and each of them works without JavaScript: forms, and an
//! answer 303 that leads back. The one script of our own only fetches the page again while somebody looks at it. A page shows what the API shows, from the
//! same functions, and what a key may not ask of the API it does not get here: roles and locations hold on every page and for every act.
//!
//! No page reads a table through. What can't be counted within [`PATIENCE`] is not counted.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use sync_model::clock::Clock;
use sync_workers::enrich::Enricher;
use sync_workers::flows::Flow;
use sync_workers::hooks::Hooks;
use sync_workers::vault::{MasterKeys, Vault};
use tokio::sync::Semaphore;

use crate::config::{Config, Shown, Ui};
use crate::producer::Producer;

mod alarms;
mod assets;
mod audit;
mod confirm;
mod conflicts;
mod contact;
mod contacts;
mod dead;
mod enrichment;
mod find;
mod flows;
mod frame;
mod guard;
mod hook;
mod hooks;
mod job;
mod jobs;
mod keys;
mod links;
mod location;
mod locations;
mod mapping;
mod now;
mod processes;
mod runbook;
mod sample;
mod session;
mod settings;
mod show;
mod sign_in;
mod trouble;
mod visitor;

pub use links::Links;

/// The form of a page has no more, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// How long a part of a page waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pages that are made at once: a crowd of viewers must not take the database from those who work.
const AT_ONCE: usize = 8;

/// What the pages are made of. Clones share it.
#[derive(Clone)]
pub struct Console {
    producer: Producer,
    hooks: Hooks,
    enricher: Enricher,
    clock: Clock,
    /// Seals what a browser keeps.
    vault: Vault,
    links: Links,
    is_read_only: bool,
    settings: Arc<[Shown]>,
    flows: Arc<[Flow]>,
    samples: Arc<sample::Samples>,
    places: Arc<Semaphore>,
}

/// What the console is made of.
pub struct Parts {
    pub producer: Producer,
    pub hooks: Hooks,
    pub enricher: Enricher,
    pub clock: Clock,
    pub links: Links,
}

impl Console {
    /// The console of the settings; none where it is off.
    #[must_use]
    pub fn new(parts: Parts, config: &Config) -> Option<Self> {
        let Parts { producer, hooks, enricher, clock, links } = parts;
        let is_read_only = match config.gateway.ui {
            Ui::Off => return None,
            Ui::ReadOnly => true,
            Ui::On => false,
        };
        Some(Self {
            producer,
            hooks,
            enricher,
            clock,
            vault: vault(config)?,
            links,
            is_read_only,
            settings: config.shown().into(),
            flows: config.flows.loaded.clone().into(),
            samples: Arc::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Its pages.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/ui", get(now::page))
            .route("/ui/sign-in", get(sign_in::page).post(sign_in::enter))
            .route("/ui/sign-out", post(sign_in::leave))
            .route("/ui/open/{link}", get(sign_in::open))
            .route("/ui/assets/{version}/{name}", get(assets::file))
            .route("/ui/locations", get(locations::page))
            .route("/ui/locations/{location}", get(location::page).post(location::act))
            .route("/ui/locations/{location}/mapping", get(mapping::page).post(mapping::act))
            .route("/ui/locations/{location}/contacts", get(contacts::page))
            .route("/ui/locations/{location}/contacts/{contact}", get(contact::page))
            .route("/ui/jobs", get(jobs::page))
            .route("/ui/jobs/{job}", get(job::page).post(job::act))
            .route("/ui/dead", get(dead::page))
            .route("/ui/dead/{group}", get(dead::group).post(dead::act))
            .route("/ui/conflicts", get(conflicts::page))
            .route("/ui/locations/{location}/conflicts/{conflict}/undo", post(conflicts::undo))
            .route("/ui/flows", get(flows::page))
            .route("/ui/hooks", get(hooks::page))
            .route("/ui/hooks/{hook}", get(hook::page).post(hook::act))
            .route("/ui/enrichment", get(enrichment::page))
            .route("/ui/keys", get(keys::page))
            .route("/ui/keys/{key}", post(keys::act))
            .route("/ui/audit", get(audit::page))
            .route("/ui/settings", get(settings::page))
            .route("/ui/processes", get(processes::page))
            .route("/ui/find", get(find::page))
            .route("/ui/runbook", get(runbook::page))
            .route("/ui/{*rest}", get(trouble::no_page))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(middleware::from_fn_with_state(self.clone(), guard::stand))
            .with_state(self)
    }
}

/// That of the master keys. Without one nothing is kept that would outlive the process, nor do sessions.
fn vault(config: &Config) -> Option<Vault> {
    crate::app::vault(config).ok().or_else(|| {
        let key: [u8; 32] = rand::random();
        MasterKeys::new([("this-process".to_owned(), &key)]).map(Vault::new)
    })
}
